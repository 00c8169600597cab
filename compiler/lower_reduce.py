"""Averages, sums and maxima: of windows, and of whole axes."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from compiler.blocks import ONCE, Block, blocks
from compiler.errors import ModelError
from compiler.ir import Graph, Operator
from compiler.layers import (
    Image,
    Layer,
    Record,
    Window,
    ceil_div,
    identity_records,
    images,
    largest,
    shared_records,
    window_fields,
)
from compiler.loops import Loop
from compiler.numerics import Staircase
from compiler.records import check_sums, fit_records
from compiler.reduction import Reduction
from compiler.requantize import average_rule, mean_axes, padding_before, requantize_rules
from compiler.segments import segments
from compiler.weights import array_weights, slots
from hw.config import EngineConfig, Mode

Taps = tuple[Loop, Loop]               # the loops over what is reduced: ky, kx


def average(graph: Graph, op: Operator, place: dict[int, int], profile: str,
            config: EngineConfig) -> Iterator[Layer]:
    """AVERAGE_POOL_2D.

    Where padding clips the window, fewer values count: such pixels form a pass of their own.
    """
    source, output, o = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]], op.options
    sizes, strides = (o["filter_height"], o["filter_width"]), (o["stride_h"], o["stride_w"])
    channels = source.shape[3]
    rows, columns = (
        segments(size_in, size_out, size, stride,
                 padding_before(o["padding"], size_in, size_out, stride, size))
        for size_in, size_out, size, stride in zip(
            source.shape[1:3], output.shape[1:3], sizes, strides, strict=True))
    for row in rows:
        for column in columns:
            count = row.taps * column.taps
            fields, records = sum_records(op, average_rule(graph, op, count), count, 0, config)
            for x, y in zip(images(source, place[op.inputs[0]]),
                            images(output, place[op.outputs[0]]), strict=True):
                taps, counts = tap_loops(op, [Loop(row.taps, x.row_bytes, 0),
                                              Loop(column.taps, channels, 0)], (), config)
                block = Block(
                    x.address + row.start * x.row_bytes + column.start * channels,
                    y.address + row.first * y.row_bytes + column.first * channels,
                    Loop(row.count, strides[0] * x.row_bytes, y.row_bytes),
                    Loop(column.count, strides[1] * channels, channels))
                yield sum_layer(op, block, channels, taps, 1, ones(channels, config), counts,
                                fields, records, config, macs=channels * count)


def sums(graph: Graph, op: Operator, place: dict[int, int], profile: str,
         config: EngineConfig) -> Iterator[Layer]:
    """MEAN and SUM over any axes.

    Values side by side are a dot product with ones; otherwise each tap brings a word of channels.
    """
    source = graph.tensors[op.inputs[0]]
    axes = mean_axes(graph, op)
    count = math.prod(source.shape[axis] for axis in axes)
    shape = Reduction.of(source.shape, axes)
    rule, = requantize_rules(graph, op, profile)
    fields, records = sum_records(op, rule, count, source.zero_point, config)
    words, run, taken = ones(shape.channels, config), 1, ONCE
    if shape.run > 1:
        found = slots(np.ones((1, 1, 1, shape.run), np.int16), shape.run, config)
        assert found is not None
        words, run = found.words, found.run
        taken = Loop(found.taps_x, found.step_x, 0)  # of a run that is longer than a loop counts
    taps, counts = tap_loops(op, shape.taps, [taken], config)
    for block in blocks(shape.kept, config, place[op.inputs[0]], place[op.outputs[0]]):
        yield sum_layer(op, block, shape.channels, taps, run, words, counts, fields, records,
                        config, macs=shape.channels * count)


def maxima(graph: Graph, op: Operator, place: dict[int, int], profile: str,
           config: EngineConfig) -> Iterator[Layer]:
    """REDUCE_MAX over any axes, in the vector unit."""
    shape = Reduction.of(graph.tensors[op.inputs[0]].shape, mean_axes(graph, op))
    taps, _ = tap_loops(op, (*shape.taps, Loop(shape.run, 1, 0)), (), config)
    for block in blocks(shape.kept, config, place[op.inputs[0]], place[op.outputs[0]]):
        fields = walk_fields(block, shape.channels, taps, 1, Mode.MAXIMUM, config.word_bytes,
                             config)
        yield Layer(str(op), op.index, op.outputs[0], fields | {"shared_record": 1},
                    identity_records(config))


def tap_loops(op: Operator, loops: Sequence[Loop], taken: Sequence[Loop],
              config: EngineConfig) -> tuple[Taps, np.ndarray]:
    """``loops``, and those inside of them that are ``taken`` already, as the two that a tile has.

    Where there is one, and too long, two take its place, whose turns may overlap: of each turn that
    is not taken, the array says whether it counts, int8 0 or 1.
    """
    loops, taken = ([loop for loop in some if loop.count > 1] for some in (loops, taken))
    if len(loops) + len(taken) > 2:
        raise ModelError(
            f"operator {op}: reduces {len(loops) + len(taken)} axes with others between them, and "
            "the engine has loops for two; transpose the tensor before it")
    longest = largest(config, "kx") + 1
    if len(loops) == 1 and not taken and loops[0].count > longest:
        count, step = loops[0].count, loops[0].source
        least = ceil_div(count, longest)
        rows = next((rows for rows in range(least, longest + 1) if count % rows == 0), least)
        on = count // rows                           # from one row of taps to the next
        length = count - (rows - 1) * on
        counts = np.ones((rows, length), np.int8)
        counts[1:, :length - on] = 0
        return (Loop(rows, on * step, 0), Loop(length, step, 0)), counts
    outer, inner = (ONCE, ONCE, *loops, *taken)[-2:]
    return (outer, inner), np.ones(math.prod(loop.count for loop in loops), np.int8)


def walk_fields(block: Block, channels: int, taps: Taps, run: int, mode: Mode,
                group_channels: int, config: EngineConfig) -> dict[str, int]:
    """The fields of a layer that reduces ``taps`` of ``run`` bytes for each pixel of a block."""
    x, y = (
        Image(address, block.rows.count, block.pixels.count, channels, pixel_stride=pixel,
              row_stride=row) for address, pixel, row in (
            (block.source, block.pixels.source, block.rows.source),
            (block.output, block.pixels.output, block.rows.output)))
    window = Window(rows=taps[0].count, taps_x=taps[1].count, step_x=taps[1].source, run=run)
    fields = window_fields(config, mode, x, y, window, group_channels=group_channels,
                           group_stride=group_channels)
    # It walks as it likes, and meets no image's edge: a row ends with the last byte that counts.
    reach = sum((loop.count - 1) * loop.source for loop in (block.pixels, taps[1]))
    return fields | {"padded": 0, "y_start": 0, "y_row_step": 0, "y_ky_step": 0,
                     "row_bytes": reach + max(run, channels), "ky_stride": taps[0].source}


def sum_layer(op: Operator, block: Block, channels: int, taps: Taps, run: int, words: np.ndarray,
              counts: np.ndarray, fields: dict[str, int],
              records: tuple[tuple[Record, ...], ...], config: EngineConfig, macs: int) -> Layer:
    """Sums on the array, for each turn that ``counts``; ``macs`` are those of a pixel."""
    group_channels = group_of(config)
    words = (words[:, None] * counts.reshape(-1, 1, 1)).reshape(len(words), -1, config.word_bytes)
    if (words == words[:, :1]).all():
        words, fields = words[:, :1], fields | {"repeat_weights": 1}
    walk = walk_fields(block, channels, taps, run, Mode.ARRAY, group_channels, config)
    return Layer(str(op), op.index, op.outputs[0], walk | fields, records,
                 array_weights(words, group_channels, config),
                 macs=block.rows.count * block.pixels.count * macs)


def sum_records(op: Operator, rule: Staircase, count: int, zero_point: int, config: EngineConfig
                ) -> tuple[dict[str, int], tuple[tuple[Record, ...], ...]]:
    """Fields and records of a sum of ``count`` bytes, each less the zero point."""
    check_sums(op, count, config)
    bias = -zero_point * count
    fields, (record,) = fit_records(op, (rule,), np.array([bias]), np.array([-128 * count + bias]),
                                    np.array([127 * count + bias]), config, shared=True)
    return fields | {"shared_record": 1}, shared_records(config, record, record)


def group_of(config: EngineConfig) -> int:
    """How many channels of a word the array sums up at a time, each on a row of its own."""
    return min(config.rows, config.word_bytes)


def ones(channels: int, config: EngineConfig) -> np.ndarray:
    """Words of weights that take one channel each, int8 ``[channels, 1, word_bytes]``."""
    words = np.zeros((channels, 1, config.word_bytes), np.int8)
    channel = np.arange(channels)
    words[channel, 0, channel % group_of(config)] = 1
    return words
