"""The engine that each board's build has, and its clock: what the compiler must know of boards."""

from dataclasses import dataclass

from hw.config import EngineConfig


@dataclass(frozen=True)
class Target:
    """``clock_hz`` is the engine's clock on the board."""

    name: str
    engine: EngineConfig
    clock_hz: int


TARGETS = {target.name: target for target in (
    Target("icebreaker", EngineConfig(
        rows=4, columns=1, lanes=4, tape_rows=4, scratchpad_bytes=1 << 17, weight_words=256,
        channel_records=16, results=64, acc_width=26), 24_000_000),
)}
DEFAULT = TARGETS["icebreaker"]
