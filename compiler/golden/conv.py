"""CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV, NHWC."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compiler.golden.accumulate import Requantizer, centred, float_type
from compiler.golden.kernel import Kernel, blocks, constant
from compiler.ir import Graph, Operator
from compiler.requantize import biases, dot_product_rules, padding_before, weight_zero_point

# Values of one block of unrolled windows, so that memory stays bounded and near the cache.
BLOCK = 1 << 19


@dataclass(frozen=True)
class Window:
    """Where the taps of a two-dimensional window fall; pairs are (height, width)."""

    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]                      # padding above and to the left
    input: tuple[int, int]
    output: tuple[int, int]

    @classmethod
    def of(cls, op: Operator, size: tuple[int, int], image: tuple[int, ...],
           output: tuple[int, ...]) -> "Window":
        """The window of an operator; ``image`` and ``output`` are its heights and widths."""
        stride = (op.options["stride_h"], op.options["stride_w"])
        dilation = (op.options.get("dilation_h_factor", 1), op.options.get("dilation_w_factor", 1))
        before = tuple(
            padding_before(op.options["padding"], image[a], output[a], stride[a], size[a],
                           dilation[a])
            for a in (0, 1)
        )
        return cls(size, stride, dilation, (before[0], before[1]), (image[0], image[1]),
                   (output[0], output[1]))

    def pad(self, x: np.ndarray, fill: float) -> np.ndarray:
        """``[N, H, W, C]`` with as much around it as the windows reach over its edges."""
        after = [
            max(0, (self.output[a] - 1) * self.stride[a] + (self.size[a] - 1) * self.dilation[a]
                + 1 - self.input[a] - self.before[a])
            for a in (0, 1)
        ]
        if not any(self.before) and not any(after):
            return x
        edges = ((0, 0), (self.before[0], after[0]), (self.before[1], after[1]), (0, 0))
        return np.pad(x, edges, constant_values=fill)

    def tap(self, padded: np.ndarray, row: int, column: int) -> np.ndarray:
        """What tap (row, column) sees, for all windows: ``[N, out H, out W, C]``, a view."""
        slices = []
        for a, tap in ((0, row), (1, column)):
            first = tap * self.dilation[a]
            last = first + (self.output[a] - 1) * self.stride[a]
            slices.append(slice(first, last + 1, self.stride[a]))
        return padded[:, slices[0], slices[1], :]

    def unroll(self, padded: np.ndarray) -> np.ndarray:
        """``[windows, taps * C]``: one row per output pixel, in the order of the weights."""
        images, channels = len(padded), padded.shape[3]
        if self.size == (1, 1):
            return self.tap(padded, 0, 0).reshape(-1, channels)
        shape = (images, *self.output, *self.size, channels)
        strides = padded.strides
        view = np.lib.stride_tricks.as_strided(padded, shape, (
            strides[0], strides[1] * self.stride[0], strides[2] * self.stride[1],
            strides[1] * self.dilation[0], strides[2] * self.dilation[1], strides[3],
        ), writeable=False)
        return view.reshape(images * self.output[0] * self.output[1], -1)


def conv_2d(graph: Graph, op: Operator, profile: str) -> Kernel:
    """Unrolled windows times weights ``[O, kh, kw, C / groups]``, a block of images at a time."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    weights = constant(graph, op, 1).astype(np.int64) - weight_zero_point(graph, op)
    channels, height, width, depth = weights.shape
    groups = source.shape[3] // depth
    window = Window.of(op, (height, width), source.shape[1:3], output.shape[1:3])
    flat = weights.reshape(channels, -1)
    dtype = float_type(flat, source)
    matrices = [part.T.astype(dtype) for part in np.split(flat, groups)]
    requantize = Requantizer(dot_product_rules(graph, op, profile), biases(graph, op), output.dtype)
    per_image = window.output[0] * window.output[1] * max(flat.shape[1], channels)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        x = inputs[0].reshape(-1, *source.shape[1:])
        result = np.empty((len(x), *output.shape[1:]), output.dtype)
        for part in blocks(len(x), BLOCK // per_image):
            padded = window.pad(centred(x[part], source, dtype), 0)
            sums = [
                window.unroll(padded[..., g * depth:(g + 1) * depth]) @ matrix
                for g, matrix in enumerate(matrices)
            ]
            whole = sums[0] if groups == 1 else np.concatenate(sums, axis=1)
            result[part] = requantize(whole).reshape(-1, *output.shape[1:])
        return [result.reshape(-1, *output.shape)]

    return kernel


def depthwise_conv_2d(graph: Graph, op: Operator, profile: str) -> Kernel:
    """The sum over the taps of shifted images; weights ``[1, kh, kw, C * multiplier]``."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    weights = constant(graph, op, 1)[0].astype(np.int64) - weight_zero_point(graph, op)
    height, width, channels = weights.shape
    multiplier = channels // source.shape[3]
    window = Window.of(op, (height, width), source.shape[1:3], output.shape[1:3])
    dtype = float_type(weights.reshape(-1, channels).T, source)
    taps = weights.astype(dtype)
    requantize = Requantizer(dot_product_rules(graph, op, profile), biases(graph, op), output.dtype)
    per_image = max(window.output[0] * window.output[1], window.input[0] * window.input[1])

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        x = inputs[0].reshape(-1, *source.shape[1:])
        result = np.empty((len(x), *output.shape[1:]), output.dtype)
        for part in blocks(len(x), BLOCK // (per_image * channels)):
            padded = window.pad(centred(x[part], source, dtype), 0)
            if multiplier > 1:
                padded = np.repeat(padded, multiplier, axis=3)
            sums = np.zeros((len(padded), *output.shape[1:]), dtype)
            product = np.empty_like(sums)
            for row in range(height):
                for column in range(width):
                    np.multiply(window.tap(padded, row, column), taps[row, column], out=product)
                    sums += product
            result[part] = requantize(sums.reshape(-1, channels)).reshape(-1, *output.shape[1:])
        return [result.reshape(-1, *output.shape)]

    return kernel


def transpose_conv(graph: Graph, op: Operator, profile: str) -> Kernel:
    """Each input pixel, times weights ``[O, kh, kw, C]``, is added into a window of the output."""
    source, output = graph.tensors[op.inputs[2]], graph.tensors[op.outputs[0]]
    weights = constant(graph, op, 1).astype(np.int64) - weight_zero_point(graph, op)
    channels, height, width, depth = weights.shape
    # The window slides over the output, as in the forward convolution that this one reverses.
    window = Window.of(op, (height, width), output.shape[1:3], source.shape[1:3])
    dtype = float_type(weights.reshape(channels, -1), source)
    matrix = weights.transpose(3, 1, 2, 0).reshape(depth, -1).astype(dtype)
    requantize = Requantizer(dot_product_rules(graph, op, profile), biases(graph, op), output.dtype)
    per_image = source.shape[1] * source.shape[2] * matrix.shape[1]

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        x = inputs[2].reshape(-1, *source.shape[1:])
        result = np.empty((len(x), *output.shape[1:]), output.dtype)
        for part in blocks(len(x), BLOCK // per_image):
            images = len(x[part])
            spread = centred(x[part], source, dtype).reshape(-1, depth) @ matrix
            spread = spread.reshape(images, *source.shape[1:3], height, width, channels)
            sums = window.pad(np.zeros((images, *output.shape[1:]), dtype), 0)
            for row in range(height):
                for column in range(width):
                    window.tap(sums, row, column)[...] += spread[:, :, :, row, column]
            top, left = window.before
            inside = sums[:, top:top + output.shape[1], left:left + output.shape[2]]
            result[part] = requantize(inside.reshape(-1, channels)).reshape(inside.shape)
        return [result.reshape(-1, *output.shape)]

    return kernel


KERNELS = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "TRANSPOSE_CONV": transpose_conv,
}
