"""Dot products at random, whose sums sit on rounding ties as often as may be."""

import math

import numpy as np
from growing import LARGEST_TENSOR, Growing

SAME, VALID = 0, 1
NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3


def activation(g: Growing) -> int:
    """A fused activation, often none."""
    return g.pick(NONE, NONE, RELU, RELU6, RELU_N1_TO_1)


def dot_product(g: Growing, kind: str, x: int, shape: tuple[int, ...], axis: int,
                output: tuple[int, ...], first: tuple[int, ...] = (), **options) -> int:
    """A dot product with weights of ``shape``, whose output channels lie along ``axis``.

    ``first`` is what stands in front of weights and input, of TRANSPOSE_CONV.
    """
    channels, taps = shape[axis], math.prod(shape) // shape[axis]
    weights = g.rng.integers(-127, 128, shape).astype(np.int8)
    per_channel = g.chance(0.6)
    scales = [g.some_scale(0.01) for _ in range(channels if per_channel else 1)]
    spread = math.sqrt(taps) * 70 * 70           # of the sums, roughly
    y = g.activation(output, g.scale_of(x) * scales[0] * spread / g.pick(8, 40, 60))
    products = [float(np.float32(g.scale_of(x) * scale)) for scale in scales]
    bias = np.array([halfway(g, products[c % len(products)] / g.scale_of(y), int(spread))
                     for c in range(channels)])
    # Channels without weights give the bias alone; with weights of 64, and powers of two all over,
    # every sum is on the tie that the bias is on.
    planes = np.moveaxis(weights, axis, 0)
    for c in range(channels):
        if g.chance(0.5 if g.ties else 0.2):
            planes[c] = g.pick(0, g.rng.integers(-1, 2, planes[c].shape) * 64)
    w = g.weights(weights, scales, axis if per_channel else 0)
    inputs = [*first, w, x] if first else [x, w]
    if g.chance(0.9):
        inputs.append(g.weights(bias.astype(np.int32), products))
    g.operator(kind, inputs, [y], **options)
    return y


def halfway(g: Growing, multiplier: float, spread: int) -> int:
    """An accumulator that lies, as nearly as it can, halfway between two integers of the output."""
    at = g.rng.uniform(-1, 1) * spread * multiplier
    found = round((math.floor(at) + 0.5) / multiplier) + g.pick(0, 0, 0, -1, 1)
    return max(-1 << 29, min(found, 1 << 29))


def window(g: Growing, size: tuple[int, int], dilated: bool = False) -> dict | None:
    """A random window on an image: kernel, strides, padding, and the output's sides."""
    kernel = tuple(g.between(1, min(4, side)) for side in size)
    strides = tuple(g.pick(1, 1, 2, 3) for _ in size)
    dilations = (1, 1)
    if dilated and strides == (1, 1) and g.chance(0.3):
        dilations = (g.between(1, 2), g.between(1, 2))
    padding = g.pick(SAME, VALID)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    if padding == SAME:
        sides = [-(-side // s) for side, s in zip(size, strides, strict=True)]
    else:
        sides = [-(-(side - r + 1) // s) for side, r, s in zip(size, reach, strides, strict=True)]
    if min(sides) < 1:
        return None
    return {"kernel": kernel, "strides": strides, "dilations": dilations, "padding": padding,
            "sides": sides}


def conv_options(g: Growing, found: dict) -> dict:
    return {"padding": found["padding"], "stride_h": found["strides"][0],
            "stride_w": found["strides"][1], "dilation_h_factor": found["dilations"][0],
            "dilation_w_factor": found["dilations"][1], "fused_activation_function": activation(g)}


def conv_2d(g: Growing, x: int) -> int | None:
    """Some in groups of channels."""
    if len(g.shape_of(x)) != 4 or not (found := window(g, g.shape_of(x)[1:3], dilated=True)):
        return None
    n, _, _, c = g.shape_of(x)
    groups = g.pick(*(d for d in range(1, c + 1) if c % d == 0)) if g.chance(0.2) else 1
    channels = groups * g.between(1, 9 if groups == 1 else 2)
    return dot_product(g, "CONV_2D", x, (channels, *found["kernel"], c // groups), 0,
                       (n, *found["sides"], channels), **conv_options(g, found))


def depthwise_conv_2d(g: Growing, x: int) -> int | None:
    """With one stride for both axes, for TFLite knows no other."""
    if len(g.shape_of(x)) != 4 or not (found := window(g, g.shape_of(x)[1:3], dilated=True)):
        return None
    n, _, _, c = g.shape_of(x)
    multiplier = g.pick(1, 1, 1, 2, 3)
    if found["strides"][0] != found["strides"][1] or c * multiplier > 40:
        return None
    return dot_product(g, "DEPTHWISE_CONV_2D", x, (1, *found["kernel"], c * multiplier), 3,
                       (n, *found["sides"], c * multiplier), depth_multiplier=multiplier,
                       **conv_options(g, found))


def transpose_conv(g: Growing, x: int) -> int | None:
    """Its output is as large as the window, turned round, makes the input of."""
    if len(g.shape_of(x)) != 4:
        return None
    n, height, width, c = g.shape_of(x)
    kernel, strides = ([g.between(1, 4), g.between(1, 4)] for _ in range(2))
    strides = [min(pair) for pair in zip(strides, kernel, strict=True)]
    padding, channels = g.pick(SAME, VALID), g.between(1, 5)
    sides = [side * s if padding == SAME else (side - 1) * s + k
             for side, s, k in zip((height, width), strides, kernel, strict=True)]
    shape = (n, *sides, channels)
    if math.prod(shape) > LARGEST_TENSOR:
        return None
    return dot_product(g, "TRANSPOSE_CONV", x, (channels, *kernel, c), 0, shape,
                       first=(g.constant(shape),), padding=padding, stride_h=strides[0],
                       stride_w=strides[1])


def fully_connected(g: Growing, x: int) -> int | None:
    shape = g.shape_of(x)
    batch, depth = math.prod(shape[:-1]), shape[-1]
    if g.chance(0.5):
        batch, depth = shape[0], math.prod(shape[1:])
    if depth > 600:
        return None
    channels = g.between(1, 12)
    return dot_product(g, "FULLY_CONNECTED", x, (channels, depth), 0, (batch, channels),
                       fused_activation_function=activation(g))


def batch_matmul(g: Growing, x: int) -> int | None:
    """By a constant matrix, the same for the whole batch or one for each of it."""
    shape = g.shape_of(x)
    if len(shape) not in (2, 3, 4):
        return None
    *batch, rows, depth = shape
    columns, turned = g.between(1, 9), g.chance(0.5)
    matrix = (columns, depth) if turned else (depth, columns)
    if batch and g.chance(0.5) and math.prod(batch) < 8:
        matrix = (*batch, *matrix)
    values = g.rng.integers(-127, 128, matrix).astype(np.int8)
    scale = g.some_scale(0.01)
    w = g.weights(values, [scale], zero_point=g.pick(0, 0, g.between(-20, 20)))
    y = g.activation((*batch, rows, columns),
                     g.scale_of(x) * scale * math.sqrt(depth) * 70 * 70 / g.pick(8, 40, 60))
    g.operator("BATCH_MATMUL", [x, w], [y], adj_x=False, adj_y=turned)
    return y


GENERATORS = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "TRANSPOSE_CONV": transpose_conv,
    "FULLY_CONNECTED": fully_connected,
    "BATCH_MATMUL": batch_matmul,
}
