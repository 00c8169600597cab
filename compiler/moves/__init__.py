"""Operators that move bytes and compute nothing, each as copies between views of its tensors.

For each kind there is a function that checks the parameters and says what shapes the outputs have
and what is copied: pairs of numpy views of one shape, the first of an output, the second of an
input or the number that fills the first. Who asks brings the arrays: constants to be folded,
positions for the golden model, the engine's scratchpad for its layers.
"""

from collections.abc import Callable, Sequence

import numpy as np

from compiler.errors import ShapeError
from compiler.ir import Graph, Operator, Tensor
from compiler.moves.depths import depth_to_space, space_to_depth
from compiler.moves.gathers import gather, resize_nearest_neighbor
from compiler.moves.joins import concatenation, pack, split, split_v, unpack
from compiler.moves.pads import mirror_pad, pad
from compiler.moves.request import Move, Request
from compiler.moves.views import broadcast_to, slice_, strided_slice, transpose
from compiler.numerics import round_away
from compiler.requantize import is_legacy

MOVES: dict[str, Callable[[Request], Move]] = {
    "CONCATENATION": concatenation,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "SLICE": slice_,
    "STRIDED_SLICE": strided_slice,
    "PACK": pack,
    "UNPACK": unpack,
    "TRANSPOSE": transpose,
    "BROADCAST_TO": broadcast_to,
    "PAD": pad,
    "PADV2": pad,
    "MIRROR_PAD": mirror_pad,
    "GATHER": gather,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor,
    "SPACE_TO_DEPTH": space_to_depth,
    "DEPTH_TO_SPACE": depth_to_space,
}

# How many inputs are parameters, where that is not one.
PARAMETERS = {"CONCATENATION": 0, "PACK": 0, "UNPACK": 0, "SPACE_TO_DEPTH": 0, "DEPTH_TO_SPACE": 0,
              "SLICE": 2, "SPLIT_V": 2, "PADV2": 2, "STRIDED_SLICE": 3}

# Kinds of any number of inputs, and kinds of any number of outputs.
JOINS = ("CONCATENATION", "PACK")
PARTS = ("SPLIT", "SPLIT_V", "UNPACK")


def moved_positions(op: Operator) -> tuple[int, ...]:
    """Where an operator's inputs that are moved stand; the others are parameters."""
    if op.kind in JOINS:
        return tuple(range(len(op.inputs)))
    return (1,) if op.kind == "SPLIT" else (0,)


def move(tensors: Sequence[Tensor], op: Operator) -> Move | None:
    """What ``op`` moves, None where a parameter is not constant; ShapeError where it is wrong."""
    moved, function = moved_positions(op), MOVES[op.kind]
    parameters = [tensors[index].data for position, index in enumerate(op.inputs)
                  if position not in moved]
    known = tuple(data for data in parameters if data is not None)
    if len(known) < len(parameters):
        return None
    if len(known) != PARAMETERS.get(op.kind, 1) or len(op.inputs) <= max(moved, default=0) \
            or not op.outputs:
        raise ShapeError(f"inputs {list(op.inputs)} and outputs {list(op.outputs)}")
    indices = known[:1] if op.kind == "PADV2" else known     # the value that it fills with is none
    if any(data.dtype.kind not in "iu" for data in indices):
        raise ShapeError(f"{', '.join(str(data.dtype) for data in indices)} where indices belong")
    output = tensors[op.outputs[0]].quantization
    fill = output.zero_point[0] if output is not None and op.kind == "PAD" else 0
    shapes = tuple(tensors[op.inputs[position]].shape for position in moved)
    return function(Request(shapes, known, op.options, len(op.outputs), fill))


def concatenation_tables(graph: Graph, op: Operator) -> list[np.ndarray | None]:
    """For each moved input the table that its bytes go through, None where they stay as they are.

    Only CONCATENATION of legacy uint8 has some: where an input has another scale than the output,
    it is converted in float32: TFLite reference_ops ConcatenationWithScaling.
    """
    output = graph.tensors[op.outputs[0]]
    tables: list[np.ndarray | None] = []
    for position in moved_positions(op):
        source = graph.tensors[op.inputs[position]]
        tables.append(None)
        if op.kind != "CONCATENATION" or not is_legacy(graph, op) \
                or (source.scale, source.zero_point) == (output.scale, output.zero_point):
            continue
        # In unsigned numbers, also where compiler/legacy.py has made them signed:
        flip = 128 if source.dtype == "int8" else 0
        x = np.arange(256) ^ flip
        scale = np.float32(source.scale) * (np.float32(1) / np.float32(output.scale))
        offset = np.float32(-(source.zero_point + flip)) * scale
        y = round_away(x.astype(np.float32) * scale + offset) + output.zero_point + flip
        tables[-1] = (np.clip(y, 0, 255).astype(np.uint8) ^ flip).view(output.dtype)
    return tables
