"""Copies between strided views as loops that the engine walks.

A layer of the vector unit copies a run of bytes side by side, over and over, in two loops with any
strides (its rows and tiles), and in a third one with small strides (its groups). What has more
loops takes several passes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from compiler.loops import Loop, pieces
from hw.config import EngineConfig
from hw.fields import TURN_BITS

MOST_TURNS = 1 << TURN_BITS        # of a loop over rows or tiles


@dataclass(frozen=True)
class Nest:
    """``run`` bytes side by side from ``source`` to ``output``, in each turn of the loops."""

    source: int
    output: int
    run: int
    loops: tuple[Loop, ...]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.run * int(np.prod([loop.count for loop in self.loops], dtype=np.int64))


def address(array: np.ndarray) -> int:
    """Of a view's first element."""
    return array.__array_interface__["data"][0]


def nest(destination: np.ndarray, source: np.ndarray, memory: np.ndarray) -> Nest:
    """The copy of a view of bytes to another one; addresses count from the start of ``memory``."""
    first, last = (address(array) - address(memory) for array in (source, destination))
    loops = []
    for count, a, b in zip(destination.shape, source.strides, destination.strides, strict=True):
        if a < 0:                                # the other way round, as sources move forward
            first, last = first + a * (count - 1), last + b * (count - 1)
            a, b = -a, -b
        if count > 1:
            loops.append(Loop(count, a, b))
    loops = merged(loops)
    run = next((loop for loop in loops if (loop.source, loop.output) == (1, 1)), None)
    return Nest(first, last, run.count if run else 1,
                tuple(loop for loop in loops if loop is not run))


def merged(loops: list[Loop]) -> list[Loop]:
    """The same with as few loops as can be: one that goes on where another ends is part of it."""
    for outer in loops:
        for inner in loops:
            if (outer.source, outer.output) == (inner.source * inner.count,
                                                inner.output * inner.count):
                rest = [loop for loop in loops if loop is not outer and loop is not inner]
                return merged([*rest, replace(inner, count=inner.count * outer.count)])
    return loops


def passes(whole: Nest, config: EngineConfig) -> Iterator[Nest]:
    """The copy in parts of which each is one layer: see ``loops_of_layer``."""
    long = next((loop for loop in whole.loops if loop.count > MOST_TURNS), None)
    if long is not None:
        yield from (part for half in cut(whole, long) for part in passes(half, config))
        return
    loops = sorted(whole.loops, key=lambda loop: -loop.count)
    grouped = [loop for loop in loops if is_group(loop, whole, config)][:1] \
        if len(loops) > 2 else []
    loops = [loop for loop in loops if loop not in grouped]
    for turns in np.ndindex(*(loop.count for loop in loops[2:])):
        at = list(zip(turns, loops[2:], strict=True))
        yield Nest(whole.source + sum(turn * loop.source for turn, loop in at),
                   whole.output + sum(turn * loop.output for turn, loop in at),
                   whole.run, (*loops[:2], *grouped))


def cut(whole: Nest, long: Loop) -> Iterator[Nest]:
    """A loop of too many turns as two loops, and what is left over."""
    others = tuple(loop for loop in whole.loops if loop is not long)
    for first, (*outer, inner) in pieces(long, MOST_TURNS):
        loops = tuple(loop for loop in (inner, *outer) if loop.count > 1)
        yield replace(whole, source=whole.source + first * long.source,
                      output=whole.output + first * long.output, loops=(*others, *loops))


def is_group(loop: Loop, whole: Nest, config: EngineConfig) -> bool:
    """Whether the loop over groups can walk it: the runs lie side by side in the output, and less
    than a word apart in the source."""
    return loop.output == whole.run <= config.word_bytes \
        and loop.source <= config.word_bytes \
        and loop.count <= config.scratchpad_bytes // config.word_bytes
