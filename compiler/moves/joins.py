"""Operators that join tensors and cut them: CONCATENATION, PACK; SPLIT, SPLIT_V, UNPACK."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from compiler.errors import ShapeError
from compiler.flatbuffer import first_few
from compiler.moves.request import Arrays, Move, Pair, Request


def along(array: np.ndarray, axis: int, first: int, size: int) -> np.ndarray:
    """``size`` elements of an axis from ``first`` on, a view."""
    return array[(slice(None),) * axis + (slice(first, first + size),)]


def joined(sizes: Sequence[int], axis: int) -> Callable[[Arrays, Arrays], Iterator[Pair]]:
    """The pairs of inputs of such ``sizes`` one behind the other."""
    def pairs(inputs: Arrays, outputs: Arrays) -> Iterator[Pair]:
        first = 0
        for source, size in zip(inputs, sizes, strict=True):
            yield along(outputs[0], axis, first, size), source
            first += size
    return pairs


def parted(sizes: Sequence[int], axis: int) -> Callable[[Arrays, Arrays], Iterator[Pair]]:
    """The pairs of outputs of such ``sizes`` that lie one behind the other in the input."""
    whole = joined(sizes, axis)

    def pairs(inputs: Arrays, outputs: Arrays) -> Iterator[Pair]:
        for part, output in whole(outputs, inputs):
            assert isinstance(output, np.ndarray)
            yield output, part
    return pairs


def concatenation(r: Request) -> Move:
    """CONCATENATION along an axis."""
    axis = r.axis(r.options["axis"])
    others = {shape[:axis] + shape[axis + 1:] for shape in r.shapes if len(shape) == len(r.shape)}
    if len(others) > 1 or len({len(shape) for shape in r.shapes}) > 1:
        raise ShapeError(f"axis {axis} of {first_few([list(shape) for shape in r.shapes])}")
    sizes = [shape[axis] for shape in r.shapes]
    return Move((r.shape[:axis] + (sum(sizes),) + r.shape[axis + 1:],), joined(sizes, axis))


def split(r: Request) -> Move:
    """SPLIT into equal parts, along the axis that comes first."""
    axis = r.axis(r.one(0))
    count = r.options["num_splits"]
    if count != r.outputs or r.shape[axis] % count:
        raise ShapeError(f"{count} parts of axis {axis} of {list(r.shape)} in {r.outputs} outputs")
    return parts(r, axis, [r.shape[axis] // count] * count)


def split_v(r: Request) -> Move:
    """SPLIT_V into parts of given sizes; one of them may be -1, which is what is left."""
    sizes, axis = r.listed(0), r.axis(r.one(1))
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = r.shape[axis] - sum(sizes) - 1
    if min(sizes, default=0) < 0 or sum(sizes) != r.shape[axis] or len(sizes) != r.outputs:
        raise ShapeError(f"parts {first_few(sizes)} of axis {axis} of {list(r.shape)} in "
                         f"{r.outputs} outputs")
    return parts(r, axis, sizes)


def parts(r: Request, axis: int, sizes: Sequence[int]) -> Move:
    """The input cut along an axis."""
    return Move(tuple(r.shape[:axis] + (size,) + r.shape[axis + 1:] for size in sizes),
                parted(sizes, axis))


def pack(r: Request) -> Move:
    """PACK: joins along a new axis."""
    axis = r.axis(r.options["axis"], new=1)
    if len(set(r.shapes)) > 1 or r.options["values_count"] != len(r.shapes):
        raise ShapeError(f"{r.options['values_count']} values of "
                         f"{first_few([list(shape) for shape in r.shapes])}")

    def pairs(inputs: Arrays, outputs: Arrays) -> Iterator[Pair]:
        for position, source in enumerate(inputs):
            yield outputs[0][(slice(None),) * axis + (position, ...)], source
    return Move((r.shape[:axis] + (len(r.shapes),) + r.shape[axis:],), pairs)


def unpack(r: Request) -> Move:
    """UNPACK: one output for each place of an axis, which goes."""
    axis = r.axis(r.options["axis"])
    if not r.shape[axis] == r.options["num"] == r.outputs:
        raise ShapeError(f"{r.options['num']} parts of axis {axis} of {list(r.shape)} in "
                         f"{r.outputs} outputs")

    def pairs(inputs: Arrays, outputs: Arrays) -> Iterator[Pair]:
        for position, output in enumerate(outputs):
            yield output, inputs[0][(slice(None),) * axis + (position, ...)]
    return Move((r.shape[:axis] + r.shape[axis + 1:],) * r.outputs, pairs)
