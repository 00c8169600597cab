"""Which multiplier and which rounding each operator uses, from the scales of its tensors.

``f64`` below means the scales widened to float64 and combined there; ``f32`` means the whole
expression in float32. The choice differs by kernel and by profile, and shows in the last bit.
"""

import math

import numpy as np

from compiler.ir import Graph, Operator, Tensor
from compiler.kinds import channel_axis
from compiler.numerics import (
    AverageRounding,
    DoubleRounding,
    Float64Rounding,
    Staircase,
    activation_range,
    integer_range,
    quantize_multiplier,
    truncated_divide,
)

MATRIX_PRODUCTS = ("FULLY_CONNECTED", "BATCH_MATMUL")


def float32_ratio(numerators: tuple[float, ...], denominator: float) -> float:
    """Product of ``numerators`` over ``denominator``, each step rounded to float32."""
    product = np.float32(1.0)
    with np.errstate(all="ignore"):              # an overflow is found by quantize_multiplier
        for numerator in numerators:
            product = product * np.float32(numerator)
        return float(product / np.float32(denominator))


def real_multiplier(profile: str, numerators: tuple[float, ...], denominator: float) -> float:
    """Product over denominator: float32 in litert, float64 in tflm."""
    if profile == "litert":
        return float32_ratio(numerators, denominator)
    return math.prod(numerators) / denominator


def source_of(op: Operator) -> int:
    """The tensor of the activations: the first input, but for kinds that have a shape before it."""
    return op.inputs[2 if op.kind == "TRANSPOSE_CONV" else 0]


def bias_of(op: Operator) -> int | None:
    """The tensor of a convolution's or dense layer's biases, None where it has none."""
    position = 3 if op.kind == "TRANSPOSE_CONV" else 2
    return op.inputs[position] if len(op.inputs) > position and op.inputs[position] >= 0 else None


def biases(graph: Graph, op: Operator) -> np.ndarray:
    """What a matrix product adds in each of its output's channels, int64: 0 without biases."""
    index = bias_of(op)
    data = None if index is None else graph.tensors[index].data
    if data is None:
        return np.zeros(graph.tensors[op.outputs[0]].shape[-1], np.int64)
    return data.astype(np.int64).reshape(-1)


def is_legacy(graph: Graph, op: Operator) -> bool:
    """Whether the kernel for uint8 computes ``op``, also where compiler/legacy.py made it int8."""
    return graph.tensors[source_of(op)].dtype == "uint8" or "legacy_uint8" in op.options


def output_range(graph: Graph, op: Operator) -> tuple[int, int]:
    """``(low, high)`` of the first output: its type's range, cut by the fused activation."""
    output = graph.tensors[op.outputs[0]]
    activation = op.options.get("fused_activation_function", "NONE")
    return activation_range(activation, output.scale, output.zero_point, output.dtype)


def weight_scales(weights: Tensor, channels: int) -> tuple[float, ...]:
    """One scale per output channel, also where the tensor has one for all."""
    assert weights.quantization is not None
    scale = weights.quantization.scale
    return scale if len(scale) == channels else scale * channels


def dot_product_rules(graph: Graph, op: Operator, profile: str) -> tuple[Staircase, ...]:
    """One rule per output channel of FULLY_CONNECTED and the convolutions.

    The accumulator is ``sum((x - input zero point) * (w - weight zero point)) + bias``.

    - FULLY_CONNECTED, litert: one rounding in float64 of f64 ``Si * Sw / So``: LiteRT's
      reference FullyConnected.
    - FULLY_CONNECTED, tflm, and convolutions: double rounding of f64 ``Si * Sw / So``: TFLite
      PopulateConvolutionQuantizationParams. Legacy uint8 convolutions multiply ``Si * Sw`` in
      float32: TFLite GetQuantizedConvolutionMultipler.
    """
    source = graph.tensors[source_of(op)]
    weights, output = graph.tensors[op.inputs[1]], graph.tensors[op.outputs[0]]
    channels = weights.shape[channel_axis(op.kind)]
    low, high = output_range(graph, op)
    rules: list[Staircase] = []
    for scale in weight_scales(weights, channels):
        if op.kind == "FULLY_CONNECTED" and profile == "litert":
            real = source.scale * scale / output.scale
            rules.append(Float64Rounding(real, output.zero_point, low, high))
            continue
        product = source.scale * scale
        if is_legacy(graph, op) and op.kind != "FULLY_CONNECTED":
            product = float(np.float32(product))
        multiplier, shift = quantize_multiplier(product / output.scale)
        rules.append(DoubleRounding(multiplier, shift, output.zero_point, low, high))
    return tuple(rules)


def product_rule(graph: Graph, op: Operator, profile: str) -> DoubleRounding:
    """BATCH_MATMUL; the accumulator is a sum of products, each factor less its zero point.

    Double rounding of ``S1 * S2 / So``, its product in float32 in litert: TFLite
    GetQuantizedConvolutionMultipler.
    """
    first, second = (graph.tensors[index].scale for index in op.inputs)
    output = graph.tensors[op.outputs[0]]
    product = float(np.float32(first * second)) if profile == "litert" else first * second
    multiplier, shift = quantize_multiplier(product / output.scale)
    return DoubleRounding(multiplier, shift, output.zero_point, *integer_range(output.dtype))


def weight_zero_point(graph: Graph, op: Operator) -> int:
    """What the kernel takes off each weight; for int8 only matrix products look at it at all."""
    weights = graph.tensors[op.inputs[1]]
    assert weights.quantization is not None
    if len(weights.quantization.scale) > 1:
        return 0
    if weights.dtype == "uint8" or is_legacy(graph, op) or op.kind in MATRIX_PRODUCTS:
        return weights.zero_point
    return 0


def average_rule(graph: Graph, op: Operator, count: int) -> AverageRounding:
    """AVERAGE_POOL_2D over ``count`` values inside the image; the accumulator is their raw sum."""
    low, high = output_range(graph, op)
    return AverageRounding(count, low, high, is_legacy(graph, op))


def mean_rule(graph: Graph, op: Operator) -> DoubleRounding:
    """MEAN; the accumulator is ``sum(x - input zero point)``: TFLite QuantizedMeanOrSum.

    The division by the number of reduced values is folded into the multiplier, in integers.
    """
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    count = math.prod(source.shape[axis] for axis in mean_axes(graph, op))
    multiplier, shift = quantize_multiplier(source.scale / output.scale)
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    folded = truncated_divide(multiplier << extra, count)
    low, high = integer_range(output.dtype)
    return DoubleRounding(folded, shift - extra, output.zero_point, low, high)


def mean_axes(graph: Graph, op: Operator) -> tuple[int, ...]:
    """The reduced axes of MEAN and its like, not negative, in order, each once."""
    source, axes = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    assert axes.data is not None
    return tuple(sorted({int(axis) % len(source.shape) for axis in axes.data.reshape(-1)}))


def rescale_rule(source: Tensor, output: Tensor) -> DoubleRounding:
    """SUM, and QUANTIZE from integer to integer: f64 ``Si / So`` of ``x - input zero point``.

    TFLite Requantize, and TFLM QuantizedMeanOrSum.
    """
    multiplier, shift = quantize_multiplier(source.scale / output.scale)
    return DoubleRounding(multiplier, shift, output.zero_point, *integer_range(output.dtype))


def requantize_rules(graph: Graph, op: Operator, profile: str) -> tuple[Staircase, ...]:
    """The rules from accumulator to output integer of an operator that has accumulators.

    One per output channel for matrix products and convolutions;
    one for MEAN, SUM and QUANTIZE; one per different count of values inside the image, falling,
    for AVERAGE_POOL_2D (more than one only with padding SAME).
    """
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    match op.kind:
        case "FULLY_CONNECTED" | "CONV_2D" | "DEPTHWISE_CONV_2D" | "TRANSPOSE_CONV":
            return dot_product_rules(graph, op, profile)
        case "BATCH_MATMUL":
            return (product_rule(graph, op, profile),) * output.shape[-1]
        case "AVERAGE_POOL_2D":
            counts = set(window_counts(op, source.shape, output.shape).reshape(-1).tolist())
            return tuple(average_rule(graph, op, n) for n in sorted(counts, reverse=True))
        case "MEAN":
            return (mean_rule(graph, op),)
        case "SUM" | "QUANTIZE":
            return (rescale_rule(source, output),)
    raise AssertionError(op.kind)


def window_counts(op: Operator, source: tuple[int, ...], output: tuple[int, ...]) -> np.ndarray:
    """``[out height, out width]``: how many values of the image each pooling window covers."""
    counts = []
    for axis, letter, side in ((1, "h", "height"), (2, "w", "width")):
        stride, size = op.options[f"stride_{letter}"], op.options[f"filter_{side}"]
        before = padding_before(op.options["padding"], source[axis], output[axis], stride, size)
        start = np.arange(output[axis]) * stride - before
        counts.append(np.minimum(start + size, source[axis]) - np.maximum(start, 0))
    return counts[0][:, None] * counts[1][None, :]


def padding_before(
    padding: str, size_in: int, size_out: int, stride: int, window: int, dilation: int = 1
) -> int:
    """Rows above or columns left of the image: TFLite ComputePaddingWithOffset."""
    if padding == "VALID":
        return 0
    return max(0, (size_out - 1) * stride + (window - 1) * dilation + 1 - size_in) // 2
