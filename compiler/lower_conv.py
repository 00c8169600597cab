"""Convolutions on the systolic array: ordinary, grouped, depthwise, dilated, transposed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from compiler.errors import ModelError
from compiler.ir import Graph, Operator
from compiler.layers import Image, Layer, Record, Window, ceil_div, images, largest, window_fields
from compiler.lower_window import window_layer
from compiler.records import dot_product_records, grouped, without_zero_point
from compiler.requantize import (
    biases,
    padding_before,
    requantize_rules,
    source_of,
    weight_zero_point,
)
from compiler.segments import segments
from compiler.weights import array_weights, slots
from hw.config import EngineConfig, Mode


@dataclass(frozen=True)
class Convolution:
    """What all passes of an operator share: it makes layers of windows on images.

    ``records`` are those of all output channels, with the operator's own bias.
    """

    op: Operator
    zero_point: int                       # of the input
    fields: dict[str, int]
    records: Sequence[Record]
    config: EngineConfig

    @classmethod
    def of(cls, graph: Graph, op: Operator, weights: np.ndarray, profile: str,
           config: EngineConfig) -> "Convolution":
        """With ``weights`` ``[channels, ...]``."""
        zero_point = graph.tensors[source_of(op)].zero_point
        fields, records = dot_product_records(op, requantize_rules(graph, op, profile), weights,
                                              biases(graph, op), zero_point, config)
        return cls(op, zero_point, fields, records, config)

    def layers(self, x: Image, y: Image, weights: np.ndarray, window: Window,
               dilation_w: int = 1) -> Iterator[Layer]:
        """Layers that fill ``y``; ``weights`` are int16 ``[channels, rows, taps, depth]``.

        Of the window, what the weights say is left out. Each output channel sees ``depth`` of the
        input's channels: those of its group.
        """
        config = self.config
        channels, rows, taps, depth = weights.shape
        groups = x.channels // depth
        window = replace(window, rows=rows, pad=self.zero_point,
                         dilation_h=window.dilation_h if rows > 1 else 1)
        swept = window_layer(x, y, weights, window, dilation_w, config)
        if swept is not None:
            records = without_zero_point(self.records, weights, self.zero_point)
            yield self.layer(*swept, records, config.rows, y.height * y.width * weights.size)
            return
        if is_clipped(x, y, window, config):
            yield from self.row_segments(x, y, weights, window, dilation_w)
            return
        count = channels // groups                   # output channels of a group
        # The groups that share a word, and so a group of the engine's:
        reach = min(config.rows // count, config.word_bytes // depth, groups) if groups > 1 else 1
        parts = [(slice(0, channels), x)]
        group_channels, group_stride = config.rows, 0
        if reach == 0:                               # each a pass of its own
            parts = [(slice(g * count, (g + 1) * count),
                      replace(x, address=x.address + g * depth, channels=depth,
                              pixel_stride=x.pixel_bytes)) for g in range(groups)]
        elif groups > 1:
            weights = side_by_side(weights, count, reach)
            group_channels, group_stride = count * reach, depth * reach
        step = dilation_w * x.pixel_bytes
        found = slots(weights, step, config)
        if found is None:
            raise ModelError(
                f"operator {self.op}: its weights need nine bits, or are -128 side by side, in "
                f"windows of {weights.shape[1]} rows that are too long to be read twice; quantize "
                "the model again to weights of -127 to 127")
        window = replace(window, taps_x=found.taps_x, step_x=found.step_x, run=found.run)
        records = without_zero_point(self.records, weights, self.zero_point)
        for part, x_part in parts:
            y_part = replace(y, address=y.address + part.start, channels=part.stop - part.start,
                             pixel_stride=y.pixel_bytes, row_stride=y.row_bytes)
            fields = window_fields(config, Mode.ARRAY, x_part, y_part, window,
                                   group_channels=group_channels, group_stride=group_stride)
            yield self.layer(
                fields | found.fields, found.words[part], records[part], group_channels,
                y.height * y.width * (part.stop - part.start) * rows * taps * depth)

    def layer(self, fields: dict[str, int], words: np.ndarray, records: Sequence[Record],
              group_channels: int, macs: int) -> Layer:
        """One of the operator's layers."""
        return Layer(str(self.op), self.op.index, self.op.outputs[0], fields | self.fields,
                     grouped(records, group_channels, self.config.rows),
                     array_weights(words, group_channels, self.config), macs=macs)

    def row_segments(self, x: Image, y: Image, weights: np.ndarray, window: Window,
                     dilation_w: int) -> Iterator[Layer]:
        """As ``layers``, with rows whose windows lie inside of the image: it clips them alike."""
        for part in segments(x.height, y.height, window.rows, window.stride_h, window.top,
                             window.dilation_h):
            inside = weights[:, part.tap:part.tap + part.taps]
            seen = replace(window, top=-part.start)
            if part.taps == 0:                       # the image lies between rows of the window
                inside, seen = 0 * weights[:, :1], replace(window, top=0, stride_h=0)
            yield from self.layers(
                x, replace(y, address=y.address + part.first * y.row_bytes, height=part.count,
                           row_stride=y.row_bytes), inside, seen, dilation_w)


def is_clipped(x: Image, y: Image, window: Window, config: EngineConfig) -> bool:
    """Whether the fetcher cannot keep track of which rows of a window lie outside of the image."""
    fields = window_fields(config, Mode.ARRAY, x, y, window, group_channels=1, group_stride=0)
    return any(abs(fields[name]) > largest(config, name)
               for name in ("y_start", "y_row_step", "y_ky_step"))


def side_by_side(weights: np.ndarray, count: int, reach: int) -> np.ndarray:
    """Weights of groups, ``reach`` of which read the same bytes: 0 for those of the others."""
    channels, rows, taps, depth = weights.shape
    spread = np.zeros((channels, rows, taps, reach, depth), weights.dtype)
    channel = np.arange(channels)
    spread[channel, :, :, channel // count % reach] = weights
    return spread.reshape(channels, rows, taps, reach * depth)


def convolution(graph: Graph, op: Operator, place: dict[int, int], profile: str,
                config: EngineConfig) -> Iterator[Layer]:
    """CONV_2D, and DEPTHWISE_CONV_2D as a convolution of channels that stand alone."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    weights = weights_of(graph, op)
    if op.kind == "DEPTHWISE_CONV_2D":
        weights = weights[0].transpose(2, 0, 1)[..., None]
    one = Convolution.of(graph, op, weights, profile, config)
    o, kernel = op.options, weights.shape[1:3]
    dilation = (o.get("dilation_h_factor", 1), o.get("dilation_w_factor", 1))
    top, left = (
        padding_before(o["padding"], source.shape[axis + 1], output.shape[axis + 1],
                       o[stride], kernel[axis], dilation[axis])
        for axis, stride in enumerate(("stride_h", "stride_w")))
    window = Window(stride_h=o["stride_h"], stride_w=o["stride_w"], dilation_h=dilation[0],
                    top=o.get("pad_top", top), left=o.get("pad_left", left))
    for x, y in zip(images(source, place[op.inputs[0]]), images(output, place[op.outputs[0]]),
                    strict=True):
        yield from one.layers(x, y, weights, window, dilation[1])


def transposed(graph: Graph, op: Operator, place: dict[int, int], profile: str,
               config: EngineConfig) -> Iterator[Layer]:
    """TRANSPOSE_CONV: of every ``stride``-th output pixel, an ordinary convolution.

    Input pixel i adds its products with tap t to output pixel ``i * stride - before + t``; so an
    output pixel meets every ``stride``-th tap, the last one at the first input pixel.
    """
    source, output = graph.tensors[source_of(op)], graph.tensors[op.outputs[0]]
    weights = weights_of(graph, op)
    one = Convolution.of(graph, op, weights, profile, config)
    strides = [op.options["stride_h"], op.options["stride_w"]]
    phases = [
        list(transposed_phases(output.shape[axis + 1], weights.shape[axis + 1], strides[axis],
                               padding_before(op.options["padding"], output.shape[axis + 1],
                                              source.shape[axis + 1], strides[axis],
                                              weights.shape[axis + 1])))
        for axis in (0, 1)]
    for x, y in zip(images(source, place[source_of(op)]), images(output, place[op.outputs[0]]),
                    strict=True):
        for row, rows, taps_h, top in phases[0]:
            for column, columns, taps_w, left in phases[1]:
                part = weights[:, taps_h][:, :, taps_w]
                if not part.size:                    # no tap at all: the bias
                    part, top, left = 0 * weights[:, :1, :1], 0, 0
                yield from one.layers(
                    x, Image(y.address + row * y.row_bytes + column * y.pixel_bytes, rows, columns,
                             y.channels, pixel_stride=strides[1] * y.pixel_bytes,
                             row_stride=strides[0] * y.row_bytes),
                    part, Window(top=top, left=left))


def transposed_phases(size_out: int, window: int, stride: int,
                      before: int) -> Iterator[tuple[int, int, slice, int]]:
    """``(first output, outputs, their taps, padding)``, outputs ``stride`` apart."""
    for first in range(min(stride, size_out)):
        pixel, tap = divmod(first + before, stride)  # this input pixel meets this tap
        count = ceil_div(max(0, window - tap), stride)
        last = tap + (count - 1) * stride
        yield (first, ceil_div(size_out - first, stride),
               slice(last, None, -stride) if count else slice(0), count - 1 - pixel)


def weights_of(graph: Graph, op: Operator) -> np.ndarray:
    """An operator's weights less their zero point, int16, as they lie in the file."""
    data = graph.tensors[op.inputs[1]].data
    assert data is not None
    return data.astype(np.int16) - weight_zero_point(graph, op)
