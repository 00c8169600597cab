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

MOST_STEP = 15             # the largest `y_row_step`, `skip_ky` and so on


@dataclass(frozen=True)
class Sweep:
    """``blocks`` of the output, ``step`` rows apart, of which a column has ``outputs``; they need
    ``reads`` rows of the input. Blocks may overlap. With ``in_rows`` a result takes a read for each
    row of the window, else one in all."""

    blocks: int
    step: int
    outputs: int
    reads: int
    in_rows: bool


def sweeps(height: int, taps: int, columns: int, window: Window,
           config: EngineConfig) -> Iterator[Sweep]:
    """Those that a window of ``taps`` rows and ``columns`` taps has lanes enough for, on an output
    of ``height`` rows."""
    span = (taps - 1) * window.dilation_h + 1
    if (columns - 1) * span + 1 <= config.lanes and window.dilation_h == 1:
        yield Sweep(height, 1, 1, taps, True)
    for outputs in range(1, height + 1):
        reads = (outputs - 1) * window.stride_h + span
        if (columns - 1) * reads + span > config.lanes:
            break
        blocks = ceil_div(height, outputs)
        while blocks > 1 and (height - outputs) % (blocks - 1):
            blocks += 1
        step = (height - outputs) // (blocks - 1) if blocks > 1 else outputs
        yield Sweep(blocks, step, outputs, reads, False)


def window_layer(x: Image, y: Image, weights: np.ndarray, window: Window, dilation_w: int,
                 config: EngineConfig) -> tuple[dict[str, int], np.ndarray] | None:
    """Fields, and int8 words ``[channels, words, lanes]`` of the ``weights`` ``[channels, rows,
    taps, 1]``; None where other layers (compiler/lower_conv.py) do better, or nothing else will do.
    """
    channels, rows, taps, depth = weights.shape
    at_once, span_w = config.requantizers, (taps - 1) * dilation_w + 1
    columns = (y.width - 1) * window.stride_w + span_w
    groups = ceil_div(channels, config.rows)
    last = (channels - 1) % config.rows
    if not config.windows or depth != 1 or channels != x.channels or max(x.width, x.height) == 1 \
            or (groups > 1 and last // at_once < (config.rows - 1) // at_once) \
            or max(span_w, (rows - 1) * window.dilation_h) > MOST_STEP \
            or not 1 <= min(window.stride_w, window.stride_h) \
            or max(window.stride_w, window.stride_h) > MOST_STEP + 1 \
            or columns > largest(config, "tiles") + 1:
        return None

    def cycles(sweep: Sweep) -> int:
        waits  = max(0, config.tile_spacing - window.stride_h)       # between results of a column
        column = max(sweep.reads + (sweep.outputs - 1) * waits, sweep.outputs * config.tile_spacing)
        return sweep.blocks * (y.width * column + (columns - y.width) * sweep.reads)
    found = min((sweep for sweep in sweeps(y.height, rows, span_w, window, config)
                 if sweep.step * window.stride_h <= MOST_STEP), key=cycles, default=None)
    reads = rows * (taps if groups > 1 else min(taps, ceil_div(taps * channels, config.lanes)))
    if found is None or cycles(found) >= y.height * y.width * max(reads, config.tile_spacing):
        return None

    words = np.zeros((channels, rows if found.in_rows else 1, config.lanes), np.int16)
    for row in range(rows):
        for tap in range(taps):
            before = (taps - 1 - tap) * dilation_w * found.reads
            if found.in_rows:
                words[:, row, before] = weights[:, row, tap, 0]
            else:
                words[:, 0, before + (rows - 1 - row) * window.dilation_h] = weights[:, row, tap, 0]
    if len(planes(words, config.lanes)) > 1:
        return None
    fields = window_fields(
        config, Mode.ARRAY, x, replace(y, height=found.blocks, width=columns,
                                       pixel_stride=y.pixel_bytes, row_stride=y.row_bytes),
        replace(window, rows=found.reads, taps_x=1, step_x=0, run=1, dilation_h=1, stride_w=1,
                stride_h=found.step * window.stride_h),
        group_channels=config.rows, group_stride=config.rows)
    return fields | {
        "window": 1, "repeat_weights": int(not found.in_rows),
        "out_row": found.step * y.row_bytes, "out_part": y.row_bytes, "parts": found.outputs - 1,
        "skip_ky": 0 if found.in_rows else (rows - 1) * window.dilation_h,
        "every_ky": 0 if found.in_rows else window.stride_h - 1,
        "skip_tiles": span_w - 1, "every_tile": window.stride_w - 1}, words.astype(np.int8)
