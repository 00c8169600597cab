"""FULLY_CONNECTED and BATCH_MATMUL."""

from collections.abc import Sequence

import numpy as np

from compiler.golden.accumulate import Requantizer, centred, float_type
from compiler.golden.kernel import Kernel, blocks, constant
from compiler.ir import Graph, Operator
from compiler.requantize import biases, dot_product_rules, product_rule, weight_zero_point

# Input values in one matrix product.
BLOCK = 1 << 19


def fully_connected(graph: Graph, op: Operator, profile: str) -> Kernel:
    """``[.., I]`` times weights ``[O, I]``: one matrix product."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    weights = constant(graph, op, 1).astype(np.int64) - weight_zero_point(graph, op)
    dtype = float_type(weights, source)
    matrix = weights.T.astype(dtype)
    requantize = Requantizer(dot_product_rules(graph, op, profile), biases(graph, op), output.dtype)

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        rows = inputs[0].reshape(-1, matrix.shape[0])
        result = np.empty((len(rows), matrix.shape[1]), output.dtype)
        for part in blocks(len(rows), BLOCK // matrix.shape[0]):
            result[part] = requantize(centred(rows[part], source, dtype) @ matrix)
        return [result.reshape(-1, *output.shape)]

    return kernel


def batch_matmul(graph: Graph, op: Operator, profile: str) -> Kernel:
    """``[.., M, K]`` times ``[.., K, N]``; the axes before them broadcast.

    ``adj_x`` and ``adj_y`` say that a factor's last two axes are the other way round.
    """
    output = graph.tensors[op.outputs[0]]
    rule = product_rule(graph, op, profile)
    points = [graph.tensors[index].zero_point for index in op.inputs]
    turned = [op.options["adj_x"], op.options["adj_y"]]

    def kernel(inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
        factors = []
        for x, point, is_turned in zip(inputs, points, turned, strict=True):
            rank = len(output.shape) - (x.ndim - 1)
            x = x.reshape(len(x), *(1,) * rank, *x.shape[1:]).astype(np.int64) - point
            factors.append(x.swapaxes(-1, -2) if is_turned else x)
        return [rule(factors[0] @ factors[1]).astype(output.dtype)]

    return kernel


KERNELS = {"FULLY_CONNECTED": fully_connected, "BATCH_MATMUL": batch_matmul}
