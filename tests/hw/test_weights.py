import random

import pytest
from simulation import random_bytes, simulate, small_config

from hw.weights import WeightRings


def run_rings(config, groups, *, plays, gaps, seed=0):
    """Fill the rings with ``groups`` (words ``[row][lane]``) and play each group ``plays`` times.

    The tape comes as fast as it is taken. Compares what every row gives in every cycle.
    """
    dut = WeightRings(config)
    words = [word for group in groups for word in group]
    beats = [sum(word[row:row + config.tape_rows], [])
             for word in words for row in range(0, config.rows, config.tape_rows)]
    requests, start = [], 0                  # (index of the word, last, release)
    for group in groups:
        for play in range(plays):
            requests += [(start + index, index == len(group) - 1, play == plays - 1)
                         for index in range(len(group))]
        start += len(group)

    async def testbench(ctx):
        rng = random.Random(seed)
        sent, asked, released = 0, 0, 0
        asked_for = [None] * (config.rows + 1)       # what each row gives, the newest first
        stalled, before = 0, 0
        while asked < len(requests) or any(asked_for):
            # The tape:
            filled = sent // (config.rows // config.tape_rows)
            written, before = (before if config.late_weights else filled), filled
            assert ctx.get(dut.written) == written % (2 * config.weight_words)
            offers = sent < len(beats) and rng.random() >= gaps / 2
            ctx.set(dut.i.valid, offers)
            ctx.set(dut.i.payload, [byte & 0xff for byte in beats[sent]] if offers
                    else random_row_bytes(rng, config))
            assert ctx.get(dut.i.ready) == (filled - released < config.weight_words)
            stalled += offers and not ctx.get(dut.i.ready)
            sent += offers and ctx.get(dut.i.ready)

            # What the rows give, whether the array takes it or not:
            for row in range(config.rows):
                request = asked_for[row]
                assert ctx.get(dut.beat[row].valid) == (request is not None)
                if request is not None:
                    index, last, _ = request
                    assert ctx.get(dut.beat[row].last) == last
                    got = [ctx.get(dut.w[row][lane]) for lane in range(config.lanes)]
                    assert got == words[index][row], f"row {row} of word {index}"

            # The next request, once its word is there, or a bubble:
            en = rng.random() >= gaps
            request = None
            if asked < len(requests) and requests[asked][0] < written and rng.random() >= gaps:
                request = requests[asked]
            index, last, release = request or (rng.randrange(64), True, True)
            ctx.set(dut.en, en)
            ctx.set(dut.read, {"beat": {"valid": request is not None, "last": last},
                               "release": release})
            ctx.set(dut.r_addr, index % config.weight_words)
            if en:
                asked += request is not None
                gone = asked_for[config.rows - 1]
                released += gone is not None and gone[2]
                asked_for = [request, *asked_for[:-1]]
                asked_for[-1] = None         # behind the last row
            await ctx.tick()
        assert sent == len(beats)
        return stalled

    stalls = []

    async def count(ctx):
        stalls.append(await testbench(ctx))

    simulate(dut, count)
    return stalls[0]


def random_row_bytes(rng, config):
    return [rng.randrange(256) for _ in range(config.tape_bytes)]


def random_groups(rng, config, sizes):
    return [[[random_bytes(rng, config.lanes) for _ in range(config.rows)] for _ in range(size)]
            for size in sizes]


@pytest.mark.parametrize("gaps", (0, 0.3))
@pytest.mark.parametrize("rows, tape_rows, lanes",
                         ((1, 1, 1), (4, 4, 2), (4, 1, 3), (4, 2, 1), (3, 1, 2)))
def test_replays(rows, tape_rows, lanes, gaps):
    config = small_config(rows, 1, lanes, tape_rows=tape_rows, weight_words=8)
    rng = random.Random(rows + tape_rows)
    groups = random_groups(rng, config, (1, 3, 8, 5, 8, 8, 2, 7, 1, 1))
    assert run_rings(config, groups, plays=3, gaps=gaps, seed=rows) > 0


@pytest.mark.parametrize("gaps", (0, 0.3))
@pytest.mark.parametrize("weight_words", (4, 128))
def test_streams(weight_words, gaps):
    """Words that are let go of as they are read may be more than the ring holds."""
    config = small_config(2, 2, 2, tape_rows=1, weight_words=weight_words)
    groups = random_groups(random.Random(0), config, (50, 30, 100))
    run_rings(config, groups, plays=1, gaps=gaps)


def test_fills_up_to_its_size():
    config = small_config(2, 1, 1, tape_rows=1, weight_words=4)
    dut = WeightRings(config)

    async def testbench(ctx):
        ctx.set(dut.en, 1)
        ctx.set(dut.i.valid, 1)
        for _ in range(2 * 4):
            assert ctx.get(dut.i.ready)
            await ctx.tick()
        assert not ctx.get(dut.i.ready)
        await ctx.tick()                         # (a word gets into short rings a cycle later)
        assert ctx.get(dut.written) == 4
        # A word goes with the last row's turn to read it:
        ctx.set(dut.read, {"beat": {"valid": 1, "last": 0}, "release": 1})
        await ctx.tick()
        ctx.set(dut.read.beat.valid, 0)
        await ctx.tick()
        assert not ctx.get(dut.i.ready)
        await ctx.tick()
        assert ctx.get(dut.i.ready)

    simulate(dut, testbench)
