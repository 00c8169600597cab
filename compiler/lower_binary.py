"""Operators of two inputs, value by value."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from compiler.binary import added_constants, binary_table, mul_rule
from compiler.blocks import blocks
from compiler.errors import ModelError
from compiler.flatbuffer import shown
from compiler.ir import Graph, Operator, Tensor
from compiler.layers import (
    Image,
    Layer,
    Record,
    Window,
    flat_fields,
    identity_records,
    shared_records,
)
from compiler.loops import Loop
from compiler.lower_conv import Convolution
from compiler.numerics import Staircase
from compiler.records import (
    INT8,
    LongOffset,
    dot_product_records,
    fit_records,
    hardware_record,
    too_extreme,
    widths_of,
)
from compiler.requantize import output_range
from compiler.staircase_add import AddError, fit_add
from hw.config import EngineConfig, Mode


def binary(graph: Graph, op: Operator, place: dict[int, int], profile: str,
           config: EngineConfig) -> Iterator[Layer]:
    """All of ADD, SUB, MUL, PRELU, MAXIMUM and MINIMUM that is a function of one byte (of a tensor
    and one number, or of a tensor and a function of it); else ADD, SUB, MUL, MAXIMUM and PRELU of
    two tensors, and ADD, SUB and MUL of a tensor and a constant.

    (compiler/byte_functions.py has the first; what is computed has the output's shape here.)
    """
    for position, index in enumerate(op.inputs):
        data = graph.tensors[index].data
        if data is not None:
            yield from by_channel(graph, op, 1 - position, data, place, profile, config)
            return
    yield paired(graph, op, place, profile, config)


def by_channel(graph: Graph, op: Operator, position: int, constant: np.ndarray,
               place: dict[int, int], profile: str, config: EngineConfig) -> Iterator[Layer]:
    """ADD, SUB and MUL of the input at ``position`` and a constant: the array takes each channel
    times its weight, 1 or -1 if the constant is added."""
    source, output = graph.tensors[op.inputs[position]], graph.tensors[op.outputs[0]]
    # Channels are many, but of 256 values at most:
    values, which = np.unique(trailing(constant, output.shape).astype(np.int16),
                              return_inverse=True)
    bias: np.ndarray | int = 0
    if op.kind == "MUL":
        weights = values - graph.tensors[op.inputs[1 - position]].zero_point
        rules: Sequence[Staircase] = (mul_rule(graph, op, profile),) * len(values)
    elif op.kind in ("ADD", "SUB"):
        rules = sums = added_constants(graph, op, position, values)
        weights = np.full(len(values), sums[0].sign, np.int16)
        bias = np.array([rule.bias for rule in sums])
    else:
        raise unsupported(graph, op, "two tensors, or a tensor and one number")
    fields, records = dot_product_records(op, rules, weights, bias, source.zero_point, config)
    one = Convolution(op, source.zero_point, fields, [records[k] for k in which], config)
    weights, channels = weights[which], len(which)
    pixels = Loop(math.prod(output.shape) // channels, channels, channels)
    for block in blocks([pixels], config, place[op.inputs[position]], place[op.outputs[0]]):
        y, x = block.rows.count, block.pixels.count
        yield from one.layers(Image(block.source, y, x, channels),
                              Image(block.output, y, x, channels),
                              weights.reshape(channels, 1, 1, 1), Window())


def trailing(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What repeats itself when ``values`` broadcast to ``shape``, flat."""
    whole = repeated(values.shape, shape)
    return np.broadcast_to(values.reshape(values.shape[-len(whole):]), whole).reshape(-1)


def repeated(constant: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The last axes of ``shape``, from the first one on in which a ``constant`` has several values:
    all that lies in front of them meets the same values."""
    aligned = (1,) * (len(shape) - len(constant)) + constant
    return shape[next(axis for axis, size in enumerate(aligned) if size > 1):]


def paired(graph: Graph, op: Operator, place: dict[int, int], profile: str,
           config: EngineConfig) -> Layer:
    """Two computed tensors: the vector unit pairs their words."""
    one, two = (place[index] for index in op.inputs)
    modes = {"ADD": Mode.ADD, "SUB": Mode.ADD, "MUL": Mode.MAXIMUM, "MAXIMUM": Mode.MAXIMUM}
    if op.kind not in modes:
        raise unsupported(graph, op, "a tensor and one number")
    fields = flat_fields(config, modes[op.kind], one, place[op.outputs[0]],
                         math.prod(graph.tensors[op.outputs[0]].shape))
    fields |= {"ky": 1, "ky_stride": two - one, "y_ky_step": 0, "shared_record": 1}
    records = identity_records(config)
    if op.kind == "MUL":
        fields |= {"multiply": 1}
        more, records = product_records(graph, op, profile, config)
        fields |= more
    elif op.kind != "MAXIMUM":
        more, records = sum_records(graph, op, profile, config)
        fields |= more
    return Layer(str(op), op.index, op.outputs[0], fields, records)


def sum_records(graph: Graph, op: Operator, profile: str, config: EngineConfig
                ) -> tuple[dict[str, int], tuple[tuple[Record, ...], ...]]:
    """Of ADD, and of SUB as ``x1 + ~x2``: all bits flipped, a number less its zero point changes
    its sign."""
    first, second, output = (graph.tensors[index] for index in (*op.inputs, *op.outputs))
    table = binary_table(graph, op, profile)         # [256, 256] by the bytes of the inputs
    flip = -1 if op.kind == "SUB" else 0
    zero_points = first.zero_point, second.zero_point ^ flip
    low, high = output_range(graph, op)
    low, high = max(low, INT8[0]), min(high, INT8[1])
    try:
        fitted = fit_add(
            lambda a, b: table[a & 255, (b ^ flip) & 255].astype(np.int64),
            (first.scale / output.scale, second.scale / output.scale), zero_points, low, high,
            widths_of(config, config.shift_max), output.zero_point)
        records = tuple(
            hardware_record(Record(0, multiplier, fitted.shift, fitted.offset,
                                   fitted.offset_negative), output.zero_point)
            for multiplier in (fitted.multiplier1, fitted.multiplier2))
    except AddError as error:
        raise ModelError(f"operator {op} {error}") from None
    except LongOffset as error:
        raise too_extreme(op, error) from None
    return {"steps": 1, "low": low, "high": high, "zero_point": output.zero_point,
            "zero_point_1": zero_points[0], "zero_point_2": zero_points[1],
            "flip_second": -flip}, shared_records(config, *records)


def product_records(graph: Graph, op: Operator, profile: str, config: EngineConfig
                    ) -> tuple[dict[str, int], tuple[tuple[Record, ...], ...]]:
    """Of MUL, whose products are accumulators."""
    zero_points = [graph.tensors[index].zero_point for index in op.inputs]
    ends = [(a - zero_points[0]) * (b - zero_points[1]) for a in INT8 for b in INT8]
    fields, (record,) = fit_records(op, (mul_rule(graph, op, profile),), np.array([0]),
                                    np.array([min(ends)]), np.array([max(ends)]), config,
                                    shared=True)
    return fields | {"zero_point_1": zero_points[0], "zero_point_2": zero_points[1]}, \
        shared_records(config, record, record)


def unsupported(graph: Graph, op: Operator, what: str) -> ModelError:
    """A combination of inputs that there is no layer for."""
    shapes = " and ".join(describe(graph.tensors[index]) for index in op.inputs)
    return ModelError(f"operator {op}: has the inputs {shapes}, and the engine takes {what}; put "
                      "another operator in its place")


def describe(tensor: Tensor) -> str:
    """A tensor, as a refusal names it."""
    kind = "constant " if tensor.data is not None else ""
    return f"{kind}{shown(tensor.name)} of {list(tensor.shape)}"
