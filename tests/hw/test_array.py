import random
from dataclasses import dataclass

import pytest
from simulation import random_bytes, simulate, small_config, wrap

from hw.array import SystolicArray
from hw.multiply import balanced_sum


@dataclass
class Word:
    """What one cycle brings: weights ``[row][lane]`` and activations ``[column][lane]``."""

    weights: list
    activations: list
    valid: bool = True
    last: bool = False


def random_word(rng, config, **marks):
    weights = [random_bytes(rng, config.lanes) for _ in range(config.rows)]
    for row in weights:                      # no two of a pair may be -128: see PairMultiply
        row[1::2] = [max(-127, weight) for weight in row[1::2]]
    return Word(weights,
                [random_bytes(rng, config.lanes) for _ in range(config.columns)], **marks)


def random_tile(rng, config, words):
    """``words`` words with bubbles among them, long enough for the last element to end first."""
    tile = [random_word(rng, config) for _ in range(words)]
    tile[-1].last = True
    least = config.skew + 1
    for _ in range(max(least - words, rng.randrange(4))):
        bubble = random_word(rng, config, valid=False, last=rng.random() < 0.5)
        tile.insert(rng.randrange(len(tile)), bubble)
    return tile


def sums(tile, config):
    """The tile's results in the order in which they leave: rows of a column, then the next."""
    return [wrap(sum(a * w for word in tile if word.valid
                     for a, w in zip(word.activations[column], word.weights[row], strict=True)),
                 config.acc_width)
            for column in range(config.columns) for row in range(config.rows)]


def run_array(config, tiles, *, gaps, seed=0):
    """Play the tiles, skewed as the array wants it, and shift their results out."""
    dut = SystolicArray(config)
    words = [word for tile in tiles for word in tile]
    ends, end = [], -1
    for tile in tiles:
        end += len(tile)
        ends.append(end)
    results = []

    async def testbench(ctx):
        rng = random.Random(seed)
        nothing = random_word(rng, config, valid=False)
        cycle, complete, loaded = 0, 0, 0    # cycles of `en`; tiles complete, and in the drains
        size, at_a_time = config.rows * config.columns, config.requantizers
        while len(results) < len(tiles) * size:
            # Wait where the first element would end the next tile before this one has left:
            tile = loaded if config.whole_sums else len(results) // size
            blocked = tile + 1 < len(tiles) and cycle == ends[tile + 1] + config.pe_cycles
            en = not blocked and rng.random() >= gaps
            shift = len(results) < loaded * size and rng.random() >= gaps
            is_last = len(results) + shift * at_a_time == loaded * size
            load = config.whole_sums and complete > loaded and is_last and rng.random() >= gaps
            loaded += load
            ctx.set(dut.load, load)

            def word(skew, en=en, cycle=cycle):      # without `en` anything may come
                index = cycle - skew
                if not en:
                    return rng.choice(words)
                return words[index] if 0 <= index < len(words) else nothing

            for column in range(config.columns):
                ctx.set(dut.a[column], word(column + 1).activations[column])
            for row in range(config.rows):
                here = word(row // config.rows_together)
                ctx.set(dut.w[row], here.weights[row])
                ctx.set(dut.beat[row], {"valid": here.valid, "last": here.last})
            ctx.set(dut.en, en)
            ctx.set(dut.shift, shift)
            if shift:
                results.extend(ctx.get(o) for o in dut.o)
            await ctx.tick()
            complete = sum(cycle > end + config.array_latency for end in ends)
            if not config.whole_sums:
                loaded = complete
            cycle += en

    simulate(dut, testbench)
    return results


@pytest.mark.parametrize("whole", (False, True), ids=("drained", "held"))
@pytest.mark.parametrize("gaps", (0, 0.4))
@pytest.mark.parametrize("geometry", ((1, 1, 1), (2, 3, 4), (3, 1, 3), (1, 3, 2)))
def test_tiles(geometry, gaps, whole):
    config = small_config(*geometry, whole_sums=whole)
    rng = random.Random(2)
    tiles = [random_tile(rng, config, words) for words in (1, 2, 3, 9, 1, 20)]
    wanted = [value for tile in tiles for value in sums(tile, config)]
    assert run_array(config, tiles, gaps=gaps) == wanted


@pytest.mark.parametrize("gaps", (0, 0.4))
@pytest.mark.parametrize("geometry, together, at_a_time", (
    ((4, 1, 4), 1, 2), ((8, 2, 4), 4, 4), ((4, 3, 4), 4, 4), ((8, 1, 4), 2, 4)))
def test_results_side_by_side(geometry, together, at_a_time, gaps):
    config = small_config(*geometry, rows_together=together, whole_sums=True, write_port=True,
                          requantizers=at_a_time)
    rng = random.Random(3)
    tiles = [random_tile(rng, config, words) for words in (1, 4, 2, 9)]
    assert run_array(config, tiles, gaps=gaps) == [
        value for tile in tiles for value in sums(tile, config)]


@pytest.mark.parametrize("gaps", (0, 0.4))
@pytest.mark.parametrize("geometry, together", (((4, 1, 4), 4), ((4, 2, 2), 2)))
def test_rows_together(geometry, together, gaps):
    config = small_config(*geometry, rows_together=together)
    rng = random.Random(4)
    tiles = [random_tile(rng, config, words) for words in (1, 4, 2, 9)]
    assert run_array(config, tiles, gaps=gaps) == [
        value for tile in tiles for value in sums(tile, config)]


@pytest.mark.parametrize("a, w", ((-128, -127), (-128, 127)))
def test_wraps_at_acc_width(a, w):
    config = small_config(1, 1, 4, acc_width=24)
    tile = [Word([[w] * 4], [[a] * 4]) for _ in range(140)]
    tile[-1].last = True
    assert abs(sum(4 * a * w for _ in tile)) > 1 << 23
    assert run_array(config, [tile], gaps=0) == sums(tile, config)


@pytest.mark.parametrize("acc_width, words", ((25, 140), (32, 300)))
def test_holds_acc_width(acc_width, words):
    config = small_config(1, 1, 4, acc_width=acc_width)
    tile = [Word([[-128, -127] * 2], [[-128] * 4]) for _ in range(words)]
    tile[-1].last = True
    assert run_array(config, [tile], gaps=0) == [words * 2 * 128 * (128 + 127)]


def test_lanes_without_a_pair():
    """The last of an odd number of lanes may bring the largest product."""
    config = small_config(1, 1, 3)
    tile = [Word([[-128, -127, -128]], [[-128] * 3]) for _ in range(9)]
    tile[-1].last = True
    assert run_array(config, [tile], gaps=0) == [9 * 128 * (128 + 127 + 128)]


@pytest.mark.parametrize("count", (1, 2, 3, 5, 8))
def test_balanced_sum(count):
    assert balanced_sum(range(10, 10 + count)) == sum(range(10, 10 + count))
