"""Matrix products on the systolic array: 1x1 convolutions, whose pixels are the rows."""

import math
from collections.abc import Iterator

import numpy as np

from compiler.blocks import blocks
from compiler.ir import Graph, Operator
from compiler.layers import Image, Layer, Window
from compiler.loops import Loop
from compiler.lower_conv import Convolution, weights_of
from hw.config import EngineConfig


def fully_connected(graph: Graph, op: Operator, place: dict[int, int], profile: str,
                    config: EngineConfig) -> Iterator[Layer]:
    """FULLY_CONNECTED."""
    weights = weights_of(graph, op)
    rows = math.prod(graph.tensors[op.inputs[0]].shape) // weights.shape[1]
    one = Convolution.of(graph, op, weights, profile, config)
    yield from product(one, weights, rows, place[op.inputs[0]], place[op.outputs[0]])


def batch_matmul(graph: Graph, op: Operator, place: dict[int, int], profile: str,
                 config: EngineConfig) -> Iterator[Layer]:
    """BATCH_MATMUL by a constant: matrices one by one, or rows of all of them by the only one."""
    source, output = (graph.tensors[index].shape for index in (op.inputs[0], op.outputs[0]))
    weights = weights_of(graph, op)
    if not op.options["adj_y"]:
        weights = weights.swapaxes(-1, -2)
    channels, depth = weights.shape[-2:]
    if math.prod(weights.shape[:-2]) == 1:
        matrix, rows = weights.reshape(channels, depth), math.prod(output[:-1])
        one = Convolution.of(graph, op, matrix, profile, config)
        yield from product(one, matrix, rows, place[op.inputs[0]], place[op.outputs[0]])
        return
    batch, rows = output[:-2], output[-2]
    matrices = np.broadcast_to(weights, (*batch, channels, depth)).reshape(-1, channels, depth)
    sources = np.arange(math.prod(source[:-2])).reshape(source[:-2])
    for k, (matrix, at) in enumerate(zip(matrices, np.broadcast_to(sources, batch).flat,
                                         strict=True)):
        one = Convolution.of(graph, op, matrix, profile, config)
        yield from product(one, matrix, rows, place[op.inputs[0]] + int(at) * rows * depth,
                           place[op.outputs[0]] + k * rows * channels)


def product(one: Convolution, weights: np.ndarray, rows: int, source: int,
            output: int) -> Iterator[Layer]:
    """The product of ``rows`` and ``weights`` ``[channels, depth]``."""
    channels, depth = weights.shape
    for block in blocks([Loop(rows, depth, channels)], one.config, source, output):
        y, x = block.rows.count, block.pixels.count
        yield from one.layers(Image(block.source, y, x, depth), Image(block.output, y, x, channels),
                              weights.reshape(channels, 1, 1, depth), Window())
