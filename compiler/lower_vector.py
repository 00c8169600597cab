"""Operators on the vector unit: maxima, copies, sums of two, and tables."""

import math
from collections.abc import Iterator

import numpy as np

from compiler.binary import binary_table
from compiler.errors import ModelError
from compiler.ir import Graph, Operator
from compiler.layers import (
    Layer,
    Record,
    Window,
    flat_fields,
    identity_records,
    images,
    shared_records,
    window_fields,
)
from compiler.numerics import integer_range
from compiler.records import RequantizerWidths, hardware_record
from compiler.requantize import output_range, padding_before
from compiler.staircase_add import AddError, fit_add
from compiler.unary import unary_table
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
        yield Layer(f"{op.index} {op.kind}", op.index, op.outputs[0],
                    fields | {"low": low, "high": high, "shared_record": 1},
                    identity_records(config))


def unary(graph: Graph, op: Operator, place: dict[int, int], profile: str,
          config: EngineConfig) -> Iterator[Layer]:
    """Any function of one byte: a copy through the table unit."""
    yield through_table(graph, op, op.inputs[0], unary_table(graph, op, profile), place, config)


def through_table(graph: Graph, op: Operator, source: int, table: np.ndarray,
                  place: dict[int, int], config: EngineConfig) -> Layer:
    """Tensor ``source`` to the operator's output through int8 ``table`` ``[256]``."""
    fields = flat_fields(config, Mode.MAXIMUM, place[source], place[op.outputs[0]],
                         math.prod(graph.tensors[source].shape))
    return Layer(f"{op.index} {op.kind}", op.index, op.outputs[0],
                 fields | {"shared_record": 1, "table": 1}, identity_records(config),
                 table=table.astype(np.int8))


def add(graph: Graph, op: Operator, place: dict[int, int], profile: str,
        config: EngineConfig) -> Iterator[Layer]:
    """ADD of two tensors of one shape, or of a tensor and a constant number (a table)."""
    first, second = (graph.tensors[index] for index in op.inputs[:2])
    output = graph.tensors[op.outputs[0]]
    table = binary_table(graph, op, profile)      # [256, 256] by the bytes of the inputs
    for constant, other in ((0, 1), (1, 0)):
        data = graph.tensors[op.inputs[constant]].data
        if data is not None and data.size == 1:
            byte = int(data.reshape(-1).view(np.uint8)[0])
            yield through_table(graph, op, op.inputs[other], table.take(byte, axis=constant),
                                place, config)
            return
    if first.data is not None or second.data is not None or first.shape != second.shape:
        raise ModelError(
            f"operator {op.index} ADD: adds {describe(first)} and {describe(second)}, and the "
            "engine adds two computed tensors of one shape, or a constant number; "
            "fold a constant into the bias of the layer before it")

    low, high = integer_range("int8")
    low, high = max(low, output_range(graph, op)[0]), min(high, output_range(graph, op)[1])
    try:
        fitted = fit_add(
            lambda a, b: table[a & 255, b & 255].astype(np.int64),
            (first.scale / output.scale, second.scale / output.scale),
            (first.zero_point, second.zero_point), low, high, RequantizerWidths(config),
            output.zero_point)
    except AddError as error:
        raise ModelError(f"operator {op.index} ADD {error}") from None
    records = tuple(
        hardware_record(op, Record(0, multiplier, fitted.shift, fitted.offset,
                                   fitted.offset_negative), output.zero_point)
        for multiplier in (fitted.multiplier1, fitted.multiplier2))
    size = math.prod(output.shape)
    fields = flat_fields(config, Mode.ADD, place[op.inputs[0]], place[op.outputs[0]], size)
    yield Layer(f"{op.index} ADD", op.index, op.outputs[0], fields | {
        "ky": 1, "ky_stride": place[op.inputs[1]] - place[op.inputs[0]], "y_ky_step": 0,
        "shared_record": 1, "steps": 1, "low": low, "high": high,
        "zero_point": output.zero_point, "zero_point_1": first.zero_point,
        "zero_point_2": second.zero_point,
    }, shared_records(config, *records))


def describe(tensor) -> str:
    """A tensor, as a refusal names it."""
    kind = "constant " if tensor.data is not None else ""
    return f"{kind}{tensor.name!r} of {list(tensor.shape)}"
