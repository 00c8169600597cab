"""Matrix products on the systolic array."""

import math
from collections.abc import Iterator

from compiler.blocks import Step, blocks
from compiler.ir import Graph, Operator
from compiler.layers import Image, Layer, Window
from compiler.lower_conv import prepared
from hw.config import EngineConfig


def fully_connected(graph: Graph, op: Operator, place: dict[int, int], profile: str,
                    config: EngineConfig) -> Iterator[Layer]:
    """FULLY_CONNECTED: a 1x1 convolution whose pixels are the batch."""
    weights, one = prepared(graph, op, profile, config)
    channels, depth = weights.shape
    batch = math.prod(graph.tensors[op.inputs[0]].shape) // depth
    for block in blocks([Step(batch, depth, channels)], config, place[op.inputs[0]],
                        place[op.outputs[0]]):
        rows, pixels = block.rows.count, block.pixels.count
        yield from one.layers(
            Image(block.source, rows, pixels, depth), Image(block.output, rows, pixels, channels),
            weights.reshape(channels, 1, 1, depth), Window())
