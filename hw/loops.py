"""Loops: counters, and what their steps add to a place."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Loop(wiring.Component):
    """Counts ``count + 1`` turns. ``last`` holds during the last one; ``step`` ends a turn.

    The step that follows the last turn begins anew with what ``count`` then is; at first, that is
    the very first step.
    """

    def __init__(self, shape):
        super().__init__({
            "count": In(shape),
            "step":  In(1),
            "last":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        # Turns that are left, less one: down to -1, whose sign is a register of its own for `last`,
        # and to which the next count is simply added.
        left = Signal(signed(len(self.count) + 1), init=-1)
        m.d.comb += self.last.eq(left[-1])
        with m.If(self.step):
            m.d.sync += left.eq(left + Mux(self.last, self.count, -1))
        return m


class Skip(wiring.Component):
    """Tells by ``none`` which steps count: behind ``begin`` not the ``first`` few, then one, and
    then each that has ``every`` others in front of it."""

    def __init__(self, shape):
        super().__init__({
            "first": In(shape),
            "every": In(shape),
            "begin": In(1),
            "step":  In(1),
            "none":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        left = Signal(signed(len(self.first) + 1))       # less one, as in Loop
        m.d.comb += self.none.eq(left[-1])
        with m.If(self.begin):
            m.d.sync += left.eq(self.first - 1)
        with m.Elif(self.step):
            m.d.sync += left.eq(left + Mux(self.none, self.every, -1))
        return m


class Place(wiring.Component):
    """An address, or several beside each other, that moves on by jumps.

    ``start`` sets all to zero, ``step`` adds ``jump``, field by field.
    """

    def __init__(self, layout):
        super().__init__({
            "start": In(1),
            "step":  In(1),
            "jump":  In(layout),
            "place": Out(layout),
        })

    def elaborate(self, platform):
        m = Module()
        place = Signal.like(self.place, reset_less=True)
        m.d.comb += self.place.eq(place)
        for name, _ in place.shape():
            with m.If(self.start):
                m.d.sync += place[name].eq(0)
            with m.Elif(self.step):
                m.d.sync += place[name].eq(place[name] + self.jump[name])
        return m
