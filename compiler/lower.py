"""From a graph of int8 operators to the layers that the engine runs."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from compiler.allocate import Buffer, Plan, plan_memory
from compiler.binary import BINARY_KINDS
from compiler.errors import ModelError
from compiler.finding import Reasons
from compiler.ir import Graph, Operator
from compiler.layers import (
    Image,
    Layer,
    Window,
    check_fields,
    flat_fields,
    identity_records,
    one_tile_each,
    window_fields,
)
from compiler.lower_binary import binary
from compiler.lower_conv import convolution, transposed
from compiler.lower_dense import batch_matmul, fully_connected
from compiler.lower_move import moves
from compiler.lower_reduce import average, maxima, sums
from compiler.lower_resize import resize_bilinear
from compiler.lower_vector import maximum, unary
from compiler.moves import MOVES
from compiler.nests import MOST_TURNS
from compiler.places import VIEWS, Addresses, Place, alone, find_places
from compiler.relocate import Irregular, is_regular, relocated, widest
from compiler.stripes import Pair, interleaved, pairs, thinner
from compiler.tables import fused_tables, loaded_once, through_tables
from compiler.unary import UNARY_KINDS
from hw.config import EngineConfig, Mode

MOST_PASSES = 4096                               # of one operator
ROOMY = 1 << 30                                  # bytes of a scratchpad that holds any model
NO_PLAN: tuple[Plan, dict[int, Pair]] = Plan((), {}, 1, 0), {}

LOWER: dict[str, Callable[..., Iterator[Layer]]] = {
    "CONV_2D": convolution, "DEPTHWISE_CONV_2D": convolution, "TRANSPOSE_CONV": transposed,
    "FULLY_CONNECTED": fully_connected, "BATCH_MATMUL": batch_matmul,
    "AVERAGE_POOL_2D": average, "MEAN": sums, "SUM": sums, "REDUCE_MAX": maxima,
    "MAX_POOL_2D": maximum, **dict.fromkeys(BINARY_KINDS, binary),
    **dict.fromkeys(MOVES, moves), **dict.fromkeys(UNARY_KINDS, unary),
    "RESIZE_BILINEAR": resize_bilinear,
}


def lower(graph: Graph, profile: str,
          config: EngineConfig) -> tuple[list[Layer], Plan, Addresses]:
    """The engine's layers in order, and where the scratchpad holds what.

    The first layers load the graph's inputs, the last ones put out its outputs. ModelError with
    all reasons where the engine cannot run them.
    """
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
    with reasons.of():
        places, plan, striped = plan_places(graph, config, whole)
        place = Addresses(graph, places, plan.offsets)
    if not plan.buffers:                         # one reason; other fields may be wrong as well
        config = replace(config, scratchpad_bytes=ROOMY)
    fused = fused_tables(graph)

    layers = [layer for tensor in graph.inputs
              for layer in load(graph, tensor, place[tensor], config)]
    waiting: dict[int, list[Layer]] = {}         # of producers, by their tensors
    for op in graph.operators:
        if op.kind in VIEWS or op.inputs[0] in fused:
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
            if op.inputs[0] in waiting:
                lowered = interleaved(striped[op.inputs[0]], waiting.pop(op.inputs[0]), lowered,
                                      graph.tensors[op.outputs[0]].shape[1])
            for layer in lowered:
                layers.extend(fitted(layer, config))
    for tensor in graph.outputs:
        layers.extend(store(graph, tensor, place[tensor], config))
    operators = {op.index: op for op in graph.operators}
    for layer in layers:
        with reasons.of(operators.get(layer.operator)):
            check_fields(layer, config)
    reasons.refuse(graph.name)
    return list(loaded_once(layers)), plan, place


def lower_operator(graph: Graph, op: Operator, place: Addresses, profile: str,
                   config: EngineConfig) -> list[Layer]:
    """The layers of one operator, whose tensors are at ``place``."""
    if op.kind not in LOWER:
        raise ModelError(
            f"operator {op.index} {op.kind} is not supported; the engine runs "
            f"{', '.join(sorted({*LOWER, *VIEWS}))}")
    layers = list(islice(LOWER[op.kind](graph, op, place, profile, config), MOST_PASSES + 1))
    if len(layers) > MOST_PASSES:
        raise ModelError(
            f"operator {op.index} {op.kind} needs more than {MOST_PASSES} passes of the "
            "engine; give it a smaller batch, fewer groups or smaller strides")
    return layers


def plan_places(graph: Graph, config: EngineConfig, whole: frozenset[int] = frozenset()
                ) -> tuple[dict[int, Place], Plan, dict[int, Pair]]:
    """Where tensors lie in their buffers, and these in the scratchpad.

    A part keeps the whole buffer alive in which it lies; so where that does not fit, it is tried
    with each tensor in a buffer of its own.
    """
    places = find_places(graph, config.scratchpad_bytes, whole)
    try:
        return places, *plan_stripes(graph, places, config)
    except ModelError as error:
        places = find_places(graph, 0)
        try:
            return places, *plan_stripes(graph, places, config)
        except ModelError:
            raise error from None


def plan_stripes(graph: Graph, places: dict[int, Place],
                 config: EngineConfig) -> tuple[Plan, dict[int, Pair]]:
    """The memory plan; where whole tensors do not fit, with the fewest stripes that do."""
    def plan(striped: dict[int, Pair]) -> Plan:
        return plan_memory(lifetimes(graph, places, config, striped), config.banks,
                           config.scratchpad_bytes)
    try:
        return plan({}), {}
    except ModelError as whole:
        for striped in thinner(pairs(graph, config)):
            try:
                return plan(striped), striped
            except ModelError:
                pass
        raise whole from None


def lifetimes(graph: Graph, places: dict[int, Place], config: EngineConfig,
              striped: dict[int, Pair]) -> list[Buffer]:
    """The buffers and the steps that use them: loads, operators, stores, numbered in order.

    The operators of a ``striped`` pair use in both of their steps what either does.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    steps: list[tuple[int, ...]] = [(tensor,) for tensor in graph.inputs]
    together = {op.index: (*pair.producer.inputs, pair.tensor, *pair.pool.outputs)
                for pair in striped.values() for op in (pair.producer, pair.pool)}
    steps += [together.get(op.index, (*op.inputs, *op.outputs)) for op in graph.operators
              if op.kind not in VIEWS]
    steps += [(tensor,) for tensor in graph.outputs]
    for step, tensors in enumerate(steps):
        for tensor in tensors:
            if tensor in places:
                buffer = places[tensor].root
                first.setdefault(buffer, step)
                last[buffer] = step

    def size(buffer: int) -> int:
        shape = graph.tensors[buffer].shape
        if buffer in striped:
            return striped[buffer].buffer_rows * math.prod(shape[2:])
        return math.prod(shape)
    return [Buffer(buffer, size(buffer), first[buffer], last[buffer]) for buffer in first]


def fitted(layer: Layer, config: EngineConfig) -> list[Layer]:
    """The layer, in passes of one tile where its weights do not fit into the rings."""
    if layer.weights is None or layer.weights.shape[1] <= config.weight_words:
        return [layer]
    if layer.fields["rows"] == 0 and layer.fields["tiles"] == 0:
        return [layer]
    return list(one_tile_each(layer, config))


def load(graph: Graph, tensor: int, address: int, config: EngineConfig) -> Iterator[Layer]:
    """The input stream into a tensor, a byte to a pixel."""
    for first, height, width in rectangles(math.prod(graph.tensors[tensor].shape)):
        fields = window_fields(
            config, Mode.LOAD, Image(0, height, width, 1),
            Image(address + first, height, width, 1), Window(), group_channels=1, group_stride=0)
        yield Layer("input", -1, tensor, fields | {"shared_record": 1}, identity_records(config))


def store(graph: Graph, tensor: int, address: int, config: EngineConfig) -> Iterator[Layer]:
    """A tensor to the output stream, which takes a byte a cycle."""
    size = math.prod(graph.tensors[tensor].shape)
    if config.requantizers == 1:
        every = [flat_fields(config, Mode.MAXIMUM, address, 0, size)]
    else:
        every = [window_fields(
            config, Mode.MAXIMUM, Image(address + first, height, width, 1),
            Image(0, height, width, 1), Window(), group_channels=1, group_stride=0)
            for first, height, width in rectangles(size)]
    for fields in every:
        yield Layer("output", -1, tensor, fields | {"shared_record": 1, "to_stream": 1},
                    identity_records(config))


def rectangles(size: int) -> Iterator[tuple[int, int, int]]:
    """``(first, height, width)`` of rows of pixels of a byte that make up ``size`` bytes."""
    rest = 0 if is_regular(size) else size % MOST_TURNS
    for first, count in ((0, size - rest), (size - rest, rest)):
        if count:
            yield first, count // widest(count), widest(count)
