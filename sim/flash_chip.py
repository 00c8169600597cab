"""The SPI flash chip of a simulated board."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.config import SECTOR_BYTES
from hw.flash import (
    ERASE,
    PROGRAM,
    QUAD_ENABLE,
    READ_COMMANDS,
    READ_STATUS,
    WAKE,
    WRITE_ENABLE,
    WRITE_ENABLE_VOLATILE,
    WRITE_STATUS_2,
    FlashPins,
)

SLEEPING_CYCLES = 64           # from its waking on, in which it understands nothing
PROGRAM_CYCLES  = 500          # that programming takes, less than a real chip's; erasing takes a
                               # cycle a byte


class FlashChip(wiring.Component):
    """A chip that understands what hw/flash.py says, and holds it to the rules.

    ``base`` bytes of the chip, where the bitstream lies, are left out: their reads give ones.
    Programming clears bits and never sets one; writing needs a write enable, and wraps in its page;
    nothing is understood while it is busy but a question for its status, or asleep but the waking.
    ``pins`` are as they are at the chip: after a pulse of ``sck`` in the second half of a cycle,
    the next answer is there in the cycle that follows. Where both edges count, they come in the
    middle of cycles or between them: an address has one a cycle, data have two.
    """

    def __init__(self, *, depth, base=0):
        self.depth = depth
        self.base  = base
        self.memory = Memory(shape=8, depth=depth, init=[])
        super().__init__({"pins": In(FlashPins()), "broken": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = self.memory
        write, read = self.memory.write_port(), self.memory.read_port(domain="comb")
        pins = self.pins

        cs, sck, dq_o, dq_oe = pins.cs, pins.sck[1], pins.dq_o, pins.dq_oe
        answer, answer_mid, drives = Signal(4), Signal(4), Signal(4)
        m.d.comb += [pins.dq_i.eq((dq_o & dq_oe) | (answer & ~dq_oe)),
                     pins.dq_mid.eq((dq_o & dq_oe) | (answer_mid & ~dq_oe))]
        broken, halves = Signal(), Signal()          # ... which are for addresses of nibbles alone
        m.d.comb += self.broken.eq(broken)
        with m.If(pins.sck[0] & ~halves):
            m.d.sync += broken.eq(1)
        with m.If((drives & dq_oe).any()):
            m.d.sync += broken.eq(1)                 # two drive a line

        code, argument, count = Signal(8), Signal(24), Signal(6)
        lines, quad = Signal(4), Signal()
        addr = Signal(24)
        enabled, asleep, volatile = Signal(), Signal(init=1), Signal()
        busy, waking, erasing = Signal(range(PROGRAM_CYCLES + 1)), Signal(8), Signal(13)
        place = Signal(24)
        m.d.comb += [
            place.eq(addr - self.base), read.addr.eq(place), write.addr.eq(place),
        ]
        at_work = (busy != 0) | (erasing != 0)
        with m.If(busy != 0):
            m.d.sync += busy.eq(busy - 1)
        with m.If(waking != 0):
            m.d.sync += waking.eq(waking - 1)
            with m.If(waking == 1):
                m.d.sync += asleep.eq(0)
        with m.If(erasing != 0):
            m.d.comb += [write.data.eq(0xff), write.en.eq(addr >= self.base)]
            m.d.sync += [addr.eq(addr + 1), erasing.eq(erasing - 1)]

        value = Signal(8)
        m.d.comb += value.eq(Mux(addr >= self.base, read.data, 0xff))
        ends = Signal()                              # the chip is deselected
        m.d.comb += ends.eq(~cs)
        with m.FSM():
            with m.State("CODE"):
                m.d.sync += [count.eq(count + (cs & sck)), lines.eq(1)]
                with m.If(ends):
                    m.d.sync += count.eq(0)
                with m.Elif(sck):
                    now = Cat(dq_o[0], code)[:8]
                    m.d.sync += code.eq(now)
                    with m.If(count == 7):
                        m.d.sync += count.eq(0)
                        m.next = "IGNORE"
                        with m.If(at_work & (now != READ_STATUS)):
                            m.d.sync += broken.eq(1)
                        with m.Elif(asleep & (now != WAKE)):
                            pass
                        with m.Else():
                            with m.Switch(now):
                                with m.Case(WAKE):
                                    m.d.sync += waking.eq(SLEEPING_CYCLES)
                                with m.Case(WRITE_ENABLE):
                                    m.d.sync += enabled.eq(1)
                                with m.Case(WRITE_ENABLE_VOLATILE):
                                    m.d.sync += volatile.eq(1)
                                with m.Case(READ_STATUS):
                                    m.next = "STATUS"
                                with m.Case(WRITE_STATUS_2):
                                    m.next = "QUAD"
                                with m.Case(READ_COMMANDS[8]):
                                    m.next = "NIBBLES"
                                with m.Case(*READ_COMMANDS.values(), PROGRAM, ERASE):
                                    m.next = "ADDRESS"
                                with m.Default():
                                    m.d.sync += broken.eq(1)
            with m.State("IGNORE"):
                with m.If(ends):
                    m.next = "CODE"
            with m.State("QUAD"):
                m.d.sync += count.eq(count + sck)
                with m.If(sck):
                    m.d.sync += argument.eq(Cat(dq_o[0], argument))
                with m.If(ends):
                    m.d.sync += [quad.eq(argument[:8] == QUAD_ENABLE), volatile.eq(0), count.eq(0)]
                    with m.If(~volatile | (count != 8)):
                        m.d.sync += broken.eq(1)
                    m.next = "CODE"
            with m.State("STATUS"):
                m.d.comb += [drives.eq(0b10), answer[1].eq((count[:3] == 7) & at_work)]
                m.d.sync += count.eq(count + sck)
                with m.If(ends):
                    m.d.sync += count.eq(0)
                    m.next = "CODE"
            with m.State("ADDRESS"):
                with m.If(sck):
                    m.d.sync += [count.eq(count + 1), argument.eq(Cat(dq_o[0], argument))]
                    with m.If(count == 23):
                        m.d.sync += [addr.eq(Cat(dq_o[0], argument)), count.eq(0)]
                        m.next = "DUMMY"
                        with m.If(code == PROGRAM):
                            m.next = "PROGRAM"
                        with m.If(code == ERASE):
                            m.next = "ERASE"
                with m.If(ends):
                    m.d.sync += count.eq(0)
                    m.next = "CODE"
            with m.State("NIBBLES"):                 # up at even counts, down at odd ones
                edge = pins.sck[0] | sck
                m.d.comb += halves.eq(count[0])
                with m.If(edge):
                    m.d.sync += [count.eq(count + 1), argument.eq(Cat(dq_o, argument))]
                    with m.If((sck == count[0]) | ~dq_oe.all()):
                        m.d.sync += broken.eq(1)
                    with m.If(count == 5):
                        m.d.sync += addr.eq(Cat(dq_o, argument))
                    with m.If(count == 7):
                        m.d.sync += count.eq(1)      # seven to wait
                        m.next = "DUMMY"
                        with m.If(Cat(dq_o, argument)[4:6] == 0b10):
                            m.d.sync += broken.eq(1)     # a mode that no code ends
                with m.If(ends):
                    m.d.sync += count.eq(0)
                    m.next = "CODE"
            with m.State("DUMMY"):
                with m.Switch(code):
                    for dq, command in READ_COMMANDS.items():
                        with m.Case(command):
                            m.d.sync += lines.eq(dq)
                with m.If(((code == READ_COMMANDS[4]) | (code == READ_COMMANDS[8])) & ~quad):
                    m.d.sync += broken.eq(1)
                with m.If(sck):
                    m.d.sync += count.eq(count + 1)
                    with m.If(count == 7):
                        m.d.sync += count.eq(0)
                        m.next = "READ"
                with m.If(ends):
                    m.d.sync += count.eq(0)
                    m.next = "CODE"
            with m.State("READ"):                    # `count` bits of the byte are out
                rest = Signal(8)
                m.d.comb += rest.eq(value << count[:3])
                with m.Switch(lines):
                    with m.Case(1):
                        m.d.comb += [drives.eq(0b0010), answer.eq(rest[7] << 1)]
                    with m.Case(2):
                        m.d.comb += [drives.eq(0b0011), answer.eq(rest[6:])]
                    with m.Case(4):
                        m.d.comb += [drives.eq(0b1111), answer.eq(rest[4:])]
                    with m.Case(8):
                        m.d.comb += [drives.eq(0b1111), answer_mid.eq(rest[4:]),
                                     answer.eq(Mux(sck, rest[:4], rest[4:]))]
                with m.If(sck):
                    m.d.sync += count.eq((count + lines)[:3])
                    with m.If(count + lines == 8):
                        m.d.sync += addr.eq(addr + 1)
                with m.If(ends):
                    m.d.sync += count.eq(0)
                    m.next = "CODE"
            with m.State("PROGRAM"):
                with m.If(sck):
                    m.d.sync += [count.eq((count + 1)[:3]), code.eq(Cat(dq_o[0], code))]
                    with m.If(count == 7):
                        m.d.comb += [write.data.eq(Cat(dq_o[0], code)[:8] & value),
                                     write.en.eq(enabled & (addr >= self.base))]
                        m.d.sync += addr[:8].eq(addr[:8] + 1)
                with m.If(ends):
                    m.d.sync += [busy.eq(PROGRAM_CYCLES), enabled.eq(0), count.eq(0)]
                    with m.If(~enabled | (count != 0)):
                        m.d.sync += broken.eq(1)
                    m.next = "CODE"
            with m.State("ERASE"):
                with m.If(ends):
                    m.d.sync += [addr[:12].eq(0), erasing.eq(SECTOR_BYTES), enabled.eq(0)]
                    with m.If(~enabled):
                        m.d.sync += [broken.eq(1), erasing.eq(0)]
                    m.next = "CODE"
        return m
