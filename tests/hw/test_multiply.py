import itertools
import random

import pytest
from amaranth.hdl import Fragment
from simulation import random_bytes, simulate, wrap

from hw.booth import booth_multiply
from hw.ice40 import UltraPlusBlocks
from hw.multiply import Accumulator, DigitMultiply, PairMultiply
from hw.rows import row_multiply, two_rows_multiply


class Rows:
    """A platform whose multipliers are rows of adders (in plain Amaranth: their cells are proved in
    test_ice40.py)."""

    def get_pair_multiply(self, component):
        return row_multiply(component)


class TwoRowsAtATime:
    """... or two rows at a time (their cells are proved in test_ecp5.py)."""

    def get_pair_multiply(self, component):
        return two_rows_multiply(component)


PAIR_PLATFORMS = pytest.mark.parametrize("platform", (None, Rows(), TwoRowsAtATime()),
                                         ids=("plain", "rows", "two rows"))


def run_pairs(platform, cases, *, gaps):
    """Compare the sum of ``a[k] * b[k]`` two cycles after the ``a`` of each case ``(a, b)``, whose
    ``b`` comes a cycle before that."""
    dut = PairMultiply()

    async def testbench(ctx):
        rng = random.Random(0)
        wanted = [None, None]
        padded = [((0, 0), (0, 0)), *cases, *[((0, 0), (0, 0))] * 3]
        for (a, b), (_, next_b) in zip(padded, padded[1:], strict=False):
            while rng.random() < gaps:       # without `en` nothing moves
                ctx.set(dut.en, 0)
                ctx.set(dut.a, random_bytes(rng, 2))
                await ctx.tick()
                assert wanted[0] in (None, ctx.get(dut.o))
            ctx.set(dut.en, 1)
            ctx.set(dut.a, a)
            ctx.set(dut.b, next_b)
            await ctx.tick()
            wanted = [wanted[1], a[0] * b[0] + a[1] * b[1]]
            assert wanted[0] in (None, ctx.get(dut.o)), f"{wanted[0]} before {a}, {b}"

    simulate(Fragment.get(dut, platform), testbench, deadline=100_000)


@PAIR_PLATFORMS
def test_all_products(platform):
    """Every pair of factors, half of them in each half."""
    pairs = list(itertools.product(range(-128, 128), repeat=2))
    random.Random(0).shuffle(pairs)
    low, high = pairs[::2], pairs[1::2]
    high.sort(key=lambda pair: pair[1] == -128)      # b = -128 meets none of its kind
    low.sort(key=lambda pair: pair[1] != -128)
    cases = [tuple(zip(*both, strict=True)) for both in zip(low, high, strict=True)]
    run_pairs(platform, cases, gaps=0)


@PAIR_PLATFORMS
def test_extreme_sums(platform):
    corners = [(a, b) for a in (-128, -1, 0, 127) for b in (-128, -127, 0, 127)]
    cases = [tuple(zip(low, high, strict=True)) for low in corners for high in corners
             if (low[1], high[1]) != (-128, -128)]
    run_pairs(platform, cases, gaps=0.3)


@pytest.mark.parametrize("width, acc_width", ((17, 24), (16, 32)))
def test_accumulator(width, acc_width):
    dut = Accumulator(width=width, acc_width=acc_width)

    async def testbench(ctx):
        rng = random.Random(0)
        wanted = None
        for index in range(2000):
            en, fresh = rng.random() < 0.7, index == 0 or rng.random() < 0.01
            value = rng.choice((-1 << (width - 1), (1 << (width - 1)) - 1,
                                rng.randrange(-1 << (width - 1), 1 << (width - 1))))
            ctx.set(dut.en, en or index == 0)
            ctx.set(dut.fresh, fresh)
            ctx.set(dut.i, value)
            await ctx.tick()
            if en or index == 0:
                wanted = value if fresh else wrap(wanted + value, acc_width)
            assert ctx.get(dut.o) == wanted

    simulate(dut, testbench)


@pytest.mark.parametrize("platform", (None, UltraPlusBlocks()), ids=("plain", "ice40"))
@pytest.mark.parametrize("digit_width, multiplier_width",
                         ((9, 30), (9, 16), (9, 32), (7, 20), (33, 30)))
def test_digit_multiply(platform, digit_width, multiplier_width):
    dut = DigitMultiply(digit_width=digit_width, multiplier_width=multiplier_width)
    rng = random.Random(0)
    limit, top = 1 << (digit_width - 1), 1 << multiplier_width
    digits = range(-limit, limit) if digit_width < 16 else \
        [rng.randrange(-limit, limit) for _ in range(500)]
    multipliers = [0, 1, 2, 3, top // 2, top // 3, top - 1, top - 2]
    cases = [(a, rng.choice(multipliers)) for a in digits]
    cases += [(a, rng.randrange(top)) for a in digits for _ in range(5)]
    cases += [(a, b) for a in (-limit, -1, 0, 1, limit - 1) for b in multipliers]
    rng.shuffle(cases)

    async def testbench(ctx):
        wanted = [None] * 3
        multiplier = 0                       # it comes a cycle after its digit
        for a, b in [*cases, *[(0, 0)] * 3]:
            while rng.random() < 0.2:
                ctx.set(dut.en, 0)
                ctx.set(dut.a, rng.randrange(-limit, limit))
                ctx.set(dut.b, rng.randrange(top))
                await ctx.tick()
                assert wanted[0] in (None, ctx.get(dut.p))
            ctx.set(dut.en, 1)
            ctx.set(dut.a, a)
            ctx.set(dut.b, multiplier)
            await ctx.tick()
            wanted = [*wanted[1:], a * b]
            multiplier = b
            assert wanted[0] in (None, ctx.get(dut.p)), f"{wanted[0]}, not {ctx.get(dut.p)}"

    simulate(Fragment.get(dut, platform), testbench)


def test_booth_digits():
    with pytest.raises(ValueError) as refusal:
        booth_multiply(DigitMultiply(digit_width=10, multiplier_width=30))
    assert str(refusal.value) == "A digit must have an odd number of bits, not 10"
