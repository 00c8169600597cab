"""A model on a board, before any tool has run: engine, slot and system."""

from dataclasses import dataclass
from pathlib import Path

from compiler.fold import simplified
from compiler.ir import Graph
from compiler.program import Program
from compiler.reader import read_model
from compiler.size import fit, store_of
from compiler.slot import engine_hash, slot_image
from compiler.targets import Store, Target
from hw.config import EngineConfig
from hw.system import SystemConfig
from sim.made import crc_of_made, golden_vector


@dataclass(frozen=True)
class Design:
    """``image`` is what a slot of the board holds, ``config`` the whole system."""

    target: Target
    program: Program
    image: bytes
    config: SystemConfig


def graph_of(model: Path) -> Graph:
    """The model as the compiler wants it."""
    return simplified(read_model(model))


def image_of(program: Program) -> bytes:
    """What a slot holds of the program."""
    return slot_image(program, crc_of_made(program, golden_vector(program))[0])


def design(target: Target, model: Path, profile: str, clock_hz: int | None = None) -> Design:
    """Compiles the model for an engine of its size. ModelError where the board has no room."""
    program = fit(graph_of(model), target, profile)
    store = store_of(program, target)
    image = image_of(program)
    return Design(target, program, image,
                  system_config(target, program.config, store, image, clock_hz))


def system_config(target: Target, engine: EngineConfig, store: Store, image: bytes = b"",
                  clock_hz: int | None = None) -> SystemConfig:
    """The board's system with this engine and store; ``image`` is what a memory there holds."""
    return SystemConfig(
        engine=engine, clock_hz=clock_hz or target.clock_hz, board=target.number,
        ring_bytes=target.ring_bytes, engine_name=engine_hash(engine),
        flash_dq=store.flash_dq, flash_cycles=store.flash_cycles, store_base=store.base,
        slot_bytes=store.slot_bytes, store_init=b"" if store.flash_dq else image)
