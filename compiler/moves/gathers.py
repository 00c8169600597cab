"""Operators that pick places along the axes, in as few views as there are runs of places: GATHER,
RESIZE_NEAREST_NEIGHBOR, and what MIRROR_PAD reflects."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from compiler.errors import ShapeError
from compiler.flatbuffer import first_few
from compiler.moves.request import Arrays, Move, Pair, Request
from compiler.resize import nearest_indices
from compiler.runs import runs


def gather(r: Request) -> Move:
    """GATHER: the places of an axis that constant indices name."""
    axis = r.axis(r.options["axis"])
    indices = r.parameters[0].reshape(-1).astype(np.int64)
    if r.options.get("batch_dims"):
        raise ShapeError(f"batch_dims {r.options['batch_dims']}, and 0 is supported")
    if ((indices < 0) | (indices >= r.shape[axis])).any():
        raise ShapeError(f"indices from {indices.min()} to {indices.max()} of {r.shape[axis]}")
    shape = r.shape[:axis] + r.parameters[0].shape + r.shape[axis + 1:]

    def pairs(inputs: Arrays, outputs: Arrays) -> Iterator[Pair]:
        flat = r.shape[:axis] + (indices.size,) + r.shape[axis + 1:]
        yield from gathered(inputs[0], outputs[0].reshape(flat), [
            indices if k == axis else np.arange(size) for k, size in enumerate(r.shape)])
    return Move((shape,), pairs)


def resize_nearest_neighbor(r: Request) -> Move:
    """RESIZE_NEAREST_NEIGHBOR of NHWC to a constant height and width."""
    size = r.listed(0)
    if len(r.shape) != 4 or len(size) != 2 or min(size) < 1:
        raise ShapeError(f"the size {first_few(size)} of {list(r.shape)}")
    n, h, w, c = r.shape
    return Move(((n, *size, c),), lambda inputs, outputs: gathered(inputs[0], outputs[0], [
        np.arange(n), nearest_indices(r.options, h, size[0]),
        nearest_indices(r.options, w, size[1]), np.arange(c)]))


def gathered(source: np.ndarray, output: np.ndarray,
             indices: Sequence[np.ndarray]) -> Iterator[Pair]:
    """The pairs of ``output = source[np.ix_(*indices)]``."""
    for pieces in product(*(runs(index) for index in indices)):
        dims = [(loop, output.strides[axis], source.strides[axis])
                for axis, piece in enumerate(pieces) for loop in piece.loops]
        shape = [loop.count for loop, _, _ in dims]
        yield (
            view(output, [piece.output for piece in pieces], shape,
                 [loop.output * stride for loop, stride, _ in dims]),
            view(source, [piece.source for piece in pieces], shape,
                 [loop.source * stride for loop, _, stride in dims]))


def view(array: np.ndarray, first: Sequence[int], shape: Sequence[int],
         strides: Sequence[int]) -> np.ndarray:
    """A view from the element ``first`` on."""
    corner = array[tuple(slice(index, None) for index in first)]
    return np.lib.stride_tricks.as_strided(corner, shape, strides)
