"""When the beats of a tape come, by where the board has it."""

from compiler.program import Program
from compiler.targets import Target
from hw.config import DESELECTED_CYCLES, PAD_CYCLES, READ_CYCLES


def tape_of(program: Program, target: Target | None) -> "MemoryTape | FlashTape":
    """Where a target's tape comes from; without one from a ROM beside the engine."""
    if target is None:
        return MemoryTape()
    return FlashTape(program, target.flash_dq) if target.flash_dq else MemoryTape(late=1)


class MemoryTape:
    """A tape in memory on the chip, a beat a cycle (hw/rom.py); that of a board comes ``late``,
    out of a queue (hw/memory_store.py)."""

    def __init__(self, late: int = 0) -> None:
        self.taken = late

    def take(self, earliest: int) -> int:
        """The cycle in which the next beat is taken, by a reader that is ready from ``earliest``
        on."""
        self.taken = max(self.taken + 1, earliest)
        return self.taken


class FlashTape:
    """A tape in flash (hw/flash.py): a beat begins when the one but last before it is taken."""

    def __init__(self, program: Program, dq: int) -> None:
        self.beats  = len(program.tape) // program.config.tape_bytes
        self.pulses = 8 * program.config.tape_bytes // dq
        self.start  = DESELECTED_CYCLES + READ_CYCLES[dq]      # until it gives its first bit
        self.late   = PAD_CYCLES[dq] + 1
        self.index  = 0
        self.begins = self.start          # when the next beat does, at the earliest
        self.taken  = self.before = -1    # the last beat that was taken, and the one before it

    def take(self, earliest: int) -> int:
        """As ``MemoryTape.take``."""
        begins = max(self.begins, self.before + 1)
        there = max(begins + self.pulses + self.late, self.taken + 1)
        self.index += 1
        self.begins = begins + self.pulses
        if self.index == self.beats:      # and from the beginning, with a command of its own
            self.index = 0
            self.begins += self.start
        self.before, self.taken = self.taken, max(there, earliest)
        return self.taken
