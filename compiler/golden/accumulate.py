"""Exact sums of products in floating point, and the way from such sums to 8-bit outputs.

BLAS multiplies floats far faster than numpy multiplies integers. A sum of integer products is exact
in a float type, in any order, when the sum of the magnitudes stays below 2**24 or 2**53.
"""

from collections.abc import Sequence

import numpy as np

from compiler.ir import Tensor
from compiler.numerics import (
    DoubleRounding,
    Float64Rounding,
    Staircase,
    double_rounding,
    integer_range,
    wrap32,
)

# Sums in one pass of requantization: its temporaries stay in the second-level cache.
PASS = 16384


def float_type(weights: np.ndarray, source: Tensor) -> type[np.floating]:
    """The narrower float type in which dot products with ``weights`` are exact.

    ``weights`` is ``[channels, products]`` without zero points; the other factor is any value of
    ``source`` minus its zero point.
    """
    low, high = integer_range(source.dtype)
    largest = max(source.zero_point - low, high - source.zero_point)
    magnitudes = np.abs(weights.astype(np.int64)).sum(axis=1) * largest
    bound = int(magnitudes.max(initial=0))
    assert bound < 2**53
    return np.float32 if bound < 2**24 else np.float64


def centred(values: np.ndarray, source: Tensor, dtype: type[np.floating]) -> np.ndarray:
    """``values`` minus the zero point of ``source``, as floats."""
    return np.subtract(values, dtype(source.zero_point), dtype=dtype)


class Requantizer:
    """From sums of products ``[rows, channels]`` to outputs: bias, rule, zero point, clamp.

    ``rules`` are those of one operator, of one kind, zero point and range.
    """

    def __init__(self, rules: Sequence[Staircase], bias: np.ndarray, dtype: str) -> None:
        self.dtype = dtype
        self.channels = len(rules)
        self.rows = max(1, PASS // self.channels)
        self.low, self.high, self.zero_point = rules[0].low, rules[0].high, zero_point_of(rules[0])
        self.bias = bias.astype(np.int64)
        floats = [rule for rule in rules if isinstance(rule, Float64Rounding)]
        if floats:
            self.scale = self.tile(np.array([rule.scale for rule in floats]))
            self.bias_tile = self.tile(self.bias.astype(np.float64))
            self.convert = self.float64_rounding
            return
        doubles = [rule for rule in rules if isinstance(rule, DoubleRounding)]
        assert len(doubles) == self.channels
        self.multiplier = np.array([rule.multiplier for rule in doubles], np.int64)
        self.shift = np.array([rule.shift for rule in doubles], np.int64)
        self.convert = self.double_rounding
        if self.shift.max() < 0:
            # (sum + bias) * multiplier + 2**30, its constant part; then a rounding constant that
            # also brings the zero point.
            self.first = self.tile(self.bias * self.multiplier + (1 << 30))
            right = -self.shift
            self.second = self.tile((1 << (right - 1)) + (self.zero_point << right))
            self.right = self.tile(right) if len(set(right.tolist())) > 1 else right[0]
            self.multiplier = self.tile(self.multiplier)
            self.convert = self.right_shifts

    def tile(self, vector: np.ndarray) -> np.ndarray:
        """One entry per channel, repeated for the rows of a pass: numpy is slow on short rows."""
        return np.tile(vector, (self.rows, 1))

    def __call__(self, sums: np.ndarray) -> np.ndarray:
        """``[rows, channels]`` of exact integers in any type, to the output's type."""
        output = np.empty(sums.shape, self.dtype)
        for first in range(0, len(sums), self.rows):
            part = sums[first:first + self.rows]
            output[first:first + self.rows] = self.convert(part)
        return output

    def right_shifts(self, sums: np.ndarray) -> np.ndarray:
        """Double rounding where every channel's shift is to the right, in place."""
        rows = len(sums)
        value = sums.astype(np.int64)
        value *= self.multiplier[:rows]
        value += self.first[:rows]
        value >>= 31
        value += value >> 63                     # ties of negative numbers go away from zero
        value += self.second[:rows]
        value >>= self.right if self.right.ndim == 0 else self.right[:rows]
        return np.clip(value, self.low, self.high, out=value)

    def double_rounding(self, sums: np.ndarray) -> np.ndarray:
        """Double rounding with shifts of either sign."""
        value = wrap32(sums.astype(np.int64) + self.bias)
        value = double_rounding(value, self.multiplier, self.shift) + self.zero_point
        return np.clip(value, self.low, self.high)

    def float64_rounding(self, sums: np.ndarray) -> np.ndarray:
        """One rounding, away from zero: truncation after adding just less than one half."""
        rows = len(sums)
        value = sums.astype(np.float64)
        value += self.bias_tile[:rows]
        value *= self.scale[:rows]
        value += np.copysign(np.nextafter(0.5, 0.0), value)
        np.trunc(value, out=value)
        value += self.zero_point
        return np.clip(value, self.low, self.high, out=value)


def zero_point_of(rule: Staircase) -> int:
    """The output's zero point, of the rules that add one."""
    assert isinstance(rule, DoubleRounding | Float64Rounding)
    return rule.zero_point
