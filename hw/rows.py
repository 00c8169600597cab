"""Multipliers of logic cells, row by row: what a cell can do besides adding differs by device."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .multiply import balanced_sum

WIDTH = 9                              # of a row: a signed byte added to one


class AddOrPass(wiring.Component):
    """``acc + a`` with ``add``, else ``acc``; turned over if ``invert``.

    Platform override: ``platform.get_add_or_pass(component)``.
    """

    add: In(1)
    acc: In(signed(WIDTH))
    a:   In(signed(WIDTH))
    o:   Out(signed(WIDTH))

    def __init__(self, *, invert=False):
        self.invert = invert
        super().__init__()

    def elaborate(self, platform):
        if hasattr(platform, "get_add_or_pass"):
            return platform.get_add_or_pass(self)
        m = Module()
        total = Signal(signed(WIDTH))
        m.d.comb += [total.eq(Mux(self.add, self.acc + self.a, self.acc)),
                     self.o.eq(~total if self.invert else total)]
        return m


class TwoRows(wiring.Component):
    """``a`` if ``b[0]``, plus twice ``a`` if ``b[1]``; with ``subtract``, minus that.

    Platform override: ``platform.get_two_rows(component)``.
    """

    a: In(signed(8))
    b: In(2)
    o: Out(signed(10))

    def __init__(self, *, subtract=False):
        self.subtract = subtract
        super().__init__()

    def elaborate(self, platform):
        if hasattr(platform, "get_two_rows"):
            return platform.get_two_rows(self)
        m = Module()
        one, two = Mux(self.b[0], self.a, 0), Mux(self.b[1], self.a << 1, 0)
        m.d.comb += self.o.eq(one - two if self.subtract else one + two)
        return m


def two_rows_multiply(component):
    """The insides of a PairMultiply: two bits of ``b`` at a time in the first cycle, and in the
    second the sum of it all."""
    m = Module()
    parts = []
    for k in range(2):
        b = Signal(8, name=f"b{k}", reset_less=True)
        with m.If(component.en):
            m.d.sync += b.eq(component.b[k])
        for bit in range(0, 8, 2):
            rows = TwoRows(subtract=bit == 6)        # the sign's bit counts negative
            part = Signal.like(rows.o, name=f"part{k}_{bit}", reset_less=True)
            m.submodules[f"rows{k}_{bit}"] = rows
            m.d.comb += [rows.a.eq(component.a[k]), rows.b.eq(b[bit:bit + 2])]
            with m.If(component.en):
                m.d.sync += part.eq(rows.o)
            parts.append(part << bit)
    total = Signal(signed(16), reset_less=True)
    m.d.comb += component.o.eq(total)
    with m.If(component.en):
        m.d.sync += total.eq(balanced_sum(parts))
    return m


def row_multiply(component):
    """The insides of a PairMultiply: a row of cells for each bit of ``b``, half of them a cycle.

    A row adds ``a`` to the upper bits of the sum of the rows before it, if its bit of ``b`` is set,
    and leaves a bit of the product behind. The last bit of ``b`` counts negative: between two sums
    that are turned over, adding is subtracting.
    """
    m = Module()

    def row(name, add, above, a, invert=False):
        m.submodules[name] = cells = AddOrPass(invert=invert)
        m.d.comb += [cells.add.eq(add), cells.acc.eq(above.as_signed() >> 1), cells.a.eq(a)]
        return cells.o

    products = []
    for k in range(2):
        a = component.a[k]
        b, left, later_a = (Signal(shape, name=f"{name}{k}", reset_less=True) for name, shape in (
            ("b", 8), ("left", 4), ("later_a", signed(8))))
        sums = [Mux(b[0], a, 0)[:WIDTH]]         # of the rows so far, each with its place's weight
        for bit in range(1, 4):
            sums.append(row(f"row{k}_{bit}", b[bit], sums[-1], a))
        half, done = (Signal(width, name=f"{name}{k}", reset_less=True)
                      for name, width in (("half", WIDTH), ("done", 3)))
        with m.If(component.en):
            m.d.sync += [b.eq(component.b[k]), left.eq(b[4:]), later_a.eq(a),
                         half.eq(sums[-1]), done.eq(Cat(each[0] for each in sums))]
        sums = [half]
        for bit in range(4, 8):
            sums.append(row(f"row{k}_{bit}", left[bit - 4], sums[-1], later_a, invert=bit >= 6))
        products.append(Cat(done, half[0], sums[1][0], sums[2][0], ~sums[3][0], sums[4]))
    total = Signal(signed(16), reset_less=True)
    m.d.comb += component.o.eq(total)
    with m.If(component.en):
        m.d.sync += total.eq(products[0].as_signed() + products[1].as_signed())
    return m
