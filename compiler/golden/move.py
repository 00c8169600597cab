"""Operators that move bytes and compute nothing: see compiler/moves."""

import math
from collections.abc import Sequence

import numpy as np

from compiler.golden.kernel import Kernel
from compiler.ir import Graph, Operator
from compiler.kinds import RESHAPES
from compiler.moves import MOVES, concatenation_tables, move, moved_positions


def reshape(graph: Graph, op: Operator, profile: str) -> Kernel:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the output tensor's own shape is the one that counts."""
    shape = graph.tensors[op.outputs[0]].shape

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        return [inputs[0].reshape(-1, *shape)]

    return kernel


def moved(graph: Graph, op: Operator, profile: str) -> Kernel:
    """Each value of an output comes from a place in the inputs, or is a constant."""
    found = move(graph.tensors, op)
    assert found is not None
    positions = moved_positions(op)
    present = [k for k, index in enumerate(op.inputs) if index != -1]
    tables = concatenation_tables(graph, op)

    # Where a value comes from: its place in the inputs side by side, the constants behind them.
    sources, total = [], 0
    for position in positions:
        shape = graph.tensors[op.inputs[position]].shape
        sources.append(np.arange(total, total + math.prod(shape)).reshape(shape))
        total += math.prod(shape)
    places = [np.full(shape, -1) for shape in found.shapes]
    constants: list[int] = []
    for destination, source in found.pairs(sources, places):
        if isinstance(source, np.ndarray):
            destination[...] = source
        else:
            destination[...] = total + len(constants)
            constants.append(source)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        images = max(map(len, inputs))
        parts = [inputs[present.index(position)] for position in positions]
        parts = [x if table is None else table[x.view(np.uint8)]
                 for x, table in zip(parts, tables, strict=True)]
        rows = [np.broadcast_to(x.reshape(len(x), -1), (images, x[0].size)) for x in parts]
        fill = np.broadcast_to(np.array(constants, parts[0].dtype), (images, len(constants)))
        values = np.concatenate([*rows, fill], axis=1)
        return [values.take(place, axis=1) for place in places]

    return kernel


def shape(graph: Graph, op: Operator, profile: str) -> Kernel:
    """SHAPE: the input's shape, a constant here."""
    output = graph.tensors[op.outputs[0]]
    value = np.array([graph.tensors[op.inputs[0]].shape], output.dtype)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        return [value]

    return kernel


KERNELS = dict.fromkeys(RESHAPES, reshape) \
    | dict.fromkeys(MOVES, moved) | {"SHAPE": shape}
