"""Nested loops over the values of a tensor, in blocks of rows and pixels that a pass can walk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from compiler.layers import largest
from hw.config import EngineConfig


@dataclass(frozen=True)
class Step:
    """``count`` times, so many bytes on in the source and in the output."""

    count: int
    source: int
    output: int


@dataclass(frozen=True)
class Block:
    """Rows of pixels, the first of them at addresses ``source`` and ``output``."""

    source: int
    output: int
    rows: Step
    pixels: Step


ONCE = Step(1, 0, 0)


def blocks(loops: Sequence[Step], config: EngineConfig, source: int,
           output: int) -> Iterator[Block]:
    """All that ``loops``, the outermost first, walk over, from these addresses on."""
    most = largest(config, "rows") + 1
    for parts in product(*(pieces(loop, most) for loop in loops)):
        *outer, rows, pixels = (ONCE, ONCE, *(step for _, steps in parts for step in steps))
        starts = [(first, loop) for (first, _), loop in zip(parts, loops, strict=True)]
        for turns in product(*(range(step.count) for step in outer)):
            at = [*starts, *zip(turns, outer, strict=True)]
            yield Block(source + sum(turn * step.source for turn, step in at),
                        output + sum(turn * step.output for turn, step in at), rows, pixels)


def pieces(loop: Step, most: int) -> Iterator[tuple[int, list[Step]]]:
    """A loop as loops of at most ``most`` turns, each with its first turn in the whole."""
    whole, rest = divmod(loop.count, most)
    if loop.count <= most:
        yield 0, [loop]
        return
    yield 0, [Step(whole, most * loop.source, most * loop.output),
              Step(most, loop.source, loop.output)]
    if rest:
        yield whole * most, [Step(rest, loop.source, loop.output)]
