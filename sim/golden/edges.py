"""Operators at the edges of a model: to and from float, SOFTMAX, ARG_MAX."""

from collections.abc import Sequence

import numpy as np

from compiler.fixedpoint import softmax_exponentials, softmax_rows
from compiler.ir import Graph, Operator
from compiler.numerics import integer_range, round_away
from sim.golden.kernel import Kernel, blocks, constant
from sim.golden.pointwise import unary


def quantize(graph: Graph, op: Operator, profile: str) -> Kernel:
    """QUANTIZE of float32, divided in float32: TFLite AffineQuantize; integers by table."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if source.dtype != "float32":
        return unary(graph, op, profile)
    low, high = integer_range(output.dtype)
    scale = np.float32(output.scale)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        with np.errstate(over="ignore"):
            ratio = inputs[0] / scale
        whole = round_away(np.clip(ratio, np.float32(-1e6), np.float32(1e6)))
        return [np.clip(whole + output.zero_point, low, high).astype(output.dtype)]

    return kernel


def dequantize(graph: Graph, op: Operator, profile: str) -> Kernel:
    """DEQUANTIZE to float32, multiplied in float64: TFLite Dequantize."""
    source = graph.tensors[op.inputs[0]]
    table = np.arange(256, dtype=np.uint8).view(source.dtype).astype(np.float64)
    table = (source.scale * (table - source.zero_point)).astype(np.float32)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        return [np.take(table, np.ascontiguousarray(inputs[0]).view(np.uint8))]

    return kernel


def softmax(graph: Graph, op: Operator, profile: str) -> Kernel:
    """SOFTMAX along the last axis, in fixed point; the output's scale is 1 / 256."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    exponentials = softmax_exponentials(source.scale, op.options["beta"])
    low, high = integer_range(output.dtype)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        rows = inputs[0].reshape(-1, source.shape[-1])
        result = np.empty(rows.shape, output.dtype)
        for part in blocks(len(rows), 1 + 65536 // rows.shape[1]):
            x = rows[part].astype(np.int64)
            shares = softmax_rows(exponentials[x.max(axis=1, keepdims=True) - x])
            result[part] = np.clip(shares + low, low, high)
        return [result.reshape(-1, *output.shape)]

    return kernel


def arg_max(graph: Graph, op: Operator, profile: str) -> Kernel:
    """The first index of the largest value, along a constant axis."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    axis = int(constant(graph, op, 1).reshape(-1)[0]) % len(source.shape) + 1

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        index = np.argmax(inputs[0], axis=axis)
        return [index.astype(output.dtype).reshape(-1, *output.shape)]

    return kernel


KERNELS = {
    "QUANTIZE": quantize,
    "DEQUANTIZE": dequantize,
    "SOFTMAX": softmax,
    "ARG_MAX": arg_max,
}
