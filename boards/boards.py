"""The boards that this project knows: what engine fits, and how fast it is clocked."""

from dataclasses import dataclass

from compiler.targets import TARGETS
from hw.config import EngineConfig


@dataclass(frozen=True)
class Board:
    """``clock_hz`` is the engine's clock on the board."""

    name: str
    title: str
    device: str

    @property
    def engine(self) -> EngineConfig:
        """The engine that its build has."""
        return TARGETS[self.name].engine

    @property
    def clock_hz(self) -> int:
        """The engine's clock."""
        return TARGETS[self.name].clock_hz


BOARDS = {board.name: board for board in (
    Board("icebreaker", "iCEBreaker", "iCE40UP5K"),
)}
DEFAULT = BOARDS["icebreaker"]
