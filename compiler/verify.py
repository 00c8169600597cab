"""Checks that a graph makes sense: the shapes and types that each operator's own rule demands.

A graph that passes can be computed; what this engine supports is another question, see
``compiler.rules``. Runs after reading, and may run after any pass.
"""

import math
from collections.abc import Iterator

import numpy as np

from compiler.binary import BINARY_KINDS
from compiler.errors import ShapeError
from compiler.finding import Finding, Violation, apply
from compiler.flatbuffer import first_few
from compiler.ir import Graph, Operator
from compiler.kinds import BYTES, DOT_PRODUCTS, POOLS, REDUCTIONS, SAME_SHAPE, WINDOWS, channel_axis
from compiler.moves import JOINS, MOVES, PARAMETERS, PARTS, moved_positions
from compiler.requantize import bias_of
from compiler.shapes import shapes

LEAST_SCALE, LARGEST_SCALE = 2.0**-28, 2.0**28
MOST_INPUTS = 1 << 12

# Fewest and most inputs; all but PARTS have one output.
ARITY = {
    **dict.fromkeys(DOT_PRODUCTS, (2, 3)),
    "TRANSPOSE_CONV": (3, 4),
    **dict.fromkeys(POOLS, (1, 1)),
    **dict.fromkeys(SAME_SHAPE, (1, 1)),
    **dict.fromkeys((*BINARY_KINDS, "BATCH_MATMUL"), (2, 2)),
    **dict.fromkeys(REDUCTIONS, (2, 2)),
    "ARG_MAX": (2, 2),
    "RESHAPE": (1, 2),
    "SQUEEZE": (1, 1),
    "EXPAND_DIMS": (1, 2),
    "RESIZE_BILINEAR": (2, 2),
    **{kind: (1 + PARAMETERS.get(kind, 1),) * 2 for kind in MOVES},
    **dict.fromkeys(JOINS, (1, MOST_INPUTS)),
}


def verify(graph: Graph) -> list[Finding]:
    """All findings; operators of kinds that are not in ``ARITY`` are passed over."""
    findings: list[Finding] = []
    for op in graph.operators:
        if op.kind in ARITY:
            findings += verify_operator(graph, op)
    return findings


def verify_operator(graph: Graph, op: Operator) -> list[Finding]:
    """The findings of the first check that has any; later ones rely on the earlier."""
    for check in (number_of_inputs, dimensions, types, quantized, window_options, output_shape):
        findings = apply(check, graph, op)
        if findings:
            return findings
    return []


def activations(op: Operator) -> tuple[int, ...]:
    """The places of the inputs that the model computes; the others are parameters."""
    if op.kind in MOVES:
        return moved_positions(op)
    if op.kind == "TRANSPOSE_CONV":
        return (2,)
    return (0, 1) if op.kind in (*BINARY_KINDS, "BATCH_MATMUL") else (0,)


def number_of_inputs(graph: Graph, op: Operator) -> Iterator[Violation]:
    """An operator must have the inputs and outputs that its kind demands.

    Convert the model again, its file is damaged.
    """
    fewest, most = ARITY[op.kind]
    required = op.inputs if op.kind in JOINS else op.inputs[:fewest]
    outputs = len(op.outputs) > 0 if op.kind in PARTS else len(op.outputs) == 1
    if not fewest <= len(op.inputs) <= most or not outputs or -1 in required:
        yield None, f"inputs {first_few(op.inputs)} and outputs {first_few(op.outputs)}"


def dimensions(graph: Graph, op: Operator) -> Iterator[Violation]:
    """Every dimension of an activation must be at least 1, and images must have four.

    Convert the model with fixed shapes.
    """
    rank = 4 if op.kind in (*WINDOWS, "TRANSPOSE_CONV") else 1 if op.kind == "SOFTMAX" else 0
    for index in (*(op.inputs[k] for k in activations(op)), *op.outputs):
        shape = graph.tensors[index].shape
        if min(shape, default=1) < 1 or len(shape) < rank or (rank == 4 and len(shape) != 4):
            yield index, f"the shape {list(shape)}"
    if op.kind in DOT_PRODUCTS:
        shape = graph.tensors[op.inputs[1]].shape
        if min(shape, default=0) < 1 or len(shape) != (2 if op.kind == "FULLY_CONNECTED" else 4):
            yield op.inputs[1], f"the shape {list(shape)}"


def types(graph: Graph, op: Operator) -> Iterator[Violation]:
    """Tensors of one operator must have types that belong together.

    Convert the model again, its file is damaged.
    """
    first, *others = (op.inputs[k] for k in activations(op))
    source = graph.tensors[first]
    for index in op.outputs:
        dtype = graph.tensors[index].dtype
        if op.kind not in ("QUANTIZE", "DEQUANTIZE", "ARG_MAX") and dtype != source.dtype:
            yield index, f"{dtype} out of {source.dtype}"
    for index in others:
        if graph.tensors[index].dtype != source.dtype:
            yield index, f"{graph.tensors[index].dtype} beside {source.dtype}"
    if op.kind in DOT_PRODUCTS and source.dtype in BYTES:
        weights, bias = graph.tensors[op.inputs[1]], bias_of(op)
        if weights.dtype != source.dtype:
            yield op.inputs[1], f"{weights.dtype} weights for {source.dtype} activations"
        if bias is not None and graph.tensors[bias].dtype != "int32":
            yield bias, f"a bias of type {graph.tensors[bias].dtype}"
    if op.kind in (*REDUCTIONS, "ARG_MAX", "EXPAND_DIMS", "TRANSPOSE_CONV",
                   "RESIZE_BILINEAR", *MOVES):
        for position, index in enumerate(op.inputs):
            is_weight = op.kind in DOT_PRODUCTS and position != 0
            if position in activations(op) or index == -1 or is_weight:
                continue
            dtype = graph.tensors[index].dtype
            if op.kind == "PADV2" and position == 2:
                if dtype != source.dtype:
                    yield index, f"{dtype} beside {source.dtype}"
            elif dtype not in ("int32", "int64"):
                yield index, f"{dtype} where indices belong"


def quantized(graph: Graph, op: Operator) -> Iterator[Violation]:
    """8-bit tensors must have scales of 2**-28 to 2**28, weights also smaller ones, and zero points
    that fit their type; one of each, except for weights along their output channels.

    Quantize the model again with a converter that writes scales.
    """
    for position, index in (*enumerate(op.inputs), *((-1, index) for index in op.outputs)):
        tensor = graph.tensors[index]
        if index == -1 or tensor.dtype not in BYTES:
            continue
        if tensor.quantization is None:
            yield index, "no scale"
            continue
        scales, zero_points = tensor.quantization.scale, tensor.quantization.zero_point
        info = np.iinfo(tensor.dtype)
        if any(not info.min <= z <= info.max for z in zero_points):
            yield index, f"zero points from {min(zero_points)} to {max(zero_points)}"
        is_weights = position == 1 and op.kind in DOT_PRODUCTS
        # Channels without a weight may have the scale 0; and 6 over an activation's fits 32 bits.
        least = LEAST_SCALE if not is_weights else 0 if len(scales) > 1 else math.ulp(0)
        wrong = next((scale for scale in scales if not least <= scale <= LARGEST_SCALE), None)
        if wrong is not None:
            yield index, f"the scale {wrong:g}"
        if len(scales) > 1:
            axis = channel_axis(op.kind)
            if not is_weights:
                yield index, f"{len(scales)} scales"
            elif tensor.quantization.quantized_dimension != axis:
                yield index, f"scales along dimension {tensor.quantization.quantized_dimension}"


def window_options(graph: Graph, op: Operator) -> Iterator[Violation]:
    """Strides, dilations and windows must be at least 1.

    Convert the model again, its file is damaged.
    """
    if op.kind in (*WINDOWS, "TRANSPOSE_CONV"):
        for key, value in op.options.items():
            if key.startswith(("stride_", "dilation_", "filter_")) and not 1 <= value < 1 << 16:
                yield None, f"{key} {value}"


def output_shape(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The output's shape must be the one that the inputs and options give.

    Convert the model with fixed shapes.
    """
    try:
        expected = shapes(graph, op)
    except ShapeError as error:
        yield None, str(error)
        return
    for index, shape in zip(op.outputs, expected, strict=True):
        found = graph.tensors[index].shape
        if shape is not None and found != shape:
            yield index, f"{list(found)} instead of {list(shape)}"
