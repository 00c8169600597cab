"""Operators whose outputs depend on one value of each input: table look-ups, but for float32."""

from collections.abc import Sequence

import numpy as np

from compiler.binary import BINARY_KINDS, binary_table
from compiler.byte_functions import BYTE_FUNCTIONS, byte_function
from compiler.floats import FUNCTIONS, float_operator
from compiler.golden.kernel import Kernel
from compiler.ir import Graph, Operator


def unary(graph: Graph, op: Operator, profile: str) -> Kernel:
    """256 outputs, looked up by the input's byte; of float32 the function itself."""
    if graph.tensors[op.inputs[0]].dtype == "float32":
        function = float_operator(op, profile)
        return lambda inputs: [function(inputs[0])]
    table = byte_function(graph, op, profile)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        return [np.take(table, np.ascontiguousarray(inputs[0]).view(np.uint8))]

    return kernel


def binary(graph: Graph, op: Operator, profile: str) -> Kernel:
    """65,536 outputs, looked up by both inputs' bytes; shapes broadcast as in numpy."""
    table = binary_table(graph, op, profile).reshape(-1)
    output = graph.tensors[op.outputs[0]]

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        first, second = (aligned(x, len(output.shape)) for x in inputs)
        return [np.take(table, first.astype(np.uint16) * np.uint16(256) + second)]

    return kernel


def aligned(values: np.ndarray, rank: int) -> np.ndarray:
    """The bytes of ``[N, *shape]`` with ones between N and the shape, for broadcasting."""
    missing = (1,) * (rank + 1 - values.ndim)
    raw = np.ascontiguousarray(values).view(np.uint8)
    return raw.reshape(len(values), *missing, *values.shape[1:])


KERNELS = dict.fromkeys((*BYTE_FUNCTIONS, *FUNCTIONS), unary) \
    | dict.fromkeys(BINARY_KINDS, binary)
del KERNELS["QUANTIZE"]                          # also from float: see edges
