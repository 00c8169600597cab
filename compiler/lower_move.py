"""Operators that move bytes, on the vector unit: a maximum of one is a copy."""

import math
from collections.abc import Iterator

import numpy as np

from compiler.errors import ModelError
from compiler.ir import Graph, Operator
from compiler.layers import Layer, flat_fields, identity_records
from compiler.limits import MOST_LAYERS
from compiler.moves import JOINS, PARTS, concatenation_tables, move, moved_positions
from compiler.nests import Nest, address, nest, passes
from compiler.places import MOST_BYTES, Addresses
from hw.config import EngineConfig, Mode


def moves(graph: Graph, op: Operator, place: Addresses, profile: str,
          config: EngineConfig) -> Iterator[Layer]:
    """Copies; what lies where it belongs already is not moved."""
    found = move(graph.tensors, op)
    assert found is not None
    memory = np.empty(min(config.scratchpad_bytes, MOST_BYTES), np.uint8)
    inputs = [op.inputs[position] for position in moved_positions(op)]
    if max(math.prod(graph.tensors[index].shape) for index in (*inputs, *op.outputs)) \
            > len(memory):
        return                                   # it is refused for want of memory
    sources = [place.view(index, memory) for index in inputs]
    outputs = [place.view(index, memory) for index in op.outputs]
    tables = concatenation_tables(graph, op)

    count = 0
    for position, (destination, source) in enumerate(found.pairs(sources, outputs)):
        fields: dict[str, int] = {}
        one = position if op.kind in JOINS else 0
        table, output = tables[one], op.outputs[position if op.kind in PARTS else 0]
        if not isinstance(source, np.ndarray):   # a copy of anything, clamped to the one value
            fields = {"low": source, "high": source}
            source = destination
        elif table is not None:
            fields = {"table": 1}
        elif place.places[output].root == place.places[inputs[one]].root \
                and same_bytes(destination, source):
            continue
        for part in passes(nest(destination, source, memory), config):
            count += 1
            if count > MOST_LAYERS:
                raise ModelError(
                    f"operator {op} needs more than {MOST_LAYERS} copies on the engine; give it "
                    "regular indices or fewer dimensions")
            yield Layer(str(op), op.index, output, copy_fields(part, config) | fields,
                        identity_records(config), table=table)


def same_bytes(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two views of one shape are the same."""
    return address(one) == address(other) and all(
        a == b or count == 1
        for count, a, b in zip(one.shape, one.strides, other.strides, strict=True))


def copy_fields(part: Nest, config: EngineConfig) -> dict[str, int]:
    """The fields of a layer that walks such loops; at most two, and a third one over groups."""
    fields = flat_fields(config, Mode.MAXIMUM, part.source, part.output, part.run)
    last = part.run                              # bytes from the first to behind the last
    for loop, count, source, output in zip(
            part.loops, ("tiles", "rows", "groups"), ("tile_stride", "row_stride", "group_stride"),
            ("out_pixel", "out_row", None), strict=False):
        fields[count], fields[source] = loop.count - 1, loop.source
        if output is not None:
            fields[output] = loop.output
        else:                                    # groups lie side by side
            fields |= {"channels": part.run - 1, "last_channels": part.run - 1}
        if count != "rows":                      # whose strides move the row's own address
            last += (loop.count - 1) * loop.source
    return fields | {"row_bytes": last, "shared_record": 1}
