"""The search for multiplier, offsets and shift that meet linear constraints, channels at once.

At a given multiplier m the constraints of one sign leave an interval for the offset r. Its width
is concave in m (a least of linear functions), so where it is negative the two constraints that
cross say on which side of m to look, and how far away at the least: bisection with cuts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

NEVER = 1 << 60                                  # a bound that never binds
MAX_TRIED = 31                                   # int64 holds a product with 32 bits
SCANNED = 64                                     # multipliers tried one by one at the end


@dataclass(frozen=True)
class Constraints:
    """``P(acc) + r >= level << s``, or ``<``; int64 ``[channels, points]``, bool for ``valid``."""

    acc: np.ndarray
    level: np.ndarray
    valid: np.ndarray

    def rows(self, rows: np.ndarray) -> Constraints:
        """Those of some channels."""
        return Constraints(self.acc[rows], self.level[rows], self.valid[rows])


@dataclass(frozen=True)
class Problem:
    """What ``m, r0, r1, s`` of every channel must do; see ``compiler.staircase``."""

    digits: int
    at_least: Constraints
    below: Constraints
    steps: np.ndarray                            # [channels, points], rising
    levels: np.ndarray                           # [channels, points], rising
    flat: np.ndarray                             # [channels]: no step at all
    zero_point: np.ndarray                       # [channels]: of the output
    slope: np.ndarray                            # [channels]: of the rule, where it does not clamp

    def rows(self, rows: np.ndarray) -> Problem:
        """The part of some channels."""
        return replace(self, at_least=self.at_least.rows(rows), below=self.below.rows(rows),
                       steps=self.steps[rows], levels=self.levels[rows], flat=self.flat[rows],
                       zero_point=self.zero_point[rows], slope=self.slope[rows])


@dataclass(frozen=True)
class Widths:
    """Of the requantizer: bits, and the shifts that it knows."""

    digit_width: int
    multiplier_width: int
    shift_min: int
    shift_max: int
    offset_width: int


@dataclass(frozen=True)
class Interval:
    """From ``low`` to ``high``, both within, ``[channels]``; empty where ``low`` is above."""

    low: np.ndarray
    high: np.ndarray

    def rows(self, rows: np.ndarray) -> Interval:
        """Those of some channels."""
        return Interval(self.low[rows], self.high[rows])

    def common(self, other: Interval) -> Interval:
        """What lies in both."""
        return Interval(np.maximum(self.low, other.low), np.minimum(self.high, other.high))

    @property
    def is_some(self) -> np.ndarray:
        """Where it is not empty, bool."""
        return self.low <= self.high


class NoSlope(Exception):
    """``channels`` have no solution in ``problem``, of which the first one's part is kept."""

    def __init__(self, channels: np.ndarray, problem: Problem):
        super().__init__(f"{len(channels)} channels")
        self.channels = [int(channel) for channel in channels]
        self.problem = problem.rows(channels[:1])

    def reason(self, hardware: Widths) -> str:
        """Why there is none for the first channel, and which multiplier would do."""
        problem = self.problem
        steps, levels = problem.steps[0], problem.levels[0]
        has, shift_max = hardware.multiplier_width, hardware.shift_max
        needs = f"a multiplier wider than {MAX_TRIED} bits"
        tries = [(more, deeper) for more in range(1, MAX_TRIED - has + 1) for deeper in (0, more)]
        for more, deeper in tries:
            try:
                solve(problem, Widths(hardware.digit_width, has + more, hardware.shift_min,
                                      shift_max + deeper, hardware.offset_width))
            except NoSlope:
                continue
            needs = f"a multiplier of {has + more} bits"
            if deeper:
                needs += f" and shifts up to {shift_max + deeper}"
            break
        return (f"needs {needs} with {problem.digits} digits for its "
                f"{levels[-1] - levels[0] + 1} steps at accumulators {steps[0]} to {steps[-1]}; "
                f"this hardware has {has} bits and shifts by {hardware.shift_min} to {shift_max}")


def solve(problem: Problem, hardware: Widths
          ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """``m, r0, r1, s``, int64 ``[channels]``; NoSlope names channels that have none."""
    m_max = (1 << hardware.multiplier_width) - 1
    low_bits = hardware.digit_width * (problem.digits - 1)
    slope = bounds_of_slope(problem)
    search = _Search(problem, shift_for(problem, slope, m_max, low_bits, hardware), low_bits,
                     hardware.offset_width)
    whole = search.multipliers(slope, m_max)
    found, solved, left = _bisect(search, whole)
    missing = np.flatnonzero(~solved)
    for at, channel in enumerate(missing):
        # Offsets are whole numbers, so a lone m where the cuts met may have been jumped over.
        met = min(left.low[channel], left.high[channel])
        first = max(whole.low[channel], met - SCANNED // 2)
        m = np.arange(first, min(first + SCANNED, whole.high[channel] + 1))
        offsets, fits, _ = search.rows(np.full(len(m), channel)).at(m)
        good = np.flatnonzero(fits)
        if not good.size:
            raise NoSlope(missing[at:], problem)
        found[:, channel] = m[good[0]], *offsets[:, good[0]]
    return found[0], found[1], found[2], search.shift


def _bisect(search: _Search, whole: Interval) -> tuple[np.ndarray, np.ndarray, Interval]:
    """``(m, r0, r1)`` as ``[3, channels]`` with m in ``whole``; which of them are found; and what
    the cuts have left of it."""
    found = np.zeros((3, len(whole.low)), np.int64)
    solved = np.zeros(len(whole.low), bool)
    left = Interval(whole.low.copy(), whole.high.copy())
    rows = np.flatnonzero(whole.is_some)
    here, search = whole.rows(rows), search.rows(rows)
    # The rule's own slope first: with it the offsets are short, even where few steps are in reach.
    first = np.rint(search.problem.slope * search.unit_multiplier())
    m = np.clip(first, here.low, here.high).astype(np.int64)
    while rows.size:
        offsets, fits, cut = search.at(m)
        found[:, rows[fits]] = m[fits], *offsets[:, fits]
        solved[rows[fits]] = True
        here = here.common(cut)
        left.low[rows], left.high[rows] = here.low, here.high
        live = ~fits & here.is_some
        rows, here, search = rows[live], here.rows(live), search.rows(live)
        m = (here.low + here.high) >> 1
    return found, solved, left


def bounds_of_slope(problem: Problem) -> Interval:
    """What the first and the last steps of either sign leave of the slope, float64."""
    steps, levels = problem.steps, problem.levels
    count = steps.shape[1]

    def at(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        index = np.clip(index, 0, count - 1)[:, None]
        return (np.take_along_axis(steps, index, 1)[:, 0],
                np.take_along_axis(levels, index, 1)[:, 0])

    def between(first: np.ndarray, last: np.ndarray, further: int, otherwise: float) -> np.ndarray:
        """The slope from one step to another, the accumulators ``further`` apart than these."""
        (acc, level), (acc_end, level_end) = at(first), at(last)
        run = acc_end - acc + further
        return np.where(both & (run > 0), (level_end - level) / np.maximum(run, 1), otherwise)

    negative = (steps < 0).sum(axis=1)           # steps at accumulators below zero,
    before = (steps < 1).sum(axis=1)             # and those just behind such
    zero, end = np.zeros_like(negative), np.full_like(negative, count)
    slope = Interval(np.zeros(len(steps)), np.full(len(steps), np.inf))
    for reached, missed in (((negative, end), (before, end)), ((zero, negative), (zero, before))):
        both = (reached[0] < reached[1]) & (missed[0] < missed[1])
        slope = slope.common(Interval(between(missed[0], reached[1] - 1, 1, 0),
                                      between(reached[0], missed[1] - 1, -1, np.inf)))
    return slope


def shift_for(problem: Problem, slope: Interval, m_max: int, low_bits: int,
              hardware: Widths) -> np.ndarray:
    """The largest shift with room for m: it represents all that a smaller one does, and more.

    A constant needs no slope, and with the least shift the shortest offset.
    """
    middle = np.where(np.isinf(slope.high), 2 * slope.low, (slope.low + slope.high) / 2)
    room = np.log2(m_max / np.maximum(middle * 2.0**low_bits, 2.0**-60))
    shift = np.clip(np.floor(room), hardware.shift_min, hardware.shift_max).astype(np.int64)
    return np.where(problem.flat, hardware.shift_min, shift)


@dataclass(frozen=True)
class _Bound:
    """The constraint that binds an offset most from one side, ``[channels]``: by itself it leaves
    ``offset``. The offset's own width is one, too, at accumulator 0."""

    offset: np.ndarray
    acc: np.ndarray
    level: np.ndarray                            # shifted
    is_width: np.ndarray


@dataclass(frozen=True)
class _Search:
    """The problem at fixed shifts: offsets and cuts for a multiplier a channel."""

    problem: Problem
    shift: np.ndarray
    low_bits: int
    offset_width: int

    def rows(self, rows: np.ndarray) -> _Search:
        """The search for some channels."""
        return replace(self, problem=self.problem.rows(rows), shift=self.shift[rows])

    def unit_multiplier(self) -> np.ndarray:
        """The multiplier of slope 1, ``[channels]``."""
        return 2.0**(self.shift + self.low_bits)

    def multipliers(self, slope: Interval, m_max: int) -> Interval:
        """Those of such slopes; of constants only 0."""
        least = np.maximum(np.floor(slope.low * self.unit_multiplier()), 1)
        most = np.minimum(np.ceil(slope.high * self.unit_multiplier()), m_max)
        return Interval(*(np.where(self.problem.flat, 0, end).astype(np.int64)
                          for end in (least, most)))

    def at(self, m: np.ndarray) -> tuple[np.ndarray, np.ndarray, Interval]:
        """Offsets for both signs ``[2, channels]``; which channels they serve; and within what
        those of the others have to be looked for."""
        at_least, below, shift = self.problem.at_least, self.problem.below, self.shift[:, None]
        lower = (at_least.level << shift) - (at_least.acc * m[:, None] >> self.low_bits)
        upper = (below.level << shift) - (below.acc * m[:, None] >> self.low_bits)
        end = 1 << (self.offset_width - 1)
        sides = [(self._bound(at_least, lower, is_negative, -end),
                  self._bound(below, upper, is_negative, end)) for is_negative in (False, True)]
        # Of the offsets that are left, what lies nearest to plain rounding: less of it is left to
        # store once the zero point is taken out.
        plain = ((2 * self.problem.zero_point + 1) << self.shift) >> 1
        offsets = np.array([np.clip(plain, low.offset, np.maximum(low.offset, high.offset - 1))
                            for low, high in sides])
        # A sign that no constraint names takes the other's offset.
        is_free = np.array([low.is_width & high.is_width for low, high in sides])
        first, second = (self._cut(low, high, m) for low, high in sides)
        fits = np.all([low.offset < high.offset for low, high in sides], axis=0)
        return np.where(is_free, offsets[::-1], offsets), fits, first.common(second)

    def _bound(self, constraints: Constraints, offsets: np.ndarray, is_negative: bool,
               end: int) -> _Bound:
        """Of the constraints at accumulators of one sign: from below where ``end`` is negative."""
        is_below = end < 0
        here = constraints.valid & ((constraints.acc < 0) == is_negative)
        offsets = np.where(here, offsets, -NEVER if is_below else NEVER)
        index = (offsets.argmax(axis=1) if is_below else offsets.argmin(axis=1))[:, None]
        offset, acc, level = (np.take_along_axis(values, index, 1)[:, 0]
                              for values in (offsets, constraints.acc, constraints.level))
        is_width = offset < end if is_below else offset > end
        return _Bound(np.where(is_width, end, offset), np.where(is_width, 0, acc),
                      np.where(is_width, end, level << self.shift), is_width)

    def _cut(self, low: _Bound, high: _Bound, m: np.ndarray) -> Interval:
        """Where two bounds leave no offset: they ask for  m * run < rise, which m does not do."""
        run = high.acc - low.acc
        rise = (high.level - low.level) << self.low_bits
        size = np.maximum(abs(run), 1)
        is_none = low.offset >= high.offset
        return Interval(
            np.where(is_none & (run < 0), np.maximum(-rise // size + 1, m + 1), -NEVER),
            np.where(is_none & (run >= 0), np.minimum((rise - 1) // size, m - 1), NEVER))
