"""The hardware's requantizer, and the search for parameters that make it equal to a rounding rule.

A rounding rule is a monotone staircase from the accumulator to the output. The hardware computes

    x = acc, saturated to digit_width * digits bits
    P = floor(x * m / G)                        with G = 2**(digit_width * (digits - 1))
    y = clamp((P + (r1 if P < 0 else r0)) >> s, low, high)

where G stands for the low digits of the product, dropped before the offset r is added (the
output's zero point is inside r). All r and k being integers, the floor does not matter:
``P + r >= k << s`` exactly when ``x * m / G + r >= k << s``. A step from below k to k at
accumulator T is therefore two linear constraints on (m, r), one at T and one at T - 1, where r
is r0 or r1 by the sign of the accumulator.
"""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike

from compiler.numerics import DoubleRounding, Float64Rounding, Staircase
from compiler.slopes import Constraints, NoSlope, Problem, Widths, solve
from compiler.thresholds import Stack, thresholds

MAX_DIGITS = 4
# Bits of the requantizer's multiplier, from the smallest that most models get by with.
MULTIPLIER_WIDTHS = (24, 26, 28, 30)
PART = 256                                       # channels solved at once


@dataclass(frozen=True)
class Requantize:
    """The parameters of one channel: m, r0, r1 and s above."""

    multiplier: int
    offset: int
    offset_negative: int
    shift: int


def narrowest_first(hardware: Widths) -> Iterator[Widths]:
    """The hardware with narrower multipliers, then as it is. Who takes the first that will do
    gives wider hardware the same parameters, and shows how wide it must be."""
    narrower = (width for width in MULTIPLIER_WIDTHS if width < hardware.multiplier_width)
    for width in (*narrower, hardware.multiplier_width):
        yield Widths(hardware.digit_width, width, hardware.shift_min, hardware.shift_max,
                     hardware.offset_width)


class StaircaseError(Exception):
    """``channel`` has no exact parameters; ``reason`` completes "channel 3 ..."."""

    def __init__(self, channel: int, reason: str):
        super().__init__(f"channel {channel} {reason}")
        self.channel = channel
        self.reason = reason


def evaluate(acc: np.ndarray, channels: Sequence[Requantize], digits: int, low: int, high: int,
             hardware: Widths) -> np.ndarray:
    """What the hardware answers to int32 accumulators ``[..., channels]``, as int64."""
    m, r0, r1, s = np.array([astuple(channel) for channel in channels], np.int64).T
    return _datapath(np.asarray(acc, np.int64), m, r0, r1, s, digits, low, high, hardware)


def _datapath(acc: np.ndarray, m: np.ndarray, r0: np.ndarray, r1: np.ndarray, s: np.ndarray,
              digits: int, low: int, high: int, hardware: Widths) -> np.ndarray:
    limit = 1 << (hardware.digit_width * digits - 1)
    product = np.clip(acc, -limit, limit - 1) * m >> hardware.digit_width * (digits - 1)
    return np.clip((product + np.where(product < 0, r1, r0)) >> s, low, high)


def fit(rules: Sequence[Staircase], acc_min: ArrayLike, acc_max: ArrayLike,
        hardware: Widths, least_digits: int = 1) -> tuple[int, list[Requantize]]:
    """``(digits, parameters)``, exact for all accumulators in ``acc_min..acc_max``.

    One rule a channel, all with the same ``low`` and ``high``; the ranges are int64
    ``[channels]``. ``digits`` is the least, from ``least_digits`` on, that keeps every step inside
    the saturation and has parameters for every channel. StaircaseError where there are none;
    nothing is approximated.
    """
    least, most = (np.asarray(ends, np.int64) for ends in (acc_min, acc_max))
    _refuse_overflow(rules, least, most)
    parts = {}
    for first in range(0, len(rules), PART):
        channels = slice(first, first + PART)
        parts[first] = _Part(rules[channels], least[channels, None], most[channels, None])
    failed: tuple[int, NoSlope] | None = None
    fewest = len(rules) + 1
    enough = max(least_digits, *(part.least_digits(first, hardware)
                                 for first, part in parts.items()))
    for digits in range(enough, MAX_DIGITS + 1):
        found = {first: part.solve(digits, hardware) for first, part in parts.items()}
        solved = [some for some in found.values() if not isinstance(some, NoSlope)]
        if len(solved) == len(parts):
            return digits, list(chain.from_iterable(solved))
        missing = {first: none for first, none in found.items() if isinstance(none, NoSlope)}
        count = sum(len(none.channels) for none in missing.values())
        if count < fewest:
            fewest, failed = count, next(iter(missing.items()))
    assert failed is not None
    first, failure = failed
    raise StaircaseError(first + failure.channels[0], failure.reason(hardware))


class _Part:
    """Some of the channels: so many that their steps stay in the cache."""

    def __init__(self, rules: Sequence[Staircase], acc_min: np.ndarray, acc_max: np.ndarray):
        self.rule = rule = Stack(rules)
        self.acc_min, self.low, self.high = acc_min, rules[0].low, rules[0].high
        self.levels, self.steps = thresholds(rule, acc_min, acc_max)      # [channels, points]
        ends = np.concatenate([acc_min, 0 * acc_min - 1, 0 * acc_min, acc_max], axis=1)
        self.ends = np.clip(ends, acc_min, acc_max)                       # [channels, 4]
        # Where all is decided, and what must come out there:
        self.points = np.clip(np.concatenate([self.steps, self.steps - 1, self.ends], axis=1),
                              acc_min, acc_max)
        self.wanted = rule(self.points)

    def least_digits(self, first: int, hardware: Widths) -> int:
        """The least with which the accumulators at and below each step stay apart; the part's
        channels are those from the ``first`` on."""
        steps = self.steps
        real = steps > self.acc_min              # rows without a step repeat acc_min
        reach = np.where(real, np.where(steps > 0, steps, -steps), 0).max(axis=1)
        for digits in range(1, MAX_DIGITS + 1):
            far = reach >= 1 << (hardware.digit_width * digits - 1)
            if not far.any():
                return digits
        channel = int(far.argmax())
        raise StaircaseError(first + channel, (
            f"has a step at an accumulator of magnitude {reach[channel]}, beyond the "
            f"{hardware.digit_width * MAX_DIGITS} bits of {MAX_DIGITS} digits"))

    def solve(self, digits: int, hardware: Widths) -> tuple[Requantize, ...] | NoSlope:
        """The parameters with the narrowest multiplier that will do; NoSlope where there are none.
        """
        for widths in narrowest_first(hardware):
            found = self.solve_with(digits, widths)
            if not isinstance(found, NoSlope):
                break
        return found

    def solve_with(self, digits: int, hardware: Widths) -> tuple[Requantize, ...] | NoSlope:
        """The parameters with just these widths, proven at every step."""
        try:
            m, r0, r1, s = solve(self.problem(digits, hardware), hardware)
        except NoSlope as error:
            return error.with_traceback(None)    # which would keep all that was tried
        columns = (m[:, None], r0[:, None], r1[:, None], s[:, None])
        got = _datapath(self.points, *columns, digits, self.low, self.high, hardware)
        # Between two checked neighbours both functions are monotone, so this is a proof.
        assert (got == self.wanted).all()
        return tuple(Requantize(*map(int, row)) for row in zip(m, r0, r1, s, strict=True))

    def problem(self, digits: int, hardware: Widths) -> Problem:
        """The constraints at the steps, and at the ends of either sign where no step bounds them.
        """
        limit = 1 << (hardware.digit_width * digits - 1)
        levels, steps, value = self.levels, self.steps, self.wanted[:, -self.ends.shape[1]:]
        flat = value[:, 0] == value[:, -1]
        acc = np.clip(self.ends, -limit, limit - 1)
        stepped = np.broadcast_to(~flat[:, None], steps.shape)
        at_least = Constraints(acc=np.concatenate([steps, acc], axis=1),
                               level=np.concatenate([levels, value], axis=1),
                               valid=np.concatenate([stepped, value > self.low], axis=1))
        below = Constraints(acc=np.concatenate([steps - 1, acc], axis=1),
                            level=np.concatenate([levels, value + 1], axis=1),
                            valid=np.concatenate([stepped, value < self.high], axis=1))
        return Problem(digits, at_least, below, steps, levels, flat,
                       self.rule.zero_point, self.rule.slope)


def _refuse_overflow(rules: Sequence[Staircase], acc_min: np.ndarray,
                     acc_max: np.ndarray) -> None:
    """What overflows int32 is no staircase any more: TFLite wraps around there."""
    for channel, (rule, least, most) in enumerate(
            zip(rules, acc_min.tolist(), acc_max.tolist(), strict=True)):
        bound = max(-least, most + 1)
        if isinstance(rule, DoubleRounding) and bound << max(rule.shift, 0) > 2**31:
            raise StaircaseError(channel, (
                f"shifts accumulators up to {bound - 1} left by {rule.shift}, which "
                f"overflows the 32 bits that TFLite rounds in"))
        # (Behind the product comes the zero point, less than 256.)
        if isinstance(rule, Float64Rounding) and bound * rule.scale >= 2**31 - 256:
            raise StaircaseError(channel, (
                f"multiplies accumulators up to {bound - 1} by {rule.scale:g}, which overflows the "
                "32 bits that TFLite rounds to"))

