"""The shapes that operators' outputs must have, by their inputs and options."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from compiler.binary import BINARY_KINDS
from compiler.errors import ShapeError
from compiler.flatbuffer import first_few
from compiler.ir import Graph, Operator
from compiler.kinds import POOLS, REDUCTIONS, RESHAPES, SAME_SHAPE, WINDOWS
from compiler.moves import MOVES, move
from compiler.requantize import bias_of


def shapes(graph: Graph, op: Operator) -> Sequence[tuple[int, ...] | None]:
    """Of all outputs, None where a parameter is not constant."""
    if op.kind not in MOVES:
        return [SHAPES[op.kind](graph, op)]
    moved = move(graph.tensors, op)
    return [None] * len(op.outputs) if moved is None else moved.shapes


def window_size(size_in: int, window: int, stride: int, dilation: int, padding: str) -> int:
    """Output rows or columns: TFLite ComputeOutSize."""
    if padding == "SAME":
        return -(-size_in // stride)
    return -(-(size_in - (window - 1) * dilation) // stride)


def window_shape(graph: Graph, op: Operator) -> tuple[int, ...]:
    """Of convolutions and pools, NHWC."""
    source = graph.tensors[op.inputs[0]].shape
    channels = source[3]
    if op.kind in POOLS:
        size = (op.options["filter_height"], op.options["filter_width"])
    else:
        weights = graph.tensors[op.inputs[1]].shape
        size = (weights[1], weights[2])
        channels = weights[0] if op.kind == "CONV_2D" else weights[3]
        if op.kind == "CONV_2D":
            groups, left = divmod(source[3], weights[3])
            fits = groups > 0 and left == 0 and channels % groups == 0
        else:
            fits = weights[0] == 1 and channels % source[3] == 0
        if not fits:
            raise ShapeError(f"weights {list(weights)} for {source[3]} input channels")
        check_bias(graph, op, channels)
    sides = [
        window_size(source[axis], size[axis - 1], op.options[f"stride_{letter}"],
                    op.options.get(f"dilation_{letter}_factor", 1), op.options["padding"])
        for axis, letter in ((1, "h"), (2, "w"))
    ]
    if min(sides) < 1:
        raise ShapeError(f"a window of {list(size)} on an image of {list(source[1:3])}")
    return source[0], *sides, channels


def check_bias(graph: Graph, op: Operator, channels: int) -> None:
    """One bias to a channel, where there are any."""
    bias = bias_of(op)
    if bias is not None and math.prod(graph.tensors[bias].shape) != channels:
        raise ShapeError(
            f"a bias of {list(graph.tensors[bias].shape)} for {channels} output channels")


def transposed_shape(graph: Graph, op: Operator) -> tuple[int, ...] | None:
    """Of TRANSPOSE_CONV: told by the first input, and such that the convolution the other way
    round, with the same window, gives the input's height and width."""
    told, weights, source = (graph.tensors[index] for index in op.inputs[:3])
    channels, height, width, depth = weights.shape
    if depth != source.shape[3]:
        raise ShapeError(f"weights {list(weights.shape)} for {source.shape[3]} input channels")
    check_bias(graph, op, channels)
    if told.data is None:
        return None
    shape = tuple(told.data.reshape(-1).tolist())
    sides = [window_size(size, window, op.options[f"stride_{letter}"], 1, op.options["padding"])
             for size, window, letter in zip(shape[1:3], (height, width), "hw", strict=False)]
    if len(shape) != 4 or (shape[0], *sides, shape[3]) != (*source.shape[:3], channels):
        raise ShapeError(f"an output of {first_few(shape)} for an input of {list(source.shape)} "
                         f"and weights {list(weights.shape)}")
    return shape


def dense_shape(graph: Graph, op: Operator) -> tuple[int, ...]:
    """Of FULLY_CONNECTED: all but the last dimension may be arranged in any way."""
    source, weights = graph.tensors[op.inputs[0]].shape, graph.tensors[op.inputs[1]].shape
    output = graph.tensors[op.outputs[0]].shape
    rows, left = divmod(math.prod(source), weights[1])
    if left:
        raise ShapeError(f"an input of {list(source)} for weights {list(weights)}")
    check_bias(graph, op, weights[0])
    if math.prod(output[:-1]) == rows and output[-1:] == (weights[0],):
        return output
    return rows, weights[0]


def broadcast_shape(graph: Graph, op: Operator) -> tuple[int, ...]:
    """Of operators of two inputs, value by value: these broadcast."""
    first, second = (graph.tensors[index].shape for index in op.inputs)
    try:
        return np.broadcast_shapes(first, second)
    except ValueError:
        raise ShapeError(f"inputs of {list(first)} and {list(second)}") from None


def product_shape(graph: Graph, op: Operator) -> tuple[int, ...]:
    """Of BATCH_MATMUL: the last two axes are the factors', those before them broadcast."""
    first, second = shapes = [graph.tensors[index].shape for index in op.inputs]
    if min(len(first), len(second)) >= 2:
        (rows, depth), (depth_2, columns) = (
            shape[:-3:-1] if is_turned else shape[-2:]
            for shape, is_turned in zip(shapes, (op.options["adj_x"], op.options["adj_y"]),
                                        strict=True))
        try:
            if depth == depth_2:
                return *np.broadcast_shapes(first[:-2], second[:-2]), rows, columns
        except ValueError:
            pass
    raise ShapeError(f"factors of {list(first)} and {list(second)}")


def reshaped_shape(graph: Graph, op: Operator) -> tuple[int, ...]:
    """Of RESHAPE and its like: as many values as before."""
    source, output = graph.tensors[op.inputs[0]].shape, graph.tensors[op.outputs[0]].shape
    if math.prod(source) != math.prod(output):
        raise ShapeError(f"{math.prod(source)} values in and {math.prod(output)} out")
    return output


def reduced_shape(graph: Graph, op: Operator) -> tuple[int, ...] | None:
    """Of MEAN and its like: reduced dimensions become 1, or go."""
    source, axes = graph.tensors[op.inputs[0]].shape, graph.tensors[op.inputs[1]]
    if axes.data is None:
        return None
    listed = axes.data.reshape(-1).tolist()
    if any(not -len(source) <= axis < len(source) for axis in listed):
        raise ShapeError(f"axes {first_few(listed)} of an input of {list(source)}")
    reduced = {axis % len(source) for axis in listed}
    if op.options["keep_dims"]:
        return tuple(1 if axis in reduced else size for axis, size in enumerate(source))
    return tuple(size for axis, size in enumerate(source) if axis not in reduced)


def arg_max_shape(graph: Graph, op: Operator) -> tuple[int, ...] | None:
    """Of ARG_MAX: its dimension goes."""
    source, axis = graph.tensors[op.inputs[0]].shape, graph.tensors[op.inputs[1]]
    if axis.data is None:
        return None
    listed = axis.data.reshape(-1).tolist()
    if len(listed) != 1 or not -len(source) <= listed[0] < len(source):
        raise ShapeError(f"axes {first_few(listed)} of an input of {list(source)}")
    gone = listed[0] % len(source)
    return source[:gone] + source[gone + 1:]


def resized_shape(graph: Graph, op: Operator) -> tuple[int, ...] | None:
    """Of RESIZE_BILINEAR: a constant height and width."""
    source, size = graph.tensors[op.inputs[0]].shape, graph.tensors[op.inputs[1]]
    if len(source) != 4 or size.shape != (2,):
        raise ShapeError(f"a size of shape {list(size.shape)} for an input of {list(source)}")
    if size.data is None:
        return None
    if size.data.min() < 1:
        raise ShapeError(f"the size {size.data.tolist()}")
    height, width = size.data.tolist()
    return source[0], height, width, source[3]


def same_shape(graph: Graph, op: Operator) -> tuple[int, ...]:
    """Of operators that work value by value."""
    return graph.tensors[op.inputs[0]].shape


SHAPES: dict[str, Callable[[Graph, Operator], tuple[int, ...] | None]] = {
    **dict.fromkeys(WINDOWS, window_shape),
    **dict.fromkeys(RESHAPES, reshaped_shape),
    **dict.fromkeys(SAME_SHAPE, same_shape),
    "FULLY_CONNECTED": dense_shape,
    "TRANSPOSE_CONV": transposed_shape,
    **dict.fromkeys(BINARY_KINDS, broadcast_shape),
    "BATCH_MATMUL": product_shape,
    **dict.fromkeys(REDUCTIONS, reduced_shape),
    "ARG_MAX": arg_max_shape,
    "RESIZE_BILINEAR": resized_shape,
}
