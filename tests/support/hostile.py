"""Small files that ask for much: each would keep a careless compiler busy, or fill its memory."""

from collections.abc import Callable

import numpy as np
from growing import Growing
from write_tflite import WrittenModel, WrittenOperator

VALID = 1
CONV = {"padding": VALID, "stride_h": 1, "stride_w": 1}
SEED = 5


def growing(*shapes: tuple[int, ...]) -> Growing:
    """A model with one input of each shape, scale 1/16 and zero point 0."""
    g = Growing(np.random.default_rng(SEED))
    for shape in shapes:
        g.entered(g.activation(shape, scale=1 / 16, zero_point=0))
    return g


def output(g: Growing, *shape: int) -> int:
    return g.activation(shape, like=0)


def weights(g: Growing, *shape: int, per_channel: int = 0) -> int:
    """Random constants; ``per_channel`` scales along the first dimension."""
    largest = 127 if per_channel else 3          # small ones, that no accumulator overflows
    values = np.resize(g.rng.integers(-largest, largest + 1, 9973).astype(np.int8), shape)
    scales = g.rng.uniform(1e-4, 1e-2, per_channel or 1)
    return g.weights(values, scales.tolist())


def chain(count: int) -> Growing:
    """One after the other."""
    g = growing((1, 4))
    for index in range(count):
        y = output(g, 1, 4)
        g.operator("RELU", [index], [y])
    return g


def crowd(count: int) -> Growing:
    """All inputs and outputs alive at once, no two of a size: the memory planner's worst case."""
    g = growing(*((1, 8 + index % 97) for index in range(count)))
    for index in range(count):
        g.operator("RELU", [index], [output(g, *g.shape_of(index))])
    return g


def convolution(batch: int, side: int, channels_in: int, kernel: int, channels: int,
                per_channel: int = 0) -> Growing:
    g = growing((batch, side, side, channels_in))
    w = weights(g, channels, kernel, kernel, channels_in, per_channel=per_channel)
    left = side - kernel + 1
    g.operator("CONV_2D", [0, w], [output(g, batch, left, left, channels)], **CONV)
    return g


def depthwise(side: int, channels: int, kernel: int) -> Growing:
    g = growing((1, side, side, channels))
    left = side - kernel + 1
    g.operator("DEPTHWISE_CONV_2D", [0, weights(g, 1, kernel, kernel, channels)],
              [output(g, 1, left, left, channels)], depth_multiplier=1, **CONV)
    return g


def dense(depth: int, channels: int, batch: int = 1, times: int = 1) -> Growing:
    """``times`` layers with the same weights, side by side."""
    g = growing((batch, depth))
    w = weights(g, channels, depth)
    for _ in range(times):
        g.operator("FULLY_CONNECTED", [0, w], [output(g, batch, channels)])
    return g


def pooled(kind: str, batch: int, side: int, kernel: int, padding: int = VALID) -> Growing:
    g = growing((batch, side, side, 1))
    left = side - kernel + 1 if padding == VALID else side
    g.operator(kind, [0], [output(g, batch, left, left, 1)], padding=padding, stride_h=1,
              stride_w=1, filter_height=kernel, filter_width=kernel)
    return g


def striped(rows: int, channels: int) -> Growing:
    """Convolution and pooling, in as many stripes as there are rows to try."""
    g = growing((1, rows, 1, 1))
    y = output(g, 1, rows, 1, channels)
    g.operator("CONV_2D", [0, weights(g, channels, 1, 1, 1)], [y], **CONV)
    g.operator("MAX_POOL_2D", [y], [output(g, 1, rows // 2, 1, channels)], padding=VALID,
              stride_h=2, stride_w=1, filter_height=2, filter_width=1)
    return g


def padded(batch: int) -> Growing:
    g = growing((batch, 1, 1, 1))
    edges = g.constant([[0, 0], [1, 1], [1, 1], [0, 0]])
    g.operator("PAD", [0, edges], [output(g, batch, 3, 3, 1)])
    return g


def pads(count: int) -> Growing:
    """As many PADs of one tensor, each with its convolution to be moved into."""
    g = growing((1, 2, 2, 1))
    edges = g.constant([[0, 0], [1, 1], [1, 1], [0, 0]])
    w = weights(g, 1, 1, 1, 1)
    for _ in range(count):
        y = output(g, 1, 4, 4, 1)
        g.operator("PAD", [0, edges], [y])
        g.operator("CONV_2D", [y, w], [output(g, 1, 4, 4, 1)], **CONV)
    return g


def packed(times: int) -> Growing:
    """Constants joined ten at a time, and what comes of that again, and again."""
    g = growing((1, 4))
    last = g.weights(np.zeros(60, np.int8), [0.5])
    for step in range(times):
        y = output(g, *(10,) * (step + 1), 60)
        g.operator("PACK", [last] * 10, [y], axis=0, values_count=10)
        last = y
    y = output(g, 1, 4)
    g.operator("ADD", [0, last], [y])
    return g


def sliced() -> Growing:
    """STRIDED_SLICE of a constant with bounds of several dimensions, too many and none."""
    g = growing((1, 4))
    shape, last = g.constant([1, 4, 4]), 0
    for bounds in ([[0], [1], [1]], [0, 0, 0], 0, []):
        y = g.tensor((1,), dtype="int32")
        b = g.constant(bounds)
        g.operator("STRIDED_SLICE", [shape, b, b, b], [y])
        made = output(g, 1, 4)
        g.operator("RESHAPE", [last, y], [made])
        last = made
    return g


def reduced(count: int) -> Growing:
    """MEAN over a vector of axes that never ends."""
    g = growing((1, 2, 2, 1))
    g.operator("MEAN", [0, g.constant([7] * count)], [output(g, 1, 1)])
    return g


def pairs(kind: str, count: int) -> Growing:
    """Operators of two inputs, no two of the same scales: each a search of its own."""
    g = growing((1, 8), (1, 8))
    for _ in range(count):
        y = g.activation((1, 8), scale=float(np.float32(g.rng.uniform(0.05, 0.2))), zero_point=0)
        g.operator(kind, [0, 1], [y])
    return g


def averaged(*shape: int) -> Growing:
    """MEAN over height and width of more than memory holds."""
    g = growing(shape)
    g.operator("MEAN", [0, g.constant([1, 2])], [output(g, shape[0], shape[3])])
    return g


def sloped(count: int) -> Growing:
    """PRELU of two tensors, which is five operators."""
    g = growing((1, 8), (1, 8))
    for _ in range(count):
        y = g.activation((1, 8), scale=float(np.float32(g.rng.uniform(0.05, 0.2))), zero_point=0)
        slopes = g.weights(g.rng.integers(-128, 128, 8).astype(np.int8), [0.01])
        g.operator("PRELU", [0, slopes], [y])
    return g


def spread(side: int, stride: int) -> Growing:
    """TRANSPOSE_CONV, as many convolutions as strides."""
    g = growing((1, side, side, 1))
    sides = side * stride
    g.operator("TRANSPOSE_CONV", [g.constant([1, sides, sides, 1]), weights(g, 1, 2, 2, 1), 0],
               [output(g, 1, sides, sides, 1)], padding=0, stride_h=stride, stride_w=stride)
    return g


def multiplied(batch: int) -> Growing:
    """As many products of matrices, each with a constant of its own."""
    g = growing((batch, 2, 4))
    g.operator("BATCH_MATMUL", [0, weights(g, batch, 4, 2)], [output(g, batch, 2, 2)],
               adj_x=False, adj_y=False)
    return g


def columns(batch: int, count: int) -> Growing:
    """Matrices with as many columns."""
    g = growing((batch, 1, 4))
    g.operator("BATCH_MATMUL", [0, weights(g, batch, count, 4)], [output(g, batch, 1, count)],
               adj_x=False, adj_y=True)
    return g


def added(*shape: int) -> Growing:
    """A constant, each number another channel."""
    g = growing((1, *shape))
    g.operator("ADD", [0, weights(g, *shape)], [output(g, 1, *shape)])
    return g


def named(length: int) -> Growing:
    """A refusal that would be as long as the tensor's name."""
    g = growing((1, 4))
    g.operator("RELU", [0], [output(g, 1, 5)])
    g.tensors[1].name = b"\n" * length
    return g


def shared(inputs: int, times: int) -> WrittenModel:
    """Many operators with one long list of inputs."""
    model = chain(1).grown()
    model.operators = [WrittenOperator((0,) * inputs, (1,))] * times
    return model


HOSTILE: dict[str, Callable[[], Growing | WrittenModel]] = {
    "250 operators": lambda: chain(250),
    "1,999 operators": lambda: chain(1_999),
    "2,001 operators": lambda: chain(2_001),
    "5,001 tensors": lambda: chain(5_000),
    "250 inputs and outputs": lambda: crowd(250),
    "1,000 inputs and outputs": lambda: crowd(1_000),
    "a million entries": lambda: shared(1 << 20, 1),
    "entries over and over": lambda: shared(1 << 20, 1_000),
    "50,000 images": lambda: convolution(50_000, 1, 1, 1, 1),
    "8,192 channels, each with its scale": lambda: convolution(1, 1, 16, 1, 8_192, 8_192),
    "8,193 channels": lambda: convolution(1, 1, 1, 1, 8_193),
    "8,192 channels that stand alone": lambda: depthwise(1, 8_192, 1),
    "a kernel as large as the image": lambda: depthwise(30, 100, 30),
    "weights that stand alone": lambda: depthwise(128, 256, 128),
    "10,000 tiles, each with all weights": lambda: convolution(1, 100, 8, 16, 4),
    "16 MB of weights": lambda: dense(4_000, 4_000),
    "60 MB of weights": lambda: dense(60_000, 1_000),
    "weights over 64 MiB": lambda: dense(65_536, 1_024),
    "40 times 10 MB of weights": lambda: dense(10_000, 1_000, times=40),
    "a batch of 100,000": lambda: dense(1, 1, batch=100_000),
    "50,000 images to pool": lambda: pooled("MAX_POOL_2D", 50_000, 1, 1),
    "20,000 images to average": lambda: pooled("AVERAGE_POOL_2D", 20_000, 1, 1),
    "40,000 windows, each cut in another way": lambda: pooled("AVERAGE_POOL_2D", 1, 200, 199, 0),
    "a window larger than loops count": lambda: pooled("MAX_POOL_2D", 1, 200, 199, 0),
    "20,000 rows to stripe": lambda: striped(20_000, 8),
    "4,000 rows to stripe": lambda: striped(4_000, 40),
    "1,000 rows to stripe": lambda: striped(1_000, 150),
    "10,000 images to pad": lambda: padded(10_000),
    "900 PADs of one tensor": lambda: pads(900),
    "constants packed over and over": lambda: packed(7),
    "a slice of a shape, wrong in four ways": sliced,
    "a million axes": lambda: reduced(1 << 20),
    "250 sums": lambda: pairs("ADD", 250),
    "300 sums": lambda: pairs("ADD", 300),
    "250 products": lambda: pairs("MUL", 250),
    "50 slopes": lambda: sloped(50),
    "an average of two gigabytes": lambda: averaged(1, 500, 500, 8_000),
    "an average of many": lambda: averaged(1, 300, 300, 20_000),
    "80,000 numbers to add": lambda: added(100, 100, 8),
    "products of 16,000 columns": lambda: columns(2, 8_000),
    "10,000 convolutions in one": lambda: spread(3, 100),
    "4,000 products of matrices": lambda: multiplied(4_000),
    "250 products of matrices": lambda: multiplied(250),
    "a name of a million lines": lambda: named(1 << 20),
    "a name of five million lines": lambda: named(5 << 20),
}


def hostile(name: str) -> bytes:
    """The file called ``name``."""
    made = HOSTILE[name]()
    return bytes(made.grown() if isinstance(made, Growing) else made)
