"""FULLY_CONNECTED."""

from collections.abc import Sequence

import numpy as np

from compiler.golden.accumulate import Requantizer, centred, float_type
from compiler.golden.kernel import Kernel, blocks, constant, has_input
from compiler.ir import Graph, Operator
from compiler.requantize import dot_product_rules, weight_zero_point

# Input values in one matrix product.
BLOCK = 1 << 19


def fully_connected(graph: Graph, op: Operator, profile: str) -> Kernel:
    """``[.., I]`` times weights ``[O, I]``: one matrix product."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    weights = constant(graph, op, 1).astype(np.int64) - weight_zero_point(graph, op)
    dtype = float_type(weights, source)
    matrix = weights.T.astype(dtype)
    bias = constant(graph, op, 2) if has_input(op, 2) else None
    requantize = Requantizer(dot_product_rules(graph, op, profile), bias, output.dtype)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        rows = inputs[0].reshape(-1, matrix.shape[0])
        result = np.empty((len(rows), matrix.shape[1]), output.dtype)
        for part in blocks(len(rows), BLOCK // matrix.shape[0]):
            result[part] = requantize(centred(rows[part], source, dtype) @ matrix)
        return [result.reshape(-1, *output.shape)]

    return kernel


KERNELS = {"FULLY_CONNECTED": fully_connected}
