"""Dense layers behind operators that only bring values into another order.

PyTorch flattens channels first, so its exports transpose an image before their first dense layer.
The sum does not mind the order: the layer's weights are reordered instead, once and for all.
"""

import math
from dataclasses import replace

import numpy as np

from compiler.ir import Graph, Operator, Tensor
from compiler.kinds import RESHAPES
from compiler.moves import move

# Of as many values as they read.
ORDERS = ("TRANSPOSE", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE")

MOST_VALUES = 1 << 20      # more than any scratchpad holds


def reorder_weights(graph: Graph) -> Graph:
    """FULLY_CONNECTED that reads what was reordered reads what it was before, with its weights in
    that order. What nobody reads then is dropped by ``compiler.fold.drop_unused``."""
    tensors = list(graph.tensors)
    makers = {op.outputs[0]: op for op in graph.operators}
    operators = []
    for op in graph.operators:
        source, order = (op.inputs[0], None) if op.kind != "FULLY_CONNECTED" \
            else _before(graph, makers, op.inputs[0], tensors[op.inputs[1]].shape[1])
        if order is not None:
            weights = tensors[op.inputs[1]]
            op = replace(op, inputs=(source, len(tensors), *op.inputs[2:]))
            tensors.append(_reordered(weights, order))
        operators.append(op)
    return replace(graph, tensors=tuple(tensors), operators=tuple(operators))


def _before(graph: Graph, makers: dict[int, Operator], tensor: int,
            depth: int) -> tuple[int, np.ndarray | None]:
    """The tensor of which ``tensor``, rows of ``depth`` values, has the values in another order,
    and where in a row each of them was; None where that is not in rows, or is their order."""
    chain = []
    while tensor in makers and makers[tensor].kind in (*ORDERS, *RESHAPES):
        chain.append(makers[tensor])
        tensor = makers[tensor].inputs[0]
    shape = graph.tensors[tensor].shape
    if not chain or math.prod(shape) > MOST_VALUES:
        return tensor, None
    values = np.arange(math.prod(shape)).reshape(shape)
    for op in reversed(chain):
        shape = graph.tensors[op.outputs[0]].shape
        if op.kind in RESHAPES:
            values = values.reshape(shape)
            continue
        output = np.empty(shape, np.int64)
        found = move(graph.tensors, op)
        assert found is not None
        for destination, source in found.pairs([values], [output]):
            destination[...] = source
        values = output
    rows = values.reshape(-1, depth)
    order = rows[0]
    straight = np.arange(depth)
    if (order == straight).all() or (np.sort(order) != straight).any() \
            or (rows != order + depth * np.arange(len(rows))[:, None]).any():
        return tensor, None
    return tensor, order


def _reordered(weights: Tensor, order: np.ndarray) -> Tensor:
    """The weights ``[channels, depth]`` for values of which place k was place ``order[k]``."""
    assert weights.data is not None
    data = np.empty_like(weights.data)
    data[:, order] = weights.data
    data.flags.writeable = False
    return replace(weights, data=data)
