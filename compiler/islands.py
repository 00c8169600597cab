"""A graph pass: float32 between DEQUANTIZE and QUANTIZE becomes a table.

Converters leave such islands where TFLite has no int8 kernel. Of operators of one input they are
functions of a byte, which QUANTIZE computes from then on: its option ``through`` holds the float32
operators in their order.
"""

from collections import Counter
from dataclasses import replace

from compiler.floats import FUNCTIONS
from compiler.ir import Graph, Operator


def fold_islands(graph: Graph) -> Graph:
    """Each QUANTIZE behind an island reads what the island's DEQUANTIZE reads.

    Only where nothing else reads the floats.
    """
    readers = Counter(index for op in graph.operators for index in op.inputs)
    readers.update(graph.outputs)
    made = {index: op for op in graph.operators for index in op.outputs}
    gone: set[int] = set()
    folded: dict[int, Operator] = {}
    for op in graph.operators:
        island = _island(graph, op, made, readers)
        if island:
            dequantize, *functions = island
            gone |= {other.index for other in island}
            folded[op.index] = replace(op, inputs=dequantize.inputs,
                                       options={**op.options, "through": tuple(functions)})
    return replace(graph, operators=tuple(folded.get(op.index, op) for op in graph.operators
                                          if op.index not in gone))


def _island(graph: Graph, op: Operator, made: dict[int, Operator],
            readers: Counter[int]) -> list[Operator]:
    """The operators before a QUANTIZE, from its DEQUANTIZE on; none where that is not all."""
    island: list[Operator] = []
    at = op
    while at.kind in FUNCTIONS or at is op:
        if len(at.inputs) != 1 or len(at.outputs) != 1 or (at is op and op.kind != "QUANTIZE"):
            return []
        before = made.get(at.inputs[0])
        if before is None or readers[at.inputs[0]] != 1 \
                or graph.tensors[at.inputs[0]].dtype != "float32":
            return []
        island.insert(0, before)
        at = before
    if at.kind != "DEQUANTIZE" or len(at.inputs) != 1 or len(at.outputs) != 1:
        return []
    shapes = {graph.tensors[index].shape for other in (*island, op)
              for index in (*other.inputs, *other.outputs)}
    types = {graph.tensors[index].dtype for index in (*at.inputs, *op.outputs)}
    return island if len(shapes) == 1 and types in ({"int8"}, {"uint8"}) else []
