"""The gateware's receiver on a bad line, against the host's codec."""

import random

import pytest

from bench.listener import Listener, heard, understood
from bench.noise import noisy_line
from hw.link.codec import Decoder
from sim.compiled import compile_design


@pytest.fixture(scope="module")
def listener():
    return compile_design(Listener())


@pytest.mark.parametrize("seed,bad", [(0, 0), (1, 0.1), (2, 0.5), (3, 0.9)])
def test_receiver_takes_what_the_codec_takes(listener, seed, bad):
    _, line = noisy_line(random.Random(seed), 3000, bad)
    assert heard(listener, line) == understood(line)


def test_nothing_wrong_is_accepted(listener):
    """100,000 frames, a third of them damaged: whatever is taken was sent."""
    taken = 0
    for seed in range(10):
        sent, line = noisy_line(random.Random(100 + seed), 10_000, 1 / 3)
        assert heard(listener, line) == understood(line)
        frames = list(Decoder().feed(line))
        assert not set(frames) - set(sent)
        taken += len(frames)
    assert taken > 66_000
