"""The streams at the engine's edges: inputs into the scratchpad, outputs out of it."""

import math
from collections.abc import Iterator

from compiler.ir import Graph
from compiler.layers import (
    Image,
    Layer,
    Window,
    flat_fields,
    identity_records,
    window_fields,
)
from compiler.nests import MOST_TURNS
from compiler.relocate import is_regular, widest
from hw.config import EngineConfig, Mode


def load(graph: Graph, tensor: int, address: int, config: EngineConfig) -> Iterator[Layer]:
    """The input stream into a tensor, a byte to a pixel."""
    for first, height, width in rectangles(math.prod(graph.tensors[tensor].shape)):
        fields = window_fields(
            config, Mode.LOAD, Image(0, height, width, 1),
            Image(address + first, height, width, 1), Window(), group_channels=1, group_stride=0)
        yield Layer("input", -1, tensor, fields | {"shared_record": 1}, identity_records(config))


def store(graph: Graph, tensor: int, address: int, config: EngineConfig) -> Iterator[Layer]:
    """A tensor to the output stream, which takes a byte a cycle."""
    size = math.prod(graph.tensors[tensor].shape)
    if config.requantizers == 1:
        every = [flat_fields(config, Mode.MAXIMUM, address, 0, size)]
    else:
        every = [window_fields(
            config, Mode.MAXIMUM, Image(address + first, height, width, 1),
            Image(0, height, width, 1), Window(), group_channels=1, group_stride=0)
            for first, height, width in rectangles(size)]
    for fields in every:
        yield Layer("output", -1, tensor, fields | {"shared_record": 1, "to_stream": 1},
                    identity_records(config))


def rectangles(size: int) -> Iterator[tuple[int, int, int]]:
    """``(first, height, width)`` of rows of pixels of a byte that make up ``size`` bytes."""
    rest = 0 if is_regular(size) else size % MOST_TURNS
    for first, count in ((0, size - rest), (size - rest, rest)):
        if count:
            yield first, count // widest(count), widest(count)
