"""The board's SPI flash: what the tape is read from, and where other models are written to."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

# `READ_CYCLES` are code, address, and those to wait; `DESELECTED_CYCLES` lie between two commands.
# `PAD_CYCLES` pass from a cycle with ``sck`` to that in which ``dq_i`` has the bits which the pulse
# takes: there is a register in the pad either way, and the pulse comes in between; where both edges
# count, what comes in passes another register (boards/top.py).
from .config import DESELECTED_CYCLES, PAD_CYCLES, READ_CYCLES

# Commands that all makers' chips have (JEDEC JESD216): their codes. Fast reads by bits a cycle.
READ_COMMANDS = {1: 0x0b, 2: 0x3b, 4: 0x6b, 8: 0xed}
DDR_ADDRESS_CYCLES, DDR_WAIT_CYCLES = 8, 7       # nibbles of address and mode; see ADDRESS
WAKE, WRITE_ENABLE, READ_STATUS, PROGRAM, ERASE = 0xab, 0x06, 0x05, 0x02, 0x20
# Winbond's, for now and not for good: status register 2, whose bit 1 makes four data lines of two.
WRITE_ENABLE_VOLATILE, WRITE_STATUS_2, QUAD_ENABLE = 0x50, 0x31, 0x02


class FlashPins(wiring.Signature):
    """The chip's pins, as registers in their pads have them: ``sck`` for the two halves of the next
    cycle, all else holds throughout it. ``dq_i`` is what came in at a cycle's end, ``dq_mid`` in
    its middle."""

    def __init__(self):
        super().__init__({
            "cs":     Out(1),          # 1: selected
            "sck":    Out(2),
            "dq_o":   Out(4),
            "dq_oe":  Out(4),
            "dq_i":   In(4),
            "dq_mid": In(4),
        })


class Operation(enum.Enum, shape=2):
    READ    = 0
    ERASE   = 1
    PROGRAM = 2
    WAKE    = 3


class Request(data.Struct):
    """What to do; `addr` and `beats` must hold until it is done.

    READ gives ``beats + 1`` beats from ``addr`` on, and with ``repeat`` the same again for ever.
    WAKE wakes the chip if it sleeps, and sets its lines up if not; it takes 3 us to wake. ERASE
    erases the sector that ``addr`` lies in; PROGRAM writes the bytes that come, up to the one
    marked `last`.
    """

    operation: Operation
    addr:      24
    beats:     20
    repeat:    1


def store_ports(beat_bytes):
    """The ports of a store: of flash, and of whatever does the same."""
    return {
        "request": In(stream.Signature(Request)),
        "stop":    In(1),
        "done":    Out(1),
        "i":       In(stream.Signature(data.StructLayout({"byte": 8, "last": 1}))),
        "o":       Out(stream.Signature(data.ArrayLayout(8, beat_bytes))),
    }


def nibbles(addr):
    """An address in such an order that shifting brings a nibble at a time, each line its own bits:
    `top_nibble`."""
    return Cat(addr[line::4] for line in reversed(range(4)))


def top_nibble(command):
    """What of a register with `nibbles` in its upper bits goes over the lines."""
    return Cat(command[-1 - 6 * line] for line in range(4))


class Flash(wiring.Component):
    """Carries out one ``request`` at a time; ``done`` comes with its end.

    ``dq`` data lines read (1, 2 or 4; 8: four, at both edges of the clock); commands and addresses
    go over the first. A beat of a read takes ``8 * beat_bytes / dq`` cycles, and begins only when
    it will have a place: at most two are on their way or waiting in ``o``. ``stop`` ends a READ
    between two beats; those on their way are lost.
    """

    def __init__(self, *, beat_bytes, dq):
        if dq not in READ_COMMANDS:
            raise ValueError(f"dq must be 1, 2, 4 or 8 bits a cycle, not {dq!r}")
        self.beat_bytes = beat_bytes
        self.dq = dq
        super().__init__(store_ports(beat_bytes) | {"pins": Out(FlashPins())})

    def elaborate(self, platform):
        m = Module()
        pins, dq = self.pins, self.dq
        pulses = 8 * self.beat_bytes // dq               # of a beat

        # Out: the register's top bit, a pulse each; `left` pulses after this one.
        command, left, sck = Signal(32), Signal(range(max(pulses, 32, READ_CYCLES[dq]))), Signal()
        drive, edge = Signal(), Signal()                 # all lines but the chip's own; see ADDRESS
        m.d.comb += [pins.sck.eq(Cat(edge & ~left[0], sck | (edge & left[0]))),
                     pins.dq_o.eq(Cat(command[-1], C(0b110, 3))),
                     pins.dq_oe.eq(Cat(drive, edge, drive, drive))]
        with m.If(sck | edge):
            m.d.sync += [command.eq(command << 1), left.eq(left - 1)]
        part_ends = sck & (left == 0)

        # In: each pulse's bits come `PAD_CYCLES` later, and fill the beat from its first byte on,
        # the top bit of each first; a full one goes to `o` as soon as that is free.
        in_beat, full = Signal(), Signal()
        arriving, closing = Signal(PAD_CYCLES[dq]), Signal(PAD_CYCLES[dq])
        m.d.sync += [arriving.eq(Cat(sck & in_beat, arriving)),
                     closing.eq(Cat(part_ends & in_beat, closing))]
        beat, lines = Signal(8 * self.beat_bytes), Signal(dq)
        m.d.comb += lines.eq(pins.dq_i[1] if dq == 1 else Cat(pins.dq_i, pins.dq_mid) if dq == 8
                             else pins.dq_i[:dq])
        with m.If(arriving[-1]):
            m.d.sync += beat.eq(Cat(lines, beat))
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(full & (self.o.ready | ~self.o.valid)):
            m.d.sync += [self.o.valid.eq(1), full.eq(0)]
            m.d.sync += [self.o.payload[k].eq(beat.word_select(self.beat_bytes - 1 - k, 8))
                         for k in range(self.beat_bytes)]
        with m.If(closing[-1]):
            m.d.sync += full.eq(1)
        begun = Signal(2)                                # beats that have, and are not yet taken
        begins, taken = Signal(), self.o.valid & self.o.ready
        m.d.comb += begins.eq(in_beat & sck & (left == pulses - 1))
        m.d.sync += begun.eq(begun + begins - taken)

        # What a request consists of: parts with the chip selected, `pause` cycles between them.
        request  = self.request.p
        operation, repeat = Signal(Operation), Signal()
        beats    = Signal.like(request.beats)
        pause    = Signal(range(max(DESELECTED_CYCLES, PAD_CYCLES[dq])))
        part     = Signal(2)
        is_last  = Signal()                      # byte to program
        is_write = (operation == Operation.ERASE) | (operation == Operation.PROGRAM)

        def begin(code, argument, bits):
            """The next part: a code of a byte, and what follows it from the top."""
            return [command.eq(Cat(argument, C(code, 8))), left.eq(bits - 1)]

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.request.ready.eq(1)
                m.d.sync += [operation.eq(request.operation), repeat.eq(request.repeat), part.eq(0)]
                with m.If(self.request.valid):
                    m.next = "PAUSE"
            with m.State("PAUSE"):
                m.d.sync += [pause.eq(pause + 1), beats.eq(request.beats)]
                with m.If(pause == DESELECTED_CYCLES - 1):
                    m.next = "CODE"
                    with m.Switch(operation):
                        with m.Case(Operation.READ):
                            if dq == 8:
                                m.d.sync += begin(READ_COMMANDS[dq], nibbles(request.addr), 8)
                            else:
                                m.d.sync += begin(READ_COMMANDS[dq], request.addr, READ_CYCLES[dq])
                        with m.Case(Operation.WAKE):     # (asleep, it does not hear of lines)
                            m.d.sync += begin(WAKE, C(0, 24), 8)
                            if dq >= 4:
                                with m.If(part == 0):
                                    m.d.sync += begin(WRITE_ENABLE_VOLATILE, C(0, 24), 8)
                                with m.If(part == 1):
                                    m.d.sync += begin(WRITE_STATUS_2, C(QUAD_ENABLE << 16, 24), 16)
                        with m.Default():
                            with m.Switch(part):
                                with m.Case(0):
                                    m.d.sync += begin(WRITE_ENABLE, C(0, 24), 8)
                                with m.Case(1):
                                    m.d.sync += begin(PROGRAM, request.addr, 32)
                                    with m.If(operation == Operation.ERASE):
                                        m.d.sync += begin(ERASE, request.addr, 32)
                                with m.Default():
                                    m.d.sync += begin(READ_STATUS, C(0, 24), 16)
            with m.State("CODE"):                        # the lines turn round as a read waits
                turned = (operation == Operation.READ) & (left < 8) if dq < 8 else 0
                m.d.comb += [pins.cs.eq(1), sck.eq(1), drive.eq(~turned)]
                with m.If(part_ends):
                    m.d.sync += part.eq(part + 1)
                    m.next = "PAUSE"
                    with m.If(operation == Operation.READ):
                        m.d.sync += left.eq((pulses if dq < 8 else DDR_ADDRESS_CYCLES) - 1)
                        m.next = "BEATS" if dq < 8 else "ADDRESS"
                    with m.Elif((operation == Operation.PROGRAM) & (part == 1)):
                        m.next = "BYTE"
                    with m.Elif((operation == Operation.WAKE)
                                & (part == (2 if dq >= 4 else 0))):
                        m.next = "FINISH"
                    with m.Elif(is_write & (part == 2)):
                        m.next = "STATUS"
            if dq == 8:
                # A nibble an edge, each in the middle of a cycle: half as fast as the data. The
                # last two are no address, but a mode: none.
                with m.State("ADDRESS"):
                    m.d.comb += [pins.cs.eq(1), edge.eq(1), drive.eq(1)]
                    m.d.comb += pins.dq_o.eq(Mux(left >= 2, top_nibble(command), 0))
                    with m.If(left == 0):
                        m.d.sync += left.eq(DDR_WAIT_CYCLES - 1)
                        m.next = "WAIT"
                with m.State("WAIT"):
                    m.d.comb += [pins.cs.eq(1), sck.eq(1)]
                    with m.If(part_ends):
                        m.d.sync += left.eq(pulses - 1)
                        m.next = "BEATS"
            with m.State("BEATS"):
                m.d.comb += [pins.cs.eq(1), in_beat.eq(1),
                             sck.eq((left != pulses - 1) | (~begun[1] & ~self.stop))]
                with m.If(part_ends):
                    m.d.sync += [left.eq(pulses - 1), beats.eq(beats - 1)]
                    with m.If(beats == 0):
                        m.next = "FINISH"
                        with m.If(repeat):
                            m.next = "PAUSE"
                with m.If(self.stop & (left == pulses - 1)):
                    m.next = "FINISH"
            with m.State("BYTE"):                        # the next one to program
                m.d.comb += [pins.cs.eq(1), drive.eq(1), self.i.ready.eq(1)]
                m.d.sync += [command[-8:].eq(self.i.p.byte), left.eq(7), is_last.eq(self.i.p.last)]
                with m.If(self.i.valid):
                    m.next = "BITS"
            with m.State("BITS"):
                m.d.comb += [pins.cs.eq(1), drive.eq(1), sck.eq(1)]
                with m.If(part_ends):
                    m.next = "BYTE"
                    with m.If(is_last):
                        m.next = "PAUSE"
            with m.State("STATUS"):                      # its last bit: still at work
                m.d.sync += [pause.eq(pause + 1), part.eq(2)]
                with m.If(pause == PAD_CYCLES[dq] - 1):
                    m.d.sync += pause.eq(0)
                    m.next = "FINISH"
                    with m.If(pins.dq_i[1]):
                        m.next = "PAUSE"
            with m.State("FINISH"):                      # once all beats are taken, or thrown away
                with m.If(self.stop):
                    m.d.sync += [begun.eq(0), full.eq(0), self.o.valid.eq(0)]
                m.d.comb += self.done.eq((begun == 0) & ~arriving.any() & ~full)
                with m.If(self.done):
                    m.next = "IDLE"
        return m
