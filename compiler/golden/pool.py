"""MAX_POOL_2D, AVERAGE_POOL_2D, MEAN and its relatives."""

from collections.abc import Sequence

import numpy as np

from compiler.golden.conv import Window
from compiler.golden.kernel import Kernel, blocks
from compiler.ir import Graph, Operator
from compiler.numerics import DoubleRounding, average_rounding, integer_range
from compiler.requantize import (
    is_legacy,
    mean_axes,
    mean_rule,
    output_range,
    rescale_rule,
    window_counts,
)

# Input values in one block of images.
BLOCK = 1 << 19


def pool_window(graph: Graph, op: Operator) -> Window:
    """The window of a pooling operator."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    size = (op.options["filter_height"], op.options["filter_width"])
    return Window.of(op, size, source.shape[1:3], output.shape[1:3])


def reduce_windows(window: Window, padded: np.ndarray, reduce: np.ufunc) -> np.ndarray:
    """``reduce`` over each window, rows first: ``[N, out H, out W, C]``."""
    last = (window.output[0] - 1) * window.stride[0]
    rows = padded[:, 0:last + 1:window.stride[0]].copy()
    for row in range(1, window.size[0]):
        reduce(rows, padded[:, row:row + last + 1:window.stride[0]], out=rows)
    last = (window.output[1] - 1) * window.stride[1]
    result = rows[:, :, 0:last + 1:window.stride[1]].copy()
    for column in range(1, window.size[1]):
        reduce(result, rows[:, :, column:column + last + 1:window.stride[1]], out=result)
    return result


def max_pool_2d(graph: Graph, op: Operator, profile: str) -> Kernel:
    """The largest value inside the image, then the fused activation's clamp."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    window = pool_window(graph, op)
    low, high = output_range(graph, op)
    smallest = integer_range(source.dtype)[0]

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        x = inputs[0].reshape(-1, *source.shape[1:])
        result = np.empty((len(x), *output.shape[1:]), output.dtype)
        for part in blocks(len(x), BLOCK // x[0].size):
            largest = reduce_windows(window, window.pad(x[part], smallest), np.maximum)
            np.clip(largest, low, high, out=result[part])
        return [result.reshape(-1, *output.shape)]

    return kernel


def average_pool_2d(graph: Graph, op: Operator, profile: str) -> Kernel:
    """The mean of the values inside the image; no zero point takes part."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    window = pool_window(graph, op)
    low, high = output_range(graph, op)
    legacy = is_legacy(graph, op)
    counts = window_counts(op, source.shape, output.shape).astype(np.int32)[:, :, None]

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        x = inputs[0].reshape(-1, *source.shape[1:])
        result = np.empty((len(x), *output.shape[1:]), output.dtype)
        for part in blocks(len(x), BLOCK // x[0].size):
            sums = reduce_windows(window, window.pad(x[part].astype(np.int32), 0), np.add)
            result[part] = np.clip(average_rounding(sums, counts, legacy), low, high)
        return [result.reshape(-1, *output.shape)]

    return kernel


def mean(graph: Graph, op: Operator, profile: str) -> Kernel:
    """The mean over any axes, rescaled to the output."""
    return rescaled_sums(graph, op, mean_rule(graph, op))


def sum_(graph: Graph, op: Operator, profile: str) -> Kernel:
    """SUM over any axes, rescaled to the output: TFLM QuantizedMeanOrSum.

    LiteRT's kernel reads int8 as uint8, which makes no sense; so both profiles have TFLM's.
    """
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    return rescaled_sums(graph, op, rescale_rule(source, output))


def rescaled_sums(graph: Graph, op: Operator, rule: DoubleRounding) -> Kernel:
    """What ``rule`` makes of the sums over the operator's axes, less their zero points."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    axes = tuple(axis + 1 for axis in mean_axes(graph, op))
    count = np.prod([source.shape[axis - 1] for axis in axes], dtype=np.int64)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        sums = inputs[0].sum(axis=axes, dtype=np.int64) - source.zero_point * count
        return [rule(sums).astype(output.dtype).reshape(-1, *output.shape)]

    return kernel


def reduce_max(graph: Graph, op: Operator, profile: str) -> Kernel:
    """REDUCE_MAX over any axes."""
    output = graph.tensors[op.outputs[0]]
    axes = tuple(axis + 1 for axis in mean_axes(graph, op))

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        return [inputs[0].max(axis=axes).reshape(-1, *output.shape)]

    return kernel


KERNELS = {
    "MAX_POOL_2D": max_pool_2d,
    "AVERAGE_POOL_2D": average_pool_2d,
    "MEAN": mean,
    "SUM": sum_,
    "REDUCE_MAX": reduce_max,
}
