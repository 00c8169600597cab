"""Operators of one 8-bit input, each as a table of 256 outputs."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from compiler import fixedpoint
from compiler.elementwise import absolute, float_log, inverse_root, root
from compiler.floats import float_function, float_operator, refuse_lacking
from compiler.ir import Graph, Operator, Tensor
from compiler.numerics import (
    DoubleRounding,
    activation_range,
    affine_quantize,
    double_rounding,
    integer_range,
    quantize_float32,
    quantize_multiplier,
    round_away,
    rounding_divide_by_pot,
    truncated_divide,
)
from compiler.requantize import real_multiplier, rescale_rule

UNARY_KINDS = (
    "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH",
    "QUANTIZE", "EXP", "LOG", "ELU", "GELU", "ABS", "NEG", "SQRT", "RSQRT",
)
# Of int8: what the runtime has no kernel for, so that there is no truth.
LACKING = {
    "litert": ("ELU",),
    "tflm": ("EXP", "LOG", "GELU", "NEG", "SQRT", "RELU_0_TO_1"),
}


def unary_table(graph: Graph, op: Operator, profile: str) -> np.ndarray:
    """``[256]`` of the output's type: entry k belongs to the input whose byte is k."""
    refuse_lacking(LACKING, op, profile)
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    x = np.arange(256, dtype=np.uint8).view(source.dtype).astype(np.int64)
    match op.kind:
        case "QUANTIZE" if "through" in op.options:
            y = through_floats(source, output, op.options["through"], profile, x)
        case "QUANTIZE":
            y = rescale_rule(source, output)(x - source.zero_point)
        case "RELU" | "RELU6" | "RELU_N1_TO_1" | "RELU_0_TO_1":
            y = relu(op.kind, source, output, profile, x)
        case "LEAKY_RELU":
            y = leaky_relu(source, output, op.options["alpha"], profile, x)
        case "LOGISTIC" | "TANH":
            y = sigmoid(op.kind, source, output, profile, x)
        case "EXP" | "ELU" | "GELU":
            y = float_table(float_function(op.kind, op.options), source, output, x)
        case "LOG":
            y = float_table(float_log(output), source, output, x)
        case "ABS":
            y = absolute(source, output, profile, x)
        case "NEG":
            y = -x                               # of the bytes: scales and zero points are nothing
            y = np.where(y > 127, -128, y)       # to it, and -128 stays
        case "SQRT":
            y = root(source, output, x)
        case "RSQRT":
            y = inverse_root(source, output, profile, x)
        case "HARD_SWISH":
            y = hard_swish(source, output, x)
        case _:
            raise AssertionError(op.kind)
    return np.clip(y, *integer_range(output.dtype)).astype(output.dtype)


def relu(kind: str, source: Tensor, output: Tensor, profile: str, x: np.ndarray) -> np.ndarray:
    """RELU and its bounded kinds on their own: TFLite QuantizedReluX; TFLM Relu6Quantized.

    TFLM's RELU6 clamps the input's integers and never rescales.
    """
    if kind == "RELU6" and profile == "tflm":
        return np.clip(x, source.zero_point, quantize_float32(6.0, source.scale, source.zero_point))
    low, high = activation_range(kind, output.scale, output.zero_point, output.dtype)
    multiplier = quantize_multiplier(real_multiplier(profile, (source.scale,), output.scale))
    return DoubleRounding(*multiplier, output.zero_point, low, high)(x - source.zero_point)


def leaky_relu(
    source: Tensor, output: Tensor, alpha: float, profile: str, x: np.ndarray
) -> np.ndarray:
    """LEAKY_RELU: one multiplier for each side of zero; TFLite QuantizeLeakyRelu.

    A negative ``alpha`` multiplies by its magnitude and negates.
    """
    identity = quantize_multiplier(real_multiplier(profile, (source.scale,), output.scale))
    slope = quantize_multiplier(
        real_multiplier(profile, (source.scale, abs(alpha)), output.scale)
    )
    d = x - source.zero_point
    below = double_rounding(d, *slope) * (-1 if alpha < 0 else 1)
    return np.where(d >= 0, double_rounding(d, *identity), below) + output.zero_point


def sigmoid(kind: str, source: Tensor, output: Tensor, profile: str, x: np.ndarray) -> np.ndarray:
    """LOGISTIC and TANH: a float32 table in LiteRT, gemmlowp's fixed point in TFLM."""
    if profile == "litert":
        function = np.tanh if kind == "TANH" else float32_logistic
        return float_table(function, source, output, x)
    multiplier, shift = quantize_multiplier(source.scale * (1 << 27))
    radius = math.floor(15 * (1 << 27) / 2.0**shift)
    d = x - source.zero_point
    inside = double_rounding(np.clip(d, -radius, radius), multiplier, shift)
    low, high = integer_range(output.dtype)
    # The zero points are fixed, whatever the output says.
    if kind == "TANH":
        y = rounding_divide_by_pot(fixedpoint.tanh(inside), 24) + low + 128
    else:
        y = rounding_divide_by_pot(fixedpoint.logistic(inside), 23) + low
    return np.where(d <= -radius, low, np.where(d >= radius, high, y))


def float32_logistic(v: np.ndarray) -> np.ndarray:
    """``1 / (1 + exp(-v))``, each step rounded to float32: LiteRT's LOGISTIC table."""
    with np.errstate(over="ignore"):             # exp of a very negative input: 1 / inf is 0
        e = np.exp(-v).astype(np.float32)
    return np.float32(1) / (np.float32(1) + e)


def float_table(
    function: Callable[[np.ndarray], np.ndarray], source: Tensor, output: Tensor, x: np.ndarray
) -> np.ndarray:
    """``function`` of the real values, in float32: TFLite LUTPopulate.

    C's float functions are taken to round correctly, which float64 and then float32 does.
    """
    v = np.float32(source.scale) * (x - source.zero_point).astype(np.float32)
    with np.errstate(over="ignore"):
        real = function(v.astype(np.float64)).astype(np.float32)
        scaled = real * (np.float32(1) / np.float32(output.scale))
    return round_away(np.clip(scaled, -1e6, 1e6)) + output.zero_point


def through_floats(
    source: Tensor, output: Tensor, functions: Sequence[Operator], profile: str, x: np.ndarray
) -> np.ndarray:
    """DEQUANTIZE, float32 ``functions``, QUANTIZE, which ``compiler.islands`` has made one."""
    v = np.float32(source.scale) * (x - source.zero_point).astype(np.float32)
    for op in functions:
        v = float_operator(op, profile)(v)
    v = np.where(np.isnan(v), np.float32(-np.inf), v)    # of which there is no right integer
    return affine_quantize(v, output.scale, output.zero_point, output.dtype)


def hard_swish(source: Tensor, output: Tensor, x: np.ndarray) -> np.ndarray:
    """HARD_SWISH: ``x * relu6(x + 3) / 6`` in 16 bits; TFLite reference_ops HardSwish."""
    fine = np.float32(source.scale) / np.float32(128)
    to_output, output_shift = quantize_multiplier(float(fine / np.float32(output.scale)))
    relu_scale = np.float32(3) / np.float32(32768)
    to_relu, relu_shift = quantize_multiplier(float(fine / relu_scale))
    h = (x - source.zero_point) << 7
    product = multiply_16(h, to_16(to_output))
    r = h
    if relu_shift > 0:
        r = saturate_16(r << (relu_shift - 1))
    r = multiply_16(r, to_16(to_relu))
    if relu_shift > 0:
        r = saturate_16(r << 1)
    elif relu_shift < 0:
        r = divide_by_pot_16(r, -relu_shift)
    r = (r + 32768) >> 1
    gated = np.minimum(truncated_divide(r * product, 1 << 15), 32767)
    return divide_by_pot_16(gated, -output_shift) + output.zero_point


def to_16(multiplier: int) -> int:
    """A Q0.31 multiplier as Q0.15: TFLite DownScaleInt32ToInt16Multiplier."""
    return 32767 if multiplier >= 2**31 - 1 - 2**15 else (multiplier + 2**15) >> 16


def saturate_16(x: np.ndarray) -> np.ndarray:
    """``x`` within int16."""
    return np.clip(x, -32768, 32767)


def divide_by_pot_16(x: np.ndarray, exponent: int) -> np.ndarray:
    """gemmlowp RoundingDivideByPOT for int16, which has no mask of 16 bits: it takes all ones."""
    return np.where(x < 0, -1, 1) if exponent > 15 else rounding_divide_by_pot(x, exponent)


def multiply_16(a: np.ndarray, b: int) -> np.ndarray:
    """High 16 bits of ``2 * a * b``: gemmlowp SaturatingRoundingDoublingHighMul for int16."""
    return saturate_16((a * b + (1 << 14)) >> 15)
