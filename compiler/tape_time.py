"""When the tape's beats come, and for how long the rings keep what it brings."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from compiler.program import Program
from compiler.targets import Target
from hw.config import DESELECTED_CYCLES, PAD_CYCLES, READ_CYCLES, STORE_CYCLES


def tape_of(program: Program, target: Target | None) -> "MemoryTape | FlashTape":
    """Where a target's tape comes from; without one from a ROM beside the engine."""
    if target is None:
        return MemoryTape()
    store, beat = target.store_for(program.config, program.tape), program.config.tape_bytes
    if not store.flash_dq:
        return MemoryTape(late=STORE_CYCLES)
    return FlashTape(len(program.tape) // beat, beat, store.flash_dq, store.flash_cycles)


class Repeats:
    """Tells when a state comes back, and what has passed since its first time."""

    def __init__(self) -> None:
        self.seen: dict[Hashable, tuple[int, ...]] = {}

    def found(self, state: Hashable, *counts: int) -> tuple[int, ...]:
        """What ``counts``, the number of the step first, have risen by since ``state`` was met
        first; 0: now."""
        first = self.seen.setdefault(state, counts)
        return tuple(now - then for now, then in zip(counts, first, strict=True))


class MemoryTape:
    """A tape in memory on the chip, a beat a cycle (sim/rom.py); that of a board comes ``late``,
    out of a queue (hw/memory_store.py)."""

    def __init__(self, late: int = 0) -> None:
        self.taken = late
        self.index = 0                    # counts beats where their number matters

    def take(self, count: int, earliest: int) -> int:
        """The cycle in which the last of the next ``count`` beats is taken, by a reader that is
        ready from ``earliest`` on."""
        self.taken = max(self.taken + 1, earliest) + count - 1
        return self.taken

    def state(self) -> Hashable:
        """All but the time that later takes depend on."""
        return None

    def jump(self, cycles: int, beats: int) -> None:
        """Goes on ``cycles`` later and ``beats`` further on."""
        self.taken += cycles


class FlashTape:
    """A tape in flash (hw/flash.py): a beat begins when the one but last before it is taken. A
    flash that is slow (hw/slow_flash.py) does so with each ``step`` of its clock, in cycles."""

    def __init__(self, beats: int, beat_bytes: int, dq: int, step: int = 1) -> None:
        self.beats  = beats                                    # of the whole tape
        self.step   = step
        self.length = step * 8 * beat_bytes // dq              # of a beat
        self.start  = step * (DESELECTED_CYCLES + READ_CYCLES[dq])     # until the first bit
        self.late   = step * (PAD_CYCLES[dq] + 1)
        self.index  = 0
        self.begins = self.start          # when the next beat does, at the earliest
        self.taken  = self.before = -1    # the last beat that was taken, and the one before it

    def after(self, cycle: int) -> int:
        """The first step behind a cycle."""
        return cycle + 1 + (self.begins - cycle - 1) % self.step

    def take(self, count: int, earliest: int) -> int:
        """As ``MemoryTape.take``."""
        for _ in range(count):
            begins = max(self.begins, self.after(self.before))
            there = max(begins + self.length + self.late, self.after(self.taken))
            self.index += 1
            self.begins = begins + self.length
            if self.index == self.beats:  # and from the beginning, with a command of its own
                self.index = 0
                self.begins += self.start
            self.before, self.taken = self.taken, max(there, earliest)
        return self.taken

    def state(self) -> Hashable:
        """As ``MemoryTape.state``; a layer does not get as far as the tape's end."""
        return self.taken - self.begins, self.taken - self.before

    def jump(self, cycles: int, beats: int) -> None:
        """As ``MemoryTape.jump``."""
        self.begins += cycles
        self.taken  += cycles
        self.before += cycles
        self.index  += beats


@dataclass
class Ring:
    """What is filled in order and let go of in order (hw/weights.py, hw/requantize.py)."""

    size: int
    arrived: list[int] = field(default_factory=list)    # from when on an entry is there
    released: list[int] = field(default_factory=list)   # from when on its place is free

    def free(self) -> int:
        """From when on there is a place for the next entry."""
        index = len(self.arrived) - self.size
        return self.released[index] if index >= 0 else 0

    def state(self, read: int, taken: int) -> Hashable:
        """All but the time that later cycles depend on, of a layer that reads from ``read`` on and
        a tape that was ``taken`` so far."""
        used = len(self.released)
        waits = max(0, len(self.arrived) - self.size)
        return (len(self.arrived) - used,
                tuple(time - read for time in self.arrived[used:] if time > read),
                tuple(time - taken for time in self.released[waits:] if time > taken))

    def jump(self, cycles: int) -> None:
        """All that may still matter, ``cycles`` later."""
        for times in (self.arrived, self.released):
            times[-self.size:] = [time + cycles for time in times[-self.size:]]
