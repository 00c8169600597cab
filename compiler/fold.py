"""Graph passes that compute beforehand what does not depend on the input.

Keras models with an unknown batch size compute the shape of a RESHAPE at run time: SHAPE,
STRIDED_SLICE, PACK. PyTorch pads with an operator of its own in front of the convolution.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from compiler.errors import ShapeError
from compiler.float_moves import move_bytes
from compiler.ir import Graph, Operator, Tensor
from compiler.islands import fold_islands
from compiler.moves import MOVES, move, moved_positions

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
# A hostile file may double constants over and over, or have them gathered one by one.
MOST_FOLDED, MOST_COPIES = 1 << 22, 1 << 12      # values in all, pieces of an operator
PAD_OPTIONS = ("pad_top", "pad_bottom", "pad_left", "pad_right")


def simplified(graph: Graph) -> Graph:
    """What is left to compute: without constants, unused operators, and floats inside."""
    return drop_unused(fold_islands(move_bytes(drop_unused(fold_constants(graph)))))


def fold_constants(graph: Graph) -> Graph:
    """Replaces SHAPE, and RESHAPE and the moves of constants, by constant tensors.

    What computes a graph output stays, and so does what this cannot compute.
    """
    tensors, kept, budget = list(graph.tensors), [], MOST_FOLDED
    wanted = set(graph.outputs)
    for op in graph.operators:
        value = _value(tensors, op, budget) if wanted.isdisjoint(op.outputs) else None
        if value is None:
            kept.append(op)
            continue
        budget -= value.size
        output = tensors[op.outputs[0]]
        data = np.array(value, output.dtype)
        data.flags.writeable = False
        tensors[op.outputs[0]] = replace(output, shape=data.shape, data=data)
    return replace(graph, tensors=tuple(tensors), operators=tuple(kept))


def drop_unused(graph: Graph) -> Graph:
    """Without the operators that no graph output depends on."""
    needed, kept = set(graph.outputs), []
    for op in reversed(graph.operators):
        if needed & set(op.outputs):
            needed |= set(op.inputs)
            kept.append(op)
    return replace(graph, operators=tuple(reversed(kept)))


def fuse_pads(graph: Graph) -> Graph:
    """Moves PAD into the convolutions that read it, as options ``pad_top``, ``pad_bottom``, ...

    The options count rows and columns of the input's zero point around the image, in addition to
    a ``padding`` of VALID; that is what PAD fills with, so the results are the same. Only where
    all readers of PAD are such convolutions, and only height and width are padded.
    """
    readers: dict[int, list[Operator]] = {}
    for op in graph.operators:
        for index in set(op.inputs):
            readers.setdefault(index, []).append(op)
    fused = {op.index: op for op in graph.operators}
    for pad in reversed(graph.operators):        # of two in a row the second goes first
        sides = _pad_sides(graph, pad)
        if sides is None or pad.outputs[0] in graph.outputs:
            continue
        old = readers.get(pad.outputs[0], [])
        if not old or not all(_takes_pads(op, pad.outputs[0]) for op in old):
            continue
        new = []
        for op in old:
            total = {name: op.options.get(name, 0) + size
                     for name, size in zip(PAD_OPTIONS, sides, strict=True)}
            new.append(replace(op, inputs=(pad.inputs[0], *op.inputs[1:]),
                               options=op.options | total))
        fused |= {op.index: op for op in new}
        del fused[pad.index]
        source = readers[pad.inputs[0]]
        source[:] = [op for op in source if op.index != pad.index] + new
    return replace(graph, operators=tuple(fused[op.index] for op in graph.operators
                                          if op.index in fused))


def _pad_sides(graph: Graph, op: Operator) -> tuple[int, ...] | None:
    """``(top, bottom, left, right)`` of a PAD of an image; None for all else."""
    if op.kind != "PAD" or len(op.inputs) != 2 or len(op.outputs) != 1:
        return None
    source, edges, output = (graph.tensors[index] for index in (*op.inputs, *op.outputs))
    if edges.data is None or edges.data.shape != (4, 2) or source.quantization is None:
        return None
    # Compared by hand, because quantized_dimension means nothing here.
    if output.quantization is None or (source.quantization.scale, source.quantization.zero_point) \
            != (output.quantization.scale, output.quantization.zero_point):
        return None
    batch, rows, columns, channels = edges.data.tolist()
    if any((*batch, *channels)) or min(*rows, *columns) < 0:
        return None
    return *rows, *columns


def _takes_pads(op: Operator, tensor: int) -> bool:
    return (op.kind in CONVOLUTIONS and op.options["padding"] == "VALID"
            and op.inputs[0] == tensor and tensor not in op.inputs[1:])


def _value(tensors: Sequence[Tensor], op: Operator, budget: int) -> np.ndarray | None:
    """What ``op`` computes, where that is known without running the model."""
    if not op.inputs or len(op.outputs) != 1 or -1 in op.inputs:
        return None
    output = tensors[op.outputs[0]]
    if op.kind == "SHAPE":
        shape = tensors[op.inputs[0]].shape
        return np.array(shape, output.dtype) if output.dtype in ("int32", "int64") else None
    inputs = [tensors[index].data for index in op.inputs]
    constants = [data for data in inputs if data is not None]
    if len(constants) != len(inputs) or constants[0].dtype != output.dtype:
        return None
    if op.kind == "RESHAPE":
        same = constants[0].size == math.prod(output.shape)
        return constants[0].reshape(output.shape) if same else None
    if op.kind not in MOVES:
        return None
    try:
        moved = move(tensors, op)
    except ShapeError:
        return None
    if moved is None or math.prod(moved.shapes[0]) > budget:
        return None
    sources = [constants[position] for position in moved_positions(op)]
    value = np.empty(moved.shapes[0], sources[0].dtype)
    for count, (destination, source) in enumerate(moved.pairs(sources, [value])):
        if count == MOST_COPIES:
            return None
        destination[...] = source
    return value
