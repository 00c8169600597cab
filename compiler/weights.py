"""Weights in the order in which the array plays them, a word of bytes at a time."""

from dataclasses import dataclass

import numpy as np

from compiler.layers import ceil_div, largest
from hw.config import EngineConfig

# The loops of a window from the outside, and what keeps a loop at the same bytes in all its turns.
STILL = (("ky", {"ky_stride": 0, "y_ky_step": 0}), ("kx", {"kx_stride": 0}),
         ("chunks", {"same_word": 1}))


@dataclass(frozen=True)
class Slots:
    """Words of weights, and the loops that read the activations which belong to them.

    ``words`` is int8 ``[channels, words, word_bytes]``; ``taps_x``, ``step_x`` and ``run`` are the
    window's (compiler/layers.py), ``fields`` what a layer needs beside it.
    """

    words: np.ndarray
    taps_x: int
    step_x: int
    run: int
    fields: dict[str, int]


def slots(weights: np.ndarray, step: int, config: EngineConfig) -> Slots | None:
    """The words of int16 ``[channels, rows, taps, run]``; taps of a row are ``step`` bytes apart.

    Where they need planes, these take a loop that has one turn: if need be, the taps' loop, and the
    bytes between the taps have weights of 0. None where even that is not enough.
    """
    return looped(merged(weights, step) if step == weights.shape[3] else weights, step, config) \
        or looped(merged(weights, step), step, config)


def looped(weights: np.ndarray, step: int, config: EngineConfig) -> Slots | None:
    """The words, None where all three loops have turns and none is left for the planes."""
    channels, rows, taps, run = weights.shape
    longest = (largest(config, "chunks") + 1) * config.word_bytes
    if taps == 1 and run > longest:              # each part of it is a tap
        taps = ceil_div(run, longest)
        step = run = ceil_div(run, taps * config.word_bytes) * config.word_bytes
        weights = filled(weights, taps * run)
    chunks = ceil_div(run, config.word_bytes)
    words = filled(weights.reshape(channels, rows, taps, run), chunks * config.word_bytes).reshape(
        channels, rows, taps, chunks, config.word_bytes)

    parts = planes(words, config.lanes)
    fields: dict[str, int] = {}
    if len(parts) > 1:
        free = [axis for axis, (_, turns) in enumerate(zip(STILL, words.shape[1:4], strict=True))
                if turns == 1]
        if not free:
            return None
        name, still = STILL[free[0]]
        words = np.concatenate(parts, axis=1 + free[0])
        fields = {name: len(parts) - 1, **still}
    return Slots(words.astype(np.int8).reshape(channels, -1, config.word_bytes),
                 taps, step if taps > 1 else 0, run, fields)


def planes(weights: np.ndarray, lanes: int) -> list[np.ndarray]:
    """What adds up to int16 ``weights`` ``[..., word_bytes]``, each as the array can multiply it.

    A weight less its zero point may need nine bits (legacy uint8), and of two that are multiplied
    together only one may be -128 (hw/multiply.py, PairMultiply): then all are from -127 to 127.
    """
    lowest = (weights == -128).reshape(-1, lanes)[:, :lanes // 2 * 2]
    pairs = lowest[:, 0::2] & lowest[:, 1::2]
    if weights.min() >= -128 and weights.max() <= 127 and not pairs.any():
        return [weights]
    parts = []
    while weights.any():
        parts.append(np.clip(weights, -127, 127))
        weights = weights - parts[-1]
    return parts


def merged(weights: np.ndarray, step: int) -> np.ndarray:
    """One tap in place of many: all bytes from the first to the last, with 0 between the taps."""
    channels, rows, taps, run = weights.shape
    whole = filled(weights, max(step, run)).reshape(channels, rows, 1, -1)
    return whole[..., :(taps - 1) * step + run]


def filled(weights: np.ndarray, size: int) -> np.ndarray:
    """``weights`` with zeros behind, to ``size`` in the last axis."""
    edges = [(0, 0)] * (weights.ndim - 1) + [(0, size - weights.shape[-1])]
    return np.pad(weights, edges)


def array_weights(words: np.ndarray, group_channels: int, config: EngineConfig) -> np.ndarray:
    """``[groups, words, rows, lanes]`` of int8 ``[channels, words, word_bytes]``."""
    channels, count, _ = words.shape
    groups = ceil_div(channels, group_channels)
    padded = np.zeros((groups * group_channels, *words.shape[1:]), np.int8)
    padded[:channels] = words
    rows = np.zeros((groups, config.rows, count * config.columns, config.lanes), np.int8)
    rows[:, :group_channels] = padded.reshape(
        groups, group_channels, count * config.columns, config.lanes)
    return np.ascontiguousarray(rows.transpose(0, 2, 1, 3))
