"""The engine for one board and one model: as large as the board bears, as small as the model
needs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from compiler.errors import ModelError
from compiler.ir import Graph
from compiler.layers import Layer, ceil_div
from compiler.lower import lower
from compiler.program import Prepared, Program, assemble, prepare
from compiler.staircase import MULTIPLIER_WIDTHS
from compiler.targets import Store, Target
from hw.config import TAPE_OFFSET, EngineConfig, Mode

LEAST_SCRATCHPAD = 1 << 12
SLOT_STEP = 1 << 13        # bytes of block RAM, by which a slot there grows

PARTS = ("addition", "multiplication", "padding", "tables", "windows")     # of an engine


def fit(model: Graph | Prepared, target: Target, profile: str) -> Program:
    """The model compiled for a board's engine, with all left out that the model does not need.
    ModelError where the engine cannot run it."""
    prepared = prepare(model) if isinstance(model, Graph) else model
    return with_room(target, lambda engine: fitted(prepared, engine, profile))


def with_room(target: Target, compiled: Callable[[EngineConfig], Program]) -> Program:
    """What is ``compiled`` for the engine beside the first of a board's stores with room for it."""
    program = compiled(target.engine)
    for store in target.stores:
        found = program
        if store.weight_words:
            try:
                found = compiled(target.engine_for(store))
            except ModelError:                   # whose rings are too short
                continue
        if store.has_room(found.tape):
            return found
    return program


def fitted(prepared: Prepared, engine: EngineConfig, profile: str) -> Program:
    """The model compiled for ``engine`` without what it does not need: scratchpad that stays empty,
    bits of the multiplier, addition, products of tensors, padding, tables, windows."""
    device = prepared.partition.device
    layers, plan, place = lower(device, profile, engine)
    config = replace(engine,
                     multiplier_width=multiplier_bits(layers, engine.multiplier_width),
                     addition=any(layer.mode == Mode.ADD for layer in layers),
                     multiplication=any(layer.fields.get("multiply") for layer in layers),
                     padding=any(layer.fields.get("padded") for layer in layers),
                     tables=any(layer.table is not None for layer in layers),
                     windows=any(layer.fields.get("window") for layer in layers))
    smaller = max(LEAST_SCRATCHPAD, 1 << (plan.peak_bytes - 1).bit_length())
    least = replace(config, scratchpad_bytes=min(engine.scratchpad_bytes, smaller))
    try:
        return assemble(prepared, least, profile, layers, plan, place)
    except ModelError:                           # the last word of a full scratchpad
        return assemble(prepared, config, profile, layers, plan, place)


def multiplier_bits(layers: Iterable[Layer], most: int) -> int:
    """How wide the multiplier of the layers' requantizer must be: one of the MULTIPLIER_WIDTHS, or
    ``most``. The compiler takes the narrowest that each layer gets by with."""
    bits = max(record.multiplier.bit_length()
               for layer in layers for group in layer.records for record in group)
    return next((width for width in MULTIPLIER_WIDTHS if bits <= width < most), most)


def store_of(program: Program, target: Target) -> Store:
    """Where the board holds the program, a memory no larger than it must be; ModelError where there
    is no room."""
    size = TAPE_OFFSET + len(program.tape)
    store = target.store_for(program.config, program.tape)
    if not store.has_room(program.tape):
        raise ModelError(f"{target.name} has no room for {program.graph.name}: a slot of "
                         f"{store.slot_bytes:,} bytes would have to hold {size:,}; take a board "
                         "with a larger store, or a smaller model")
    if store.flash_dq:
        return store
    return replace(store, slot_bytes=min(store.slot_bytes,
                                         ceil_div(size, SLOT_STEP) * SLOT_STEP))


def engines(target: Target) -> Iterator[EngineConfig]:
    """All that ``fit`` may choose on a board."""
    for engine in dict.fromkeys(map(target.engine_for, target.stores)):
        yield from choices(engine)


def choices(engine: EngineConfig) -> Iterator[EngineConfig]:
    """What ``fitted`` may make of an engine."""
    sizes = [1 << bits for bits in range(LEAST_SCRATCHPAD.bit_length() - 1,
                                         engine.scratchpad_bytes.bit_length())]
    widths = [*(width for width in MULTIPLIER_WIDTHS if width < engine.multiplier_width),
              engine.multiplier_width]
    kinds = [name for name in PARTS if getattr(engine, name)]
    for size, width, *has in product(sizes, widths, *((False, True),) * len(kinds)):
        parts: dict[str, Any] = dict(zip(kinds, has, strict=True))
        yield replace(engine, scratchpad_bytes=size, multiplier_width=width, **parts)
