"""Depthwise convolutions whose windows the rows of the array keep themselves (hw/array.py).

Each row of the array keeps the last `lanes` bytes that it was given of its own channel, the newest
in lane 0. The image is read column by column, some rows of it high: so the bytes that a window has
in one column lie side by side in the lanes, those of the column before `reads` lanes further on,
and each read shifts the window down by one row of the image. The weights say which bytes count.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from compiler.layers import Image, Window, ceil_div, largest, window_fields
from compiler.weights import planes
from hw.config import EngineConfig, Mode
from hw.fields import SKIP_BITS

MOST_STEP = (1 << SKIP_BITS) - 1   # the largest `y_row_step`, `skip_ky` and so on


@dataclass(frozen=True)
class Sweep:
    """``blocks`` of the output, ``step`` rows apart, of which a column has ``outputs``; they need
    ``reads`` rows and ``columns`` columns of the input. Blocks may overlap. With ``in_rows`` a
    result takes a read for each row of the window, else one in all."""

    blocks: int
    step: int
    outputs: int
    reads: int
    columns: int
    in_rows: bool

    def cycles(self, y: Image, window: Window, config: EngineConfig) -> int:
        """Of a group of channels."""
        waits  = max(0, config.tile_spacing - window.stride_h)       # between results of a column
        column = max(self.reads + (self.outputs - 1) * waits, self.outputs * config.tile_spacing)
        return self.blocks * (y.width * column + (self.columns - y.width) * self.reads)


def window_layer(x: Image, y: Image, weights: np.ndarray, window: Window, dilation_w: int,
                 config: EngineConfig) -> tuple[dict[str, int], np.ndarray] | None:
    """Fields, and int8 words ``[channels, words, lanes]`` of the ``weights`` ``[channels, rows,
    taps, 1]``; None where other layers (compiler/lower_conv.py) do better, or nothing else will do.
    """
    span_w = (weights.shape[2] - 1) * dilation_w + 1
    columns = (y.width - 1) * window.stride_w + span_w
    if not may_sweep(x, weights.shape, span_w, columns, window, config):
        return None
    found = min(sweeps(y.height, span_w, columns, window, config),
                key=lambda sweep: sweep.cycles(y, window, config), default=None)
    if found is None or found.cycles(y, window, config) >= other_cycles(y, weights.shape, config):
        return None
    words = sweep_words(found, weights, window, dilation_w, config)
    if len(planes(words, config.lanes)) > 1:
        return None
    return sweep_fields(found, x, y, span_w, window, config), words.astype(np.int8)


def may_sweep(x: Image, shape: tuple[int, ...], span_w: int, columns: int, window: Window,
              config: EngineConfig) -> bool:
    """Whether the engine has such layers, and its fields hold one with weights of this ``shape``
    on ``columns`` of the image, of which a window spans ``span_w``."""
    channels, rows, _, depth = shape
    in_last = (channels - 1) % config.rows + 1   # channels of the last group
    is_depthwise = depth == 1 and channels == x.channels
    is_image     = max(x.width, x.height) > 1
    groups_alike = channels <= config.rows \
        or ceil_div(in_last, config.requantizers) == ceil_div(config.rows, config.requantizers)
    holds_window = max(span_w, (rows - 1) * window.dilation_h) <= MOST_STEP
    holds_stride = 1 <= min(window.stride_w, window.stride_h) \
        and max(window.stride_w, window.stride_h) <= MOST_STEP + 1
    holds_width  = columns <= largest(config, "tiles") + 1
    return config.windows and is_depthwise and is_image and groups_alike and holds_window \
        and holds_stride and holds_width


def sweeps(height: int, span_w: int, columns: int, window: Window,
           config: EngineConfig) -> Iterator[Sweep]:
    """Those of an output of ``height`` rows that there are lanes enough for."""
    span_h = (window.rows - 1) * window.dilation_h + 1
    if (span_w - 1) * span_h + 1 <= config.lanes and window.dilation_h == 1 \
            and window.stride_h <= MOST_STEP:
        yield Sweep(height, 1, 1, window.rows, columns, True)
    for outputs in range(1, height + 1):
        reads = (outputs - 1) * window.stride_h + span_h
        if (span_w - 1) * reads + span_h > config.lanes:
            break
        blocks = ceil_div(height, outputs)
        while blocks > 1 and (height - outputs) % (blocks - 1):
            blocks += 1
        step = (height - outputs) // (blocks - 1) if blocks > 1 else outputs
        if step * window.stride_h <= MOST_STEP:
            yield Sweep(blocks, step, outputs, reads, columns, False)


def other_cycles(y: Image, shape: tuple[int, ...], config: EngineConfig) -> int:
    """Of a group of channels where each window is read anew: compiler/lower_conv.py."""
    channels, rows, taps, _ = shape
    if channels <= config.rows:                  # of one group, whose taps lie side by side
        taps = min(taps, ceil_div(taps * channels, config.lanes))
    return y.height * y.width * max(rows * taps, config.tile_spacing)


def sweep_words(sweep: Sweep, weights: np.ndarray, window: Window, dilation_w: int,
                config: EngineConfig) -> np.ndarray:
    """The weights where the sweep has their bytes, int16 ``[channels, words, lanes]``."""
    channels, rows, taps, _ = weights.shape
    words = np.zeros((channels, rows if sweep.in_rows else 1, config.lanes), np.int16)
    for row in range(rows):
        for tap in range(taps):
            before = (taps - 1 - tap) * dilation_w * sweep.reads
            if sweep.in_rows:
                words[:, row, before] = weights[:, row, tap, 0]
            else:
                words[:, 0, before + (rows - 1 - row) * window.dilation_h] = weights[:, row, tap, 0]
    return words


def sweep_fields(sweep: Sweep, x: Image, y: Image, span_w: int, window: Window,
                 config: EngineConfig) -> dict[str, int]:
    """The layer's fields: its rows are blocks, its tiles are the input's columns."""
    fields = window_fields(
        config, Mode.ARRAY, x, replace(y, height=sweep.blocks, width=sweep.columns,
                                       pixel_stride=y.pixel_bytes, row_stride=y.row_bytes),
        replace(window, rows=sweep.reads, taps_x=1, step_x=0, run=1, dilation_h=1, stride_w=1,
                stride_h=sweep.step * window.stride_h),
        group_channels=config.rows, group_stride=config.rows)
    return fields | {
        "window": 1, "repeat_weights": int(not sweep.in_rows),
        "out_row": sweep.step * y.row_bytes, "out_part": y.row_bytes, "parts": sweep.outputs - 1,
        "skip_ky": 0 if sweep.in_rows else (window.rows - 1) * window.dilation_h,
        "every_ky": 0 if sweep.in_rows else window.stride_h - 1,
        "skip_tiles": span_w - 1, "every_tile": window.stride_w - 1}
