"""A graph pass: moves of floats and the QUANTIZE behind or the DEQUANTIZE before change places.

Each value is converted by itself, so it does not matter whether that is before or after it was
moved. In 8 bits the engine moves them, or the host does; in float32 nobody would.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from compiler.ir import Graph, Operator, Tensor
from compiler.kinds import RESHAPES

# Of one computed input and one output, which holds nothing but its values.
MOVES_OF_ONE = (*RESHAPES, "TRANSPOSE", "SLICE", "STRIDED_SLICE", "GATHER", "BROADCAST_TO",
                "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "RESIZE_NEAREST_NEIGHBOR")


def move_bytes(graph: Graph) -> Graph:
    """``graph`` with its moves in 8 bits, where nothing else reads the floats between them."""
    readers = Counter(index for op in graph.operators for index in op.inputs)
    readers.update(graph.outputs)
    reader = {index: op for op in graph.operators for index in op.inputs}
    made = {index: op for op in graph.operators for index in op.outputs}
    tensors = list(graph.tensors)
    placed: dict[int, list[Operator]] = {}       # by the index of the operator whose place it is
    gone: set[int] = set()

    def moves(op: Operator | None) -> bool:
        return op is not None and op.index not in gone and op.kind in MOVES_OF_ONE \
            and len(op.outputs) == 1 and len(op.inputs) > 0 and -1 not in op.inputs \
            and tensors[op.inputs[0]].data is None and tensors[op.outputs[0]].dtype == "float32"

    for op in graph.operators:
        chain: list[Operator] = []
        if not len(op.inputs) == len(op.outputs) == 1:           # (nobody has checked them yet)
            continue
        if op.kind == "QUANTIZE":
            at = op.inputs[0]
            while readers[at] == 1 and moves(made.get(at)):
                chain.insert(0, made[at])
                at = made[at].inputs[0]
            place = op.index
        elif op.kind == "DEQUANTIZE":
            at = op.outputs[0]
            while readers[at] == 1 and moves(reader.get(at)):
                chain.append(reader[at])
                at = reader[at].outputs[0]
            place = chain[-1].index if chain else op.index
        if chain:
            gone |= {op.index, *(move.index for move in chain)}
            placed[place] = in_bytes(tensors, op, chain)
    return replace(graph, tensors=tuple(tensors), operators=tuple(
        new for op in graph.operators
        for new in placed.get(op.index, () if op.index in gone else (op,))))


def in_bytes(tensors: list[Tensor], op: Operator, chain: Sequence[Operator]) -> list[Operator]:
    """A QUANTIZE, and the ``chain`` of moves before it behind it; or the moves behind a DEQUANTIZE,
    and it behind them. The tensors between them are appended to ``tensors``."""
    is_first = op.kind == "QUANTIZE"
    one = tensors[op.outputs[0] if is_first else op.inputs[0]]

    def like(index: int) -> int:
        tensors.append(replace(one, name=tensors[index].name, shape=tensors[index].shape))
        return len(tensors) - 1
    start, end = chain[0].inputs[0], chain[-1].outputs[0]
    between = [like(move.inputs[0]) for move in chain[1:]]
    first, last = (like(start), op.outputs[0]) if is_first else (op.inputs[0], like(end))
    moves = [replace(move, inputs=(source, *move.inputs[1:]), outputs=(output,))
             for move, source, output in zip(chain, (first, *between), (*between, last),
                                             strict=True)]
    return [replace(op, inputs=(start,), outputs=(first,)), *moves] if is_first \
        else [*moves, replace(op, inputs=(last,), outputs=(end,))]
