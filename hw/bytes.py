"""A stream of beats as one of bytes."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

NARROW = 4                 # bytes, of which one is chosen in a cycle


class BytesOfBeats(wiring.Component):
    """The bytes of each beat, one after the other. ``clear`` forgets how far it was."""

    def __init__(self, *, beat_bytes):
        self.beat_bytes = beat_bytes
        super().__init__({
            "i":     In(stream.Signature(data.ArrayLayout(8, beat_bytes))),
            "o":     Out(stream.Signature(8)),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        index = Signal(range(self.beat_bytes))
        is_last = index == self.beat_bytes - 1
        if self.beat_bytes <= NARROW:
            m.d.comb += [
                self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload[index]),
                self.i.ready.eq(self.o.ready & is_last),
            ]
        else:                                    # to choose among many takes a cycle of its own
            m.d.comb += self.i.ready.eq(self.o.valid & self.o.ready & is_last)
            with m.If(self.clear | (self.o.valid & self.o.ready)):
                m.d.sync += self.o.valid.eq(0)
            with m.Elif(~self.o.valid):
                m.d.sync += [self.o.valid.eq(self.i.valid),
                             self.o.payload.eq(self.i.payload[index])]
        with m.If(self.clear):
            m.d.sync += index.eq(0)
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += index.eq(Mux(is_last, 0, index + 1))
        return m
