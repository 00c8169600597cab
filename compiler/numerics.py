"""TFLite's integer arithmetic: multipliers, roundings, ranges, and one rule per accumulator.

Everything works on Python integers and on numpy int64 arrays alike, and is exact. A *profile*
names the runtime whose results are the truth: ``"litert"`` is LiteRT 2.x with its reference
kernels, ``"tflm"`` is TensorFlow Lite Micro. Scales are the float64 values of the file's float32.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

PROFILES = ("litert", "tflm")

INT32_MAX = 2**31 - 1

# The real numbers that activations stay within.
BOUNDS: dict[str, tuple[float, float | None]] = {
    "RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1), "RELU_0_TO_1": (0, 1)}

# A Python int or an int64 array; the functions below do the same to both.
Integers = Any


def wrap32(x: Integers) -> Integers:
    """``x`` modulo 2**32 as a signed number: what C's int32 holds after an overflow."""
    return ((x + 2**31) & 0xFFFFFFFF) - 2**31


def rounding_doubling_high_mul(a: Integers, b: Integers) -> Integers:
    """High 32 bits of ``2 * a * b``, ties up: gemmlowp SaturatingRoundingDoublingHighMul."""
    high = (a * b + (1 << 30)) >> 31
    return high - (high == 2**31)                # only (-2**31) * (-2**31) gets there


def rounding_divide_by_pot(x: Integers, exponent: Integers) -> Integers:
    """``x / 2**exponent``, ties away from zero: gemmlowp RoundingDivideByPOT."""
    half = (1 << exponent) >> 1
    return (x + half - ((x < 0) & (exponent > 0))) >> exponent


def round_away(x: Any) -> Any:
    """The nearest integer, ties away from zero, as C's ``round``; a float or an array of floats."""
    magnitude = np.abs(x)
    whole = np.floor(magnitude)
    rounded = np.where(magnitude - whole >= 0.5, whole + 1, whole)
    return np.where(x < 0, -rounded, rounded)[()].astype(np.int64)


def truncated_divide(a: Integers, b: int) -> Integers:
    """``a / b`` rounded towards zero, as C divides; ``b > 0``."""
    quotient = abs(a) // b
    return quotient - 2 * quotient * (a < 0)


def quantize_multiplier(scale: float) -> tuple[int, int]:
    """``(q, s)`` with ``scale ~ q * 2**(s - 31)``, q in [2**30, 2**31): TFLite QuantizeMultiplier.

    Zero, and what is too small for a shift of -31, give (0, 0).
    """
    fraction, shift = math.frexp(scale)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    if multiplier == 0 or shift < -31:
        return 0, 0
    return multiplier, shift


def double_rounding(acc: Integers, multiplier: Integers, shift: Integers) -> Integers:
    """``acc * multiplier * 2**(shift - 31)``: TFLite MultiplyByQuantizedMultiplier for int32.

    Rounds twice. A positive shift moves ``acc`` to the left first, where int32 may overflow.
    """
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    if isinstance(acc, int):
        left, right = int(left), int(right)
    high = rounding_doubling_high_mul(wrap32(acc << left), multiplier)
    return rounding_divide_by_pot(high, right)


def float64_rounding(acc: Integers, scale: Any) -> Any:
    """``round(acc * scale)`` in float64, once: LiteRT's FULLY_CONNECTED since version 1.3."""
    return round_away(np.asarray(acc, np.float64) * scale)


def average_rounding(total: Integers, count: Integers, ties_up: Any = False) -> Integers:
    """``total / count``, ties away from zero: TFLite reference_integer_ops AveragePool.

    With ``ties_up``, as reference_ops AveragePool does for uint8, of which int8 is a part when
    128 is taken off each value: there the ties of negative sums go up as well.
    """
    half = count // 2
    return np.where((total > 0) | ties_up, (total + half) // count, -((half - total) // count))[()]


@dataclass(frozen=True)
class DoubleRounding:
    """``clamp(MultiplyByQuantizedMultiplier(acc, multiplier, shift) + zero_point, low, high)``."""

    multiplier: int
    shift: int
    zero_point: int
    low: int
    high: int

    def __call__(self, acc: np.ndarray) -> np.ndarray:
        rounded = double_rounding(acc, self.multiplier, self.shift)
        return np.clip(rounded + self.zero_point, self.low, self.high)

    @property
    def slope(self) -> float:
        """Of the line that the steps follow."""
        return math.ldexp(self.multiplier, self.shift - 31)


@dataclass(frozen=True)
class Float64Rounding:
    """``clamp(round(acc * scale) + zero_point, low, high)``, the product in float64."""

    scale: float
    zero_point: int
    low: int
    high: int

    def __call__(self, acc: np.ndarray) -> np.ndarray:
        rounded = float64_rounding(acc, self.scale)
        return np.clip(rounded + self.zero_point, self.low, self.high)

    @property
    def slope(self) -> float:
        """Of the line that the steps follow."""
        return self.scale


@dataclass(frozen=True)
class AverageRounding:
    """``clamp(sum / count, low, high)``, ties away from zero; no scale and no zero point."""

    count: int
    low: int
    high: int
    ties_up: bool = False

    def __call__(self, acc: np.ndarray) -> np.ndarray:
        return np.clip(average_rounding(acc, self.count, self.ties_up), self.low, self.high)

    @property
    def slope(self) -> float:
        """Of the line that the steps follow."""
        return 1 / self.count

    @property
    def zero_point(self) -> int:
        """The sum's own zero point is the output's, so there is none to add."""
        return 0


@dataclass(frozen=True)
class AddedConstant:
    """ADD or SUB where one operand is constant, and already at the common scale with 20 bits more.

    The accumulator is ``sign * (x - zero point) + bias``: outputs rise with it, and are about zero
    where it is zero. ``output_`` fields are those of the last rounding.
    """

    multiplier: int
    shift: int
    sign: int
    constant: int
    bias: int
    output_multiplier: int
    output_shift: int
    zero_point: int
    low: int
    high: int

    def __call__(self, acc: np.ndarray) -> np.ndarray:
        scaled = double_rounding((self.sign * (acc - self.bias)) << 20, self.multiplier, self.shift)
        rounded = double_rounding(self.constant + self.sign * scaled, self.output_multiplier,
                                  self.output_shift)
        return np.clip(rounded + self.zero_point, self.low, self.high)

    @property
    def slope(self) -> float:
        """Of the line that the steps follow."""
        return math.ldexp(self.multiplier, self.shift - 31) \
            * math.ldexp(self.output_multiplier, self.output_shift - 31 + 20)


# From an int32 accumulator to the output's integer: monotone, zero point and clamp included.
Staircase = DoubleRounding | Float64Rounding | AverageRounding | AddedConstant


def integer_range(dtype: str) -> tuple[int, int]:
    """Smallest and largest value of ``"int8"``, ``"uint8"``, ``"int32"``..."""
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def quantize_float32(value: float, scale: float, zero_point: int) -> int:
    """The integer of a real number, divided and rounded in float32: TFLite's local Quantize."""
    return zero_point + int(round_away(np.float32(value) / np.float32(scale)))


def activation_range(activation: str, scale: float, zero_point: int, dtype: str) -> tuple[int, int]:
    """``(low, high)`` of the output's integers: TFLite CalculateActivationRangeQuantized."""
    low, high = integer_range(dtype)
    bottom, top = BOUNDS.get(activation, (None, None))
    if bottom is not None:
        low = max(low, quantize_float32(bottom, scale, zero_point))
    if top is not None:
        high = min(high, quantize_float32(top, scale, zero_point))
    return low, high


def affine_quantize(values: np.ndarray, scale: float, zero_point: int, dtype: str) -> np.ndarray:
    """Real numbers in 8 bits as TFLite's reference QUANTIZE has them (AffineQuantize): divided in
    float32, rounded with ties away from zero, clamped."""
    low, high = integer_range(dtype)
    ratio = np.clip(values / np.float32(scale), -65536, 65536)
    return np.clip(round_away(ratio) + zero_point, low, high).astype(dtype)
