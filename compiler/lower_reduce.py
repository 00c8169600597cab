"""Averages and sums on the systolic array, whose weights are then ones."""

from collections.abc import Iterator, Sequence

import numpy as np

from compiler.errors import ModelError
from compiler.ir import Graph, Operator
from compiler.layers import Image, Layer, Window, images, shared_records, window_fields
from compiler.numerics import Staircase
from compiler.records import fit_records
from compiler.requantize import average_rule, mean_axes, padding_before, requantize_rules
from compiler.segments import segments
from compiler.weights import array_weights
from hw.config import EngineConfig, Mode


def average(graph: Graph, op: Operator, place: dict[int, int], profile: str,
            config: EngineConfig) -> Iterator[Layer]:
    """AVERAGE_POOL_2D, and MEAN over height and width: sums with weights of one.

    Where padding clips the window, fewer values count: such pixels form a pass of their own.
    """
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    o = op.options
    if op.kind == "MEAN":
        if mean_axes(graph, op) != (1, 2) or len(source.shape) != 4:
            raise ModelError(
                f"operator {op.index} MEAN: averages axes {list(mean_axes(graph, op))} of "
                f"{list(source.shape)}, and the array averages height and width (axes 1 and 2 of "
                "4); transpose or reshape before it")
        n, h, w, c = source.shape
        sizes, strides, padding = (h, w), (1, 1), "VALID"
        outputs = [Image(place[op.outputs[0]] + k * c, 1, 1, c) for k in range(n)]
    else:
        sizes, strides = (o["filter_height"], o["filter_width"]), (o["stride_h"], o["stride_w"])
        padding = o["padding"]
        outputs = images(output, place[op.outputs[0]])

    # Weights of one, a channel to a row; every tap plays them again:
    group_channels = min(config.rows, config.word_bytes)
    slots = np.zeros((outputs[0].channels, 1, config.word_bytes), np.int8)
    channel = np.arange(outputs[0].channels)
    slots[channel, 0, channel % group_channels] = 1
    packed = array_weights(slots, group_channels, config)

    for x, y in zip(images(source, place[op.inputs[0]]), outputs, strict=True):
        top, left = (padding_before(padding, *sides) for sides in (
            (x.height, y.height, strides[0], sizes[0]), (x.width, y.width, strides[1], sizes[1])))
        for rows in segments(x.height, y.height, sizes[0], strides[0], top):
            for columns in segments(x.width, y.width, sizes[1], strides[1], left):
                count = rows.taps * columns.taps
                rules: Sequence[Staircase] = requantize_rules(graph, op, profile) \
                    if op.kind == "MEAN" else (average_rule(graph, op, count),)
                bias = -source.zero_point * count if op.kind == "MEAN" else 0
                fields, records = fit_records(
                    op, rules, np.array([bias]), np.array([-128 * count + bias]),
                    np.array([127 * count + bias]), config,
                    shared=True)
                part = Image(
                    y.address + rows.first * y.row_bytes + columns.first * y.channels, rows.count,
                    columns.count, y.channels, row_stride=y.row_bytes)
                # Clipped as it is, the window never leaves the image.
                window = Window(rows=rows.taps, taps_x=columns.taps, step_x=x.channels,
                                stride_h=strides[0], stride_w=strides[1], top=-rows.start,
                                left=-columns.start)
                layer = window_fields(config, Mode.ARRAY, x, part, window,
                                      group_channels=group_channels, group_stride=group_channels)
                yield Layer(f"{op.index} {op.kind}", op.index, op.outputs[0],
                            layer | fields | {"shared_record": 1, "repeat_weights": 1},
                            shared_records(config, records[0], records[0]), packed,
                            macs=rows.count * columns.count * y.channels * count)
