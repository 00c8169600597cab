import itertools
import random

import pytest
from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from compiled_random import amaranth_outputs, compiled_outputs, random_value

from sim.compiled import compile_design

OPERATORS = {
    "~a": lambda a, b: ~a, "-a": lambda a, b: -a, "abs": lambda a, b: abs(a),
    "bool": lambda a, b: a.bool(), "any": lambda a, b: a.any(), "all": lambda a, b: a.all(),
    "xor": lambda a, b: a.xor(),
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "//": lambda a, b: a // b, "%": lambda a, b: a % b,
    "&": lambda a, b: a & b, "|": lambda a, b: a | b, "^": lambda a, b: a ^ b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "<<": lambda a, b: a << b[:4], ">>": lambda a, b: a >> b.as_unsigned(),
    "mux": lambda a, b: Mux(a, b, 5), "cat": lambda a, b: Cat(a, b[:3], b, a[-1].replicate(4)),
    "signed": lambda a, b: a.as_signed() + b.as_unsigned(),
    "bit_select": lambda a, b: a.bit_select(b.as_unsigned(), 3),
    "word_select": lambda a, b: a.word_select(b.as_unsigned()[:6], 5),
    "matches": lambda a, b: a.matches("1" + "-" * (len(a) - 1), "0" * len(a)),
    "rotate": lambda a, b: a.rotate_left(1) ^ b,
}
SHAPES = [unsigned(1), signed(1), unsigned(3), signed(4), unsigned(8), signed(8), signed(31),
          unsigned(33), unsigned(64), signed(64), signed(65), unsigned(100)]
PAIRS = [*zip(SHAPES, SHAPES, strict=True), *random.Random(0).sample(
    list(itertools.permutations(SHAPES, 2)), 24)]


class EachOperator(wiring.Component):
    """All operators on ``a`` and ``b``, an output each."""

    def __init__(self, a, b):
        shapes = [operator(Signal(a), Signal(b)).shape() for operator in OPERATORS.values()]
        super().__init__({"a": In(a), "b": In(b), **{
            f"o{index}": Out(shape) for index, shape in enumerate(shapes)}})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [getattr(self, f"o{index}").eq(operator(self.a, self.b))
                     for index, operator in enumerate(OPERATORS.values())]
        m.d.sync += Signal().eq(1)       # Amaranth's simulator wants something to clock
        return m


@pytest.mark.parametrize("a, b", PAIRS, ids=lambda shape: repr(shape))
def test_operators(a, b):
    rng = random.Random(0)
    corners = [(0, 0), (-1, -1), (1, -1), (-(1 << 200), -1), (-1, 0), (5, 0), (5, 3), (-5, 3)]
    stimulus = [{"a": fit(x, a), "b": fit(y, b)} for x, y in corners]
    stimulus += [{"a": random_value(rng, a), "b": random_value(rng, b)} for _ in range(40)]
    got = compiled_outputs(compile_design(EachOperator(a, b), cache=False).machine(), stimulus)
    wanted = amaranth_outputs(EachOperator(a, b), stimulus)
    for inputs, got_row, want_row in zip(stimulus, got, wanted, strict=True):
        for index, name in enumerate(OPERATORS):
            assert got_row[f"o{index}"] == want_row[f"o{index}"], (name, inputs)


def fit(value, shape):
    """``value``, or the least of ``shape`` if it is far below."""
    if value < -(1 << shape.width):
        return -(1 << (shape.width - 1)) if shape.signed else 1 << (shape.width - 1)
    value &= (1 << shape.width) - 1
    return value - (1 << shape.width) if shape.signed and value >> (shape.width - 1) else value
