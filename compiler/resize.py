"""Which pixels of an image the pixels of a resized one come from."""

from typing import Any

import numpy as np

from compiler.numerics import round_away, truncated_divide


def nearest_indices(options: dict[str, Any], size_in: int, size_out: int) -> np.ndarray:
    """The input index of each output index: TFLite GetNearestNeighbor, in float32."""
    align, half = options["align_corners"], options["half_pixel_centers"]
    scale = np.float32(size_in) / np.float32(size_out)
    if align and size_out > 1:
        scale = np.float32(size_in - 1) / np.float32(size_out - 1)
    position = (np.arange(size_out).astype(np.float32) + np.float32(0.5 if half else 0)) * scale
    index = round_away(position) if align else np.floor(position).astype(np.int64)
    return np.clip(index, 0 if half else None, size_in - 1)


def bilinear_taps(options: dict[str, Any], size_in: int, size_out: int) -> tuple[np.ndarray, ...]:
    """Lower index, upper index and weight of the upper one in 1/1024, per output index.

    TFLite ComputeInterpolationValuesInteger.
    """
    if options["align_corners"] and size_out > 1:
        scale = (1024 * (size_in - 1) + (size_out - 1) // 2) // (size_out - 1)
    else:
        scale = (1024 * size_in + size_out // 2) // size_out
    position = np.arange(size_out, dtype=np.int64) * scale
    if options["half_pixel_centers"]:
        position += scale // 2 - 512
    lower = np.maximum(truncated_divide(position, 1024), 0)
    upper = np.minimum(truncated_divide(position + 1023, 1024), size_in - 1)
    return lower, upper, position - 1024 * lower
