"""The boards that this project knows: what engine fits, and how fast it is clocked."""

from dataclasses import dataclass

from hw.config import EngineConfig


@dataclass(frozen=True)
class Board:
    """``clock_hz`` is the engine's clock on the board."""

    name: str
    title: str
    device: str
    engine: EngineConfig
    clock_hz: int


BOARDS = {board.name: board for board in (
    Board("icebreaker", "iCEBreaker", "iCE40UP5K",
          EngineConfig(rows=4, columns=1, lanes=4, tape_rows=4), 24_000_000),
)}
DEFAULT = BOARDS["icebreaker"]
