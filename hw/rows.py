"""A multiplier of logic cells that add or pass: for iCE40 devices without multipliers."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

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
        a, b, left = component.a[k], Signal(8, name=f"b{k}"), Signal(4, name=f"left{k}")
        later_a = Signal(signed(8), name=f"later_a{k}")
        sums = [Mux(b[0], a, 0)[:WIDTH]]         # of the rows so far, each with its place's weight
        for bit in range(1, 4):
            sums.append(row(f"row{k}_{bit}", b[bit], sums[-1], a))
        half, done = Signal(WIDTH, name=f"half{k}"), Signal(3, name=f"done{k}")
        with m.If(component.en):
            m.d.sync += [b.eq(component.b[k]), left.eq(b[4:]), later_a.eq(a),
                         half.eq(sums[-1]), done.eq(Cat(each[0] for each in sums))]
        sums = [half]
        for bit in range(4, 8):
            sums.append(row(f"row{k}_{bit}", left[bit - 4], sums[-1], later_a, invert=bit >= 6))
        products.append(Cat(done, half[0], sums[1][0], sums[2][0], ~sums[3][0], sums[4]))
    total = Signal(signed(16))
    m.d.comb += component.o.eq(total)
    with m.If(component.en):
        m.d.sync += total.eq(products[0].as_signed() + products[1].as_signed())
    return m
