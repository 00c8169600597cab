"""Rules for dot products and what rounds them: weights, sums, multipliers."""

from collections.abc import Iterator

import numpy as np

from compiler.binary import add_rule
from compiler.finding import Violation
from compiler.ir import Graph, Operator
from compiler.kinds import DOT_PRODUCTS, channel_axis
from compiler.requantize import biases, source_of, weight_scales, weight_zero_point


def symmetric_weights(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The zero point of CONV_2D's int8 weights must be 0, for TFLite runs no other.

    Quantize the weights symmetrically, as TFLite's specification demands.
    """
    weights = graph.tensors[op.inputs[1]]
    assert weights.quantization is not None
    if weights.dtype == "int8" and any(weights.quantization.zero_point):
        points = weights.quantization.zero_point
        yield op.inputs[1], f"{points[0] if len(points) == 1 else 'several zero points'}"


def plain_weights(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The weights of FULLY_CONNECTED must be in the default format.

    Convert the model without shuffled weights.
    """
    if op.options["weights_format"] != "DEFAULT":
        yield op.inputs[1], op.options["weights_format"]


def narrow_accumulators(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The sum of products and bias must fit 32 bits for every input.

    Train with smaller biases, or split the layer.
    """
    source, weights = graph.tensors[source_of(op)], graph.tensors[op.inputs[1]]
    if weights.data is None:
        return
    info = np.iinfo(source.dtype)
    largest = max(source.zero_point - int(info.min), int(info.max) - source.zero_point)
    channel = channel_axis(op.kind)
    taps = tuple(axis for axis in range(len(weights.shape)) if axis != channel)
    centred = np.abs(weights.data.astype(np.int16) - weight_zero_point(graph, op))
    sums = centred.sum(axis=taps, dtype=np.int64) * largest
    sums += np.abs(biases(graph, op))
    if int(sums.max()) >= 2**31:
        yield op.inputs[1], f"up to {int(sums.max())} in channel {int(sums.argmax())}"


def bounded_multipliers(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The multiplier, input scale times weight scale over output scale, must be below 2**16.

    Calibrate the model again, a scale is wrong.
    """
    source, output = graph.tensors[source_of(op)], graph.tensors[op.outputs[0]]
    scales: tuple[float, ...] = (1.0,)
    if op.kind in DOT_PRODUCTS:
        weights = graph.tensors[op.inputs[1]]
        scales = weight_scales(weights, weights.shape[channel_axis(op.kind)])
    multiplier = max(scales) * source.scale / output.scale
    if multiplier >= 1 << 16:
        yield op.outputs[0], f"{multiplier:g}"


def bounded_products(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The product of the input scales over the output scale must be below 2**16, and for PRELU the
    first input's too.

    Calibrate the model again, a scale is wrong.
    """
    (first, second), output = (graph.tensors[index].scale for index in op.inputs), \
        graph.tensors[op.outputs[0]].scale
    ratios = (first * second / output, first / output)
    multiplier = max(ratios) if op.kind == "PRELU" else ratios[0]
    if multiplier >= 1 << 16:
        yield op.outputs[0], f"{multiplier:g}"


def bounded_sum(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The output scale of ADD and SUB must be above twice the larger input scale over 2**20.

    Calibrate the model again, a scale is wrong.
    """
    if add_rule(graph, op).output.shift > 0:
        yield op.outputs[0], f"the scale {graph.tensors[op.outputs[0]].scale:g}"
