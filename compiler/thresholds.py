"""Where the steps of a rounding rule are: the least accumulator that reaches each output."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np

from compiler.numerics import Staircase

# How far from the rule's straight line a step may lie: it is rounded to a whole accumulator, and
# so is the line's multiplier, and double rounding moves it by one more.
SLACK = 4
FLAT = 1e-30                              # a slope with no step in reach


class Stack:
    """Rules as one function ``[channels, points] -> [channels, points]``, one rule a channel.

    The rules are written with numpy operators, so a rule whose fields are columns
    ``[channels, 1]`` computes all channels of its class at once.
    """

    def __init__(self, rules: Sequence[Staircase]):
        self.slope      = np.array([rule.slope for rule in rules])
        self.zero_point = np.array([rule.zero_point for rule in rules], np.int64)
        members: dict[type, list[int]] = {}
        for channel, rule in enumerate(rules):
            members.setdefault(type(rule), []).append(channel)
        self.groups: list[tuple[list[int], Any]] = []
        for channels in members.values():
            first = cast(Any, rules[channels[0]])
            columns = {f.name: np.array([getattr(rules[c], f.name) for c in channels])[:, None]
                       for f in fields(first)}
            self.groups.append((channels, replace(first, **columns)))

    def __call__(self, acc: np.ndarray) -> np.ndarray:
        if len(self.groups) == 1:
            return np.asarray(self.groups[0][1](acc))
        out = np.empty(acc.shape, np.int64)
        for channels, rule in self.groups:
            out[channels] = rule(acc[channels])
        return out


def thresholds(rule: Stack, acc_min: np.ndarray, acc_max: np.ndarray
               ) -> tuple[np.ndarray, np.ndarray]:
    """The steps between ``acc_min`` and ``acc_max``, columns ``[channels, 1]``.

    Returns ``(levels, steps)``, both int64 ``[channels, most steps of a channel]``: ``steps`` is
    the least accumulator with ``rule(acc) >= levels``. Rows with fewer steps repeat their last
    one; in a row without any step ``levels`` is the constant output and ``steps`` is ``acc_min``.
    """
    bottom, top = rule(acc_min), rule(acc_max)
    count = int((top - bottom).max())
    if count == 0:
        return bottom, acc_min.copy()
    acc_max = np.where(top == bottom, acc_min, acc_max)      # nothing to look for
    levels = np.minimum(bottom + 1 + np.arange(count), top)
    # Each is looked for near the rule's straight line, and the few that are not there, everywhere.
    line = (levels - rule.zero_point[:, None] - 0.5) / np.maximum(rule.slope, FLAT)[:, None]
    guess = np.clip(np.rint(line), acc_min, acc_max).astype(np.int64)
    below, above = np.maximum(guess - SLACK, acc_min), np.minimum(guess + SLACK, acc_max)
    below = np.where(rule(below) < levels, below, acc_min)
    above = np.where(rule(above) >= levels, above, acc_max)
    while (above - below).max() > 1:
        middle = (below + above) >> 1
        reached = rule(middle) >= levels
        above = np.where(reached, middle, above)
        below = np.where(reached, below, middle)
    return levels, above
