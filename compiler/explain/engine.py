"""What the engine does for one output value: its fields, weights and records, a value at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from compiler.explain.steps import Work, clamp, signed
from compiler.inspection import shared_pair
from compiler.layers import Layer, Record
from hw.config import EngineConfig, Mode


@dataclass(frozen=True)
class Spot:
    """Where a layer makes a value: its loops from the outside, and the channel of the group."""

    group: int
    row: int
    tile: int
    column: int
    channel: int


def engine(layers: Sequence[Layer], flat: int, read: Callable[[int], int],
           config: EngineConfig) -> Work | None:
    """The engine's way to the byte at address ``flat``; ``read`` is the scratchpad before.

    None where none of the layers makes it.
    """
    for layer in layers:
        spot = located(layer, flat, config)
        if spot is not None:
            work = Work()
            made = MODES[layer.mode](work, layer, spot, read, config)
            if layer.table is not None:
                made = work.whole("y", "table[x], in the table unit", f"table[{made}]",
                                  int(layer.table[made & 255]))
            work.value = made
            return work
    return None


def located(layer: Layer, flat: int, config: EngineConfig) -> Spot | None:
    """Where a layer makes the byte at an address. In a layer of windows the spot's `column` is the
    part of the pixel's column, and its tile the one with the window's last reads."""
    f = layer.fields
    for group, addresses in enumerate(layer.output_addresses(config)):
        for row, pixel, part, channel in np.argwhere(addresses == flat).tolist():
            if f.get("window"):
                return Spot(group, row, f["skip_tiles"] + pixel * (f["every_tile"] + 1), part,
                            channel)
            return Spot(group, row, *divmod(pixel, layer.tile_pixels(config)), channel)
    return None


def window_words(layer: Layer, spot: Spot, read: Callable[[int], int], config: EngineConfig
                 ) -> Iterator[list[int]]:
    """What the row's window holds (hw/array.py) when a word of its weights comes."""
    f = layer.fields
    lanes = config.lanes
    last = f["skip_ky"] + spot.column * (f["every_ky"] + 1) if f["repeat_weights"] else f["ky"]
    held: list[int] = []
    for tile in range(max(0, spot.tile - lanes + 1), spot.tile + 1):
        for ky in range(f["ky"] + 1):
            x = f["x_start"] + spot.group * f["group_stride"] + tile * f["tile_stride"]
            y = f["y_start"] + spot.row * f["y_row_step"] + ky * f["y_ky_step"]
            line = f["base"] + spot.row * f["row_stride"] + ky * f["ky_stride"]
            x += spot.channel
            inside = 0 <= x < f["row_bytes"] and 0 <= y <= f["height"]
            held = [read(line + x) if inside else f["pad"], *held][:lanes]
            if tile == spot.tile and (ky == last or not f["repeat_weights"]):
                yield [*held, *[0] * (lanes - len(held))]
                if ky == last:
                    return


def words(layer: Layer, spot: Spot, read: Callable[[int], int], config: EngineConfig
          ) -> Iterator[list[int]]:
    """The words that the fetcher (hw/fetch.py) brings for a value, the pad outside of the image."""
    f = layer.fields
    if f.get("window"):
        yield from window_words(layer, spot, read, config)
        return
    along = (f["x_start"] + spot.group * f["group_stride"] + spot.tile * f["tile_stride"]
             + spot.column * f["column_stride"])
    for ky in range(f["ky"] + 1):
        y = f["y_start"] + spot.row * f["y_row_step"] + ky * f["y_ky_step"]
        line = f["base"] + spot.row * f["row_stride"] + ky * f["ky_stride"]
        for kx in range(f["kx"] + 1):
            for chunk in range(f["chunks"] + 1):
                step = 0 if f.get("same_word") else config.word_bytes
                first = along + kx * f["kx_stride"] + chunk * step
                yield [read(line + x) if 0 <= x < f["row_bytes"] and 0 <= y <= f["height"]
                       else f["pad"] for x in range(first, first + config.word_bytes)]


def array(work: Work, layer: Layer, spot: Spot, read: Callable[[int], int],
          config: EngineConfig) -> int:
    """The systolic array, bias and requantizer."""
    assert layer.weights is not None
    weights = layer.weights[spot.group]              # [words, rows, lanes]
    total = count = 0
    for slot, word in enumerate(words(layer, spot, read, config)):
        start = 0 if layer.fields.get("repeat_weights") else slot * config.columns
        row = weights[start:start + config.columns, spot.channel].reshape(-1).tolist()
        total += sum(x * w for x, w in zip(word, row, strict=True))
        count += sum(w != 0 for w in row)
    record = shared_pair(layer)[0] if layer.fields.get("shared_record") \
        else layer.records[spot.group][spot.channel]
    work.step("array", "sum of x * w, where x outside of the image is Z1",
              f"{count} weights that are not 0", total)
    return requantized(work, total, record, layer.fields, config)


def requantized(work: Work, total: int, record: Record, fields: dict[str, int],
                config: EngineConfig) -> int:
    """A sum to a byte: hw/requantize.py."""
    acc = work.whole("acc", "array + bias, which has the zero points in it",
                     f"{signed(total)} + {signed(record.bias)}", total + record.bias)
    digits, width = fields["steps"] + 1, config.digit_width
    limit = 1 << (digits * width - 1)
    x = work.whole("x", f"saturate(acc) to {digits} digits of {width} bits", signed(acc),
                   clamp(acc, -limit, limit - 1))
    dropped = width * (digits - 1)
    p = work.whole("P", f"x * m >> {dropped}", f"{signed(x)} * {record.multiplier} >> {dropped}",
                   x * record.multiplier >> dropped)
    return rounded(work, p, record, fields)


def largest(work: Work, layer: Layer, spot: Spot, read: Callable[[int], int],
            config: EngineConfig) -> int:
    """The vector unit: the largest tap, or the product of two."""
    f = layer.fields
    taps = [word[spot.channel] for word in words(layer, spot, read, config)]
    if f.get("multiply"):
        z1, z2 = f["zero_point_1"], f["zero_point_2"]
        product = work.whole("product", "(x1 - Z1) * (x2 - Z2)",
                             f"({signed(taps[0])} - {signed(z1)}) * "
                             f"({signed(taps[-1])} - {signed(z2)})",
                             (taps[0] - z1) * (taps[-1] - z2))
        return requantized(work, product, shared_pair(layer)[0], f, config)
    found, low, high = max(taps), f["low"], f["high"]
    text = "clamp(x, low, high)" if len(taps) == 1 else f"clamp(max of {len(taps)} x, low, high)"
    return work.whole("x" if layer.table is not None else "y", text,
                      f"clamp({signed(found)}, {low}, {high})", clamp(found, low, high))


def pair(work: Work, layer: Layer, spot: Spot, read: Callable[[int], int],
         config: EngineConfig) -> int:
    """The vector unit's sum of two bytes, each with its own multiplier."""
    f = layer.fields
    first, second = shared_pair(layer)
    taps = [word[spot.channel] for word in words(layer, spot, read, config)]
    x1, x2 = taps[0], taps[-1]
    if f.get("flip_second"):
        x2 = work.whole("x2", "~x2, all bits flipped: less its zero point, its sign changes",
                        f"~{signed(x2)}", ~x2)
    z1, z2, m1, m2 = f["zero_point_1"], f["zero_point_2"], first.multiplier, second.multiplier
    p = work.whole("P", "(x1 - Z1) * m1 + (x2 - Z2) * m2",
                   f"({signed(x1)} - {signed(z1)}) * {m1} + ({signed(x2)} - {signed(z2)}) * {m2}",
                   (x1 - z1) * m1 + (x2 - z2) * m2)
    return rounded(work, p, first, f)


def rounded(work: Work, p: int, record: Record, fields: dict[str, int]) -> int:
    """Offset, shift, zero point, clamp."""
    name, r = ("r1", record.offset_negative) if p < 0 else ("r0", record.offset)
    shifted = work.whole("shifted", f"(P + {name}) >> s",
                         f"({signed(p)} + {signed(r)}) >> {record.shift}", (p + r) >> record.shift)
    zero, low, high = fields.get("zero_point", 0), fields["low"], fields["high"]
    return work.whole("y", "clamp(shifted + Z3, low, high)",
                      f"clamp({signed(shifted)} + {signed(zero)}, {low}, {high})",
                      clamp(shifted + zero, low, high))


MODES = {Mode.ARRAY: array, Mode.MAXIMUM: largest, Mode.ADD: pair}
