"""ABS, LOG, SQRT and RSQRT of int8 as TFLite's elementwise kernels compute them.

SQRT and RSQRT fail where an input lies below the zero point. Then there is no answer to be equal
to: here the first saturates as of zero, the second as of something almost zero.
"""

import math

import numpy as np

from compiler.fixedpoint import inverse_square_root
from compiler.floats import Function, rounded
from compiler.ir import Tensor
from compiler.numerics import double_rounding, integer_range, quantize_multiplier
from compiler.requantize import real_multiplier

KEPT_BITS = 20                                   # behind the point of an inverse square root


def absolute(source: Tensor, output: Tensor, profile: str, x: np.ndarray) -> np.ndarray:
    """ABS: rescaled where the scales differ; TFLite AbsEvalQuantized."""
    magnitude = np.abs(x - source.zero_point)
    if source.scale != output.scale:
        real = real_multiplier(profile, (source.scale,), output.scale)
        magnitude = double_rounding(magnitude, *quantize_multiplier(real))
    return magnitude + output.zero_point


def float_log(output: Tensor) -> Function:
    """LOG in float32: of what has none, the least that the output holds; TFLite LogLUTPrepare."""
    low, _ = integer_range(output.dtype)
    least = np.float32(low - output.zero_point) * np.float32(output.scale)

    def function(v: np.ndarray) -> np.ndarray:
        return np.where(v > 0, rounded(np.log)(np.where(v > 0, v, 1)), least)

    return function


def root(source: Tensor, output: Tensor, x: np.ndarray) -> np.ndarray:
    """SQRT: in float32, and truncated where all else rounds."""
    v = np.float32(source.scale) * np.maximum(x - source.zero_point, 0).astype(np.float32)
    quotient = np.sqrt(v) / np.float32(output.scale)
    return np.minimum(quotient, 256).astype(np.int64) + output.zero_point


def inverse_root(source: Tensor, output: Tensor, profile: str, x: np.ndarray) -> np.ndarray:
    """RSQRT: in integers, and the largest one of zero; TFLite RsqrtEvalQuantized."""
    multiplier, shift = quantize_multiplier(inverse_root_multiplier(source, output, profile))
    _, high = integer_range(output.dtype)
    found = []
    for value in (x - source.zero_point).tolist():
        mantissa, exponent = inverse_square_root(value)
        real = double_rounding(1, mantissa, exponent + KEPT_BITS)
        scaled = double_rounding(real, multiplier, shift - KEPT_BITS)
        found.append(scaled + output.zero_point if value > 0 else high)
    return np.array(found)


def inverse_root_multiplier(source: Tensor, output: Tensor, profile: str) -> float:
    """``1 / (sqrt(S1) * S3)``: LiteRT has the divisor in float32, TFLM in float64."""
    if profile == "litert":
        return 1 / float(np.sqrt(np.float32(source.scale)) * np.float32(output.scale))
    return 1 / (math.sqrt(source.scale) * output.scale)
