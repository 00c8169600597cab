"""Frames that the board sends, byte by byte: header, status, the counters of a result, a body."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .receive import VERSION, Type

HEAD_BYTES = 4                 # type and version, sequence, and the length of what follows


class Counters(data.Struct):
    """Of an image that is done."""

    image:  16
    crc:    32     # of what its first layers made: of its input, at the least
    cycles: 32     # from the end of its input to its last output byte


class Status(data.Struct):
    """What most answers begin with. ``second``: flags, a part's number, or a NAK's reason."""

    expected: 8
    second:   8
    taken:    16


class Reply(wiring.Component):
    """Composes a frame for each ``start``; all inputs must hold until ``done``.

    The body is the next ``length`` bytes of ``body``.
    """

    start:    In(1)
    done:     Out(1)
    type:     In(Type)
    sequence: In(8)
    status:   In(Status)
    counters: In(Counters)
    length:   In(9)
    body:     In(stream.Signature(8))
    o:        Out(stream.Signature(data.StructLayout({"byte": 8, "last": 1})))

    def elaborate(self, platform):
        m = Module()
        # In front of the body stand a head, of most answers the status, and of some the counters:
        bare  = (self.type == Type.BYTES) | (self.type == Type.DONE)
        whole = self.type == Type.RESULT
        status, counters = (layout.as_shape().size // 8 for layout in (Status, Counters))
        length, ahead, last_ahead = Signal(10), Signal(4), Signal(5)
        m.d.comb += [
            ahead.eq(Mux(bare, 0, Mux(whole, status + counters, status))),
            last_ahead.eq(HEAD_BYTES - 1 + ahead),
            length.eq(self.length + ahead),
        ]
        front = Cat(self.type, C(VERSION, 4), self.sequence, length, C(0, 6),
                    self.status, self.counters)
        # The byte that goes out has a register of its own; the line is slow enough for a pause.
        index, left = Signal(5), Signal(9)
        busy, in_body, take = Signal(), Signal(), Signal()
        m.d.comb += [
            take.eq(busy & ~self.o.valid & (~in_body | self.body.valid)),
            self.body.ready.eq(busy & ~self.o.valid & in_body),
        ]
        # (A cycle late: `ready` has come a long way, and who waits for `done` is far away.)
        m.d.sync += self.done.eq(self.o.valid & self.o.ready & self.o.p.last)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(take):
            m.d.sync += [
                self.o.valid.eq(1), index.eq(index + 1),
                self.o.p.byte.eq(Mux(in_body, self.body.payload, front.word_select(index, 8))),
                self.o.p.last.eq(Mux(in_body, left == 1, (index == last_ahead) & (left == 0))),
            ]
            with m.If(in_body):
                m.d.sync += left.eq(left - 1)
            with m.If(index == last_ahead):
                m.d.sync += in_body.eq(1)
            with m.If(Mux(in_body, left == 1, (index == last_ahead) & (left == 0))):
                m.d.sync += busy.eq(0)
        with m.If(self.start):
            m.d.sync += [busy.eq(1), in_body.eq(0), index.eq(0), left.eq(self.length)]
        return m
