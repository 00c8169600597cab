"""The multipliers, each with the vendor's block behind a platform hook."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out


class DualMultiply(wiring.Component):
    """Two signed 8-bit products, a cycle after their factors.

    Platform override: ``platform.get_dual_multiply(component)``.
    """

    en: In(1)
    a:  In(data.ArrayLayout(signed(8), 2))
    b:  In(data.ArrayLayout(signed(8), 2))
    p:  Out(data.ArrayLayout(signed(16), 2))

    def elaborate(self, platform):
        if hasattr(platform, "get_dual_multiply"):
            return platform.get_dual_multiply(self)
        m = Module()
        for k in range(2):
            product = Signal(signed(16), reset_less=True)
            m.d.comb += self.p[k].eq(product)
            with m.If(self.en):
                m.d.sync += product.eq(self.a[k] * self.b[k])
        return m


class DigitMultiply(wiring.Component):
    """A signed digit times an unsigned multiplier, two cycles after both.

    Radix 4 with the digits -2 to 1 and a carry would be Booth's; here each pair of the digit's
    bits picks 0, b, 2b or -b, which halves the rows that the adders see. Rows are added pairwise
    into a register and the sums in a second one, so that no path holds more than two additions.

    Platform override: ``platform.get_digit_multiply(component)``.
    """

    def __init__(self, *, digit_width, multiplier_width):
        self.digit_width      = digit_width
        self.multiplier_width = multiplier_width
        super().__init__({
            "en": In(1),
            "a":  In(signed(digit_width)),
            "b":  In(unsigned(multiplier_width)),
            "p":  Out(signed(digit_width + multiplier_width)),
        })

    def elaborate(self, platform):
        if hasattr(platform, "get_digit_multiply"):
            return platform.get_digit_multiply(self)
        m = Module()
        product, delayed = (Signal.like(self.p, reset_less=True) for _ in range(2))
        m.d.comb += self.p.eq(delayed)
        with m.If(self.en):
            m.d.sync += [product.eq(self.a * self.b), delayed.eq(product)]
        return m
