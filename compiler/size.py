"""The engine for one board and one model: as large as the board bears, as small as the model
needs."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from compiler.errors import ModelError
from compiler.ir import Graph
from compiler.program import Program, compile_model
from hw.config import EngineConfig, Mode

LEAST_SCRATCHPAD = 1 << 12
# Bits of the requantizer's multiplier, from the smallest that most models get by with.
MULTIPLIER_WIDTHS = (24, 26, 28, 30)


def fit(graph: Graph, engine: EngineConfig, profile: str) -> Program:
    """The model compiled for ``engine`` with all that it does not need left out.

    What is left out: scratchpad that stays empty, bits of the multiplier, addition, products of
    tensors, padding.
    ModelError where even the whole engine cannot run it.
    """
    whole = compile_model(graph, engine, profile)
    peak = whole.plan.peak_bytes
    smaller = replace(
        engine,
        scratchpad_bytes=min(engine.scratchpad_bytes,
                             max(LEAST_SCRATCHPAD, 1 << (peak - 1).bit_length())),
        addition=any(layer.mode == Mode.ADD for layer in whole.layers),
        multiplication=any(layer.fields.get("multiply") for layer in whole.layers),
        padding=any(layer.fields.get("padded") for layer in whole.layers))
    for width in MULTIPLIER_WIDTHS:
        if width < engine.multiplier_width:
            try:
                return compile_model(graph, replace(smaller, multiplier_width=width), profile)
            except ModelError:
                pass
    try:
        return compile_model(graph, smaller, profile)
    except ModelError:                           # the last word of a full scratchpad
        return whole


def engines(engine: EngineConfig) -> Iterator[EngineConfig]:
    """All that ``fit`` may choose on a board."""
    sizes = [1 << bits for bits in range(LEAST_SCRATCHPAD.bit_length() - 1,
                                         engine.scratchpad_bytes.bit_length())]
    widths = [*(width for width in MULTIPLIER_WIDTHS if width < engine.multiplier_width),
              engine.multiplier_width]
    for size, width, *has in product(sizes, widths, *((False, True),) * 3):
        yield replace(engine, scratchpad_bytes=size, multiplier_width=width,
                      **dict(zip(("addition", "multiplication", "padding"), has, strict=True)))
