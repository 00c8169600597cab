"""What hardware and compiler agree on: the engine's parameters and the layout of its tape.

A tape is a sequence of beats of ``EngineConfig.tape_bytes`` bytes. Beats form packets: a header
(``HEADER``, padded to whole beats), then the content, whole beats too. What a packet holds is said
by ``Packet``; how the compiler orders packets is told in docs/architecture.md.
"""

import enum
import struct
from dataclasses import dataclass
from functools import cached_property
from math import gcd

from .fields import HEADER, RECORD, jump_fields, layer_fields

# A model in a board's store: a header, and its tape behind it (docs/protocol.md). The header holds
# magic, format, layers and beats less one, bytes of input and of output, the golden vector's CRC,
# names of engine and model.
MAGIC = b"SYST"
SLOT_HEADER  = struct.Struct("<4sBB2xIIII8s32s")
LAST_LAYER, BEATS, GOLDEN_CRC = 5, 8, 20     # where they are in it
HEADER_BYTES = SLOT_HEADER.size
TAPE_OFFSET  = 256         # of the tape, from the header's beginning
ALL_LAYERS   = 255         # that a model has at the most
GOLDEN_SEED, GOLDEN_TAPS = 0xACE1, 0xB400    # of the shift register that makes the golden vector

# A store in flash (hw/flash.py): cycles between two commands, from the code of a read to its first
# pulse, and from a pulse to its bits; by the bits a cycle, of which 8 are four lines' at both edges
# of the clock.
DESELECTED_CYCLES = 4
READ_CYCLES = {1: 40, 2: 40, 4: 40, 8: 23}
PAD_CYCLES  = {1: 2, 2: 2, 4: 2, 8: 3}

SECTOR_BYTES, PAGE_BYTES = 4096, 256         # of a flash: erased, and programmed, at a time

BAUD = 1_000_000           # of the line between host and board

SHORT_RING = 64            # words of a weight ring that need not be block RAM

PRODUCT_BITS = 18          # of two bytes, each less its zero point

# Cycles from one event to another, which compiler/cycles.py counts:
START_CYCLES = 3           # from the last beat of a layer's configuration to its first read
WORD_CYCLES = 2            # from a read of the scratchpad to its word, ...
PE_CYCLES = 4              # ... in a processing element to the sum with it, and one more where that
                           # has activations of its own
QUEUE_CYCLES = 2           # from a result's way into the queue to the requantizer
REQUANTIZE_CYCLES = 9      # from taking a value to its byte, besides those of its digits
RECORD_CYCLES = 3          # from a record that is free to the last byte that it made
STORE_CYCLES = 3           # by which a store's memory gives a beat later than one beside the engine


@dataclass(frozen=True)
class EngineConfig:
    """Parameters of one engine. All sizes are in bytes, words or records as their comment says."""

    rows: int = 4                      # processing elements in a column: output channels at a time
    columns: int = 1                   # processing elements in a row: output pixels at a time
    lanes: int = 4                     # products an element adds up each cycle
    rows_together: int = 1             # rows that have the same activations at a time
    tape_rows: int = 4                 # rows whose weights come in one beat of the tape
    scratchpad_bytes: int = 1 << 17    # activations; a power of two
    weight_words: int = 512            # words of `lanes` bytes that a row's weight ring holds
    channel_records: int = 128         # requantizer records that wait for their channels
    results: int = 256                 # accumulators that wait for the requantizer
    acc_width: int = 32                # bits of an accumulator
    digit_width: int = 8               # bits of a digit, by which the requantizer multiplies sums
    whole_sums: bool = False           # whether it takes a whole sum in a cycle, and gets one
    requantizers: int = 1              # results that leave the array, and are stored, in a cycle
    write_port: bool = False           # whether the scratchpad is written through a port of its own
    multiplier_width: int = 30         # bits of a requantizer multiplier, unsigned
    shift_min: int = 10                # the least of the 16 shifts that the requantizer knows
    addition: bool = True              # whether it can ADD two tensors
    multiplication: bool = True        # whether it can multiply two tensors
    padding: bool = True               # whether windows may reach over the image's edges
    tables: bool = True                # whether bytes can pass through a table
    windows: bool = False              # whether rows can keep windows of a channel of their own

    def __post_init__(self):
        for name in ("rows", "columns", "lanes", "tape_rows", "rows_together"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, not {value!r}")
        for name in ("tape_rows", "rows_together"):
            value = getattr(self, name)
            if self.rows % value:
                raise ValueError(f"{name} must divide rows={self.rows}, not {value!r}")
        if self.requantizers < 1 or self.rows % self.requantizers \
                or self.word_bytes % self.requantizers or self.banks % self.requantizers:
            raise ValueError(f"requantizers must divide rows={self.rows} and the scratchpad's word "
                             f"of {self.word_bytes} bytes, not {self.requantizers!r}")
        if self.requantizers > 1 and not (self.whole_sums and self.write_port):
            raise ValueError("requantizers must be 1 without whole_sums and write_port, "
                             f"not {self.requantizers!r}")
        for name, least in (("scratchpad_bytes", 4 * self.banks), ("results", self.tile_results),
                            ("weight_words", 2 * self.columns),
                            ("channel_records", max(2 * self.rows, 4, 4 * self.requantizers))):
            value = getattr(self, name)
            if value < least or value & (value - 1):
                raise ValueError(f"{name} must be a power of two of at least {least}, "
                                 f"not {value!r}")
        if self.windows and (self.columns > 1 or self.rows > self.lanes
                             or not self.own_activations):
            raise ValueError("windows need one column of at most `lanes` rows that have registers "
                             f"of their own, not {self.rows} rows, {self.columns} columns and "
                             f"{self.lanes} lanes, {self.rows_together} rows together")
        if not 24 <= self.acc_width <= 32:
            raise ValueError(f"acc_width must be from 24 to 32 bits, not {self.acc_width!r}")
        if not 16 <= self.multiplier_width <= 32:
            raise ValueError(f"multiplier_width must be from 16 to 32 bits, "
                             f"not {self.multiplier_width!r}")
        if self.digit_width not in (8, 10):
            raise ValueError(f"digit_width must be 8 or 10 bits, not {self.digit_width!r}")

    @property
    def shift_max(self):
        """The largest shift of the requantizer."""
        return self.shift_min + 15

    def turns(self, steps):
        """Cycles for which a value of ``steps`` digits keeps the requantizer from the next."""
        return 1 if self.whole_sums else steps

    def requantize_latency(self, steps):
        """Cycles from taking a value to offering its byte."""
        return REQUANTIZE_CYCLES + self.turns(steps) + self.whole_sums

    @property
    def word_bytes(self):
        """Bytes that one read of the scratchpad gives: the next `lanes` bytes for each column."""
        return self.columns * self.lanes

    @property
    def banks(self):
        """Byte-wide banks of the scratchpad: `word_bytes` rounded up to a power of two."""
        return 1 << (self.word_bytes - 1).bit_length()

    @property
    def pairs(self):
        """Whether the vector unit has work with two operands."""
        return self.addition or self.multiplication

    @property
    def vector_width(self):
        """Bits of what the vector unit gives: two digits of ADD, or a product."""
        return max(self.digit_width + 8, PRODUCT_BITS * self.multiplication)

    @property
    def macs(self):
        """Products a cycle."""
        return self.rows * self.columns * self.lanes

    @property
    def tape_bytes(self):
        """Bytes in a beat of the tape."""
        return self.tape_rows * self.lanes

    @property
    def addr_width(self):
        """Bits of a byte address in the scratchpad."""
        return self.scratchpad_bytes.bit_length() - 1

    @property
    def tile_results(self):
        """The most results that one tile can give, `requantizers` of them counted as one."""
        return max(self.rows * self.columns, self.word_bytes) // self.requantizers

    @property
    def shared_records(self):
        """Records of a layer with `shared_record`: two for each requantizer."""
        return 2 * self.requantizers

    @cached_property
    def header_beats(self):
        """Beats of a packet's header."""
        return -(-HEADER.width // (8 * self.tape_bytes))

    @property
    def records_together(self):
        """Requantizer records that come side by side, where a beat has room for several."""
        return gcd(max(1, 8 * self.tape_bytes // RECORD.width), self.requantizers)

    @cached_property
    def record_beats(self):
        """Beats of the records that come together."""
        return -(-RECORD.width // (8 * self.tape_bytes))

    @cached_property
    def layer_beats(self):
        """Beats of a layer's configuration."""
        return -(-layer_fields(self).width // (8 * self.tape_bytes))

    @cached_property
    def jump_beats(self):
        """Beats of the jumps of a step."""
        return -(-jump_fields(self).width // (8 * self.tape_bytes))

    @property
    def row_steps(self):
        """Steps that activations take through the rows."""
        return self.rows // self.rows_together

    @property
    def skew(self):
        """Cycles by which the last element is behind the first."""
        return self.row_steps + self.columns - 2

    @property
    def pe_cycles(self):
        """Cycles of a processing element from a word to the sum with it."""
        return PE_CYCLES + self.own_activations

    @property
    def own_activations(self):
        """Whether each element has a register for activations that come to several rows: where
        there are many, these are far apart."""
        return self.rows_together > 1 and self.whole_sums

    @property
    def is_large(self):
        """Whether the engine is spread over a large chip: then words of the scratchpad, weights and
        results take a cycle more."""
        return self.requantizers > 1

    @property
    def late_weights(self):
        """Whether weights take a cycle more to their rings, and the news of them one to the
        fetcher; so too where rings are so short that they may be in logic."""
        return self.is_large or self.weight_words <= SHORT_RING

    @property
    def word_cycles(self):
        """Cycles from a read of the scratchpad to its word."""
        return WORD_CYCLES + self.is_large

    @property
    def array_latency(self):
        """Cycles from the last word of a tile at the array's corner to its last complete sum."""
        return self.skew + self.pe_cycles

    @property
    def tile_spacing(self):
        """Least cycles from one array tile to the next, so that results can shift out. With
        `whole_sums` they are held until the last one is there, and the next tile goes on."""
        results = self.rows * self.columns // self.requantizers
        return max(results, self.skew + 1) if self.whole_sums else results + self.skew

    @property
    def vector_spacing(self):
        """Least cycles from one tile of the vector unit to the next."""
        return self.word_bytes // self.requantizers

    @property
    def drain_cycles(self):
        """Cycles from a tile's last complete sum until all are in the drains."""
        return 2 if self.whole_sums else 1


class Packet(enum.IntEnum):
    """What a packet of the tape holds."""

    LAYER = 0      # a layer's configuration; starts the layer when the one before has ended
    RECORDS = 1    # requantizer records, one to a channel
    WEIGHTS = 2    # words for the weight rings: `tape_rows` rows a beat, then the next rows
    TABLE = 3      # 256 entries of the table unit, the first byte of each beat
    CHECK = 4      # the end of the tape: its last four bytes are the CRC-32 of all before them
    JUMPS = 5      # the addresses of the next layer: hw/jumps.py


class Mode(enum.IntEnum):
    """Where a layer's values come from."""

    LOAD = 0       # the input stream, a byte to a pixel
    ARRAY = 1      # the systolic array
    MAXIMUM = 2    # the vector unit: the largest of a window's taps (a copy, where there is one)
    ADD = 3        # the vector unit: the two taps side by side, for the requantizer to weigh


# The kinds of steps that a read makes, and a write, by where their jumps are (hw/jumps.py). A read
# goes on with the next turn of a loop: the innermost that has one.
STEPS = 8
LOOPS = ("column", "chunk", "kx", "ky", "tile", "row", "group")
READ_STEPS = {name: index for index, name in enumerate(("start", *LOOPS))}
# A write goes on behind a value, a pixel, a row or a group; those of the last group have jumps of
# their own, and nothing goes on behind that.
WRITE_STEPS = {"value": 0, "pixel": 1, "row": 2, "group": 3,
               "last_value": 4, "last_pixel": 5, "last_row": 6, "start": 7}
# A layer of windows has none for its last group, but one for the last output of a column.
COLUMN_STEP = WRITE_STEPS["last_pixel"]
