"""A graph pass: operators that together are a function of one byte become one operator, a TABLE.

``x * sigmoid(x)`` is two operators in a file, ``x * relu6(x + 3) / 6`` four, and some of them have
two inputs; but all of these depend on one byte. A TABLE reads that, and its option ``parts`` holds
the operators in their order.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from compiler.binary import BINARY_KINDS, binary_table
from compiler.fold import drop_unused
from compiler.ir import Graph, Operator
from compiler.unary import UNARY_KINDS, unary_table

BYTE_FUNCTIONS = (*UNARY_KINDS, "TABLE")


def fold_byte_functions(graph: Graph, leave: Collection[int | None] = ()) -> Graph:
    """``graph`` with TABLEs, each of the index of its last part, and without what only those used.

    The operators whose index is in ``leave`` stay.
    """
    made: dict[int, Operator] = {}               # by their outputs
    operators = []
    for op in graph.operators:
        if op.kind in BINARY_KINDS and op.index not in leave:
            op = table_of(graph, op, made)
        made |= dict.fromkeys(op.outputs, op)
        operators.append(op)
    return drop_unused(replace(graph, operators=tuple(operators)))


def table_of(graph: Graph, op: Operator, made: dict[int, Operator]) -> Operator:
    """An operator of two inputs as a TABLE, if it is a function of one byte; else as it is."""
    computed = [index for index in op.inputs if graph.tensors[index].data is None]
    numbers = [data for index in op.inputs if (data := graph.tensors[index].data) is not None]
    if any(number.size > 1 for number in numbers):
        return op
    ways = [way(index, made) for index in computed]
    root = next((index for index in ways[0] if index in ways[-1]), None)
    if root is None:
        return op
    between = {index for one in ways for index in one[:one.index(root)]}
    parts = (*(made[index] for index in made if index in between), op)
    return replace(op, kind="TABLE", inputs=(root,), options={"parts": parts})


def way(index: int, made: dict[int, Operator]) -> list[int]:
    """A tensor, that which it is a function of, byte by byte, and so on."""
    found = [index]
    while index in made and made[index].kind in BYTE_FUNCTIONS:
        index = made[index].inputs[0]
        found.append(index)
    return found


def byte_function(graph: Graph, op: Operator, profile: str) -> np.ndarray:
    """``[256]`` of the output's type: entry k belongs to the input whose byte is k."""
    if op.kind != "TABLE":
        return unary_table(graph, op, profile)
    known = {op.inputs[0]: np.arange(256, dtype=np.uint8)}       # all values of the tensors, bytes

    def bytes_of(index: int) -> np.ndarray:
        data = graph.tensors[index].data
        return known[index] if data is None else data.reshape(-1).view(np.uint8)
    for part in op.options["parts"]:
        one, *other = map(bytes_of, part.inputs)
        found = binary_table(graph, part, profile)[one, other[0]] if other \
            else byte_function(graph, part, profile)[one]
        known[part.outputs[0]] = found.view(np.uint8)
    return found
