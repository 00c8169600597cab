"""Operators that move bytes and compute nothing: shapes, slices, padding, joining."""

from collections.abc import Sequence

import numpy as np

from compiler.golden.kernel import Kernel, constant
from compiler.ir import Graph, Operator
from compiler.numerics import integer_range, round_away


def reshape(graph: Graph, op: Operator, profile: str) -> Kernel:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the output tensor's own shape is the one that counts."""
    shape = graph.tensors[op.outputs[0]].shape

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        return [inputs[0].reshape(-1, *shape)]

    return kernel


def pad(graph: Graph, op: Operator, profile: str) -> Kernel:
    """PAD fills with the output's zero point, PADV2 with its third input."""
    output = graph.tensors[op.outputs[0]]
    edges = ((0, 0), *(tuple(pair) for pair in constant(graph, op, 1).reshape(-1, 2).tolist()))
    fill = 0 if output.quantization is None else output.zero_point
    if op.kind == "PADV2":
        fill = constant(graph, op, 2).reshape(-1)[0]

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        return [np.pad(inputs[0], edges, constant_values=fill)]

    return kernel


def mirror_pad(graph: Graph, op: Operator, profile: str) -> Kernel:
    """MIRROR_PAD: mode 0 leaves the edge out of the reflection, mode 1 repeats it."""
    edges = ((0, 0), *(tuple(pair) for pair in constant(graph, op, 1).reshape(-1, 2).tolist()))

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        if op.options["mode"] == 0:
            return [np.pad(inputs[0], edges, mode="reflect")]
        return [np.pad(inputs[0], edges, mode="symmetric")]

    return kernel


def transpose(graph: Graph, op: Operator, profile: str) -> Kernel:
    """TRANSPOSE by a constant permutation."""
    rank = len(graph.tensors[op.inputs[0]].shape)
    order = (0, *(int(axis) % rank + 1 for axis in constant(graph, op, 1).reshape(-1)))

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        return [np.ascontiguousarray(inputs[0].transpose(order))]

    return kernel


def concatenation(graph: Graph, op: Operator, profile: str) -> Kernel:
    """Joins along an axis. Legacy uint8 inputs of another scale are converted in float32.

    TFLite reference_ops ConcatenationWithScaling.
    """
    output = graph.tensors[op.outputs[0]]
    axis = op.options["axis"] % len(output.shape) + 1
    low, high = integer_range(output.dtype)
    tables = []
    for index in op.inputs:
        source = graph.tensors[index]
        x = np.arange(256, dtype=np.uint8).view(output.dtype)
        if output.dtype == "uint8" and source.quantization != output.quantization:
            scale = np.float32(source.scale) * (np.float32(1) / np.float32(output.scale))
            offset = np.float32(-source.zero_point) * scale
            y = round_away(x.astype(np.float32) * scale + offset) + output.zero_point
            x = np.clip(y, low, high).astype(output.dtype)
        tables.append(x)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        images = max(map(len, inputs))
        parts = [
            np.broadcast_to(table[np.ascontiguousarray(x).view(np.uint8)],
                            (images, *x.shape[1:]))
            for x, table in zip(inputs, tables, strict=True)
        ]
        return [np.concatenate(parts, axis=axis)]

    return kernel


def slice_(graph: Graph, op: Operator, profile: str) -> Kernel:
    """SLICE: begin and size per axis; a size of -1 reaches to the end."""
    shape = graph.tensors[op.inputs[0]].shape
    begin, size = constant(graph, op, 1).tolist(), constant(graph, op, 2).tolist()
    window = tuple(
        slice(b, n if s == -1 else b + s) for b, s, n in zip(begin, size, shape, strict=True)
    )

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        return [np.ascontiguousarray(inputs[0][(slice(None), *window)])]

    return kernel


def strided_slice(graph: Graph, op: Operator, profile: str) -> Kernel:
    """STRIDED_SLICE with begin, end and shrink-axis masks: TFLite StridedSliceParams."""
    shape, output = graph.tensors[op.inputs[0]].shape, graph.tensors[op.outputs[0]]
    begin, end, strides = (constant(graph, op, k).tolist() for k in (1, 2, 3))
    window = []
    for axis, (b, e, stride) in enumerate(zip(begin, end, strides, strict=True)):
        size, bit = shape[axis], 1 << axis
        low, high = (0, size) if stride > 0 else (-1, size - 1)
        b = min(max(b + size if b < 0 else b, low), high)
        e = min(max(e + size if e < 0 else e, low), high)
        if op.options["begin_mask"] & bit:
            b = 0 if stride > 0 else size - 1
        if op.options["shrink_axis_mask"] & bit:
            e, stride = b + 1, 1
        elif op.options["end_mask"] & bit:
            e = high if stride > 0 else -1
        window.append(np.arange(b, e, stride))

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        x = inputs[0]
        for axis, indices in enumerate(window):
            x = np.take(x, indices, axis=axis + 1)
        return [x.reshape(-1, *output.shape)]

    return kernel


def split(graph: Graph, op: Operator, profile: str) -> Kernel:
    """SPLIT into equal parts; the axis is the first input."""
    rank = len(graph.tensors[op.inputs[1]].shape)
    axis = int(constant(graph, op, 0).reshape(-1)[0]) % rank + 1

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        return [np.ascontiguousarray(part)
                for part in np.split(inputs[-1], len(op.outputs), axis=axis)]

    return kernel


def pack(graph: Graph, op: Operator, profile: str) -> Kernel:
    """PACK: joins along a new axis."""
    axis = op.options["axis"] % len(graph.tensors[op.outputs[0]].shape) + 1

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        images = max(map(len, inputs))
        parts = [np.broadcast_to(x, (images, *x.shape[1:])) for x in inputs]
        return [np.stack(parts, axis=axis)]

    return kernel


def shape(graph: Graph, op: Operator, profile: str) -> Kernel:
    """SHAPE: the input's shape, a constant here."""
    output = graph.tensors[op.outputs[0]]
    value = np.array([graph.tensors[op.inputs[0]].shape], output.dtype)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        return [value]

    return kernel


def space_to_depth(graph: Graph, op: Operator, profile: str) -> Kernel:
    """SPACE_TO_DEPTH: blocks of pixels become channels."""
    block = op.options["block_size"]
    batch, height, width, channels = graph.tensors[op.inputs[0]].shape

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        x = inputs[0].reshape(-1, batch, height // block, block, width // block, block, channels)
        x = x.transpose(0, 1, 2, 4, 3, 5, 6)
        return [x.reshape(-1, batch, height // block, width // block, block * block * channels)]

    return kernel


KERNELS = {
    "RESHAPE": reshape,
    "SQUEEZE": reshape,
    "EXPAND_DIMS": reshape,
    "PAD": pad,
    "PADV2": pad,
    "MIRROR_PAD": mirror_pad,
    "TRANSPOSE": transpose,
    "CONCATENATION": concatenation,
    "SLICE": slice_,
    "STRIDED_SLICE": strided_slice,
    "SPLIT": split,
    "PACK": pack,
    "SHAPE": shape,
    "SPACE_TO_DEPTH": space_to_depth,
}
