"""The staircase of two inputs: parameters that make the hardware's ADD equal to a rounding rule.

    P = (x1 - Z1) * c1 + (x2 - Z2) * c2
    y = clamp((P + (r1 if P < 0 else r0)) >> s, low, high)

With ``Q = (Y << s) - P`` over all pairs of inputs and their wanted outputs Y, an offset r is right
when ``r >= Q`` wherever Y > low, and ``r < Q + 2**s`` wherever Y < high. Both are linear in
(c1, c2): a pair of inputs that contradict each other rules out half of the plane.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from compiler.slopes import Widths
from compiler.staircase import narrowest_first

WINDOW = 48                                      # c1 and c2 are looked for so far from the slopes
FAR = 1 << 60                                    # beyond any Q


@dataclass(frozen=True)
class RequantizeAdd:
    """The parameters c1, c2, r0, r1 and s above."""

    multiplier1: int
    multiplier2: int
    offset: int
    offset_negative: int
    shift: int


class AddError(Exception):
    """No exact parameters; the text completes "operator 3 ADD ..."."""


def evaluate_add(x1: np.ndarray, x2: np.ndarray, add: RequantizeAdd,
                 zero_points: tuple[int, int], low: int, high: int) -> np.ndarray:
    """What the hardware answers to two int8 arrays of one shape, as int64."""
    total = ((np.asarray(x1, np.int64) - zero_points[0]) * add.multiplier1
             + (np.asarray(x2, np.int64) - zero_points[1]) * add.multiplier2)
    offset = np.where(total < 0, add.offset_negative, add.offset)
    return np.clip((total + offset) >> add.shift, low, high)


def fit_add(rule: Callable[[np.ndarray, np.ndarray], np.ndarray], slopes: tuple[float, float],
            zero_points: tuple[int, int], low: int, high: int,
            hardware: Widths, zero_point: int = 0) -> RequantizeAdd:
    """Parameters equal to ``rule`` on all 65,536 pairs of int8 inputs; AddError if there are none.

    ``rule(x1, x2)`` answers int64 arrays, clamped to ``low..high``; ``slopes`` are S1 / So and
    S2 / So, about which the multipliers are looked for; ``zero_point`` is the output's.
    """
    x1, x2 = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128), indexing="ij")
    wanted = rule(x1, x2).ravel()
    for widths in narrowest_first(hardware):
        try:
            return fit_with(wanted, slopes, zero_points, low, high, widths, zero_point)
        except AddError as error:
            failure = error
    raise failure


def fit_with(wanted: np.ndarray, slopes: tuple[float, float], zero_points: tuple[int, int],
             low: int, high: int, hardware: Widths, zero_point: int) -> RequantizeAdd:
    """The same with just these widths; ``wanted`` are the results of all pairs, int64 [65536]."""
    x1, x2 = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128), indexing="ij")
    pairs = np.stack([x1.ravel() - zero_points[0], x2.ravel() - zero_points[1]])
    width, shift = hardware.multiplier_width, hardware.shift_max
    # The largest shift represents all that a smaller one does, and more.
    while max(slopes) * 2**shift >= 2**width - 1:
        shift -= 1
    if shift < hardware.shift_min:
        raise AddError(
            f"multiplies an input by {max(slopes):.6g}, the ratio of its scale to the output's; "
            f"this hardware multiplies by less than {2 ** (width - hardware.shift_min)}")
    # Candidates [2, count] about the slopes, the nearest first.
    around = np.arange(-WINDOW, WINDOW + 1)
    near = [np.unique(np.clip(round(slope * 2**shift) + around, 0, 2**width - 1))
            for slope in slopes]
    candidates = np.stack(np.meshgrid(*near, indexing="ij")).reshape(2, -1)
    offset_end = 1 << (hardware.offset_width - 1)
    # Plain rounding, if it will do: what is left of it without the zero point is short.
    plain = ((2 * zero_point + 1) << shift) >> 1
    while candidates.size:
        # The candidate in the middle of what is left: any cut then removes about half.
        centre = candidates.mean(axis=1, keepdims=True)
        c = candidates[:, abs(candidates - centre).sum(axis=0).argmin()]
        total = c @ pairs
        excess = (wanted << shift) - total
        offsets, cuts = [], []
        for here in (total >= 0, total < 0):
            least = np.where(here & (wanted > low), excess, -FAR)
            most = np.where(here & (wanted < high), excess, FAR)
            i, j = least.argmax(), most.argmin()
            r_low, r_high = max(least[i], -offset_end), min(most[j] + 2**shift, offset_end) - 1
            if r_low > r_high:
                cuts.append((i, j))
            offsets.append(int(np.clip(plain, r_low, max(r_low, r_high))))
        if not cuts:
            add = RequantizeAdd(int(c[0]), int(c[1]), offsets[0], offsets[1], shift)
            got = evaluate_add(x1, x2, add, zero_points, low, high)
            assert (got.ravel() == wanted).all()
            return add
        keep = (candidates != c[:, None]).any(axis=0)
        for i, j in cuts:
            # r >= level_i - P_i and r < level_j - P_j need P_j - P_i below the levels' distance.
            rise = (wanted[j] + 1 - wanted[i]) << shift
            keep &= (pairs[:, j] - pairs[:, i]) @ candidates < rise
        candidates = candidates[:, keep]
    raise AddError(
        f"has no two multipliers of {width} bits at shift {shift} that give all 65,536 results "
        f"(scale ratios {slopes[0]:.6g} and {slopes[1]:.6g})")
