"""Lists of indices as a few loops of equal steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from compiler.loops import Loop

LONGEST_PERIOD = 64


@dataclass(frozen=True)
class Run:
    """Where the loops begin in the source and in the output; the outermost loop comes first."""

    source: int
    output: int
    loops: tuple[Loop, ...]


def runs(indices: Sequence[int] | np.ndarray) -> list[Run]:
    """Few runs that together say ``output[k] = source[indices[k]]`` for every k.

    Where the list repeats itself, each time a step further on, the runs of the first period do,
    with one more loop around them.
    """
    index = np.asarray(indices, np.int64)
    best = list(plain_runs(index))
    if len(best) <= 2:
        return best
    period = next((p for p in range(2, min(len(index) // 2, LONGEST_PERIOD) + 1)
                   if np.ptp(index[p:] - index[:-p]) == 0), None)
    if period:
        count = len(index) // period
        outer = Loop(count, int(index[period] - index[0]), period)
        repeated = [replace(run, loops=(outer, *run.loops))
                    for run in plain_runs(index[:period])]
        done = count * period
        repeated += [replace(run, output=run.output + done) for run in plain_runs(index[done:])]
        best = min(best, repeated, key=len)
    return best


def plain_runs(index: np.ndarray) -> Iterator[Run]:
    """Runs of equal steps whose every index may come several times, taken as long as they go."""
    values, repeats = groups(index)
    at = first = 0
    while at < len(values):
        # One value, or those behind it that come as often and in equal steps:
        step = values[at + 1] - values[at] if at + 1 < len(values) else 0
        end = at + 1
        while end < len(values) and repeats[end] == repeats[at] \
                and values[end] - values[end - 1] == step:
            end += 1
        count, repeat = end - at, repeats[at]
        yield Run(values[at], first, (Loop(count, step, repeat), Loop(repeat, 0, 1)))
        first += count * repeat
        at = end


def groups(index: np.ndarray) -> tuple[list[int], list[int]]:
    """The values of a list, and how often each comes in a row."""
    starts = np.flatnonzero(np.diff(index, prepend=index[:1] - 1))
    return index[starts].tolist(), np.diff(starts, append=len(index)).tolist()
