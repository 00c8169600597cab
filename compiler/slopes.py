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
    ends: np.ndarray                             # [channels, 4]: ends of both signs
    zero_point: np.ndarray                       # [channels]: of the output
    slope: np.ndarray                            # [channels]: of the rule, where it does not clamp

    def rows(self, rows: np.ndarray) -> Problem:
        return replace(self, at_least=self.at_least.rows(rows), below=self.below.rows(rows),
                       steps=self.steps[rows], levels=self.levels[rows], flat=self.flat[rows],
                       ends=self.ends[rows], zero_point=self.zero_point[rows],
                       slope=self.slope[rows])


@dataclass(frozen=True)
class Widths:
    """Of the requantizer: bits, and the shifts that it knows."""

    digit_width: int
    multiplier_width: int
    shift_min: int
    shift_max: int
    offset_width: int


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
    shift, least, most = _window(problem, m_max, low_bits, hardware)
    search = _Search(problem, shift, low_bits, hardware.offset_width)
    found, solved, ends = _bisect(search, least, most)
    missing = np.flatnonzero(~solved)
    for at, channel in enumerate(missing):
        # Offsets are whole numbers, so a lone m where the cuts met may have been jumped over.
        first = max(least[channel], ends[channel].min() - SCANNED // 2)
        m = np.arange(first, min(first + SCANNED, most[channel] + 1))
        offsets, widths, _, _ = search.rows(np.full(len(m), channel)).at(m)
        good = np.flatnonzero(widths.min(axis=0) >= 0)
        if not good.size:
            raise NoSlope(missing[at:], problem)
        found[:, channel] = m[good[0]], *offsets[:, good[0]]
    return found[0], found[1], found[2], shift


def _bisect(search: _Search, least: np.ndarray, most: np.ndarray
            ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(m, r0, r1)`` as ``[3, channels]`` with m in ``least..most``, which are found, and for
    those that are not where the cuts met, ``[channels, 2]``."""
    found = np.zeros((3, len(least)), np.int64)
    solved = np.zeros(len(least), bool)
    ends = np.stack([least, most], axis=1)
    rows = np.flatnonzero(least <= most)
    least, most, search = least[rows], most[rows], search.rows(rows)
    # The rule's own slope first: with it the offsets are short, even where few steps are in reach.
    m = np.clip(np.rint(search.problem.slope * search.one()), least, most).astype(np.int64)
    while rows.size:
        offsets, widths, low_cuts, high_cuts = search.at(m)
        done = widths.min(axis=0) >= 0
        found[:, rows[done]] = m[done], *offsets[:, done]
        solved[rows[done]] = True
        for width, low_cut, high_cut in zip(widths, low_cuts, high_cuts, strict=True):
            least = np.where(width < 0, np.maximum(least, low_cut), least)
            most = np.where(width < 0, np.minimum(most, high_cut), most)
        ends[rows] = np.stack([least, most], axis=1)
        live = ~done & (least <= most)
        rows, least, most, search = rows[live], least[live], most[live], search.rows(live)
        m = (least + most) >> 1
    return found, solved, ends


def _window(problem: Problem, m_max: int, low_bits: int, hardware: Widths
            ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(shift, least m, most m)`` from the first and last steps of either sign.

    The largest shift with room for m: it represents all that a smaller one does, and more.
    """
    steps, levels = problem.steps, problem.levels
    count = steps.shape[1]
    low = np.zeros(len(steps))
    high = np.full(len(steps), np.inf)

    def at(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        index = np.clip(index, 0, count - 1)[:, None]
        return (np.take_along_axis(steps, index, 1)[:, 0],
                np.take_along_axis(levels, index, 1)[:, 0])

    negative = (steps < 0).sum(axis=1)           # these have T below zero
    before = (steps < 1).sum(axis=1)             # these have T - 1 below zero
    zero, end = np.zeros_like(negative), np.full_like(negative, count)
    for t_from, t_to, u_from, u_to in ((negative, end, before, end),
                                       (zero, negative, zero, before)):
        some = (t_from < t_to) & (u_from < u_to)
        x, k = at(t_from)
        x_end, k_end = at(u_to - 1)
        run = x_end - 1 - x
        bound = (k_end - k) / np.maximum(run, 1)
        high = np.where(some & (run > 0), np.minimum(high, bound), high)
        x, k = at(u_from)
        x_end, k_end = at(t_to - 1)
        run = x_end - x + 1
        bound = (k_end - k) / np.maximum(run, 1)
        low = np.where(some & (run > 0), np.maximum(low, bound), low)

    middle = np.where(np.isinf(high), 2 * low, (low + high) / 2)
    room = np.log2(m_max / np.maximum(middle * 2.0**low_bits, 2.0**-60))
    shift = np.clip(np.floor(room), hardware.shift_min, hardware.shift_max).astype(np.int64)
    one = 2.0**(shift + low_bits)                # m of slope 1
    least = np.maximum(np.floor(low * one), 1)
    most = np.minimum(np.ceil(high * one), m_max)
    # A constant needs no slope, and with the least shift the shortest offset.
    least, most = np.where(problem.flat, 0, least), np.where(problem.flat, 0, most)
    shift = np.where(problem.flat, hardware.shift_min, shift)
    return shift, least.astype(np.int64), most.astype(np.int64)


@dataclass(frozen=True)
class _Search:
    """The problem at fixed shifts: offsets and cuts for a multiplier a channel."""

    problem: Problem
    shift: np.ndarray
    low_bits: int
    offset_width: int

    def rows(self, rows: np.ndarray) -> _Search:
        return replace(self, problem=self.problem.rows(rows), shift=self.shift[rows])

    def one(self) -> np.ndarray:
        """The multiplier of slope 1, ``[channels]``."""
        return 2.0**(self.shift + self.low_bits)

    def at(self, m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """For both signs ``[2, channels]``: offset, width of its interval, cuts on m.

        A negative width is no interval; then m must be at least the first cut, at most the
        second.
        """
        least, most = -(1 << (self.offset_width - 1)), 1 << (self.offset_width - 1)
        at_least, below, shift = self.problem.at_least, self.problem.below, self.shift[:, None]
        lower = (at_least.level << shift) - (at_least.acc * m[:, None] >> self.low_bits)
        upper = (below.level << shift) - (below.acc * m[:, None] >> self.low_bits)
        out = []
        for sign in (0, 1):
            lower_here = np.where(at_least.valid & ((at_least.acc < 0) == sign), lower, -NEVER)
            upper_here = np.where(below.valid & ((below.acc < 0) == sign), upper, NEVER)
            out.append(self._one(m, at_least, below, lower_here, upper_here, least, most))
        offset, width, low_cut, high_cut, bound = (np.array(column)
                                                   for column in zip(*out, strict=True))
        # A sign that no constraint names takes the other's offset.
        offset = np.where(bound, offset, offset[::-1])
        return offset, width, low_cut, high_cut

    def _one(self, m: np.ndarray, at_least: Constraints, below: Constraints, lower: np.ndarray,
             upper: np.ndarray, least: int, most: int) -> tuple[np.ndarray, ...]:
        def pick(values: np.ndarray, index: np.ndarray) -> np.ndarray:
            return np.take_along_axis(values, index[:, None], 1)[:, 0]

        i, j = lower.argmax(axis=1), upper.argmin(axis=1)
        r_low, r_high = pick(lower, i), pick(upper, j)
        # The offset's own width is a constraint at accumulator 0.
        narrow_low, narrow_high = r_low < least, r_high > most
        x_low = np.where(narrow_low, 0, pick(at_least.acc, i))
        x_high = np.where(narrow_high, 0, pick(below.acc, j))
        rise_low = np.where(narrow_low, least, pick(at_least.level, i) << self.shift)
        rise_high = np.where(narrow_high, most, pick(below.level, j) << self.shift)
        r_low = np.where(narrow_low, least, r_low)
        r_high = np.where(narrow_high, most, r_high) - 1

        run = x_high - x_low                     # the two ask for  m * run < rise
        rise = (rise_high - rise_low) << self.low_bits
        size = np.maximum(abs(run), 1)
        low_cut = np.where(run < 0, np.maximum(-rise // size + 1, m + 1), -NEVER)
        high_cut = np.where(run > 0, np.minimum((rise - 1) // size, m - 1), NEVER)
        high_cut = np.where(run == 0, -NEVER, high_cut)
        # Of the interval, what lies nearest to plain rounding: less of it is left to store once
        # the zero point is taken out.
        plain = ((2 * self.problem.zero_point + 1) << self.shift) >> 1
        offset = np.clip(plain, r_low, np.maximum(r_low, r_high))
        return offset, r_high - r_low, low_cut, high_cut, ~(narrow_low & narrow_high)
