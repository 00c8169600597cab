"""Functions of one byte behind a layer: its values go through the table unit on their way."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from compiler.byte_functions import BYTE_FUNCTIONS, byte_function
from compiler.ir import Graph, Operator
from compiler.layers import Layer
from compiler.relocate import MAKERS


def fused_tables(graph: Graph) -> dict[int, Operator]:
    """The operators that need no layer of their own, by their inputs: those that alone read what
    another operator's layers make."""
    readers = Counter(tensor for op in graph.operators for tensor in op.inputs)
    made = {tensor for op in graph.operators if op.kind in MAKERS for tensor in op.outputs}
    return {tensor: op for op in graph.operators if op.kind in BYTE_FUNCTIONS
            for tensor in op.inputs[:1] if tensor in made and readers[tensor] == 1
            and tensor not in graph.outputs}


def through_tables(layer: Layer, graph: Graph, fused: dict[int, Operator], profile: str) -> Layer:
    """The layer with all functions behind it."""
    while layer.tensor in fused:
        op = fused[layer.tensor]
        table = byte_function(graph, op, profile).astype(np.int8)
        if layer.table is not None:
            table = table[layer.table.view(np.uint8)]
        layer = replace(layer, name=f"{layer.name}, {op}", tensor=op.outputs[0],
                        fields=layer.fields | {"table": 1}, table=table)
    return layer


def loaded_once(layers: Sequence[Layer]) -> Iterator[Layer]:
    """The layers without the tables that the table unit holds anyway."""
    held: bytes | None = None
    for layer in layers:
        if layer.table is not None:
            new = layer.table.tobytes()
            if new == held:
                layer = replace(layer, table=None)
            held = new
        yield layer
