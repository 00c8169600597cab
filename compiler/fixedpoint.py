"""Exponential and reciprocal in fixed point, as SOFTMAX, LOGISTIC and TANH use them.

Raw int32 values in numpy int64 arrays; "Qn.m" has n integer and m fraction bits. The functions are
those of gemmlowp's fixedpoint.h, which TFLite's reference kernels call.
"""

import math

import numpy as np

from compiler.numerics import (
    INT32_MAX,
    quantize_multiplier,
    rounding_divide_by_pot,
    rounding_doubling_high_mul,
    wrap32,
)

# exp(-2**e) in Q0.31 for e = -2, -1, ..., 4: the factors of gemmlowp exp_on_negative_values.
EXP_FACTORS = (
    (-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308),
    (2, 39332535), (3, 720401), (4, 242),
)


def saturating_shift_left(x: np.ndarray, exponent: int) -> np.ndarray:
    """``x << exponent`` within int32: gemmlowp SaturatingRoundingMultiplyByPOT, positive case."""
    limit = (1 << (31 - exponent)) - 1
    shifted = x << exponent
    return np.where(x > limit, INT32_MAX, np.where(x < -limit, -(2**31), shifted))


def exp_of_small(a: np.ndarray) -> np.ndarray:
    """exp of Q0.31 in [-1/4, 0): gemmlowp exp_on_interval_between_negative_one_quarter_and_0_excl.

    The Taylor series around -1/8, to the fourth power.
    """
    x = a + (1 << 28)
    x2 = rounding_doubling_high_mul(x, x)
    x3 = rounding_doubling_high_mul(x2, x)
    x4 = rounding_doubling_high_mul(x2, x2)
    third = rounding_doubling_high_mul(rounding_divide_by_pot(x4, 2) + x3, 715827883)
    series = rounding_divide_by_pot(third + x2, 1)
    return 1895147668 + rounding_doubling_high_mul(np.int64(1895147668), x + series)


def exp_of_negative(a: np.ndarray, integer_bits: int) -> np.ndarray:
    """exp in Q0.31 of ``a <= 0`` in Q(n).(31-n): gemmlowp exp_on_negative_values."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    part = (a & (quarter - 1)) - quarter
    result = exp_of_small(saturating_shift_left(part, integer_bits))
    rest = part - a
    for exponent, factor in EXP_FACTORS:
        if integer_bits > exponent:
            bit = (rest >> (fraction_bits + exponent)) & 1
            result = np.where(bit == 1, rounding_doubling_high_mul(result, factor), result)
    if integer_bits > 5:
        result = np.where(a < -(1 << (36 - integer_bits)), 0, result)
    return np.where(a == 0, INT32_MAX, result)


def half_reciprocal(a: np.ndarray) -> np.ndarray:
    """``2 / (1 + a)`` in Q2.29 of Q0.31 in [0, 1): the Newton steps of gemmlowp's reciprocals."""
    half = (a + INT32_MAX + 1) >> 1
    x = 1515870810 + rounding_doubling_high_mul(half, np.int64(-1010580540))
    for _ in range(3):
        error = (1 << 29) - rounding_doubling_high_mul(half, x)
        x = x + saturating_shift_left(rounding_doubling_high_mul(x, error), 2)
    return x


def one_over_one_plus(a: np.ndarray) -> np.ndarray:
    """``1 / (1 + a)`` in Q0.31 of Q0.31 in [0, 1): gemmlowp one_over_one_plus_x_for_x_in_0_1."""
    return saturating_shift_left(half_reciprocal(a), 1)


def logistic(a: np.ndarray) -> np.ndarray:
    """Logistic function in Q0.31 of Q4.27: gemmlowp logistic."""
    positive = one_over_one_plus(exp_of_negative(-np.abs(a), 4))
    return np.where(a == 0, 1 << 30, np.where(a > 0, positive, INT32_MAX - positive))


def tanh(a: np.ndarray) -> np.ndarray:
    """Hyperbolic tangent in Q0.31 of Q4.27: gemmlowp tanh."""
    exponential = exp_of_negative(-np.abs(a), 5)             # the same raw value, read as 2 * a
    magnitude = saturating_shift_left(half_reciprocal(exponential) - (1 << 29), 2)
    return np.sign(a) * magnitude


def softmax_exponentials(scale: float, beta: float) -> np.ndarray:
    """``exp(-beta * scale * d)`` in Q0.31 for d = 0..255; 0 where TFLite leaves the term out.

    TFLite PreprocessSoftmaxScaling, CalculateInputRadius and reference_ops Softmax.
    """
    real = min(beta * scale * (1 << 26), float(INT32_MAX))
    multiplier, shift = quantize_multiplier(real)
    radius = math.floor(31 * (1 << 26) / 2.0**shift)
    difference = -np.arange(256, dtype=np.int64)
    scaled = rounding_doubling_high_mul(wrap32(difference << max(shift, 0)), multiplier)
    return np.where(-difference <= radius, exp_of_negative(scaled, 5), 0)


def softmax_rows(exponentials: np.ndarray) -> np.ndarray:
    """``round(256 * e / sum(e))`` along the last axis, of Q0.31.

    TFLite reference_ops Softmax; the sum has 12 integer bits.
    """
    total = rounding_divide_by_pot(exponentials, 12).sum(axis=-1, keepdims=True)
    headroom = 32 - np.frexp(total.astype(np.float64))[1]    # leading zeros of 32 bits; total > 0
    reciprocal = one_over_one_plus((total << headroom) - (1 << 31))
    shares = rounding_doubling_high_mul(reciprocal, exponentials)
    return rounding_divide_by_pot(shares, 12 - headroom + 23)


def inverse_square_root(x: int) -> tuple[int, int]:
    """``(multiplier, shift)`` of ``1 / sqrt(x)``: TFLite GetInvSqrtQuantizedMultiplierExp."""
    if x <= 1:
        return INT32_MAX, 0
    shift = 11
    while x >= 1 << 29:
        x, shift = x // 4, shift + 1
    pairs = (31 - x.bit_length()) // 2 - 1
    x, shift = x << (2 * pairs), shift - pairs
    half = rounding_divide_by_pot(x >> 1, 1)
    three_halves, root = (1 << 28) + (1 << 27), 1 << 28      # Q3.28
    for _ in range(5):
        square = rounding_doubling_high_mul(root, root)
        cube = saturate(rounding_doubling_high_mul(square, root) << 6)
        step = (rounding_doubling_high_mul(three_halves, root)
                - rounding_doubling_high_mul(half, cube))
        root = saturate(step << 3)
    root = rounding_doubling_high_mul(root, 1518500250)      # sqrt(2) / 2
    return (root << -shift, 0) if shift < 0 else (root, -shift)


def saturate(x: int) -> int:
    """``x`` within int32."""
    return max(-(2**31), min(INT32_MAX, x))
