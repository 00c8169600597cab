"""Operators that move bytes and compute nothing, each as copies between views of its tensors.

For each kind there is a function that checks the parameters and says what shapes the outputs have
and what is copied: pairs of numpy views of one shape, the first of an output, the second of an
input or the number that fills the first. Who asks brings the arrays: constants to be folded,
positions for the golden model, the engine's scratchpad for its layers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from compiler.errors import ShapeError
from compiler.flatbuffer import first_few
from compiler.ir import Graph, Operator, Tensor
from compiler.numerics import round_away
from compiler.requantize import is_legacy
from compiler.resize import nearest_indices
from compiler.runs import runs

Shape = tuple[int, ...]
Arrays = Sequence[np.ndarray]
Pair = tuple[np.ndarray, np.ndarray | int]


@dataclass(frozen=True)
class Move:
    """What an operator moves: the outputs' shapes, and the pairs for its inputs and outputs."""

    shapes: tuple[Shape, ...]
    pairs: Callable[[Arrays, Arrays], Iterator[Pair]]


@dataclass(frozen=True)
class Request:
    """An operator's part that counts: shapes of what it moves, parameters, options."""

    shapes: tuple[Shape, ...]
    parameters: tuple[np.ndarray, ...]
    options: dict[str, Any]
    outputs: int
    fill: int                                    # what PAD fills with

    @property
    def shape(self) -> Shape:
        """Of the only input, or the first."""
        return self.shapes[0]

    def listed(self, position: int) -> list[int]:
        """A parameter that is a list of numbers."""
        values = self.parameters[position]
        if values.ndim != 1:
            raise ShapeError(f"a parameter of shape {list(values.shape)} where a list belongs")
        return [int(value) for value in values]

    def one(self, position: int) -> int:
        """A parameter of one whole number."""
        return int(self.number(position))

    def number(self, position: int) -> np.ndarray:
        """A parameter of one number, of any type."""
        values = self.parameters[position]
        if values.size != 1:
            raise ShapeError(f"{first_few(values.reshape(-1).tolist())} where one number belongs")
        return values.reshape(())

    def axis(self, value: int, new: int = 0) -> int:
        """An axis of the input, which may count from the end, with ``new`` axes more."""
        rank = len(self.shape) + new
        if not -rank <= value < rank:
            raise ShapeError(f"axis {value} of {rank}")
        return value % rank


# Kinds of any number of inputs, and kinds of any number of outputs.
JOINS = ("CONCATENATION", "PACK")
PARTS = ("SPLIT", "SPLIT_V", "UNPACK")


def moved_positions(op: Operator) -> tuple[int, ...]:
    """Where an operator's inputs that are moved stand; the others are parameters."""
    if op.kind in JOINS:
        return tuple(range(len(op.inputs)))
    return (1,) if op.kind == "SPLIT" else (0,)


def move(tensors: Sequence[Tensor], op: Operator) -> Move | None:
    """What ``op`` moves, None where a parameter is not constant; ShapeError where it is wrong."""
    moved, function = moved_positions(op), MOVES[op.kind]
    parameters = [tensors[index].data for position, index in enumerate(op.inputs)
                  if position not in moved]
    known = tuple(data for data in parameters if data is not None)
    if len(known) < len(parameters):
        return None
    if len(known) != PARAMETERS.get(op.kind, 1) or len(op.inputs) <= max(moved, default=0) \
            or not op.outputs:
        raise ShapeError(f"inputs {list(op.inputs)} and outputs {list(op.outputs)}")
    indices = known[:1] if op.kind == "PADV2" else known     # the value that it fills with is none
    if any(data.dtype.kind not in "iu" for data in indices):
        raise ShapeError(f"{', '.join(str(data.dtype) for data in indices)} where indices belong")
    output = tensors[op.outputs[0]].quantization
    fill = output.zero_point[0] if output is not None and op.kind == "PAD" else 0
    shapes = tuple(tensors[op.inputs[position]].shape for position in moved)
    return function(Request(shapes, known, op.options, len(op.outputs), fill))


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
            index.append(first)
        else:
            if r.options.get("offset"):
                last += first
            index.append(slice(None if has("begin", entry) else first,
                               None if has("end", entry) else last, stride))
    return selected(r, tuple(index), what)


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


def blocks(array: np.ndarray, block: int) -> np.ndarray:
    """An NHWC image as [N, H / block, block, W / block, block, C]: a view."""
    n, h, w, c = array.shape
    return array.reshape(n, h // block, block, w // block, block, c)


def space_to_depth(r: Request) -> Move:
    """SPACE_TO_DEPTH: blocks of pixels become channels."""
    block = r.options["block_size"]
    if len(r.shape) != 4 or block < 1 or r.shape[1] % block or r.shape[2] % block:
        raise ShapeError(f"blocks of {block} in {list(r.shape)}")
    n, h, w, c = r.shape

    def pairs(inputs: Arrays, outputs: Arrays) -> Iterator[Pair]:
        deep = outputs[0].reshape(n, h // block, w // block, block, block, c)
        yield deep, blocks(inputs[0], block).transpose(0, 1, 3, 2, 4, 5)
    return Move(((n, h // block, w // block, block * block * c),), pairs)


def depth_to_space(r: Request) -> Move:
    """DEPTH_TO_SPACE: channels become blocks of pixels."""
    block = r.options["block_size"]
    if len(r.shape) != 4 or block < 1 or r.shape[3] % (block * block):
        raise ShapeError(f"blocks of {block} in {list(r.shape)}")
    n, h, w, c = r.shape

    def pairs(inputs: Arrays, outputs: Arrays) -> Iterator[Pair]:
        deep = inputs[0].reshape(n, h, w, block, block, c // block**2)
        yield blocks(outputs[0], block).transpose(0, 1, 3, 2, 4, 5), deep
    return Move(((n, h * block, w * block, c // block**2),), pairs)


MOVES: dict[str, Callable[[Request], Move]] = {
    "CONCATENATION": concatenation,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "SLICE": slice_,
    "STRIDED_SLICE": strided_slice,
    "PACK": pack,
    "UNPACK": unpack,
    "TRANSPOSE": transpose,
    "BROADCAST_TO": broadcast_to,
    "PAD": pad,
    "PADV2": pad,
    "MIRROR_PAD": mirror_pad,
    "GATHER": gather,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor,
    "SPACE_TO_DEPTH": space_to_depth,
    "DEPTH_TO_SPACE": depth_to_space,
}

# How many inputs are parameters, where that is not one.
PARAMETERS = {"CONCATENATION": 0, "PACK": 0, "UNPACK": 0, "SPACE_TO_DEPTH": 0, "DEPTH_TO_SPACE": 0,
              "SLICE": 2, "SPLIT_V": 2, "PADV2": 2, "STRIDED_SLICE": 3}


def concatenation_tables(graph: Graph, op: Operator) -> list[np.ndarray | None]:
    """For each moved input the table that its bytes go through, None where they stay as they are.

    Only CONCATENATION of legacy uint8 has some: where an input has another scale than the output,
    it is converted in float32: TFLite reference_ops ConcatenationWithScaling.
    """
    output = graph.tensors[op.outputs[0]]
    tables: list[np.ndarray | None] = []
    for position in moved_positions(op):
        source = graph.tensors[op.inputs[position]]
        tables.append(None)
        if op.kind != "CONCATENATION" or not is_legacy(graph, op) \
                or (source.scale, source.zero_point) == (output.scale, output.zero_point):
            continue
        # In unsigned numbers, also where compiler/legacy.py has made them signed:
        flip = 128 if source.dtype == "int8" else 0
        x = np.arange(256) ^ flip
        scale = np.float32(source.scale) * (np.float32(1) / np.float32(output.scale))
        offset = np.float32(-(source.zero_point + flip)) * scale
        y = round_away(x.astype(np.float32) * scale + offset) + output.zero_point + flip
        tables[-1] = (np.clip(y, 0, 255).astype(np.uint8) ^ flip).view(output.dtype)
    return tables
