"""The tape in block RAM: a ROM image that plays round and round."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class TapeRom(wiring.Component):
    """Gives the first ``length`` beats of ``depth``, one a cycle, and begins again."""

    def __init__(self, config, *, depth, init=()):
        self.config = config
        self.depth  = depth
        self.init   = init               # beats as integers, the first byte lowest
        super().__init__({
            "length": In(range(depth + 1)),
            "o":      Out(stream.Signature(data.ArrayLayout(8, config.tape_bytes))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.rom = rom = Memory(shape=8 * self.config.tape_bytes, depth=self.depth,
                                        init=self.init)
        read = rom.read_port()
        addr = Signal(range(self.depth))
        m.d.comb += [read.addr.eq(addr), read.en.eq(self.o.ready | ~self.o.valid),
                     self.o.payload.eq(read.data)]
        with m.If(read.en):
            m.d.sync += [self.o.valid.eq(1), addr.eq(addr + 1)]
            with m.If(addr + 1 == self.length):
                m.d.sync += addr.eq(0)
        return m
