"""The engine of each board's build, and its clock: what the compiler must know of boards."""

from dataclasses import dataclass, replace

from hw.config import BAUD, TAPE_OFFSET, EngineConfig

LINE_OVERHEAD = 1.03           # of frames around bytes of input


@dataclass(frozen=True)
class Store:
    """Where tapes come from: a memory of ``slot_bytes`` on the chip, or a flash chip.

    The flash gives ``flash_dq`` bits in ``flash_cycles`` cycles of the engine (hw/flash.py), and
    two slots of ``slot_bytes`` begin in it at ``base``. A memory may be so large because the weight
    rings are of ``weight_words`` words only, and in logic.
    """

    slot_bytes: int
    flash_dq: int = 0              # 0: a memory
    flash_cycles: int = 1
    base: int = 0
    weight_words: int = 0          # 0: as many as the engine's

    def has_room(self, tape: bytes) -> bool:
        """Whether a slot holds the tape."""
        return TAPE_OFFSET + len(tape) <= self.slot_bytes


@dataclass(frozen=True)
class Target:
    """``clock_hz`` is the engine's clock on the ``device``, unless a build chooses another.

    A tape lies in the first of the ``stores`` that has room for it. ``ring_bytes`` of input may
    wait for the engine. The bitstream tells the host ``number``.
    """

    name: str
    number: int
    device: str
    engine: EngineConfig
    clock_hz: int
    stores: tuple[Store, ...]
    ring_bytes: int = 4096

    def engine_for(self, store: Store) -> EngineConfig:
        """The engine beside one of the stores."""
        return replace(self.engine, weight_words=store.weight_words or self.engine.weight_words)

    def store_for(self, config: EngineConfig, tape: bytes) -> Store:
        """The first store with room for an engine's tape, or the last, where none has it."""
        stores = [store for store in self.stores
                  if self.engine_for(store).weight_words == config.weight_words] or self.stores
        return next((store for store in stores if store.has_room(tape)), stores[-1])


# Sixteen multipliers, and as little around them as an iCE40UP5K has room for.
UP5K = EngineConfig(rows=4, columns=1, lanes=4, rows_together=4, tape_rows=1,
                    scratchpad_bytes=1 << 17, weight_words=256, channel_records=16, results=64,
                    acc_width=26, digit_width=10)
# Sixteen in logic alone, and a scratchpad of block RAM.
HX8K = EngineConfig(rows=4, columns=1, lanes=4, rows_together=4, tape_rows=1,
                    scratchpad_bytes=1 << 12, weight_words=256, channel_records=16, results=64,
                    acc_width=26, write_port=True)
# 256 in logic, fed by a tape in block RAM that gives an eighth of their weights in a cycle, with
# four results a cycle. (With eight, nextpnr finds no way through.)
ECP5 = EngineConfig(rows=16, columns=1, lanes=16, rows_together=4, tape_rows=2,
                    scratchpad_bytes=1 << 16, weight_words=256, channel_records=32, results=32,
                    acc_width=28, digit_width=10, whole_sums=True, requantizers=4, write_port=True,
                    windows=True)
# 128: half the rows.
ECP5_45 = replace(ECP5, rows=8, results=16)
# 64: half the lanes as well.
ECP5_25 = replace(ECP5_45, lanes=8, tape_rows=1)

# Flash chips. Those of ECP5 boards get their clock through a cell that has no registers (USRMCLK),
# so that a pulse takes two cycles; and which of them have four data lines, nobody knows.
WITH_DDR = Store(1 << 20, flash_dq=8, base=1 << 20)
TWO_LINES = Store(1 << 20, flash_dq=2, base=1 << 20)
BEHIND_ECP5 = Store(1 << 20, flash_dq=2, flash_cycles=2, base=2 << 20)

TARGETS = {target.name: target for target in (
    Target("icebreaker", 1, "iCE40UP5K", UP5K, 24_000_000, (WITH_DDR,), ring_bytes=2048),
    Target("upduino", 2, "iCE40UP5K", UP5K, 24_000_000, (TWO_LINES,), ring_bytes=2048),
    Target("hx8k", 3, "iCE40HX8K", HX8K, 48_000_000, (TWO_LINES,), ring_bytes=1024),
    Target("ulx3s-25f", 4, "LFE5U-25F", ECP5_25, 65_000_000, (Store(1 << 16), BEHIND_ECP5)),
    Target("ulx3s-85f", 5, "LFE5U-85F", ECP5, 60_000_000,
           (Store(1 << 18), Store(39 << 13, weight_words=16), BEHIND_ECP5)),
    Target("ulx3s-12f", 7, "LFE5U-25F", ECP5_25, 65_000_000, (Store(1 << 16), BEHIND_ECP5)),
    Target("ulx3s-45f", 8, "LFE5U-45F", ECP5_45, 60_000_000,
           (Store(1 << 16), Store(15 << 13, weight_words=64), BEHIND_ECP5)),
    Target("orangecrab", 6, "LFE5U-25F", ECP5_25, 64_000_000, (Store(1 << 16), BEHIND_ECP5)),
)}
DEFAULT = TARGETS["icebreaker"]


def line_images_per_second(input_bytes: int, baud: int = BAUD) -> float:
    """The most that the line can bring."""
    return baud / 10 / (input_bytes * LINE_OVERHEAD)
