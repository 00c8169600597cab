"""From a graph of int8 operators to the layers that the engine runs."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from compiler.allocate import Plan
from compiler.binary import BINARY_KINDS
from compiler.byte_functions import BYTE_FUNCTIONS
from compiler.errors import ModelError
from compiler.finding import Reasons
from compiler.ir import Graph, Operator
from compiler.kinds import RESHAPES
from compiler.layers import Layer, check_fields, one_tile_each
from compiler.limits import MOST_LAYERS, Room, check_size, fits_alone
from compiler.lower_binary import binary
from compiler.lower_conv import convolution, transposed
from compiler.lower_dense import batch_matmul, fully_connected
from compiler.lower_edges import load, store
from compiler.lower_move import moves
from compiler.lower_reduce import average, maxima, sums
from compiler.lower_resize import resize_bilinear
from compiler.lower_vector import maximum, unary
from compiler.moves import MOVES
from compiler.places import Addresses, alone
from compiler.planning import ROOMY, plan_places
from compiler.relocate import Irregular, relocated
from compiler.stripes import Pair, interleaved
from compiler.tables import fused_tables, loaded_once, through_tables
from hw.config import EngineConfig

NO_PLAN: tuple[Plan, dict[int, Pair]] = Plan((), {}, 1, 0), {}

LOWER: dict[str, Callable[..., Iterator[Layer]]] = {
    "CONV_2D": convolution, "DEPTHWISE_CONV_2D": convolution, "TRANSPOSE_CONV": transposed,
    "FULLY_CONNECTED": fully_connected, "BATCH_MATMUL": batch_matmul,
    "AVERAGE_POOL_2D": average, "MEAN": sums, "SUM": sums, "REDUCE_MAX": maxima,
    "MAX_POOL_2D": maximum, **dict.fromkeys(BINARY_KINDS, binary),
    **dict.fromkeys(MOVES, moves), **dict.fromkeys(BYTE_FUNCTIONS, unary),
    "RESIZE_BILINEAR": resize_bilinear,
}


def lower(graph: Graph, profile: str,
          config: EngineConfig) -> tuple[list[Layer], Plan, Addresses]:
    """The engine's layers in order, and where the scratchpad holds what.

    The first layers load the graph's inputs, the last ones put out its outputs. ModelError with
    all reasons where the engine cannot run them.
    """
    check_size(graph, config)
    whole: frozenset[int] = frozenset()          # tensors that no others lie between
    while True:
        try:
            return lower_with(graph, profile, config, whole)
        except Irregular as error:
            whole |= {error.tensor}


def lower_with(graph: Graph, profile: str, config: EngineConfig,
               whole: frozenset[int]) -> tuple[list[Layer], Plan, Addresses]:
    """As ``lower``; Irregular where that would do with another tensor ``whole``."""
    reasons, place, (plan, striped) = Reasons(), alone(graph), NO_PLAN
    operators = list(graph.operators)
    with reasons.of():
        places, plan, striped = plan_places(graph, config, whole)
        place = Addresses(graph, places, plan.offsets)
    if not plan.buffers:                         # one reason; other fields may be wrong as well
        operators = [op for op in operators if fits_alone(graph, op, config)]
        config = replace(config, scratchpad_bytes=ROOMY)
    fused = fused_tables(graph)

    layers = [layer for tensor in graph.inputs
              for layer in load(graph, tensor, place[tensor], config)]
    room = Room()
    waiting: dict[int, list[Layer]] = {}         # of producers, by their tensors
    for op in operators:
        if op.kind in RESHAPES or op.inputs[0] in fused or room.is_full:
            continue
        with reasons.of(op):
            lowered = [through_tables(layer, graph, fused, profile)
                       for layer in lower_operator(graph, op, place, profile, config)]
            pitch = place.places[op.outputs[0]].pitch
            if pitch is not None and op.kind not in MOVES:
                lowered = [relocated(layer, place[op.outputs[0]], pitch, config)
                           for layer in lowered]
            if op.outputs[0] in striped:
                waiting[op.outputs[0]] = lowered
                continue
            parts = iter(lowered)
            if op.inputs[0] in waiting:
                parts = interleaved(striped[op.inputs[0]], waiting.pop(op.inputs[0]), lowered,
                                    graph.tensors[op.outputs[0]].shape[1])
            for part in parts:
                layers.extend(map(room.take, fitted(part, config)))
    for tensor in graph.outputs:
        layers.extend(store(graph, tensor, place[tensor], config))
    by_index = {op.index: op for op in graph.operators}
    for layer in layers:
        with reasons.of(by_index.get(layer.operator)):
            check_fields(layer, config)
    reasons.refuse(graph.name)
    return list(loaded_once(layers)), plan, place


def lower_operator(graph: Graph, op: Operator, place: Addresses, profile: str,
                   config: EngineConfig) -> list[Layer]:
    """The layers of one operator, whose tensors are at ``place``; or the first few too many."""
    if op.kind not in LOWER:
        raise ModelError(f"operator {op} is not supported; the engine runs "
                         f"{', '.join(sorted({*LOWER, *RESHAPES}))}")
    return list(islice(LOWER[op.kind](graph, op, place, profile, config), MOST_LAYERS + 1))


def fitted(layer: Layer, config: EngineConfig) -> Iterator[Layer]:
    """The layer, in passes of one tile where its weights do not fit into the rings."""
    is_one_tile = layer.fields["rows"] == layer.fields["tiles"] == 0
    if layer.weights is None or layer.weights.shape[1] <= config.weight_words or is_one_tile:
        yield layer
    else:
        yield from one_tile_each(layer, config)
