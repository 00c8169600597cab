"""Loops over bytes that are read and bytes that are written."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Loop:
    """``count`` times, so far on in the source and in the output."""

    count: int
    source: int
    output: int


def pieces(loop: Loop, most: int) -> Iterator[tuple[int, list[Loop]]]:
    """A loop as loops of at most ``most`` turns, each with its first turn in the whole."""
    whole, rest = divmod(loop.count, most)
    if loop.count <= most:
        yield 0, [loop]
        return
    yield 0, [Loop(whole, most * loop.source, most * loop.output),
              Loop(most, loop.source, loop.output)]
    if rest:
        yield whole * most, [Loop(rest, loop.source, loop.output)]
