"""Operators on the systolic array: convolutions, dense layers, averages."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from compiler.errors import ModelError
from compiler.ir import Graph, Operator, Tensor
from compiler.layers import Image, Layer, Record, Window, shared_records, window_fields
from compiler.numerics import Staircase
from compiler.requantize import average_rule, mean_axes, padding_before, requantize_rules
from compiler.staircase import StaircaseError, fit
from hw.config import RECORD, EngineConfig, Mode

INT8 = (-128, 127)
LONGEST_RUN = 1 << 10      # chunks that the fetcher counts


class RequantizerWidths:
    """The engine's requantizer as compiler/staircase.py wants it described.

    The search has the output's zero point inside the offset, the hardware adds it later: so the
    search may use wider offsets, and `hardware_record` takes the zero point out again.
    """

    def __init__(self, config: EngineConfig):
        self.digit_width      = config.digit_width
        self.multiplier_width = config.multiplier_width
        self.shift_min        = config.shift_min
        self.shift_max        = config.shift_max
        self.offset_width     = RECORD["offset"].shape.width + 10


def hardware_record(op: Operator, record: Record, zero_point: int) -> Record:
    """``record`` with the zero point taken out of its offsets."""
    offsets = [offset - (zero_point << record.shift)
               for offset in (record.offset, record.offset_negative)]
    width = RECORD["offset"].shape.width
    if max(abs(offset) for offset in offsets) >= 1 << (width - 1):
        raise ModelError(f"operator {op.index} {op.kind}: needs a rounding offset of "
                         f"{max(offsets, key=abs)}, and the requantizer holds {width} bits; give "
                         "the layer's tensors less extreme scales")
    return replace(record, offset=offsets[0], offset_negative=offsets[1])


def fit_records(op: Operator, rules: Sequence[Staircase], bias: np.ndarray, acc_min: np.ndarray,
                acc_max: np.ndarray, config: EngineConfig,
                shared: bool = False) -> tuple[dict[str, int], list[Record]]:
    """Fields and records that make the requantizer equal to ``rules``; arrays are ``[channels]``.

    The range is that of the sum with its bias. A record is ``shared`` by all channels, or the
    requantizer needs two steps to fetch the next one.
    """
    try:
        digits, channels = fit(rules, acc_min, acc_max, RequantizerWidths(config),
                               least_digits=1 if shared else 2)
    except StaircaseError as error:
        raise ModelError(f"operator {op.index} {op.kind}: {error}; "
                         "give the layer's tensors less extreme scales") from None
    zero_point = getattr(rules[0], "zero_point", 0)
    fields = {"steps": digits - 1, "low": rules[0].low, "high": rules[0].high,
              "zero_point": zero_point}
    return fields, [
        hardware_record(op, Record(int(b), c.multiplier, c.shift, c.offset, c.offset_negative),
                        zero_point)
        for b, c in zip(bias, channels, strict=True)]


def grouped(records: Sequence[Record], group_channels: int,
            rows: int) -> tuple[tuple[Record, ...], ...]:
    """A group's channels on the first rows of the array, nothing on the others."""
    return tuple(
        tuple(records[first:first + group_channels])
        + (Record(),) * (rows - len(records[first:first + group_channels]))
        for first in range(0, len(records), group_channels))


def array_weights(slots: np.ndarray, group_channels: int, config: EngineConfig) -> np.ndarray:
    """``[groups, words, rows, lanes]`` of int8 ``slots``: ``[channels, slots, word_bytes]``."""
    channels, count, _ = slots.shape
    groups = -(-channels // group_channels)
    padded = np.zeros((groups * group_channels, *slots.shape[1:]), np.int8)
    padded[:channels] = slots
    rows = np.zeros((groups, config.rows, count * config.columns, config.lanes), np.int8)
    rows[:, :group_channels] = padded.reshape(
        groups, group_channels, count * config.columns, config.lanes)
    return np.ascontiguousarray(rows.transpose(0, 2, 1, 3))


def dot_product_records(graph: Graph, op: Operator, weights: np.ndarray, profile: str,
                        config: EngineConfig) -> tuple[dict[str, int], list[Record]]:
    """Fields and records of ``weights`` ``[channels, taps]``, the zero points folded in."""
    source, tensor = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    assert tensor.quantization is not None
    if any(tensor.quantization.zero_point):
        raise ModelError(
            f"operator {op.index} {op.kind}: weights {tensor.name!r} have zero point "
            f"{max(tensor.quantization.zero_point, key=abs)}, and the array needs 0; quantize the "
            "model again with a current converter, which gives symmetric weights")
    w = weights.astype(np.int64)
    worst = int(abs(w).sum(axis=1).max()) * 128
    if worst >= 1 << (config.acc_width - 1):
        raise ModelError(
            f"operator {op.index} {op.kind}: sums reach {worst}, beyond accumulators of "
            f"{config.acc_width} bits; use an engine with a larger acc_width")
    bias = np.zeros(len(w), np.int64)
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        data = graph.tensors[op.inputs[2]].data
        assert data is not None
        bias += data.reshape(-1)
    ends = [(x - source.zero_point) * w for x in INT8]
    acc_min = np.minimum(*ends).sum(axis=1) + bias
    acc_max = np.maximum(*ends).sum(axis=1) + bias
    return fit_records(op, requantize_rules(graph, op, profile),
                       bias - source.zero_point * w.sum(axis=1), acc_min, acc_max, config)


def images(tensor: Tensor, address: int) -> list[Image]:
    """The batch elements of a tensor ``[N, H, W, C]``, or of a shorter one filled up with ones."""
    n, h, w, c = (1,) * (4 - len(tensor.shape)) + tensor.shape
    return [Image(address + k * h * w * c, h, w, c) for k in range(n)]


def convolution(graph: Graph, op: Operator, place: dict[int, int], profile: str,
                config: EngineConfig) -> Iterator[Layer]:
    """CONV_2D, and DEPTHWISE_CONV_2D as a convolution of channels that stand alone."""
    source, weights = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    output = graph.tensors[op.outputs[0]]
    w = weights.data
    assert w is not None
    depthwise = op.kind == "DEPTHWISE_CONV_2D"
    channels_in, channels_out = source.shape[3], output.shape[3]
    kh, kw = weights.shape[1:3]
    if depthwise and channels_in == 1:           # an ordinary convolution in disguise
        w, depthwise = w.transpose(3, 1, 2, 0), False
    if depthwise:
        w = w[0].transpose(2, 0, 1)[..., None]   # [channels, kh, kw, 1]
    elif w.shape[3] != channels_in:
        raise ModelError(
            f"operator {op.index} {op.kind}: weights {weights.name!r} take {w.shape[3]} of the "
            f"input's {channels_in} channels, and grouped convolution is not supported; "
            "use one CONV_2D for each group")
    fields, records = dot_product_records(graph, op, w.reshape(len(w), -1), profile, config)

    o = op.options
    dilation_w = o.get("dilation_w_factor", 1)
    left = o.get("pad_left", padding_before(
        o["padding"], source.shape[2], output.shape[2], o["stride_w"], kw, dilation_w))
    top = o.get("pad_top", padding_before(
        o["padding"], source.shape[1], output.shape[1], o["stride_h"], kh,
        o.get("dilation_h_factor", 1)))
    shape = dict(rows=kh, stride_h=o["stride_h"], stride_w=o["stride_w"], top=top, left=left,
                 dilation_h=o.get("dilation_h_factor", 1), pad=source.zero_point)

    # What one pass computes: all channels, or where a channel of a depthwise convolution has more
    # outputs than a group holds, those of one input channel.
    multiplier = channels_out // channels_in if depthwise else channels_out
    reach = min(config.rows // multiplier, config.word_bytes) if depthwise else 0
    passes = [(0, channels_out)]
    if depthwise and not reach:
        passes = [(c, multiplier) for c in range(channels_in)]
    if depthwise:
        group_channels = multiplier * reach or config.rows
        window = Window(taps_x=kw, step_x=dilation_w * channels_in, run=1, **shape)
        slots = np.zeros((channels_out, kh * kw, config.word_bytes), np.int8)
        channel = np.arange(channels_out)
        lane = channel // multiplier % reach if reach else 0 * channel
        slots[channel, :, lane] = w.reshape(channels_out, kh * kw)
    else:
        group_channels = config.rows
        taps_x, run = (1, kw * channels_in) if dilation_w == 1 else (kw, channels_in)
        window = Window(taps_x=taps_x, step_x=dilation_w * channels_in, run=run, **shape)
        chunks = -(-run // config.word_bytes)
        padded = np.zeros((channels_out, kh * taps_x, chunks * config.word_bytes), np.int8)
        padded[..., :run] = w.reshape(channels_out, kh * taps_x, run)
        slots = padded.reshape(channels_out, -1, config.word_bytes)

    for channel_in, count in passes:
        part = slice(channel_in * multiplier, channel_in * multiplier + count) if depthwise \
            else slice(None)
        packed = array_weights(slots[part], group_channels, config)
        for x, y in zip(images(source, place[op.inputs[0]]), images(output, place[op.outputs[0]]),
                        strict=True):
            layer = window_fields(
                config, Mode.ARRAY, x, Image(y.address + (part.start or 0), y.height, y.width,
                                             count), window,
                group_channels=group_channels, group_stride=reach)
            # Of a pass that computes some of the channels, the pixels lie further apart:
            layer |= {"out_pixel": y.channels, "out_row": y.row_bytes,
                      "x_start": layer["x_start"] + channel_in}
            yield Layer(f"{op.index} {op.kind}", op.index, op.outputs[0], layer | fields,
                        grouped(records[part], group_channels, config.rows), packed,
                        macs=y.height * y.width * w[part].size)


def fully_connected(graph: Graph, op: Operator, place: dict[int, int], profile: str,
                    config: EngineConfig) -> Iterator[Layer]:
    """FULLY_CONNECTED: a 1x1 convolution whose pixels are the batch."""
    weights = graph.tensors[op.inputs[1]].data
    assert weights is not None
    channels, depth = weights.shape
    batch = math.prod(graph.tensors[op.inputs[0]].shape) // depth
    fields, records = dot_product_records(graph, op, weights, profile, config)
    # A long dot product goes through the loop of taps as well: each tap is a part of it.
    chunks = -(-depth // config.word_bytes)
    taps = -(-chunks // LONGEST_RUN)
    chunks = -(-chunks // taps)
    run = chunks * config.word_bytes
    slots = np.zeros((channels, taps * run), np.int8)
    slots[:, :depth] = weights
    layer = window_fields(
        config, Mode.ARRAY, Image(place[op.inputs[0]], 1, batch, depth),
        Image(place[op.outputs[0]], 1, batch, channels),
        Window(taps_x=taps, step_x=run, run=run),
        group_channels=config.rows, group_stride=0)
    yield Layer(f"{op.index} {op.kind}", op.index, op.outputs[0], layer | fields,
                grouped(records, config.rows, config.rows),
                array_weights(slots.reshape(channels, taps * chunks, config.word_bytes),
                              config.rows, config),
                macs=batch * weights.size)


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
        for first_row, rows, top, kh in segments(x.height, y.height, sizes[0], strides[0], padding):
            for first, width, left, kw in segments(x.width, y.width, sizes[1], strides[1], padding):
                count = kh * kw
                rules: Sequence[Staircase] = requantize_rules(graph, op, profile) \
                    if op.kind == "MEAN" else (average_rule(graph, op, count),)
                bias = -source.zero_point * count if op.kind == "MEAN" else 0
                fields, records = fit_records(
                    op, rules, np.array([bias]), np.array([-128 * count + bias]),
                    np.array([127 * count + bias]), config,
                    shared=True)
                layer = window_fields(
                    config, Mode.ARRAY, x, Image(
                        y.address + first_row * y.row_bytes + first * y.channels, rows, width,
                        y.channels),
                    Window(rows=kh, taps_x=kw, step_x=x.channels, stride_h=strides[0],
                           stride_w=strides[1]),
                    group_channels=group_channels, group_stride=group_channels)
                layer |= {"base": x.address + top * x.row_bytes, "x_start": left * x.channels,
                          # Clipped as it is, the window never leaves the image.
                          "y_start": 0, "y_row_step": 0, "y_ky_step": 0, "out_row": y.row_bytes,
                          "shared_record": 1, "repeat_weights": 1}
                yield Layer(f"{op.index} {op.kind}", op.index, op.outputs[0], layer | fields,
                            shared_records(config, records[0], records[0]), packed,
                            macs=rows * width * y.channels * count)


def segments(size_in: int, size_out: int, window: int, stride: int,
             padding: str) -> list[tuple[int, int, int, int]]:
    """``(first output, outputs, first input, window)`` where the image clips the window alike."""
    before = padding_before(padding, size_in, size_out, stride, window)
    found: list[tuple[int, int, int, int]] = []
    for index in range(size_out):
        start = max(0, index * stride - before)
        extent = min(index * stride - before + window, size_in) - start
        if found:
            first, count, first_start, same = found[-1]
            if same == extent and start == first_start + count * stride:
                found[-1] = (first, count + 1, first_start, same)
                continue
        found.append((index, 1, start, extent))
    return found
