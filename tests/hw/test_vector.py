import random

import pytest
from simulation import random_bytes, simulate, small_config

from hw.vector import Vector


def run_vector(config, tiles, *, gaps, seed=0, **inputs):
    """Give the tiles' words, and shift each tile's lanes out while the next one comes; ``inputs``
    stay as they are."""
    dut = Vector(config)
    lanes = config.word_bytes
    words = [(word, index == 0, index == len(tile) - 1)
             for tile in tiles for index, word in enumerate(tile)]
    results = []

    async def testbench(ctx):
        rng = random.Random(seed)
        for name, value in inputs.items():
            ctx.set(getattr(dut, name), value)
        given, tiles_given = 0, 0
        while len(results) < len(tiles) * lanes:
            word, first, last = words[given] if given < len(words) else (None, False, False)
            pending = len(results) < tiles_given * lanes
            valid, shift = (rng.random() >= gaps for _ in range(2))
            if word is None or (last and pending):   # the results before must have left
                valid = False
            shift = shift and pending
            ctx.set(dut.valid, valid)
            ctx.set(dut.word, word if valid else random_bytes(rng, lanes))
            ctx.set(dut.first, first if valid else rng.random() < 0.5)
            ctx.set(dut.last, last if valid else rng.random() < 0.5)
            ctx.set(dut.shift, shift)
            if shift:
                results.extend(ctx.get(o) for o in dut.o)
            given += valid
            tiles_given += valid and last
            await ctx.tick()

    simulate(dut, testbench)
    return results


CASES = pytest.mark.parametrize("gaps", (0, 0.4))
CONFIGS = pytest.mark.parametrize("config", (
    small_config(1, 1, 1), small_config(1, 1, 4), small_config(2, 2, 3, digit_width=10),
    small_config(4, 2, 4, whole_sums=True, write_port=True, requantizers=4)),
    ids=("one", "row", "wide digits", "four at a time"))


@CASES
@CONFIGS
def test_maximum(config, gaps):
    rng = random.Random(1)
    tiles = [[random_bytes(rng, config.word_bytes) for _ in range(words)]
             for words in (1, 1, 2, 9, 3, 1, 4, 4)]
    tiles += [[[-128] * config.word_bytes], [[value] * config.word_bytes for value in (-1, 1)]]
    wanted = [max(lane) for tile in tiles for lane in zip(*tile, strict=True)]
    assert run_vector(config, tiles, gaps=gaps) == wanted


def pairs(rng, config):
    """Tiles of two words, the extremes among them."""
    tiles = [[random_bytes(rng, config.word_bytes) for _ in range(2)] for _ in range(12)]
    return tiles + [[[low] * config.word_bytes, [high] * config.word_bytes]
                    for low in (-128, -1, 0, 127) for high in (-128, -1, 0, 127)]


@CASES
@CONFIGS
@pytest.mark.parametrize("flip", (0, 1))
def test_pairs(config, gaps, flip):
    tiles, digit = pairs(random.Random(2), config), config.digit_width
    wanted = [(low & (1 << digit) - 1) + ((~high if flip else high) << digit)
              for first, last in tiles for low, high in zip(first, last, strict=True)]
    assert run_vector(config, tiles, pair=1, flip=flip, gaps=gaps) == wanted


@CASES
@CONFIGS
@pytest.mark.parametrize("zero_points", ((0, 0), (-128, 127), (127, 127), (-128, -128), (5, -7)))
def test_products(config, gaps, zero_points):
    tiles = pairs(random.Random(3), config)
    wanted = [(low - zero_points[0]) * (high - zero_points[1])
              for first, last in tiles for low, high in zip(first, last, strict=True)]
    assert run_vector(config, tiles, multiply=1, zero_points=list(zero_points), gaps=gaps) == wanted
