"""Legacy models of uint8 as models of int8: every value is 128 less, so its top bit is flipped.

The real number ``scale * (q - zero_point)`` stays the same when q and zero_point both fall by 128.
"""

from dataclasses import replace

import numpy as np

from compiler.ir import Graph, Tensor
from compiler.requantize import source_of


def to_int8(graph: Graph) -> Graph:
    """``graph`` with int8 in place of uint8 in every tensor: activations, weights, constants.

    Weights whose zero point was not 128 keep one that is not 0. An operator that read uint8 gets
    the option ``legacy_uint8``: its kernel rounds in its own way also when seen as int8
    (convolutions multiply the scales in float32; AVERAGE_POOL_2D rounds ties up, since its uint8
    sums are never negative).
    """
    operators = tuple(
        replace(op, options=op.options | {"legacy_uint8": True})
        if op.inputs and graph.tensors[source_of(op)].dtype == "uint8" else op
        for op in graph.operators)
    return replace(graph, tensors=tuple(_signed(tensor) for tensor in graph.tensors),
                   operators=operators)


def flip(values: np.ndarray) -> np.ndarray:
    """uint8 as int8 or back: the same real numbers, the top bit flipped."""
    return (values.view(np.uint8) ^ 0x80).view(np.int8 if values.dtype == np.uint8 else np.uint8)


def _signed(tensor: Tensor) -> Tensor:
    if tensor.dtype != "uint8":
        return tensor
    data, quantization = tensor.data, tensor.quantization
    if data is not None:
        data = flip(np.ascontiguousarray(data))
        data.flags.writeable = False
    if quantization is not None:
        zero_point = tuple(point - 128 for point in quantization.zero_point)
        quantization = replace(quantization, zero_point=zero_point)
    return replace(tensor, dtype="int8", data=data, quantization=quantization)
