"""What the packets of a tape hold, bit by bit: hw/layouts.py has it for the hardware.

Here are numbers alone: who writes tapes need not load what describes hardware.
"""

from functools import cache, cached_property
from itertools import accumulate
from typing import Any, NamedTuple


class Field(NamedTuple):
    """So many bits of a packet."""

    width: int
    signed: bool = False

    def pack(self, value: int) -> int:
        """Its bits, negative numbers as two's complement."""
        return value & (1 << self.width) - 1


def unsigned(width: int) -> Field:
    """A field of 0 to ``2**width - 1``."""
    return Field(width)


def signed(width: int) -> Field:
    """A field of ``-2**(width - 1)`` to ``2**(width - 1) - 1``."""
    return Field(width, signed=True)


def up_to(most: int) -> Field:
    """As many bits as numbers from 0 to ``most`` need, and one at the least."""
    return Field(max(1, most.bit_length()))


class Fields(dict):
    """Fields by their names, or other ``Fields``; the first one has the lowest bits."""

    @cached_property
    def width(self) -> int:
        """Bits of all of them."""
        return sum(field.width for field in self.values())

    def pack(self, values: dict[str, Any]) -> int:
        """The bits of the ``values`` by the fields' names; others may be among them."""
        bits = 0
        for name, offset, field in self.places:
            bits |= field.pack(values[name]) << offset
        return bits

    @cached_property
    def places(self) -> "list[tuple[str, int, Field | Fields]]":
        """``(name, lowest bit, field)`` of each."""
        offsets = accumulate((field.width for field in self.values()), initial=0)
        return [(name, offset, field)
                for (name, field), offset in zip(self.items(), offsets, strict=False)]


TURN_BITS = 10             # of a loop over rows or tiles
SKIP_BITS = 4              # of the reads and columns that a layer of windows leaves out

HEADER = Fields({"kind": unsigned(8), "beats": unsigned(16)})      # beats of content, less one

RECORD = Fields({
    "bias":            signed(32),
    "multiplier":      unsigned(32),
    "offset":          signed(30),      # for results >= 0
    "shift_low":       unsigned(2),     # `shift`, less `shift_min`
    "offset_negative": signed(30),      # for results < 0
    "shift_high":      unsigned(2),
})


@cache
def jump_fields(config):
    """What a step adds to the place of a read, and of a write.

    A read is at ``addr``, which lies at the offset ``x`` of row ``y`` of the image. A byte with
    ``x`` outside ``[0, row_bytes)``, or of a row ``y`` outside ``[0, height]``, reads as `pad`;
    without `padding` there is none. All wrap around.
    """
    read = {"addr": unsigned(config.addr_width)}
    if config.padding:
        read |= {"x": signed(config.addr_width + 1), "y": signed(11)}
    return Fields({"read": Fields(read), "write": Fields({"addr": unsigned(config.addr_width)})})


@cache
def layer_fields(config):
    """The configuration of one layer: loop counts less one, and modes.

    The loops, from the outside: group (of output channels), row, tile (of `columns` pixels), and
    inside a tile: ky, kx, chunk (of `word_bytes` bytes), column.

    With ``window``, a tile is but a column of the image, and the loop ky its rows: each read is the
    next byte of the window that a row of the array keeps of its own channel. Such a read counts if
    `skip_ky` reads of its column have gone before it, and from then on every `every_ky`-th, in
    columns that are told in the same way; it makes a result, or with the column's last one does.
    """
    rows = up_to(max(config.rows, config.word_bytes) - 1)
    pairs = {
        "zero_point_1":   signed(8),    # of the operands of ADD and of products
        "zero_point_2":   signed(8),
        "multiply":       unsigned(1),  # the vector unit gives products of two taps
        "flip_second":    unsigned(1),  # ... and of ADD's second operand all bits flipped
    }
    padding = {
        "pad":            signed(8),
        "row_bytes":      unsigned(config.addr_width),
        "height":         unsigned(10),  # less one
    }
    windows = {
        "window":         unsigned(1),
        "skip_ky":        unsigned(SKIP_BITS),
        "every_ky":       unsigned(SKIP_BITS),  # less one
        "skip_tiles":     unsigned(SKIP_BITS),
        "every_tile":     unsigned(SKIP_BITS),  # less one
    }
    return Fields({
        "mode":           unsigned(2),
        "to_stream":      unsigned(1),  # values leave through the output stream
        "table":          unsigned(1),  # values pass through the table unit
        "shared_record":  unsigned(1),  # one record for all channels (two for ADD), the same
                                        # for each requantizer
        "repeat_weights": unsigned(1),  # every slot of a tile uses the first slot's weights, and
                                        # of a window, each makes a result
        "steps":          unsigned(2),  # digits of the requantizer, less one
        "low":            signed(8),    # clamp
        "high":           signed(8),
        "zero_point":     signed(8),    # of the output
        "groups":         up_to(config.scratchpad_bytes // config.word_bytes),
        "rows":           unsigned(TURN_BITS),
        "tiles":          unsigned(TURN_BITS),
        "ky":             unsigned(7),
        "kx":             unsigned(7),
        "chunks":         unsigned(10),
        "last_columns":   up_to(config.columns - 1),   # of the last tile, less 1
        "channels":       rows,         # of a group, less one
        "last_channels":  rows,         # of the last group, less one
    } | (pairs if config.pairs else {})
      | (padding if config.padding else {})
      | (windows if config.windows else {}))
