"""Layers that write into a part of a larger tensor, with room for others between their pixels."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

from compiler.layers import Layer, ceil_div
from compiler.nests import MOST_TURNS
from compiler.unary import UNARY_KINDS
from hw.config import EngineConfig, Mode

# Operators whose layers this file can do it to.
MAKERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "AVERAGE_POOL_2D", "MEAN",
          "MAX_POOL_2D", "ADD", *UNARY_KINDS)


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
    """A layer that writes contiguous bytes from ``address`` on, as one that keeps the pitch."""
    f = layer.fields
    channels = f["groups"] * (f["channels"] + 1) + f["last_channels"] + 1
    if f["rows"] == f["tiles"] == 0 and channels > pitch.run:
        f = f | in_pixels(f, channels, pitch, config)
        channels = pitch.run
    first = f["out_base"] - address
    pixels = f["tiles"] * (config.columns if layer.mode == Mode.ARRAY else 1) + f["last_columns"]
    inside = first % pitch.run + channels + sum(
        turns * f[stride] for turns, stride in ((pixels, "out_pixel"), (f["rows"], "out_row"))
        if f[stride] % pitch.run)
    assert inside <= pitch.run
    return replace(layer, fields=f | {
        "out_base": address + first // pitch.run * pitch.step + first % pitch.run,
        "out_pixel": pitch.stride(f["out_pixel"]), "out_row": pitch.stride(f["out_row"])})


def in_pixels(f: dict[str, int], size: int, pitch: Pitch, config: EngineConfig) -> dict[str, int]:
    """The fields of a layer that walked bytes from end to end, now pixel by pixel."""
    run, word = pitch.run, config.word_bytes
    pixels = size // run
    width = widest(pixels)
    return {"rows": pixels // width - 1, "tiles": width - 1, "row_stride": width * run,
            "tile_stride": run, "row_bytes": width * run,
            "groups": ceil_div(run, word) - 1, "last_channels": (run - 1) % word,
            "out_pixel": run, "out_row": width * run}
