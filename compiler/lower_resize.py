"""RESIZE_BILINEAR on the array: outputs that weigh their inputs alike are a convolution."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from compiler.ir import Graph, Operator
from compiler.layers import Image, Layer, Window, images
from compiler.lower_conv import Convolution
from compiler.numerics import AverageRounding
from compiler.records import dot_product_records
from compiler.requantize import is_legacy
from compiler.resize import phase_weights, phases
from hw.config import EngineConfig


def resize_bilinear(graph: Graph, op: Operator, place: dict[int, int], profile: str,
                    config: EngineConfig) -> Iterator[Layer]:
    """A depthwise convolution for each phase of the rows and each of the columns.

    Its sum is rounded as an average is, of as many values as the weights make up.
    """
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    channels = source.shape[3]
    for rows, columns in product(*(phases(op.options, source.shape[axis], output.shape[axis])
                                   for axis in (1, 2))):
        weights = phase_weights(rows, columns)
        rule = AverageRounding(int(weights.sum()), -128, 127, is_legacy(graph, op))
        weights = np.broadcast_to(weights[..., None], (channels, *weights.shape, 1))
        fields, records = dot_product_records(op, (rule,) * channels, weights, 0, 0, config)
        one = Convolution(op, 0, fields, records, config)
        for x, y in zip(images(source, place[op.inputs[0]]), images(output, place[op.outputs[0]]),
                        strict=True):
            seen = replace(
                x, address=x.address + rows.source * x.row_bytes + columns.source * channels,
                height=(rows.count - 1) * rows.stride + len(rows.weights),
                width=(columns.count - 1) * columns.stride + len(columns.weights),
                row_stride=x.row_bytes)
            made = Image(
                y.address + rows.output * y.row_bytes + columns.output * channels, rows.count,
                columns.count, channels, columns.step * channels, rows.step * y.row_bytes)
            yield from one.layers(seen, made, weights,
                                  Window(stride_h=rows.stride, stride_w=columns.stride))
