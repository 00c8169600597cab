"""The engine of each board's build, and its clock: what the compiler must know of boards."""

from dataclasses import dataclass, replace

from hw.config import EngineConfig

LINE_BAUD = 1_000_000          # of the line between host and board
LINE_OVERHEAD = 1.03           # of frames around bytes of input


@dataclass(frozen=True)
class Target:
    """``clock_hz`` is the engine's clock on the board, unless a build chooses another.

    The tape comes from a flash chip that gives ``flash_dq`` bits a cycle (hw/flash.py), in which
    two slots of ``slot_bytes`` begin at ``store_base``; where that is 0, from a memory of
    ``slot_bytes`` on the chip. ``ring_bytes`` of input may wait for the engine. The bitstream tells
    the host ``number``.
    """

    name: str
    number: int
    engine: EngineConfig
    clock_hz: int
    flash_dq: int = 0
    store_base: int = 0
    slot_bytes: int = 1 << 20
    ring_bytes: int = 4096


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
                    acc_width=28, whole_sums=True, requantizers=4, write_port=True, windows=True)
# Half of that.
ECP5_45 = replace(ECP5, rows=8, results=16)
# A quarter of that.
ECP5_25 = replace(ECP5_45, lanes=8, tape_rows=1)

ABOVE_BITSTREAM = 1 << 20      # in a flash chip

TARGETS = {target.name: target for target in (
    Target("icebreaker", 1, UP5K, 24_000_000, flash_dq=8, store_base=ABOVE_BITSTREAM,
           ring_bytes=2048),
    Target("upduino", 2, UP5K, 24_000_000, flash_dq=2, store_base=ABOVE_BITSTREAM,
           ring_bytes=2048),
    Target("hx8k", 3, HX8K, 48_000_000, flash_dq=2, store_base=ABOVE_BITSTREAM, ring_bytes=1024),
    Target("ulx3s-25f", 4, ECP5_25, 60_000_000, slot_bytes=1 << 16),
    Target("ulx3s-85f", 5, ECP5, 60_000_000, slot_bytes=1 << 18),
    Target("ulx3s-12f", 7, ECP5_25, 60_000_000, slot_bytes=1 << 16),
    Target("ulx3s-45f", 8, ECP5_45, 60_000_000, slot_bytes=1 << 16),
    Target("orangecrab", 6, ECP5_25, 60_000_000, slot_bytes=1 << 16),
)}
DEFAULT = TARGETS["icebreaker"]


def line_images_per_second(input_bytes: int, baud: int = LINE_BAUD) -> float:
    """The most that the line can bring."""
    return baud / 10 / (input_bytes * LINE_OVERHEAD)
