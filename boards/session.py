"""A board and the model that it runs: what streaming and testing have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from boards.boards import Board
from boards.driver import Driver, model_header
from boards.line import BoardError
from compiler.program import Program, compile_model, output_bytes
from compiler.size import engines
from compiler.slot import Header, engine_hash
from compiler.targets import Target
from hw.config import HEADER_BYTES
from hw.link.codec import Info, Welcome
from sim.design import graph_of, image_of
from sim.device import from_stream, to_stream


@dataclass
class Session:
    """A board whose model is ``program``."""

    driver: Driver
    info: Info
    target: Target             # with the store that was built
    program: Program

    def run(self, inputs: Sequence[np.ndarray], progress: Callable[[int], object] = lambda n: None,
            limit: int | None = None) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """``(outputs, cycles, CRCs)`` of the device's inputs ``[N, *shape]``.

        With a ``limit``, the CRCs are of what the layers below it made; else they are the inputs',
        and only answers that bear them are taken.
        """
        stream = to_stream(inputs)
        outputs = np.empty((len(stream), output_bytes(self.program)), np.uint8)
        cycles, crcs = np.zeros(len(stream), np.int64), np.zeros(len(stream), np.int64)
        loads = len(self.program.partition.device.inputs)
        for index, answer in self.driver.stream(
                [image.tobytes() for image in stream], outputs.shape[1],
                loads if limit is None else limit, check=limit is None):
            outputs[index] = np.frombuffer(answer.output, np.uint8)
            cycles[index], crcs[index] = answer.cycles, answer.crc
            progress(1)
        return from_stream(self.program, outputs), cycles, crcs


def compile_for(board: Board, model: Path, engine: bytes, profile: str) -> Program:
    """The model for the board's engine, which is known by its hash."""
    for config in engines(board.target):
        if engine_hash(config) == engine:
            return compile_model(graph_of(model), config, profile)
    raise BoardError("the board's engine is none that this version builds; build a bitstream with "
                     "python -m boards build")


def meet(board: Board, driver: Driver) -> Welcome:
    """Finds out who is there; BoardError where it is not this board."""
    welcome = driver.hello()
    if welcome.info.board != board.target.number:
        raise BoardError(f"the board on {driver.port} is no {board.title}; say which with "
                         "--board")
    return welcome


def open_session(board: Board, driver: Driver, model: Path, profile: str) -> Session:
    """Finds out who is there; BoardError where it is not this board with this model."""
    welcome = meet(board, driver)
    program = compile_for(board, model, welcome.info.engine, profile)
    if model_header(welcome) != Header.parse(image_of(program)[:HEADER_BYTES]):
        raise BoardError(f"the board holds another model than {model.name}, profile {profile}; "
                         "load it with python -m boards load")
    in_memory = welcome.has(Welcome.IN_MEMORY)
    stores = tuple(store for store in board.target.stores if in_memory == (store.flash_dq == 0))
    return Session(driver, welcome.info, replace(board.target, stores=stores), program)
