"""The multipliers of an operator by their formulas, and the range of its sums."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.binary import add_rule, mul_rule
from compiler.ir import Graph, Operator
from compiler.kinds import DOT_PRODUCTS, channel_axis
from compiler.numerics import (
    DoubleRounding,
    Float64Rounding,
    Staircase,
    integer_range,
    quantize_multiplier,
)
from compiler.requantize import (
    biases,
    mean_axes,
    mean_rule,
    real_multiplier,
    requantize_rules,
    source_of,
    weight_scales,
    weight_zero_point,
    window_counts,
)

TWICE = "rounded twice: doubling product, then shift"
ONCE = "rounded once, in float64; multiplier and shift are what TensorFlow Lite Micro uses"
AVERAGE = "divided as integers, ties away from zero"


@dataclass(frozen=True)
class Multiplier:
    """``real ~ multiplier * 2**(shift - 31)`` for every channel (one, where all share it)."""

    name: str                                    # "M"
    formula: str                                 # "S1 * S2 / S3"
    real: tuple[float, ...]
    quantized: tuple[tuple[int, int], ...]
    rounding: str

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return {"name": self.name, "formula": self.formula, "real": list(self.real),
                "multiplier": [q for q, _ in self.quantized],
                "shift": [s for _, s in self.quantized], "rounding": self.rounding}


def multipliers(graph: Graph, op: Operator, profile: str) -> tuple[Multiplier, ...]:
    """Of a quantized operator that keeps the rules; none where it does not multiply."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    match op.kind:
        case kind if kind in DOT_PRODUCTS:
            return (dot_product(graph, op, profile),)
        case "BATCH_MATMUL":
            first, second = (graph.tensors[index].scale for index in op.inputs)
            rules = requantize_rules(graph, op, profile)[:1]
            return (Multiplier("M", "S1 * S2 / S3", (first * second / output.scale,),
                               quantized(rules), rounding(rules)),)
        case "AVERAGE_POOL_2D":
            counts = window_counts(op, source.shape, output.shape)
            distinct = sorted(set(counts.reshape(-1).tolist()), reverse=True)
            return (Multiplier("M", "1 / n, n values inside the image",
                               tuple(1 / n for n in distinct), (), AVERAGE),)
        case "MEAN":
            rule = mean_rule(graph, op)
            count = math.prod(source.shape[axis] for axis in mean_axes(graph, op))
            return (Multiplier("M", f"S1 / S3 / {count}", (source.scale / output.scale / count,),
                               ((rule.multiplier, rule.shift),), TWICE),)
        case "ADD" | "SUB":
            sums = add_rule(graph, op)
            first, second = (graph.tensors[index].scale for index in op.inputs)
            twice = 2 * max(first, second)
            pairs = list(zip(sums.multipliers, sums.shifts, strict=True))
            return (
                Multiplier("M1", "S1 / (2 * max(S1, S2))", (first / twice,), (pairs[0],), TWICE),
                Multiplier("M2", "S2 / (2 * max(S1, S2))", (second / twice,), (pairs[1],), TWICE),
                Multiplier("M3", "2 * max(S1, S2) / (2**20 * S3)",
                           (twice / 2**20 / output.scale,),
                           ((sums.output.multiplier, sums.output.shift),), TWICE))
        case "MUL":
            first, second = (graph.tensors[index].scale for index in op.inputs)
            product = mul_rule(graph, op, profile)
            return (Multiplier("M", "S1 * S2 / S3", (first * second / output.scale,),
                               ((product.multiplier, product.shift),), TWICE),)
        case "RELU" | "RELU6" | "RELU_N1_TO_1" | "RELU_0_TO_1" | "LEAKY_RELU" | "PRELU" | "ABS":
            real = real_multiplier(profile, (source.scale,), output.scale)
            found = [Multiplier("M", "S1 / S3", (real,), (quantize_multiplier(real),), TWICE)]
            if op.kind == "LEAKY_RELU":
                alpha = abs(op.options["alpha"])
                real = real_multiplier(profile, (source.scale, alpha), output.scale)
                found.append(Multiplier("M-", f"S1 * {alpha:g} / S3, of negative values", (real,),
                                        (quantize_multiplier(real),), TWICE))
            return tuple(found)
        case "QUANTIZE" if "through" in op.options:
            return ()
        case "QUANTIZE" | "SUM":
            real = source.scale / output.scale
            return (Multiplier("M", "S1 / S3", (real,), (quantize_multiplier(real),), TWICE),)
    return ()


def dot_product(graph: Graph, op: Operator, profile: str) -> Multiplier:
    """Of a convolution or dense layer."""
    source = graph.tensors[source_of(op)]
    weights, output = graph.tensors[op.inputs[1]], graph.tensors[op.outputs[0]]
    rules = requantize_rules(graph, op, profile)
    assert weights.quantization is not None
    if len(weights.quantization.scale) == 1:
        rules = rules[:1]
    real = tuple(source.scale * scale / output.scale
                 for scale in weight_scales(weights, len(rules))[:len(rules)])
    return Multiplier("M", "S1 * S2 / S3", real, quantized(rules), rounding(rules))


def rounding(rules: Sequence[Staircase]) -> str:
    """How the rules round, in words."""
    return ONCE if isinstance(rules[0], Float64Rounding) else TWICE


def quantized(rules: Sequence[Any]) -> tuple[tuple[int, int], ...]:
    """TFLite's multiplier and shift."""
    return tuple((rule.multiplier, rule.shift) if isinstance(rule, DoubleRounding)
                 else quantize_multiplier(rule.scale) for rule in rules)


def accumulator_range(graph: Graph, op: Operator) -> tuple[np.ndarray, np.ndarray] | None:
    """The least and the most that a sum can be, bias included, by channel; None without sums."""
    source = graph.tensors[source_of(op)]
    low, high = integer_range(source.dtype)
    if op.kind in DOT_PRODUCTS:
        weights = graph.tensors[op.inputs[1]]
        if weights.data is None:
            return None
        axis = channel_axis(op.kind)
        w = np.moveaxis(weights.data.astype(np.int64) - weight_zero_point(graph, op), axis, 0)
        ends = [(x - source.zero_point) * w.reshape(len(w), -1) for x in (low, high)]
        bias = biases(graph, op)
        return (np.minimum(*ends).sum(axis=1) + bias, np.maximum(*ends).sum(axis=1) + bias)
    if op.kind == "AVERAGE_POOL_2D":
        count = op.options["filter_height"] * op.options["filter_width"]
        return np.array([low * count]), np.array([high * count])
    if op.kind in ("MEAN", "SUM"):
        count = math.prod(source.shape[axis] for axis in mean_axes(graph, op))
        return (np.array([(low - source.zero_point) * count]),
                np.array([(high - source.zero_point) * count]))
    return None
