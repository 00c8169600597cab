"""Where the steps of a rounding rule are: the least accumulator that reaches each output."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np

from compiler.numerics import Staircase

# How far from the straight line between the first and the last step a step may lie: the ends
# are rounded to whole accumulators, and so is the step, and double rounding moves it by one more.
SLACK = 4


def stack(rules: Sequence[Staircase]) -> Callable[[np.ndarray], np.ndarray]:
    """One function ``[channels, points] -> [channels, points]`` for one rule a channel.

    The rules are written with numpy operators, so a rule whose fields are columns
    ``[channels, 1]`` computes all channels of its class at once.
    """
    members: dict[type, list[int]] = {}
    for channel, rule in enumerate(rules):
        members.setdefault(type(rule), []).append(channel)
    groups = []
    for channels in members.values():
        first = cast(Any, rules[channels[0]])
        columns = {f.name: np.array([getattr(rules[c], f.name) for c in channels])[:, None]
                   for f in fields(first)}
        groups.append((channels, replace(first, **columns)))
    if len(groups) == 1:
        return cast(Callable[[np.ndarray], np.ndarray], groups[0][1])

    def call(acc: np.ndarray) -> np.ndarray:
        out = np.empty(acc.shape, np.int64)
        for channels, rule in groups:
            out[channels] = rule(acc[channels])
        return out
    return call


def thresholds(rule: Callable[[np.ndarray], np.ndarray], acc_min: np.ndarray,
               acc_max: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The steps between ``acc_min`` and ``acc_max`` (columns ``[channels, 1]``) of a ``stack``.

    Returns ``(levels, steps)``, both int64 ``[channels, most steps of a channel]``: ``steps`` is
    the least accumulator with ``rule(acc) >= levels``. Rows with fewer steps repeat their last
    one; in a row without any step ``levels`` is the constant output and ``steps`` is ``acc_min``.
    """
    bottom, top = rule(acc_min), rule(acc_max)
    count = int((top - bottom).max())
    flat = top == bottom
    if count == 0:
        return bottom, acc_min.copy()
    acc_max = np.where(flat, acc_min, acc_max)      # nothing to look for
    levels = np.minimum(bottom + 1 + np.arange(count), top)
    ends = np.concatenate([np.minimum(bottom + 1, top), top], axis=1)
    ends = _bisect(rule, ends, acc_min, acc_max, acc_min + 0 * ends, acc_max + 0 * ends)
    # Steps lie near a straight line: bracket them there, and bisect the few others in full.
    first, last = ends[:, :1], ends[:, 1:]
    slope = (last - first) / np.maximum(top - bottom - 1, 1)
    guess = first + np.round((levels - bottom - 1) * slope).astype(np.int64)
    below = np.clip(guess - SLACK, acc_min, acc_max)
    above = np.clip(guess + SLACK, acc_min, acc_max)
    steps = _bisect(rule, levels, acc_min, acc_max, below, above)
    return levels, steps


def _bisect(rule: Callable[[np.ndarray], np.ndarray], levels: np.ndarray, acc_min: np.ndarray,
            acc_max: np.ndarray, below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """The least accumulator that reaches ``levels``, looked for in ``(below, above]`` first."""
    below = np.where(rule(below) < levels, below, acc_min)
    above = np.where(rule(above) >= levels, above, acc_max)
    while (above - below).max() > 1:
        middle = (below + above) >> 1
        reached = rule(middle) >= levels
        above = np.where(reached, middle, above)
        below = np.where(reached, below, middle)
    return above
