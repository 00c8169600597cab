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
    ceil_div,
    check_fields,
    flat_fields,
    identity_records,
    one_tile_each,
    window_fields,
)
from compiler.lower_binary import binary, repeated
from compiler.lower_conv import convolution, transposed
from compiler.lower_dense import batch_matmul, fully_connected
from compiler.lower_reduce import average, maxima, sums
from compiler.lower_vector import maximum, pad, unary
from compiler.stripes import Pair, interleaved, pairs, thinner
from compiler.unary import UNARY_KINDS
from compiler.verify import DOT_PRODUCTS
from hw.config import EngineConfig, Mode

LOWER: dict[str, Callable[..., Iterator[Layer]]] = {
    "CONV_2D": convolution, "DEPTHWISE_CONV_2D": convolution, "TRANSPOSE_CONV": transposed,
    "FULLY_CONNECTED": fully_connected, "BATCH_MATMUL": batch_matmul,
    "AVERAGE_POOL_2D": average, "MEAN": sums, "SUM": sums, "REDUCE_MAX": maxima,
    "MAX_POOL_2D": maximum, "PAD": pad, **dict.fromkeys(BINARY_KINDS, binary),
    **dict.fromkeys(UNARY_KINDS, unary),
}

# The same bytes under another shape: no work at all.
VIEWS = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")


NO_PLAN: tuple[Plan, dict[int, Pair]] = Plan((), {}, 1, 0), {}
ROOMY = 1 << 30                                  # bytes of a scratchpad that holds any model

# No board holds more, for its slots count layers in a byte, and have room for at most 1 MiB; these
# keep the compilation of any model within two seconds and a gigabyte.
MOST_LAYERS, MOST_CHANNELS, MOST_TAPE_BYTES = 1 << 8, 1 << 13, 1 << 24


def lower(graph: Graph, profile: str, config: EngineConfig) -> tuple[list[Layer], Plan]:
    """The engine's layers in order, and where the scratchpad holds what.

    The first layers load the graph's inputs, the last ones put out its outputs. ModelError with
    all reasons where the engine cannot run them.
    """
    check_size(graph, config)
    reasons = Reasons()
    buffer_of = views(graph)
    plan, striped = NO_PLAN
    operators = list(graph.operators)
    with reasons.of():
        plan, striped = plan_stripes(graph, buffer_of, config)
    if not plan.buffers:                         # one reason; other fields may be wrong as well
        operators = [op for op in operators if fits_alone(graph, op, config)]
        config = replace(config, scratchpad_bytes=ROOMY)
    place = {tensor: plan.offsets.get(buffer_of[tensor], 0) for tensor in buffer_of}

    layers = [load(graph, tensor, place[tensor], config) for tensor in graph.inputs]
    room = Room()
    waiting: dict[int, list[Layer]] = {}         # of producers, by their tensors
    for op in operators:
        if op.kind in VIEWS or room.is_full:
            continue
        with reasons.of(op):
            lowered = lower_operator(graph, op, place, profile, config)
            if op.outputs[0] in striped:
                waiting[op.outputs[0]] = lowered
                continue
            parts = iter(lowered)
            if op.inputs[0] in waiting:
                parts = interleaved(striped[op.inputs[0]], waiting.pop(op.inputs[0]), lowered,
                                    graph.tensors[op.outputs[0]].shape[1])
            for part in parts:
                layers.extend(map(room.take, fitted(part, config)))
    layers.extend(store(graph, tensor, place[tensor], config) for tensor in graph.outputs)
    by_index = {op.index: op for op in graph.operators}
    for layer in layers:
        with reasons.of(by_index.get(layer.operator)):
            check_fields(layer, config)
    reasons.refuse(graph.name)
    return layers, plan


def lower_operator(graph: Graph, op: Operator, place: dict[int, int], profile: str,
                   config: EngineConfig) -> list[Layer]:
    """The layers of one operator, whose tensors are at ``place``; or the first few too many."""
    if op.kind not in LOWER:
        raise ModelError(
            f"operator {op.index} {op.kind} is not supported; the engine runs "
            f"{', '.join(sorted({*LOWER, *VIEWS}))}")
    return list(islice(LOWER[op.kind](graph, op, place, profile, config), MOST_LAYERS + 1))


def check_size(graph: Graph, config: EngineConfig) -> None:
    """ModelError where there is more to lower than any board could hold."""
    if len(graph.operators) > MOST_LAYERS:
        raise ModelError(f"the model has {len(graph.operators)} operators for the engine, and at "
                         f"most {MOST_LAYERS} layers are accepted; use a smaller model")
    channels = 0
    for op in graph.operators:
        shape, count, run = weights_like(graph, op)
        channels += count
        size = math.prod(shape) // run * ceil_div(run, config.word_bytes) * config.word_bytes
        if size > MOST_TAPE_BYTES:
            raise ModelError(
                f"operator {op.index} {op.kind}: its weights {list(shape)} take {size} bytes of "
                f"tape in words of {config.word_bytes}, and at most {MOST_TAPE_BYTES} are "
                "accepted; use a smaller layer")
    if channels > MOST_CHANNELS:
        raise ModelError(f"the model's layers have {channels} output channels, and at most "
                         f"{MOST_CHANNELS} are accepted; use a smaller model")


def weights_like(graph: Graph, op: Operator) -> tuple[tuple[int, ...], int, int]:
    """The shape of an operator's weights, how many output channels they have at the most, and how
    many of them lie side by side in a word at the least."""
    constants = [graph.tensors[index] for index in op.inputs
                 if index != -1 and graph.tensors[index].data is not None]
    if op.kind in DOT_PRODUCTS:
        shape = graph.tensors[op.inputs[1]].shape
        depthwise = op.kind == "DEPTHWISE_CONV_2D"
        return shape, shape[3 if depthwise else 0], 1 if depthwise else shape[-1]
    if op.kind == "BATCH_MATMUL" and constants:
        shape = constants[0].shape
        least = min(shape[-2:])
        return shape, math.prod(shape) // least, least
    if op.kind in BINARY_KINDS and constants and math.prod(constants[0].shape) > 1:
        shape = repeated(constants[0].shape, graph.tensors[op.outputs[0]].shape)
        return shape, math.prod(shape), 1
    return (), 0, 1


def fits_alone(graph: Graph, op: Operator, config: EngineConfig) -> bool:
    """Whether the scratchpad holds the operator's own tensors, if not the others beside them."""
    tensors = (graph.tensors[index] for index in {*op.inputs, *op.outputs} - {-1})
    return sum(math.prod(t.shape) for t in tensors if t.data is None) <= config.scratchpad_bytes


class Room:
    """What a tape may hold: layers, and bytes of weights."""

    def __init__(self) -> None:
        self.layers, self.weight_bytes = MOST_LAYERS, MOST_TAPE_BYTES

    @property
    def is_full(self) -> bool:
        """Whether more was taken than there was."""
        return self.layers < 0 or self.weight_bytes < 0

    def take(self, layer: Layer) -> Layer:
        """The layer, which takes its share; ModelError where that is too much."""
        self.layers -= 1
        self.weight_bytes -= 0 if layer.weights is None else layer.weights.nbytes
        if self.is_full:
            raise ModelError(
                f"operator {layer.name} needs more than {MOST_LAYERS} passes of the engine, or "
                f"{MOST_TAPE_BYTES} bytes of weights on the tape, all before it counted; use a "
                "smaller batch, or an engine whose weight rings hold the layer")
        return layer


def plan_stripes(graph: Graph, buffer_of: dict[int, int],
                 config: EngineConfig) -> tuple[Plan, dict[int, Pair]]:
    """The memory plan; where whole tensors do not fit, with the fewest stripes that do."""
    def plan(striped: dict[int, Pair]) -> Plan:
        return plan_memory(lifetimes(graph, buffer_of, config, striped), config.banks,
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


def views(graph: Graph) -> dict[int, int]:
    """For each computed tensor, the tensor whose bytes it shares: itself, or what it views."""
    buffer_of = {tensor: tensor for tensor in graph.inputs}
    for op in graph.operators:
        for tensor in op.outputs:
            is_view = op.kind in VIEWS and op.inputs
            buffer_of[tensor] = buffer_of.get(op.inputs[0], tensor) if is_view else tensor
    return buffer_of


def lifetimes(graph: Graph, buffer_of: dict[int, int], config: EngineConfig,
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
            if tensor in buffer_of:
                buffer = buffer_of[tensor]
                first.setdefault(buffer, step)
                last[buffer] = step

    def size(buffer: int) -> int:
        shape = graph.tensors[buffer].shape
        if buffer in striped:
            return striped[buffer].buffer_rows * math.prod(shape[2:])
        return math.prod(shape)
    return [Buffer(buffer, size(buffer), first[buffer], last[buffer]) for buffer in first]


def fitted(layer: Layer, config: EngineConfig) -> Iterator[Layer]:
    """The layer, in passes of one tile where its weights do not fit into the rings."""
    is_one_tile = layer.fields["rows"] == layer.fields["tiles"] == 0
    if layer.weights is None or layer.weights.shape[1] <= config.weight_words or is_one_tile:
        yield layer
    else:
        yield from one_tile_each(layer, config)


def load(graph: Graph, tensor: int, address: int, config: EngineConfig) -> Layer:
    """The input stream into a tensor, a byte to a pixel."""
    size = math.prod(graph.tensors[tensor].shape)
    width = widest(size)
    fields = window_fields(config, Mode.LOAD, Image(0, size // width, width, 1),
                           Image(address, size // width, width, 1), Window(),
                           group_channels=1, group_stride=0)
    return Layer("input", -1, tensor, fields | {"shared_record": 1}, identity_records(config))


def widest(size: int) -> int:
    """The longest row of pixels of a byte that ``size`` bytes can be cut into."""
    return max(width for width in range(1, 1025) if size % width == 0)


def store(graph: Graph, tensor: int, address: int, config: EngineConfig) -> Layer:
    """A tensor to the output stream, which takes a byte a cycle."""
    size = math.prod(graph.tensors[tensor].shape)
    if config.requantizers == 1:
        fields = flat_fields(config, Mode.MAXIMUM, address, 0, size)
    else:
        width = widest(size)
        fields = window_fields(config, Mode.MAXIMUM, Image(address, size // width, width, 1),
                               Image(0, size // width, width, 1), Window(), group_channels=1,
                               group_stride=0)
    return Layer("output", -1, tensor, fields | {"shared_record": 1, "to_stream": 1},
                 identity_records(config))
