"""Operators that the engine has no layer for, as several that it has, with the same results."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from compiler.binary import BINARY_KINDS
from compiler.ir import Graph, Operator, Tensor


def decompose(graph: Graph, leave: Collection[int | None] = ()) -> Graph:
    """``graph`` with operators in place of some, of the same index, and tensors between them.

    Those whose index is in ``leave`` stay.
    """
    parts = Parts(graph)
    for op in graph.operators:
        if op.index in leave:
            parts.operators.append(op)
        else:
            parts.replace(op)
    return replace(graph, tensors=tuple(parts.tensors), operators=tuple(parts.operators))


class Parts:
    """The graph that comes of it; a method for each step."""

    def __init__(self, graph: Graph):
        self.tensors = list(graph.tensors)
        self.operators: list[Operator] = []

    def replace(self, op: Operator) -> None:
        """Appends ``op``, or what does the same."""
        if op.kind in BINARY_KINDS:
            op = self.broadcast(op)
        if op.kind == "PRELU" and not self.is_table(op):
            self.prelu(op)
        elif op.kind == "BATCH_MATMUL":
            self.batch_matmul(op)
        else:
            self.operators.append(op)

    def is_table(self, op: Operator) -> bool:
        """Whether an input is one number, or both are the same: byte_functions.py has it."""
        sizes = [data.size for index in op.inputs if (data := self.tensors[index].data) is not None]
        return 1 in sizes or op.inputs[0] == op.inputs[1]

    def add(self, op: Operator, kind: str, inputs: Sequence[int], output: int, **options) -> int:
        """Appends a part of ``op``; its output."""
        legacy = {name: op.options[name] for name in ("legacy_uint8",) if name in op.options}
        self.operators.append(Operator(op.index, kind, tuple(inputs), (output,), options | legacy))
        return output

    def like(self, index: int, what: str, shape: Sequence[int] | None = None) -> int:
        """A tensor between parts, quantized as the one at ``index``."""
        tensor = self.tensors[index]
        self.tensors.append(replace(
            tensor, name=f"{tensor.name} ({what})", data=None,
            shape=tensor.shape if shape is None else tuple(shape)))
        return len(self.tensors) - 1

    def constant(self, tensor: Tensor, data: np.ndarray) -> int:
        """A constant."""
        data.flags.writeable = False
        self.tensors.append(replace(tensor, shape=data.shape, dtype=str(data.dtype), data=data))
        return len(self.tensors) - 1

    def indices(self, values: Sequence[int]) -> int:
        """A constant of axes or sizes."""
        return self.constant(Tensor("", (), "int32"), np.array(values, np.int32))

    def broadcast(self, op: Operator) -> Operator:
        """Computed inputs of the output's size."""
        shape, inputs = self.tensors[op.outputs[0]].shape, []
        for index in op.inputs:
            tensor = self.tensors[index]
            if tensor.data is None and math.prod(tensor.shape) != math.prod(shape):
                index = self.add(op, "BROADCAST_TO", (index, self.indices(shape)),
                                 self.like(index, "broadcast", shape))
            inputs.append(index)
        return replace(op, inputs=tuple(inputs))

    def prelu(self, op: Operator) -> None:
        """PRELU: what is above zero rescaled, plus what is below it times the slope.

        Of the two one is always zero, and ADD of equal scales is exact.
        """
        (source, slope), (output,) = op.inputs, op.outputs
        above = self.add(op, "RELU", (source,), self.like(output, "above"))
        zero = self.constant(self.tensors[source], np.full(
            (1,), self.tensors[source].zero_point, self.tensors[source].dtype))
        below = self.add(op, "MINIMUM", (source, zero), self.like(source, "below"))
        none = {"fused_activation_function": "NONE"}
        sloped = self.add(op, "MUL", (below, slope), self.like(output, "sloped"), **none)
        self.add(op, "ADD", (above, sloped), output, **none)

    def batch_matmul(self, op: Operator) -> None:
        """BATCH_MATMUL with the constant behind: ``x y`` is the transpose of ``y' x'``."""
        (first, second), turned = op.inputs, [op.options["adj_x"], op.options["adj_y"]]
        if self.tensors[first].data is None:
            if turned[0]:
                first = self.transpose(op, first, self.turned(first))
            self.add(op, op.kind, (first, second), op.outputs[0], adj_x=False, adj_y=turned[1])
            return
        if not turned[1]:
            second = self.transpose(op, second, self.turned(second))
        product = self.add(op, op.kind, (second, first), self.turned(op.outputs[0]),
                           adj_x=False, adj_y=not turned[0])
        self.transpose(op, product, op.outputs[0])

    def turned(self, index: int) -> int:
        """A tensor with the last two axes of another the other way round."""
        *batch, rows, columns = self.tensors[index].shape
        return self.like(index, "transposed", (*batch, columns, rows))

    def transpose(self, op: Operator, source: int, output: int) -> int:
        """Appends the exchange of the last two axes."""
        rank = len(self.tensors[source].shape)
        order = (*range(rank - 2), rank - 1, rank - 2)
        return self.add(op, "TRANSPOSE", (source, self.indices(order)), output)
