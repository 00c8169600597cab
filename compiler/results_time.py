"""When a layer's results pass the requantizer, and when they are written."""

from bisect import bisect_right
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Protocol

from compiler.layers import Layer
from compiler.tape_time import Ring
from hw.config import QUEUE_CYCLES, RECORD_CYCLES, EngineConfig, Mode


@dataclass
class Writes:
    """The cycles in which the scratchpad is written and cannot be read, in rising order."""

    cycles: list[int] = field(default_factory=list)

    def after(self, time: int, count: int) -> int:
        """The ``count``-th cycle after ``time`` in which the scratchpad can be read."""
        if not self.cycles:
            return time + count
        index = bisect_right(self.cycles, time)
        time += count
        while index < len(self.cycles) and self.cycles[index] <= time:
            time += 1
            index += 1
        return time

    def since(self, time: int) -> list[int]:
        """Those after ``time``."""
        return self.cycles[bisect_right(self.cycles, time):]


class Pipeline(Protocol):
    """What results find when they come; compiler/cycles.py has it."""

    config: EngineConfig
    records: Ring
    writes: Writes


class ResultsTime:
    """One layer's results on their way through collector, requantizer and store (hw/results.py,
    hw/requantize.py, hw/store.py)."""

    def __init__(self, engine: Pipeline, layer: Layer):
        self.engine, self.fields = engine, layer.fields
        config = engine.config
        steps = layer.fields.get("steps", 0) + 1
        is_array = layer.mode == Mode.ARRAY
        self.turns     = config.turns(steps)
        self.latency   = config.requantize_latency(steps)
        self.shifts    = (config.rows if is_array else config.word_bytes) // config.requantizers
        self.drains    = self.shifts * (config.columns if is_array else 1)
        self.room      = config.results // config.tile_results
        # When the last value of each tile in the queue went into the requantizer:
        self.leaves: deque[int] = deque(maxlen=self.room)
        self.last_take = -self.turns
        self.last_byte = 0
        self.collected = 0                # when the last tile has been walked to its end

    def room_from(self) -> int:
        """From when on there is room for another tile."""
        return self.leaves[0] + 1 if len(self.leaves) == self.room else 0

    def collect(self, done: int, pixels: int, channels: int, address: int) -> None:
        """A tile's results, the last of which is ``done`` then; pixel by pixel to ``address``."""
        config = self.engine.config
        steals = not (config.write_port or self.fields.get("to_stream"))
        writes = self.engine.writes.cycles
        for pixel in range(pixels):
            queued = done + 1 + pixel * self.shifts + config.is_large
            at, end = address, address + channels
            if not steals:
                self.values(queued, -(-channels // config.requantizers))
            while steals and at < end:           # a word of the scratchpad at a time
                count = min(end - at, config.banks - at % config.banks)
                self.values(queued, count)
                writes.append(self.last_take + self.latency)
                queued, at = queued + count, at + count
            address += self.fields["out_pixel"]
        self.leaves.append(self.last_take)
        self.collected = done + 1 + self.drains

    def values(self, queued: int, count: int) -> None:
        """Values that enter the queue from ``queued`` on, one a cycle."""
        self.last_take = max(queued + QUEUE_CYCLES + (count - 1) * self.turns,
                             self.last_take + count * self.turns)
        self.last_byte = self.last_take + self.latency

    def release_records(self, count: int) -> None:
        """Those of the last value's group are free: they have all been read."""
        together = self.engine.config.records_together
        self.engine.records.released += [self.last_byte - RECORD_CYCLES] * (count // together)

    def state(self, now: int) -> Hashable:
        """All but the time that later tiles depend on."""
        return now - self.last_take, tuple(now - time for time in self.leaves)

    def jump(self, cycles: int) -> None:
        """Goes on ``cycles`` later."""
        self.leaves.extend([time + cycles for time in self.leaves])
        self.last_take += cycles
        self.last_byte += cycles
        self.collected += cycles
