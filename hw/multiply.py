"""The arithmetic of the inner loop, each part with the vendor's own behind a platform hook."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

PART_BITS = 17             # of a number, at most, that goes into one multiplier: 18 bits, signed


class PairMultiply(wiring.Component):
    """The sum of two products of signed bytes, two cycles after ``a``, three after ``b``.

    The sum is kept in 16 bits: of a pair of ``b``, at most one may be -128.

    Platform override: ``platform.get_pair_multiply(component)``.
    """

    en: In(1)
    a:  In(data.ArrayLayout(signed(8), 2))
    b:  In(data.ArrayLayout(signed(8), 2))
    o:  Out(signed(16))

    def elaborate(self, platform):
        if hasattr(platform, "get_pair_multiply"):
            return platform.get_pair_multiply(self)
        m = Module()
        b = Signal.like(self.b, reset_less=True)
        products = [Signal(signed(16), name=f"product{k}", reset_less=True) for k in range(2)]
        total = Signal(signed(16), reset_less=True)
        m.d.comb += self.o.eq(total)
        with m.If(self.en):
            m.d.sync += [b.eq(self.b), total.eq(products[0] + products[1])]
            m.d.sync += [products[k].eq(self.a[k] * b[k]) for k in range(2)]
        return m


class Accumulator(wiring.Component):
    """With ``en``, takes ``i`` in place of what it holds, if ``fresh``, or adds it to that.

    Platform override: ``platform.get_accumulator(component)``.
    """

    def __init__(self, *, width, acc_width):
        self.width     = width
        self.acc_width = acc_width
        super().__init__({
            "en":    In(1),
            "fresh": In(1),
            "i":     In(signed(width)),
            "o":     Out(signed(acc_width)),
        })

    def elaborate(self, platform):
        if hasattr(platform, "get_accumulator"):
            return platform.get_accumulator(self)
        m = Module()
        acc = Signal(signed(self.acc_width), reset_less=True)
        m.d.comb += self.o.eq(acc)
        with m.If(self.en):
            m.d.sync += acc.eq(Mux(self.fresh, self.i, acc + self.i))
        return m


class DigitMultiply(wiring.Component):
    """A signed digit, or a whole number, times an unsigned multiplier that comes a cycle later.

    The product follows the digit by three cycles, the multiplier by two. A number of more bits than
    a device's multipliers have is multiplied in parts.

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
        digit, delayed = Signal.like(self.a, reset_less=True), Signal.like(self.p, reset_less=True)
        m.d.comb += self.p.eq(delayed)
        parts = []
        with m.If(self.en):
            m.d.sync += digit.eq(self.a)
            for a_low, a in halves(digit):
                for b_low, b in halves(self.b):
                    part = Signal((a * b).shape(), name=f"part{len(parts)}", reset_less=True)
                    m.d.sync += part.eq(a * b)
                    parts.append(part << (a_low + b_low))
            m.d.sync += delayed.eq(balanced_sum(parts))
        return m


def halves(value):
    """``(lowest bit, part)`` of a number, in two parts where it has more than PART_BITS."""
    if len(value) <= PART_BITS:
        return [(0, value)]
    middle = len(value) // 2
    high = value[middle:]
    return [(0, value[:middle]), (middle, high.as_signed() if value.shape().signed else high)]


def balanced_sum(values):
    """The sum of signed values as a tree, a bit wider at each level."""
    values = list(values)
    while len(values) > 1:
        values = [sum(values[k:k + 2][1:], values[k]) for k in range(0, len(values), 2)]
    return values[0]
