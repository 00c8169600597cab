"""RESIZE_BILINEAR, NHWC."""

from collections.abc import Sequence

import numpy as np

from compiler.golden.kernel import Kernel
from compiler.ir import Graph, Operator
from compiler.numerics import truncated_divide
from compiler.resize import bilinear_taps


def resize_bilinear(graph: Graph, op: Operator, profile: str) -> Kernel:
    """RESIZE_BILINEAR in integers: TFLite reference_ops ResizeBilinearInteger; uint8 in float32."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if source.dtype == "uint8":
        return resize_bilinear_float(graph, op)
    top, bottom, down = bilinear_taps(op.options, source.shape[1], output.shape[1])
    left, right, across = bilinear_taps(op.options, source.shape[2], output.shape[2])
    down, across = down[:, None, None], across[:, None]

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        x = inputs[0].astype(np.int64)
        upper, lower = x.take(top, axis=2), x.take(bottom, axis=2)
        total = (
            upper.take(left, axis=3) * (1024 - down) * (1024 - across)
            + upper.take(right, axis=3) * (1024 - down) * across
            + lower.take(left, axis=3) * down * (1024 - across)
            + lower.take(right, axis=3) * down * across
        )
        rounded = truncated_divide(total + np.where(total > 0, 1 << 19, -(1 << 19)), 1 << 20)
        return [rounded.astype(output.dtype)]

    return kernel


def float_taps(op: Operator, size_in: int, size_out: int) -> tuple[np.ndarray, ...]:
    """As ``bilinear_taps``, in float32: TFLite ComputeInterpolationValues."""
    scale = np.float32(size_in) / np.float32(size_out)
    if op.options["align_corners"] and size_out > 1:
        scale = np.float32(size_in - 1) / np.float32(size_out - 1)
    position = np.arange(size_out).astype(np.float32) * scale
    if op.options["half_pixel_centers"]:
        half = np.float32(0.5)
        position = (np.arange(size_out).astype(np.float32) + half) * scale - half
    lower = np.maximum(np.floor(position).astype(np.int64), 0)
    upper = np.minimum(np.ceil(position).astype(np.int64), size_in - 1)
    return lower, upper, position - lower.astype(np.float32)


def resize_bilinear_float(graph: Graph, op: Operator) -> Kernel:
    """RESIZE_BILINEAR of legacy uint8: TFLite reference_ops ResizeBilinear."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    top, bottom, down = float_taps(op, source.shape[1], output.shape[1])
    left, right, across = float_taps(op, source.shape[2], output.shape[2])
    down, across = down[:, None, None], across[:, None]
    one = np.float32(1)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        x = inputs[0].astype(np.float32)
        upper, lower = x.take(top, axis=2), x.take(bottom, axis=2)
        total = (                                # in the order of the C code: floats do not commute
            upper.take(left, axis=3) * (one - down) * (one - across)
            + lower.take(left, axis=3) * down * (one - across)
            + upper.take(right, axis=3) * (one - down) * across
            + lower.take(right, axis=3) * down * across
        )
        return [(total + np.float32(0.5)).astype(output.dtype)]

    return kernel


KERNELS = {"RESIZE_BILINEAR": resize_bilinear}
