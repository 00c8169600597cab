"""What the tape holds of one layer, and the parts of it that all operators fill in alike."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from compiler.errors import ModelError
from compiler.ir import Tensor
from compiler.jumps import walk_fields
from hw.config import EngineConfig, Mode
from hw.fields import Field, layer_fields


@dataclass(frozen=True)
class Record:
    """The requantizer's parameters for one channel: ``hw.fields.RECORD``, `shift` as it is."""

    bias: int = 0
    multiplier: int = 0
    shift: int = 0
    offset: int = 0
    offset_negative: int = 0


@dataclass(frozen=True)
class Layer:
    """One pass of the engine.

    ``records`` holds ``rows`` records for each group, or `shared_records` for the whole layer;
    ``weights`` is int8 ``[groups, words, rows, lanes]``, ``table`` int8 ``[256]`` by the input's
    byte.
    """

    name: str                             # "3 CONV_2D", as users know it
    operator: int                         # its index in the file; -1: input, output
    tensor: int                           # what it computes (or puts out)
    fields: dict[str, int]                # those of `fields_of`, and `padded`: needs padding
    records: tuple[tuple[Record, ...], ...]
    weights: np.ndarray | None = field(default=None, compare=False)
    table: np.ndarray | None = field(default=None, compare=False)
    macs: int = 0                         # of the model, without padding of the array
    origin: int = 0                       # of its tensor, what lies at the tensor's address
    is_part: bool = False                 # the tensor is not whole when it ends (stripes.py)

    @property
    def mode(self) -> Mode:
        """Where its values come from."""
        return Mode(self.fields["mode"])

    def group_channels(self, group: int) -> int:
        """How many channels a group computes: the last one, what is left."""
        return self.fields["last_channels" if group == self.fields["groups"] else "channels"] + 1

    def group_address(self, group: int) -> int:
        """Where the first value of a group goes."""
        return self.fields["out_base"] + group * (self.fields["channels"] + 1)

    def tile_pixels(self, config: EngineConfig) -> int:
        """How many pixels side by side a tile has; the last one of a row may have fewer."""
        return config.columns if self.mode == Mode.ARRAY else 1

    def output_addresses(self, config: EngineConfig) -> list[np.ndarray]:
        """For each group, where its values go, as the store (hw/store.py) goes through them:
        ``[row, pixel, part of the pixel's column, channel]``. Only windows have several parts."""
        f = self.fields
        if f.get("window"):
            pixels = (f["tiles"] - f["skip_tiles"]) // (f["every_tile"] + 1) + 1
        else:
            pixels = f["tiles"] * self.tile_pixels(config) + f["last_columns"] + 1
        first = (np.arange(f["rows"] + 1)[:, None, None, None] * f["out_row"]
                 + np.arange(pixels)[:, None, None] * f["out_pixel"]
                 + np.arange(f.get("parts", 0) + 1)[:, None] * f.get("out_part", 0))
        return [first + self.group_address(group) + np.arange(self.group_channels(group))
                for group in range(f["groups"] + 1)]


@dataclass(frozen=True)
class Image:
    """A tensor in the scratchpad, or a part of one: NHWC, one batch element.

    The pixels and the rows of a part lie further apart than they would of themselves.
    """

    address: int
    height: int
    width: int
    channels: int
    pixel_stride: int | None = None
    row_stride: int | None = None

    @property
    def pixel_bytes(self) -> int:
        """From one pixel to the next."""
        return self.channels if self.pixel_stride is None else self.pixel_stride

    @property
    def row_bytes(self) -> int:
        """From one row to the next."""
        return self.width * self.pixel_bytes if self.row_stride is None else self.row_stride


def images(tensor: Tensor, address: int) -> list[Image]:
    """The batch elements of a tensor ``[N, H, W, C]``, or of a shorter one filled up with ones."""
    n, h, w, c = (1,) * (4 - len(tensor.shape)) + tensor.shape
    return [Image(address + k * h * w * c, h, w, c) for k in range(n)]


@dataclass(frozen=True)
class Window:
    """How an operator slides over its input. ``taps_x`` steps of ``step_x`` bytes, each of
    ``run`` bytes side by side, make a row of the window."""

    rows: int = 1
    taps_x: int = 1
    step_x: int = 0
    run: int = 1
    stride_h: int = 1
    stride_w: int = 1
    dilation_h: int = 1
    top: int = 0                          # padding
    left: int = 0
    pad: int = 0                          # what it reads as


def ceil_div(a: int, b: int) -> int:
    """``a / b`` rounded up."""
    return -(-a // b)


def window_fields(config: EngineConfig, mode: Mode, source: Image, output: Image, window: Window,
                  *, group_channels: int, group_stride: int) -> dict[str, int]:
    """The fields of a layer that slides ``window`` over ``source`` and fills ``output``.

    Each group computes ``group_channels`` channels and starts ``group_stride`` bytes further on
    in the input's pixel.
    """
    columns = config.columns if mode == Mode.ARRAY else 1
    groups = ceil_div(output.channels, group_channels)
    step = window.stride_w * source.pixel_bytes
    lowest = (output.height - 1) * window.stride_h + (window.rows - 1) * window.dilation_h \
        - window.top
    # Where no row of the window lies outside of the image, there is no height to keep track of.
    leaves = window.top > 0 or lowest >= source.height
    rightmost = (output.width - 1) * step + (window.taps_x - 1) * window.step_x + window.run \
        - window.left * source.pixel_bytes
    return {
        "mode": mode, "low": -128, "high": 127, "pad": window.pad,
        "padded": leaves or window.left > 0 or rightmost > source.row_bytes,
        "groups": groups - 1, "rows": output.height - 1,
        "tiles": ceil_div(output.width, columns) - 1,
        "ky": window.rows - 1, "kx": window.taps_x - 1,
        "chunks": ceil_div(window.run, config.word_bytes) - 1,
        "base": source.address - window.top * source.row_bytes,
        "row_stride": window.stride_h * source.row_bytes,
        "ky_stride": window.dilation_h * source.row_bytes,
        "x_start": -window.left * source.pixel_bytes,
        "group_stride": group_stride, "column_stride": step,
        "tile_stride": columns * step if output.width > columns else 0,
        "kx_stride": window.step_x, "row_bytes": source.row_bytes,
        "y_start": -window.top * leaves, "y_row_step": window.stride_h * leaves,
        "y_ky_step": window.dilation_h * leaves, "height": source.height - 1,
        "last_columns": (output.width - 1) % columns,
        "channels": group_channels - 1,
        "last_channels": (output.channels - 1) % group_channels,
        "out_base": output.address, "out_pixel": output.pixel_bytes,
        "out_row": output.row_bytes,
    }


def flat_fields(config: EngineConfig, mode: Mode, source: int, output: int,
                size: int) -> dict[str, int]:
    """The fields of a layer that walks ``size`` bytes from end to end, a word at a time."""
    step = config.word_bytes
    return window_fields(config, mode, Image(source, 1, 1, size), Image(output, 1, 1, size),
                         Window(run=1), group_channels=step, group_stride=step)


def shared_records(config: EngineConfig, first: Record,
                   second: Record) -> tuple[tuple[Record, ...], ...]:
    """The records of a layer with `shared_record`: each once for every requantizer."""
    return ((first,) * config.requantizers + (second,) * config.requantizers,)


def identity_records(config: EngineConfig) -> tuple[tuple[Record, ...], ...]:
    """What lets bytes pass as they are."""
    record = Record(multiplier=1 << config.shift_min, shift=config.shift_min)
    return shared_records(config, record, record)


@cache
def field_ranges(config: EngineConfig) -> tuple[tuple[str, int, int, int], ...]:
    """``(name, width, lowest, highest)`` of each field."""
    return tuple((name, field.width, -(1 << field.width - 1) * field.signed,
                  (1 << field.width - field.signed) - 1)
                 for name, field in fields_of(config).items())


@cache
def fields_of(config: EngineConfig) -> dict[str, Field]:
    """Of the fields that the engine holds as they are, and of those that become jumps."""
    return layer_fields(config) | walk_fields(config)


def largest(config: EngineConfig, field: str) -> int:
    """The largest value that a field of a layer holds."""
    width, signed = fields_of(config)[field]
    return (1 << width - signed) - 1


def check_fields(layer: Layer, config: EngineConfig) -> dict[str, int]:
    """The fields as the hardware holds them: addresses wrap around, the rest must fit."""
    checked = {}
    for name, width, low, high in field_ranges(config):
        value = layer.fields.get(name, 0)
        if name in ADDRESSES:
            value %= 1 << width
        if not low <= value <= high:
            raise ModelError(
                f"operator {layer.name} needs {value} as the engine's {name}, which holds {low} to "
                f"{high}; make the layer smaller")
        checked[name] = value
    wanted = layer.fields.get
    for lacks, what in ((layer.mode == Mode.ADD and not config.addition, "addition"),
                        (wanted("multiply") and not config.multiplication, "multiplication"),
                        (wanted("padded") and not config.padding, "padding"),
                        (layer.table is not None and not config.tables, "tables"),
                        (wanted("window") and not config.windows, "windows")):
        if lacks:
            raise ModelError(f"operator {layer.name} needs {what}, which this engine was built "
                             "without; build one for this model")
    # What is left of a row at its leftmost padding has to fit as well (hw/fetch.py, remaining).
    if config.padding \
            and checked["row_bytes"] - min(0, checked["x_start"]) >= config.scratchpad_bytes:
        raise ModelError(
            f"operator {layer.name} reads rows of {checked['row_bytes']} bytes, which with their "
            f"padding fill the scratchpad of {config.scratchpad_bytes}; make the image narrower")
    return checked


ADDRESSES = ("base", "row_stride", "ky_stride", "out_base", "out_pixel", "out_row", "out_part")


def one_tile_each(layer: Layer, config: EngineConfig) -> Iterator[Layer]:
    """The layer as one pass for every tile, each with the layer's weights to itself.

    For weights that the rings cannot hold: they stream past a tile, so every tile needs them
    again.
    """
    f = layer.fields
    for row in range(f["rows"] + 1):
        for tile in range(f["tiles"] + 1):
            last = tile == f["tiles"]
            yield replace(layer, macs=0 if row or tile else layer.macs, fields=f | {
                "rows": 0, "tiles": 0,
                "base": f["base"] + row * f["row_stride"],
                "y_start": f["y_start"] + row * f["y_row_step"],
                "x_start": f["x_start"] + tile * f["tile_stride"],
                "out_base": f["out_base"] + row * f["out_row"]
                + tile * config.columns * f["out_pixel"],
                "last_columns": f["last_columns"] if last else config.columns - 1,
            })
