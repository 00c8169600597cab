"""Which pixels of an image the pixels of a resized one come from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.numerics import round_away, truncated_divide

MOST_OUTPUTS = 1 << 14     # along an axis; no scratchpad holds more
LARGEST = 1 << 12          # of a weight


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


def float_taps(options: dict[str, Any], size_in: int, size_out: int) -> tuple[np.ndarray, ...]:
    """As ``bilinear_taps``, in float32: TFLite ComputeInterpolationValues."""
    scale = np.float32(size_in) / np.float32(size_out)
    if options["align_corners"] and size_out > 1:
        scale = np.float32(size_in - 1) / np.float32(size_out - 1)
    position = np.arange(size_out).astype(np.float32) * scale
    if options["half_pixel_centers"]:
        half = np.float32(0.5)
        position = (np.arange(size_out).astype(np.float32) + half) * scale - half
    lower = np.maximum(np.floor(position).astype(np.int64), 0)
    upper = np.minimum(np.ceil(position).astype(np.int64), size_in - 1)
    return lower, upper, position - lower.astype(np.float32)


@dataclass(frozen=True)
class Phase:
    """Outputs along an axis that weigh their inputs alike: ``count`` from ``output`` on, ``step``
    apart, whose first inputs are ``stride`` apart, from ``source`` on."""

    output: int
    step: int
    count: int
    source: int
    stride: int
    weights: tuple[int, ...]                     # of neighbouring inputs


def phases(options: dict[str, Any], size_in: int, size_out: int) -> Iterator[Phase]:
    """All outputs of RESIZE_BILINEAR along an axis, with weights in 1/1024."""
    alike: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    taps = (values.tolist() for values in bilinear_taps(options, size_in, size_out))
    for output, (lower, upper, weight) in enumerate(zip(*taps, strict=True)):
        pair = (1024,) if lower == upper else (1024 - weight, weight)
        alike.setdefault(pair, []).append((output, lower))
    for weights, places in alike.items():
        while places:
            (output, source), *rest = places
            step, stride = (rest[0][0] - output, rest[0][1] - source) if rest else (1, 0)
            count = next(k for k in range(1, len(places) + 1) if k == len(places)
                         or places[k] != (output + k * step, source + k * stride))
            yield Phase(output, step, count, source, stride, weights)
            places = places[count:]


def phase_weights(rows: Phase, columns: Phase) -> np.ndarray:
    """The weights ``[rows, columns]`` of inputs in the least whole numbers, a power of two in all.
    """
    products = np.multiply.outer(rows.weights, columns.weights)
    return products // np.gcd.reduce(products, axis=None, initial=1 << 20)


def has_small_weights(options: dict[str, Any], before: Sequence[int], after: Sequence[int],
                      legacy: bool) -> bool:
    """Whether an image ``before`` can be resized to ``after`` with such weights, and exactly the
    kernel's result. The ``legacy`` kernel computes in float32."""
    axes = list(zip(before, after, strict=True))
    if max(after) > MOST_OUTPUTS:
        return False
    for size_in, size_out in axes if legacy else ():
        *places, weight = bilinear_taps(options, size_in, size_out)
        *float_places, float_weight = float_taps(options, size_in, size_out)
        if not np.array_equal(places, float_places) or (weight != 1024 * float_weight).any():
            return False
    rows, columns = ({phase.weights: phase for phase in phases(options, *axis)}.values()
                     for axis in axes)
    return all(phase_weights(row, column).max() <= LARGEST for row in rows for column in columns)
