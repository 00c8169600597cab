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
        # Turns left after this one; `last` has a register of its own, being where long paths begin.
        left, last = Signal.like(self.count), Signal()
        m.d.comb += self.last.eq(last)
        with m.If(self.start | (self.step & last)):
            m.d.sync += [left.eq(self.count), last.eq(self.count == 0)]
        with m.Elif(self.step):
            m.d.sync += [left.eq(left - 1), last.eq(left == 1)]
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
