"""Where the scratchpad holds what, and in which stripes where it is too small."""

import math

from compiler.allocate import Buffer, Plan, plan_memory
from compiler.errors import ModelError
from compiler.ir import Graph
from compiler.kinds import RESHAPES
from compiler.places import Place, find_places
from compiler.stripes import Pair, pairs, thinner
from hw.config import EngineConfig

ROOMY = 1 << 30                                  # bytes of a scratchpad that holds any model


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
              if op.kind not in RESHAPES]
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
