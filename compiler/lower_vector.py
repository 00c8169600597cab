"""Operators on the vector unit: maxima, copies, and tables."""

import math
from collections.abc import Iterator

import numpy as np

from compiler.byte_functions import byte_function
from compiler.ir import Graph, Operator
from compiler.layers import (
    Layer,
    Window,
    flat_fields,
    identity_records,
    images,
    window_fields,
)
from compiler.requantize import output_range, padding_before
from hw.config import EngineConfig, Mode


def maximum(graph: Graph, op: Operator, place: dict[int, int], profile: str,
            config: EngineConfig) -> Iterator[Layer]:
    """MAX_POOL_2D; what lies outside of the image never wins."""
    source, output, o = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]], op.options
    low, high = output_range(graph, op)
    size_h, size_w = o["filter_height"], o["filter_width"]
    top = padding_before(o["padding"], source.shape[1], output.shape[1], o["stride_h"], size_h)
    left = padding_before(o["padding"], source.shape[2], output.shape[2], o["stride_w"], size_w)
    for x, y in zip(images(source, place[op.inputs[0]]), images(output, place[op.outputs[0]]),
                    strict=True):
        window = Window(rows=size_h, taps_x=size_w, step_x=x.channels, stride_h=o["stride_h"],
                        stride_w=o["stride_w"], top=top, left=left, pad=-128)
        fields = window_fields(config, Mode.MAXIMUM, x, y, window,
                               group_channels=config.word_bytes, group_stride=config.word_bytes)
        yield Layer(str(op), op.index, op.outputs[0],
                    fields | {"low": low, "high": high, "shared_record": 1},
                    identity_records(config))


def unary(graph: Graph, op: Operator, place: dict[int, int], profile: str,
          config: EngineConfig) -> Iterator[Layer]:
    """Any function of one byte: a copy through the table unit."""
    yield through_table(graph, op, op.inputs[0], byte_function(graph, op, profile), place, config)


def through_table(graph: Graph, op: Operator, source: int, table: np.ndarray,
                  place: dict[int, int], config: EngineConfig) -> Layer:
    """Tensor ``source`` to the operator's output through int8 ``table`` ``[256]``."""
    fields = flat_fields(config, Mode.MAXIMUM, place[source], place[op.outputs[0]],
                         math.prod(graph.tensors[source].shape))
    return Layer(str(op), op.index, op.outputs[0],
                 fields | {"shared_record": 1, "table": 1}, identity_records(config),
                 table=table.astype(np.int8))
