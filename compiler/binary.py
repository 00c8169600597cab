"""Operators of two 8-bit inputs, each as a table of 65,536 outputs."""

import math
from dataclasses import dataclass

import numpy as np

from compiler.ir import Graph, Operator
from compiler.numerics import (
    AddedConstant,
    DoubleRounding,
    double_rounding,
    integer_range,
    quantize_multiplier,
)
from compiler.requantize import output_range, real_multiplier

BINARY_KINDS = ("ADD", "SUB", "MUL", "PRELU", "MAXIMUM", "MINIMUM")


@dataclass(frozen=True)
class AddRule:
    """ADD and SUB: both inputs to a common scale with 20 bits more, then to the output's scale.

    ``output(MBQM((x1 - z1) << 20, m1, s1) + sign * MBQM((x2 - z2) << 20, m2, s2))``, MBQM being
    ``double_rounding``: TFLite reference_integer_ops Add and reference_ops Sub.
    """

    multipliers: tuple[int, int]
    shifts: tuple[int, int]
    zero_points: tuple[int, int]
    sign: int
    output: DoubleRounding

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        one, two = (
            double_rounding((x - zero_point) << 20, multiplier, shift)
            for x, zero_point, multiplier, shift in zip(
                (first, second), self.zero_points, self.multipliers, self.shifts, strict=True
            )
        )
        return self.output(one + self.sign * two)


def add_rule(graph: Graph, op: Operator) -> AddRule:
    """Parameters of ADD and SUB, combined in float64 in both profiles."""
    first, second = (graph.tensors[index] for index in op.inputs)
    output = graph.tensors[op.outputs[0]]
    twice = 2.0 * max(first.scale, second.scale)
    one = quantize_multiplier(first.scale / twice)
    two = quantize_multiplier(second.scale / twice)
    final = quantize_multiplier(twice / ((1 << 20) * output.scale))
    return AddRule(
        multipliers=(one[0], two[0]),
        shifts=(one[1], two[1]),
        zero_points=(first.zero_point, second.zero_point),
        sign=-1 if op.kind == "SUB" else 1,
        output=DoubleRounding(*final, output.zero_point, *output_range(graph, op)),
    )


def added_constants(graph: Graph, op: Operator, position: int,
                    values: np.ndarray) -> tuple[AddedConstant, ...]:
    """ADD and SUB of the input at ``position`` and one of the constant's integers ``values``."""
    rule, other = add_rule(graph, op), 1 - position
    signs = (1, rule.sign)
    scaled = signs[other] * double_rounding(
        (values.astype(np.int64) - rule.zero_points[other]) << 20, rule.multipliers[other],
        rule.shifts[other])
    multiplier, shift, end = rule.multipliers[position], rule.shifts[position], rule.output
    unit = math.ldexp(multiplier, shift - 31 + 20)           # of x, at the common scale
    return tuple(
        AddedConstant(multiplier, shift, signs[position], constant,
                      round(constant / unit) if unit else 0,         # (x counts for nothing)
                      end.multiplier, end.shift, end.zero_point, end.low, end.high)
        for constant in scaled.tolist())


def mul_rule(graph: Graph, op: Operator, profile: str) -> DoubleRounding:
    """MUL, of the product ``(x1 - z1) * (x2 - z2)``: TFLite reference_integer_ops Mul."""
    first, second = (graph.tensors[index].scale for index in op.inputs)
    output = graph.tensors[op.outputs[0]]
    multiplier = quantize_multiplier(real_multiplier(profile, (first, second), output.scale))
    return DoubleRounding(*multiplier, output.zero_point, *output_range(graph, op))


def prelu_rules(graph: Graph, op: Operator, profile: str) -> tuple[DoubleRounding, DoubleRounding]:
    """PRELU for ``x - z1`` where that is not negative, and for its product with ``x2 - z2``.

    TFLite reference_ops BroadcastPrelu4DSlow for integers.
    """
    source, alpha = (graph.tensors[index] for index in op.inputs)
    output = graph.tensors[op.outputs[0]]
    rest = (output.zero_point, *integer_range(output.dtype))
    identity = real_multiplier(profile, (source.scale,), output.scale)
    slope = real_multiplier(profile, (source.scale, alpha.scale), output.scale)
    return (
        DoubleRounding(*quantize_multiplier(identity), *rest),
        DoubleRounding(*quantize_multiplier(slope), *rest),
    )


def binary_table(graph: Graph, op: Operator, profile: str) -> np.ndarray:
    """``[256, 256]`` of the output's type, indexed by the bytes of the first and second input."""
    first, second = (graph.tensors[index] for index in op.inputs)
    output = graph.tensors[op.outputs[0]]
    byte = np.arange(256, dtype=np.uint8)
    x1 = byte.view(first.dtype).astype(np.int64)[:, None]
    x2 = byte.view(second.dtype).astype(np.int64)[None, :]
    match op.kind:
        case "ADD" | "SUB":
            y = add_rule(graph, op)(x1, x2)
        case "MUL":
            y = mul_rule(graph, op, profile)((x1 - first.zero_point) * (x2 - second.zero_point))
        case "PRELU":
            identity, slope = prelu_rules(graph, op, profile)
            d = x1 - first.zero_point
            y = np.where(d >= 0, identity(d), slope(d * (x2 - second.zero_point)))
        case "MAXIMUM":
            y = np.maximum(x1, x2)
        case "MINIMUM":
            y = np.minimum(x1, x2)
        case _:
            raise AssertionError(op.kind)
    return y.astype(output.dtype)
