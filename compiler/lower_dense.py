"""Matrix products on the systolic array: 1x1 convolutions, whose pixels are the rows."""

import math
from collections.abc import Iterator

import numpy as np

from compiler.blocks import Step, blocks
from compiler.ir import Graph, Operator
from compiler.layers import Image, Layer, Window
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
    output = graph.tensors[op.outputs[0]].shape
    weights = weights_of(graph, op)
    if not op.options["adj_y"]:
        weights = weights.swapaxes(-1, -2)
    *batch, channels, depth = weights.shape
    if math.prod(batch) == 1:
        rows, weights = math.prod(output[:-1]), weights.reshape(1, channels, depth)
    else:
        rows, weights = output[-2], np.broadcast_to(weights, (*output[:-2], channels, depth))
    for k, matrix in enumerate(weights.reshape(-1, channels, depth)):
        one = Convolution.of(graph, op, matrix, profile, config)
        yield from product(one, matrix, rows, place[op.inputs[0]] + k * rows * depth,
                           place[op.outputs[0]] + k * rows * channels)


def product(one: Convolution, weights: np.ndarray, rows: int, source: int,
            output: int) -> Iterator[Layer]:
    """The product of ``rows`` and ``weights`` ``[channels, depth]``."""
    channels, depth = weights.shape
    for block in blocks([Step(rows, depth, channels)], one.config, source, output):
        y, x = block.rows.count, block.pixels.count
        yield from one.layers(Image(block.source, y, x, depth), Image(block.output, y, x, channels),
                              weights.reshape(channels, 1, 1, depth), Window())
