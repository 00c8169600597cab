"""Nested loops over the values of a tensor, in blocks of rows and pixels that a pass can walk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from compiler.layers import largest
from compiler.loops import Loop, pieces
from hw.config import EngineConfig


@dataclass(frozen=True)
class Block:
    """Rows of pixels, the first of them at addresses ``source`` and ``output``."""

    source: int
    output: int
    rows: Loop
    pixels: Loop


ONCE = Loop(1, 0, 0)


def blocks(loops: Sequence[Loop], config: EngineConfig, source: int,
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
