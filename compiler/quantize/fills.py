"""PADV2 with infinity, which PyTorch's max pooling has around its images.

The largest value of a window does not depend on it, so in int8 the smallest integer will do, and in
float32 any number that is no larger than the smallest value.
"""

from dataclasses import replace

import numpy as np

from compiler.ir import Graph, Operator
from compiler.quantize.source import FloatModel, packed


def infinite(graph: Graph) -> list[Operator]:
    """The operators that pad with infinity."""
    return [op for op in graph.operators if op.kind == "PADV2"
            and (fill := graph.tensors[op.inputs[2]].data) is not None and np.isinf(fill).all()]


def with_finite_fills(model: FloatModel, ranges: dict[int, tuple[float, float]]) -> FloatModel:
    """``model`` with ends of its inputs' ranges in their place."""
    pads, tensors = infinite(model.graph), list(model.graph.tensors)
    if not pads:
        return model
    least = min(ranges[op.inputs[0]][0] for op in pads)      # they may share the constant
    largest = max(ranges[op.inputs[0]][1] for op in pads)
    for op in pads:
        fill = model.graph.tensors[op.inputs[2]]
        assert fill.data is not None
        data = np.where(fill.data < 0, least, largest).astype(np.float32)
        tensors[op.inputs[2]] = replace(fill, data=data)
    graph = replace(model.graph, tensors=tuple(tensors))
    return FloatModel(model.path, graph, packed(model.path, graph))
