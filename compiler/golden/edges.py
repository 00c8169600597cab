"""Operators at the edges of a model: to and from float, SOFTMAX, norms, ARG_MAX."""

from collections.abc import Sequence

import numpy as np

from compiler.fixedpoint import inverse_square_root, softmax_exponentials, softmax_rows
from compiler.golden.kernel import Kernel, blocks, constant
from compiler.golden.pointwise import unary
from compiler.ir import Graph, Operator
from compiler.numerics import double_rounding, integer_range


def quantize(graph: Graph, op: Operator, profile: str) -> Kernel:
    """QUANTIZE of float32, divided in float32: TFLite AffineQuantize; integers by table."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if source.dtype != "float32":
        return unary(graph, op, profile)
    low, high = integer_range(output.dtype)
    scale, below_half = np.float32(output.scale), np.nextafter(np.float32(0.5), np.float32(0))

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        values = inputs[0].reshape(-1)
        result = np.empty(values.shape, output.dtype)
        for part in blocks(len(values), 1 << 16):
            with np.errstate(over="ignore"):     # infinity is clamped like any large number
                ratio = values[part] / scale
            ratio[np.isnan(ratio)] = -np.inf     # of which there is no right integer
            # Ties go away from zero: truncate after adding just less than one half.
            np.clip(ratio, -65536, 65536, out=ratio)
            ratio += np.copysign(below_half, ratio)
            np.trunc(ratio, out=ratio)
            ratio += np.float32(output.zero_point)
            result[part] = np.clip(ratio, low, high, out=ratio)
        return [result.reshape(-1, *output.shape)]

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


def l2_normalization(graph: Graph, op: Operator, profile: str) -> Kernel:
    """L2_NORMALIZATION along the last axis: TFLite reference_integer_ops L2Normalization.

    The output's scale is 1 / 128, which int8 brings in by the shift and uint8 by a product.
    """
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    low, high = integer_range(output.dtype)
    factor, extra = (1, 7) if output.dtype == "int8" else (128, 0)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        x = inputs[0].reshape(-1, source.shape[-1]).astype(np.int64) - source.zero_point
        norms, row = np.unique((x * x).sum(axis=1), return_inverse=True)
        factors = np.array([inverse_square_root(int(norm)) for norm in norms])[row.reshape(-1)]
        y = double_rounding(x * factor, factors[:, :1], factors[:, 1:] + extra)
        y = np.clip(y + output.zero_point, low, high).astype(output.dtype)
        return [y.reshape(-1, *output.shape)]

    return kernel


KERNELS = {
    "L2_NORMALIZATION": l2_normalization,
    "QUANTIZE": quantize,
    "DEQUANTIZE": dequantize,
    "SOFTMAX": softmax,
    "ARG_MAX": arg_max,
}
