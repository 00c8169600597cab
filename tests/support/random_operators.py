"""For each operator, how to make one at random: the table that ``random_models`` grows from.

A generator takes the model and a computed int8 tensor, adds one operator that reads it, and
returns the operator's first output; None where it has no use for such a tensor.
"""

import math
from collections.abc import Callable

import numpy as np
from growing import LARGEST_TENSOR, Growing

Generator = Callable[[Growing, int], int | None]

SAME, VALID = 0, 1
NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3


def activation(g: Growing) -> int:
    """A fused activation, often none."""
    return g.pick(NONE, NONE, RELU, RELU6, RELU_N1_TO_1)


# --- Dot products

def dot_product(g: Growing, kind: str, x: int, shape: tuple[int, ...], axis: int,
                output: tuple[int, ...], bias_scale: bool = True, **options) -> int:
    """A dot product with weights of ``shape``, whose output channels lie along ``axis``."""
    channels, taps = shape[axis], math.prod(shape) // shape[axis]
    source = g.tensors[x]
    weights = g.rng.integers(-127, 128, shape).astype(np.int8)
    per_channel = g.chance(0.6)
    scales = [g.scale(0.01) for _ in range(channels if per_channel else 1)]
    spread = math.sqrt(taps) * 70 * 70           # of the sums, roughly
    y = g.activation(output, source.scale[0] * scales[0] * spread / g.pick(8, 40, 60))
    multipliers = [source.scale[0] * s / g.tensors[y].scale[0] for s in scales]
    bias = np.array([halfway(g, multipliers[c % len(multipliers)], int(spread))
                     for c in range(channels)])
    # Channels without weights give the bias alone; with weights of 64, and powers of two all
    # over, every sum is on the tie that the bias is on.
    planes = np.moveaxis(weights, axis, 0)
    for c in range(channels):
        if g.chance(0.5 if g.ties else 0.2):
            planes[c] = g.pick(0, g.rng.integers(-1, 2, planes[c].shape) * 64)
    w = g.constant(weights, scales, [0] * len(scales), axis if per_channel else 0)
    inputs = [x, w]
    if g.chance(0.9):
        product = [float(np.float32(source.scale[0] * s)) for s in scales]
        inputs.append(g.constant(bias.astype(np.int32), product, [0] * len(scales)))
    g.operate(kind, inputs, [y], fused_activation_function=activation(g), **options)
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


def conv_options(found: dict) -> dict:
    return {"padding": found["padding"], "stride_h": found["strides"][0],
            "stride_w": found["strides"][1], "dilation_h_factor": found["dilations"][0],
            "dilation_w_factor": found["dilations"][1]}


def conv_2d(g: Growing, x: int) -> int | None:
    if len(g.shape(x)) != 4 or not (found := window(g, g.shape(x)[1:3], dilated=True)):
        return None
    n, _, _, c = g.shape(x)
    channels = g.between(1, 9)
    return dot_product(g, "CONV_2D", x, (channels, *found["kernel"], c), 0,
                       (n, *found["sides"], channels), **conv_options(found))


def depthwise_conv_2d(g: Growing, x: int) -> int | None:
    if len(g.shape(x)) != 4 or not (found := window(g, g.shape(x)[1:3], dilated=True)):
        return None
    n, _, _, c = g.shape(x)
    multiplier = g.pick(1, 1, 1, 2, 3)
    if found["strides"][0] != found["strides"][1] or c * multiplier > 40:
        return None                              # TFLite knows one stride only
    return dot_product(g, "DEPTHWISE_CONV_2D", x, (1, *found["kernel"], c * multiplier), 3,
                       (n, *found["sides"], c * multiplier), depth_multiplier=multiplier,
                       **conv_options(found))


def fully_connected(g: Growing, x: int) -> int | None:
    batch, depth = math.prod(g.shape(x)[:-1]), g.shape(x)[-1]
    if g.chance(0.5):
        batch, depth = g.shape(x)[0], math.prod(g.shape(x)[1:])
    if depth > 600:
        return None
    channels = g.between(1, 12)
    return dot_product(g, "FULLY_CONNECTED", x, (channels, depth), 0, (batch, channels))


# --- Pools and sums

def pool(kind: str) -> Generator:
    def generate(g: Growing, x: int) -> int | None:
        if len(g.shape(x)) != 4 or not (found := window(g, g.shape(x)[1:3])):
            return None
        n, _, _, c = g.shape(x)
        y = g.activation((n, *found["sides"], c), like=x)
        g.operate(kind, [x], [y], padding=found["padding"], stride_h=found["strides"][0],
                  stride_w=found["strides"][1], filter_height=found["kernel"][0],
                  filter_width=found["kernel"][1], fused_activation_function=activation(g))
        return y
    return generate


def mean(g: Growing, x: int) -> int | None:
    if len(g.shape(x)) != 4:
        return None
    n, _, _, c = g.shape(x)
    keep = g.chance(0.5)
    y = g.activation((n, 1, 1, c) if keep else (n, c), g.tensors[x].scale[0])
    g.operate("MEAN", [x, g.indices(1, 2)], [y], keep_dims=keep)
    return y


# --- Value by value

def binary(kind: str, **options) -> Generator:
    """Of two tensors of one shape, or of a tensor and a constant number."""
    def generate(g: Growing, x: int) -> int | None:
        others = [t for t in g.computed() if g.shape(t) == g.shape(x) and (t != x or g.chance(.1))]
        if others and g.chance(0.8):
            other = g.pick(*others)
        else:
            other = g.constant(np.array(g.between(-128, 127), np.int8), [g.scale(0.05)],
                               [g.zero_point()])
        scales = [g.tensors[t].scale[0] for t in (x, other)]
        y = g.activation(g.shape(x), max(scales) if kind != "MUL" else 60 * math.prod(scales))
        g.operate(kind, g.pick([x, other], [other, x]) if kind != "SUB" else [x, other], [y],
                  fused_activation_function=activation(g), **options)
        return y
    return generate


def unary(kind: str, scale: float | None = None, zero_point: int | None = None,
          **options) -> Generator:
    """Of one tensor, into one of any quantization or of the one that the kind demands."""
    def generate(g: Growing, x: int) -> int | None:
        y = g.activation(g.shape(x), g.tensors[x].scale[0], scale=scale, zero_point=zero_point)
        g.operate(kind, [x], [y], **options)
        return y
    return generate


def softmax(g: Growing, x: int) -> int | None:
    if len(g.shape(x)) not in (2, 4):
        return None
    y = g.activation(g.shape(x), scale=1 / 256, zero_point=-128)
    g.operate("SOFTMAX", [x], [y], beta=g.pick(1.0, 1.0, 0.5, 2.0))
    return y


def dequantize(g: Growing, x: int) -> int | None:
    y = g.floats(g.shape(x))
    g.operate("DEQUANTIZE", [x], [y])
    return y


# --- The same bytes, moved

def pad(g: Growing, x: int) -> int | None:
    shape = g.shape(x)
    if len(shape) < 2:
        return None
    edges = np.zeros((len(shape), 2), np.int32)
    first = g.between(max(0, len(shape) - 3), len(shape) - 2)
    edges[first:first + 2] = g.rng.integers(0, 3, (2, 2))
    output = [side + int(sum(pair)) for side, pair in zip(shape, edges, strict=True)]
    if math.prod(output) > LARGEST_TENSOR:
        return None
    y = g.activation(output, like=x)
    g.operate("PAD", [x, g.constant(edges)], [y])
    return y


def reshape(g: Growing, x: int) -> int | None:
    n, *rest = g.shape(x)
    size = math.prod(rest)
    divisor = g.pick(*(d for d in range(1, size + 1) if size % d == 0))
    shape = g.pick((n, size), (n, divisor, 1, size // divisor), (n, size // divisor, divisor))
    y = g.activation(shape, like=x)
    g.operate("RESHAPE", [x, g.indices(*shape)], [y], new_shape=shape)
    return y


def squeeze(g: Growing, x: int) -> int | None:
    shape = g.shape(x)
    axes = [axis for axis in range(1, len(shape)) if shape[axis] == 1]
    if not axes or len(shape) < 3:
        return None
    axis = g.pick(*axes)
    y = g.activation(shape[:axis] + shape[axis + 1:], like=x)
    g.operate("SQUEEZE", [x], [y], squeeze_dims=(axis,))
    return y


def expand_dims(g: Growing, x: int) -> int | None:
    shape = g.shape(x)
    if len(shape) > 3:
        return None
    axis = g.between(1, len(shape))
    y = g.activation((*shape[:axis], 1, *shape[axis:]), like=x)
    g.operate("EXPAND_DIMS", [x, g.constant(np.array(axis, np.int32))], [y])
    return y


GENERATORS: dict[str, Generator] = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "MAX_POOL_2D": pool("MAX_POOL_2D"),
    "AVERAGE_POOL_2D": pool("AVERAGE_POOL_2D"),
    "MEAN": mean,
    "ADD": binary("ADD"),
    "RELU": unary("RELU"),
    "RELU6": unary("RELU6"),
    "RELU_N1_TO_1": unary("RELU_N1_TO_1"),
    "QUANTIZE": unary("QUANTIZE"),
    "SOFTMAX": softmax,
    "DEQUANTIZE": dequantize,
    "PAD": pad,
    "RESHAPE": reshape,
    "SQUEEZE": squeeze,
    "EXPAND_DIMS": expand_dims,
}

# What only the host computes, behind all else.
LAST = ("SOFTMAX", "DEQUANTIZE")
