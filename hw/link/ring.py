"""A ring of bytes that may yet prove wrong: what is written counts once it is committed."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Ring(wiring.Component):
    """``depth`` bytes, a power of two, all but one of them usable.

    ``write`` adds a byte behind the last; ``commit`` hands all that was written to the reader,
    ``rollback`` forgets it (either comes without ``write``). ``skip``, with ``commit``, lets the
    reader go on at the first byte of that commit. ``full``: a byte written now would be lost.
    """

    def __init__(self, *, depth):
        self.depth = depth
        super().__init__({
            "write":    In(1),
            "byte":     In(8),
            "full":     Out(1),
            "commit":   In(1),
            "rollback": In(1),
            "skip":     In(1),
            "o":        Out(stream.Signature(8)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=self.depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        w_addr, committed, r_addr = (Signal(range(self.depth), name=name)
                                     for name in ("w_addr", "committed", "r_addr"))
        # What the memory gives waits in a register of its own, for memories are slow:
        there, move = Signal(), Signal()
        m.d.comb += [
            self.full.eq(w_addr + 1 == r_addr),
            write.addr.eq(w_addr), write.data.eq(self.byte), write.en.eq(self.write & ~self.full),
            move.eq(there & (self.o.ready | ~self.o.valid)),
            read.addr.eq(r_addr), read.en.eq((r_addr != committed) & (move | ~there)),
        ]
        with m.If(write.en):
            m.d.sync += w_addr.eq(w_addr + 1)
        with m.If(self.commit):
            m.d.sync += committed.eq(w_addr)
        with m.If(self.rollback):
            m.d.sync += w_addr.eq(committed)
        with m.If(read.en):
            m.d.sync += [there.eq(1), r_addr.eq(r_addr + 1)]
        with m.Elif(move):
            m.d.sync += there.eq(0)
        with m.If(move):
            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(read.data)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.commit & self.skip):
            m.d.sync += [there.eq(0), self.o.valid.eq(0), r_addr.eq(committed)]
        return m
