"""Operators that give a view: SLICE, STRIDED_SLICE, TRANSPOSE, BROADCAST_TO."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from compiler.errors import ShapeError
from compiler.flatbuffer import first_few
from compiler.moves.request import Arrays, Move, Pair, Request


def selected(r: Request, index: tuple, what: str) -> Move:
    """One output: what numpy's basic indexing gives of the input."""
    if ... not in index:
        index += (...,)                          # so that a single element is a view, too
    try:
        shape = np.broadcast_to(np.int8(0), r.shape)[index].shape
    except (IndexError, ValueError):
        raise ShapeError(f"{what} of {list(r.shape)}") from None

    def pairs(inputs: Arrays, outputs: Arrays) -> Iterator[Pair]:
        yield outputs[0], inputs[0][index]
    return Move((shape,), pairs)


def slice_(r: Request) -> Move:
    """SLICE: begin and size of each axis; a size of -1 reaches to the end."""
    begin, size = r.listed(0), r.listed(1)
    what = f"begin {first_few(begin)} and size {first_few(size)}"
    if len(begin) != len(r.shape) or len(size) != len(r.shape):
        raise ShapeError(f"{what} of {list(r.shape)}")
    ends = [whole if count == -1 else first + count
            for first, count, whole in zip(begin, size, r.shape, strict=True)]
    if not all(0 <= first <= end <= whole
               for first, end, whole in zip(begin, ends, r.shape, strict=True)):
        raise ShapeError(f"{what} of {list(r.shape)}")
    return selected(r, tuple(map(slice, begin, ends)), what)


def strided_slice(r: Request) -> Move:
    """STRIDED_SLICE with all of its masks: TFLite BuildStridedSliceParams.

    Bit d of a mask belongs to entry d of begin, end and strides: there is no begin, no end; all
    axes that are not named (``ellipsis_mask``); a new axis; one element, whose axis goes
    (``shrink_axis_mask``).
    """
    begin, end, strides = (r.listed(position) for position in range(3))
    what = f"begin {first_few(begin)}, end {first_few(end)} and strides {first_few(strides)}"
    if not len(begin) == len(end) == len(strides) or 0 in strides:
        raise ShapeError(f"{what} of {list(r.shape)}")

    def has(mask: str, entry: int) -> bool:
        return bool(r.options.get(f"{mask}_mask", 0) >> entry & 1)
    index: list[Any] = []
    for entry, (first, last, stride) in enumerate(zip(begin, end, strides, strict=True)):
        if has("ellipsis", entry):
            index.append(...)
        elif has("new_axis", entry):
            index.append(None)
        elif has("shrink_axis", entry):
            if stride < 0:                       # TFLite takes nothing then
                raise ShapeError(f"{what} of {list(r.shape)}")
            index.append(0 if has("begin", entry) else first)
        else:
            if r.options.get("offset"):
                last += first
            index.append(slice(None if has("begin", entry) else first,
                               None if has("end", entry) else last, stride))
    return selected(r, tuple(index), what)


def transpose(r: Request) -> Move:
    """TRANSPOSE: axis k of the output is axis ``order[k]`` of the input."""
    given = r.listed(0)
    order = [r.axis(axis) for axis in given]
    if sorted(order) != list(range(len(r.shape))):
        raise ShapeError(f"the order {first_few(given)} of {list(r.shape)}")

    def pairs(inputs: Arrays, outputs: Arrays) -> Iterator[Pair]:
        yield outputs[0], inputs[0].transpose(order)
    return Move((tuple(r.shape[axis] for axis in order),), pairs)


def broadcast_to(r: Request) -> Move:
    """BROADCAST_TO a constant shape."""
    shape = tuple(r.listed(0))
    try:
        np.broadcast_to(np.broadcast_to(np.int8(0), r.shape), shape)
    except ValueError:
        raise ShapeError(f"the shape {first_few(shape)} for {list(r.shape)}") from None

    def pairs(inputs: Arrays, outputs: Arrays) -> Iterator[Pair]:
        yield outputs[0], np.broadcast_to(inputs[0], shape)
    return Move((shape,), pairs)
