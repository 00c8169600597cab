"""A serial line: eight data bits, no parity, one stop bit."""

from fractions import Fraction

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

# A bit is at least this many cycles, so that three samples of it and a late start bit fit.
LEAST_CYCLES = 8


def bit_cycles(clock_hz, baud):
    """Cycles in a bit as a fraction that ``BitClock`` can count; ValueError without one."""
    cycles = Fraction(clock_hz, baud)
    if not LEAST_CYCLES <= cycles <= 1 << 16:
        raise ValueError(f"baud must be from {-(-clock_hz >> 16):,} to "
                         f"{clock_hz // LEAST_CYCLES:,} with a clock of {clock_hz:,} Hz, "
                         f"not {baud!r}")
    return cycles.limit_denominator(32)


class BitClock(wiring.Component):
    """``tick`` once a bit, on average exactly; a fractional divider.

    While ``hold``, the first tick stays half a bit away (``half``) or a whole one.
    """

    hold: In(1)
    tick: Out(1)

    def __init__(self, cycles, *, half):
        self.cycles = cycles
        self.half   = half
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        # Every cycle takes the denominator away; what is left of a bit counts for the next one.
        whole, step = self.cycles.as_integer_ratio()
        left = Signal(range(whole))
        m.d.comb += self.tick.eq(~self.hold & (left < step))
        m.d.sync += left.eq(left + Mux(self.tick, whole - step, -step))
        with m.If(self.hold):
            m.d.sync += left.eq((whole // 2 if self.half else whole) - step)
        return m


class ReceivedByte(data.Struct):
    """A byte off the line. ``error``: its stop bit was missing (a break, noise, another rate)."""

    byte:  8
    error: 1


class Receiver(wiring.Component):
    """Bytes from a line.

    A bit is the majority of three samples around its middle. A start bit that is gone by its
    middle was a glitch. After a byte without a stop bit the receiver waits until the line rests.
    """

    line: In(1, init=1)
    o:    Out(stream.Signature(ReceivedByte, always_ready=True))

    def __init__(self, *, clock_hz, baud):
        self.cycles = bit_cycles(clock_hz, baud)
        self.apart = max(1, int(self.cycles) // 16)       # cycles from a sample to the next
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.line, line, init=1)

        # The last samples of the line, and what most of them say:
        since, samples = Signal(range(self.apart)), Signal(3, init=0b111)
        m.d.sync += since.eq(since + 1)
        with m.If(since == self.apart - 1):
            m.d.sync += [since.eq(0), samples.eq(Cat(line, samples))]
        most = Signal()
        m.d.comb += most.eq((samples[0] & samples[1]) | (samples[1] & samples[2])
                            | (samples[0] & samples[2]))

        m.submodules.clock = clock = BitClock(self.cycles, half=True)
        bits = Signal(9)                     # a one that falls out says: all are in
        m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("REST"):
                m.d.comb += clock.hold.eq(1)
                m.d.sync += bits.eq(1 << 8)
                with m.If(~most):
                    m.next = "START"
            with m.State("START"):
                with m.If(clock.tick):
                    m.next = "DATA"
                    with m.If(most):
                        m.next = "REST"
            with m.State("DATA"):
                with m.If(clock.tick):
                    m.d.sync += bits.eq(Cat(bits[1:], most))
                    with m.If(bits[0]):
                        m.d.sync += [self.o.p.byte.eq(bits[1:]), self.o.p.error.eq(~most),
                                     self.o.valid.eq(1), bits.eq(bits)]
                        m.next = "STOPPED"
            with m.State("STOPPED"):
                with m.If(most):
                    m.next = "REST"
        return m


class Transmitter(wiring.Component):
    """Bytes to a line."""

    i:    In(stream.Signature(8))
    line: Out(1, init=1)

    def __init__(self, *, clock_hz, baud):
        self.cycles = bit_cycles(clock_hz, baud)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.clock = clock = BitClock(self.cycles, half=False)
        bits, line = Signal(9), Signal(init=1)      # what is still to come, the stop bit last
        busy = Signal()
        m.d.comb += [self.i.ready.eq(~busy), clock.hold.eq(~busy), self.line.eq(line)]
        with m.If(~busy):
            with m.If(self.i.valid):
                m.d.sync += [busy.eq(1), line.eq(0), bits.eq(Cat(self.i.payload, 1))]
        with m.Elif(clock.tick):
            m.d.sync += [line.eq(bits[0] | ~bits.any()), bits.eq(bits >> 1)]
            with m.If(~bits.any()):
                m.d.sync += busy.eq(0)
        return m
