"""Nested loops: counters, and address generators in series."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Loop(wiring.Component):
    """Counts ``count + 1`` turns. ``last`` holds during the last one; ``step`` ends a turn."""

    def __init__(self, shape):
        super().__init__({
            "count": In(shape),
            "start": In(1),
            "step":  In(1),
            "last":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        # `last` has a register of its own, being where long paths begin.
        turn, following, last = Signal.like(self.count), Signal.like(self.count), Signal()
        m.d.comb += [following.eq(turn + 1), self.last.eq(last)]
        with m.If(self.start | (self.step & last)):
            m.d.sync += [turn.eq(0), last.eq(self.count == 0)]
        with m.Elif(self.step):
            m.d.sync += [turn.eq(following), last.eq(following == self.count)]
        return m


def address_chain(m, name, *, start, base, levels):
    """Address generators in series, one to a loop; returns the value that the innermost sees.

    ``levels`` goes from the outermost loop inwards: the end of a turn of that loop, whether a turn
    ends if one of the innermost loop does (which is the same, but known earlier), and the stride by
    which the value then moves on (None: the value is the outer loop's again). The end of an outer
    turn is always the end of an inner one too. ``start`` loads ``base`` throughout.
    """
    value, after, moves = base, base, start
    for index, (step, turn, stride) in enumerate(levels):
        if stride is None:
            after_level = Signal.like(base, name=f"{name}_{index}_after")
            m.d.comb += after_level.eq(Mux(moves, after, value))
        else:
            level       = Signal.like(base, name=f"{name}_{index}")
            after_level = Signal.like(base, name=f"{name}_{index}_after")
            m.d.comb += after_level.eq(Mux(moves, after, level + stride))
            with m.If(start | step):
                m.d.sync += level.eq(after_level)
            value = level
        after, moves = after_level, start | turn
    return value
