"""Layers that write into a part of a larger tensor, with room for others between their pixels."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

from compiler.binary import BINARY_KINDS
from compiler.byte_functions import BYTE_FUNCTIONS
from compiler.layers import Layer, ceil_div
from compiler.nests import MOST_TURNS
from hw.config import EngineConfig, Mode

# Operators whose layers this file can do it to.
MAKERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL",
          "AVERAGE_POOL_2D", "MEAN", "SUM", "MAX_POOL_2D", "REDUCE_MAX", *BINARY_KINDS,
          *BYTE_FUNCTIONS)


class Irregular(Exception):
    """The layers of ``tensor`` cannot leave room between its pixels."""

    def __init__(self, tensor: int):
        super().__init__(tensor)
        self.tensor = tensor


@dataclass(frozen=True)
class Pitch:
    """Of every ``step`` bytes, a tensor has the first ``run``."""

    run: int
    step: int

    def stride(self, stride: int) -> int:
        """Of a tensor of contiguous bytes, as it is now."""
        return stride // self.run * self.step if stride % self.run == 0 else stride

    def keeps(self, shape: tuple[int, ...]) -> bool:
        """Whether each axis of a tensor still has one stride."""
        inner = [math.prod(shape[axis:]) for axis in range(len(shape) + 1)]
        return all(stride % self.run == 0 or self.run % extent == 0
                   for extent, stride in pairwise(inner))


def is_regular(pixels: int) -> bool:
    """Whether two loops of the engine walk so many pixels."""
    return pixels <= MOST_TURNS * widest(pixels)


def widest(pixels: int) -> int:
    """The longest row of which some make up so many pixels."""
    return max(width for width in range(1, MOST_TURNS + 1) if pixels % width == 0)


def relocated(layer: Layer, address: int, pitch: Pitch, config: EngineConfig) -> Layer:
    """A layer that writes contiguous bytes from ``address`` on, as one that keeps the pitch.

    Irregular, where its loops do not go with the pitch.
    """
    f = layer.fields
    channels = f["groups"] * (f["channels"] + 1) + f["last_channels"] + 1
    if channels > pitch.run and is_flat(layer, config):
        f = f | in_pixels(f, channels, pitch, config)
        channels = pitch.run
    first = f["out_base"] - address
    pixels = f["tiles"] * (config.columns if layer.mode == Mode.ARRAY else 1) + f["last_columns"]
    inside = first % pitch.run + channels + sum(
        turns * f.get(stride, 0) for turns, stride in (
            (pixels, "out_pixel"), (f["rows"], "out_row"), (f.get("parts", 0), "out_part"))
        if f.get(stride, 0) % pitch.run)
    if inside > pitch.run:
        raise Irregular(layer.tensor)
    return replace(layer, fields=f | {
        "out_base": address + first // pitch.run * pitch.step + first % pitch.run
    } | {stride: pitch.stride(f[stride]) for stride in ("out_pixel", "out_row", "out_part")
         if stride in f})


def is_flat(layer: Layer, config: EngineConfig) -> bool:
    """Whether a layer walks its input as its output, bytes from end to end."""
    f = layer.fields
    return layer.mode != Mode.ARRAY and f["rows"] == f["tiles"] == f["kx"] == 0 \
        and f["group_stride"] == config.word_bytes


def in_pixels(f: dict[str, int], size: int, pitch: Pitch, config: EngineConfig) -> dict[str, int]:
    """The fields of a layer that walked bytes from end to end, now pixel by pixel."""
    run, word = pitch.run, config.word_bytes
    pixels = size // run
    width = widest(pixels)
    return {"rows": pixels // width - 1, "tiles": width - 1, "row_stride": width * run,
            "tile_stride": run, "row_bytes": width * run,
            "groups": ceil_div(run, word) - 1, "last_channels": (run - 1) % word,
            "out_pixel": run, "out_row": width * run}
