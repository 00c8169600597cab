"""Weights as words: what they add up to, and which loop reads activations once more."""

import numpy as np
import pytest

from compiler.weights import looped, planes, slots
from hw.config import EngineConfig

CONFIG = EngineConfig(rows=4, columns=1, lanes=4)


def int16(*shape, low=-255, high=256, seed=0):
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.int16)


@pytest.mark.parametrize("weights, count", [
    ([1, 2, 3, 4], 1),
    ([-128, -127, 5, -128], 1),                  # of two that are multiplied together, one
    ([0, -128, -128, 0], 1),                     # neighbours, but of two pairs
    ([1, 2, -128, -128], 2),
    ([128, 0, 0, 0], 2),
    ([0, -254, 254, 0], 2),
    ([255, 0, 0, 0], 3),                         # 127 + 127 + 1
    ([0, 0, 0, 0], 1),
])
def test_planes(weights, count):
    whole = np.array([weights], np.int16)
    parts = planes(whole, lanes=4)
    assert len(parts) == count
    assert (sum(parts) == whole).all()
    if count > 1:
        assert min(part.min() for part in parts) >= -127
        assert max(part.max() for part in parts) <= 127


def test_the_lane_without_a_neighbour():
    assert len(planes(np.array([[-128, 0, -128]], np.int16), lanes=3)) == 1
    assert len(planes(np.array([[-128, -128, 0]], np.int16), lanes=3)) == 2
    assert len(planes(np.array([[-128]], np.int16), lanes=1)) == 1


def applied(found, fields, x):
    """The sums that the words give of the activations that the loops read: ``[channels]``."""
    steps = {"kx": found.taps_x - 1, "kx_stride": found.step_x,
             "chunks": -(-found.run // 4) - 1, "ky": fields["rows"] - 1,
             "ky_stride": fields["row"], "same_word": 0} | found.fields
    total, word = np.zeros(len(found.words), np.int64), 0
    for ky in range(steps["ky"] + 1):
        for kx in range(steps["kx"] + 1):
            for chunk in range(steps["chunks"] + 1):
                at = ky * steps["ky_stride"] + kx * steps["kx_stride"] \
                    + (0 if steps["same_word"] else 4 * chunk)
                total += found.words[:, word].astype(np.int64) @ x[at:at + 4]
                word += 1
    assert word == found.words.shape[1]
    return total


@pytest.mark.parametrize("rows, taps, run, step, loop", [
    (1, 1, 10, 0, "ky"),                         # a dense layer
    (3, 3, 2, 2, "kx"),                          # a convolution: its taps lie side by side
    (3, 1, 9, 0, "kx"),
    (3, 3, 4, 20, "chunks"),                     # depthwise
    (3, 3, 4, 8, "chunks"),                      # dilated
    (3, 3, 5, 10, "kx"),                         # dilated, and more than a word: filled with zeros
    (1, 3, 5, 10, "ky"),
])
def test_planes_take_a_free_loop(rows, taps, run, step, loop):
    weights, x = int16(2, rows, taps, run), int16(400, low=-128, high=128, seed=1)
    found = slots(weights, step, CONFIG)
    assert loop in found.fields
    wanted = np.zeros(2, np.int64)
    for row in range(rows):
        for tap in range(taps):
            at = 100 * row + tap * step
            wanted += weights[:, row, tap].astype(np.int64) @ x[at:at + run]
    assert (applied(found, {"rows": rows, "row": 100}, x) == wanted).all()


def test_a_long_run_is_taps():
    weights = int16(1, 1, 1, 4099, low=-127, high=128)
    found = slots(weights, 4099, CONFIG)
    assert (found.taps_x, found.step_x, found.run, found.fields) == (2, 2052, 2052, {})
    x = int16(4104, low=-128, high=128, seed=1)
    wanted = weights[:, 0, 0].astype(np.int64) @ x[:4099]
    assert (applied(found, {"rows": 1, "row": 0}, x) == wanted).all()


def test_no_loop_is_left():
    assert slots(int16(1, 2, 2, 4097), 5000, CONFIG) is None
    assert looped(int16(1, 2, 2, 8), 100, CONFIG) is None
