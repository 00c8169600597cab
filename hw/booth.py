"""A multiplier from logic alone, for devices whose multipliers are all in the array."""

from amaranth import *


def booth_multiply(component):
    """The insides of a DigitMultiply in radix 4: half as many rows as the digit has bits.

    Each pair of the digit's bits, with a carry from the pair below, stands for 0, 1, 2 or -1
    (3 is -1 and a carry, 4 a carry alone), so that a bit of a row is one LUT of two
    neighbouring bits of `b` and two select bits: the select bits are the first stage's register.
    A row of -b is ~b; the ones that this lacks are gathered in the low bits that the last row
    leaves free. Pairs of rows are added in the second stage, all of them in the third.
    """
    m = Module()
    if component.digit_width % 2 == 0:
        raise ValueError(f"A digit must have an odd number of bits, not {component.digit_width!r}")
    pairs = component.digit_width // 2
    b = Signal(signed(component.multiplier_width + 2))
    m.d.comb += b.eq(component.b)

    # Rows, from the lowest pair up; the digit's sign, less the carry, is a row of its own:
    rows, lacking, carry = [], [], Const(0)
    for pair in range(pairs):
        bits  = component.a[2 * pair:2 * pair + 2]
        is_one, is_two, is_minus, next_carry = (Signal(name=f"{name}{pair}") for name in
                                                ("is_one", "is_two", "is_minus", "carry"))
        m.d.comb += [
            is_one.eq((bits == 1) & ~carry | (bits == 0) & carry),
            is_two.eq((bits == 2) & ~carry | (bits == 1) & carry),
            is_minus.eq((bits == 3) & ~carry | (bits == 2) & carry),
            next_carry.eq((bits == 3) | (bits == 2) & carry),
        ]
        select = Signal(2, name=f"select{pair}", reset_less=True)
        with m.If(component.en):
            m.d.sync += select.eq(Cat(is_one | is_minus, is_two | is_minus))
        row = Signal(signed(len(b)), name=f"row{pair}")
        with m.Switch(select):
            with m.Case(1):
                m.d.comb += row.eq(b)
            with m.Case(2):
                m.d.comb += row.eq(b << 1)
            with m.Case(3):
                m.d.comb += row.eq(~b)
        rows.append(row)
        lacking += [select.all(), Const(0)]
        carry = next_carry
    sign  = component.a[-1]
    minus, last = Signal(signed(len(b))), Signal(signed(len(b)))
    is_plus, is_minus = Signal(reset_less=True), Signal(reset_less=True)
    with m.If(component.en):
        m.d.sync += [is_plus.eq(carry & ~sign), is_minus.eq(sign & ~carry)]
    m.d.comb += [minus.eq(-b), last.eq(Mux(is_minus, minus, Mux(is_plus, b, 0)))]

    # Add them up:
    sums = []
    for pair in range(0, pairs, 2):
        total = Signal(signed(len(b) + 3), name=f"sum{pair}", reset_less=True)
        with m.If(component.en):
            m.d.sync += total.eq(rows[pair] + (rows[pair + 1] << 2) if pair + 1 < pairs
                                 else rows[pair])
        sums.append(total)
    high = Signal(signed(2 * pairs + len(b)), reset_less=True)
    product = Signal(signed(len(component.p)), reset_less=True)
    total = high
    for index, pair_sum in enumerate(sums):
        total = total + (pair_sum << (4 * index))
    with m.If(component.en):
        m.d.sync += [high.eq(Cat(lacking, last).as_signed()), product.eq(total)]
    m.d.comb += component.p.eq(product)
    return m
