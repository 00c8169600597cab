"""Operators that put something around a tensor: PAD, PADV2, MIRROR_PAD."""

from collections.abc import Iterator

import numpy as np

from compiler.errors import ShapeError
from compiler.moves.gathers import gathered
from compiler.moves.joins import along
from compiler.moves.request import Arrays, Move, Pair, Request


def edges(r: Request) -> list[tuple[int, int]]:
    """What is padded before and after, axis by axis."""
    if r.parameters[0].shape != (len(r.shape), 2):
        raise ShapeError(f"paddings of shape {list(r.parameters[0].shape)} for an input of "
                         f"{list(r.shape)}")
    found = [(int(before), int(after)) for before, after in r.parameters[0]]
    if any(value < 0 for pair in found for value in pair):
        raise ShapeError(f"paddings of {[list(pair) for pair in found]}")
    return found


def pad(r: Request) -> Move:
    """PAD fills with the zero point, PADV2 with its third input."""
    around = edges(r)
    fill: np.ndarray | int = r.fill
    if len(r.parameters) > 1:                    # a real number in float models
        fill = r.number(1)
        fill = fill if fill.dtype.kind == "f" else int(fill)
    shape = tuple(size + before + after
                  for size, (before, after) in zip(r.shape, around, strict=True))

    def pairs(inputs: Arrays, outputs: Arrays) -> Iterator[Pair]:
        rest = outputs[0]
        for axis, (size, (before, after)) in enumerate(zip(r.shape, around, strict=True)):
            for first, count in ((0, before), (before + size, after)):
                if count:
                    yield along(rest, axis, first, count), fill
            rest = along(rest, axis, before, size)
        yield rest, inputs[0]
    return Move((shape,), pairs)


def mirror_pad(r: Request) -> Move:
    """MIRROR_PAD: mode 0 (REFLECT) leaves the edge out of the reflection, mode 1 repeats it."""
    around, symmetric = edges(r), r.options["mode"]
    most = [size - 1 + symmetric for size in r.shape]
    if any(max(pair) > limit for pair, limit in zip(around, most, strict=True)):
        raise ShapeError(f"paddings of {[list(pair) for pair in around]} that reflect "
                         f"{list(r.shape)}")
    shape = tuple(size + sum(pair) for size, pair in zip(r.shape, around, strict=True))
    return Move((shape,), lambda inputs, outputs: gathered(inputs[0], outputs[0], [
        np.pad(np.arange(size), pair, mode="symmetric" if symmetric else "reflect")
        for size, pair in zip(r.shape, around, strict=True)]))
