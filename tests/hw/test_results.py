import random

import pytest
from simulation import ENDS, drainer, feeder, packed_ends, plain_ends, simulate, small_config

from hw.config import Mode
from hw.results import Collector


def plain(payload):
    """A payload as its values and the names of what the last of them ends."""
    return list(payload["values"])[:payload.top + 1], [
        name for name, ends in plain_ends(payload.ends).items() if ends]


def kept(config, fields, tile, results):
    """What of a tile's results goes into the queue, in the order in which they come."""
    is_array = fields["mode"] == Mode.ARRAY
    height, columns = (config.rows, config.columns) if is_array else (config.word_bytes, 1)
    channels = fields["last_channels"] if tile["last_group"] else fields["channels"]
    last_column = fields["last_columns"] if tile["row"] and is_array else columns - 1
    found = []
    for index, value in enumerate(results):
        column, row = divmod(index, height)
        if row > channels or column > last_column:
            continue
        pixel, last = row == channels, row == channels and column == last_column
        marks = (pixel, last, last and tile["row"], last and tile["group"],
                 last and tile["group"] and tile["last_group"])
        if row % config.requantizers == 0:
            found.append(([], []))
        found[-1][0].append(value)
        found[-1][1].extend(name for name, mark in zip(ENDS, marks, strict=True) if mark)
    return found


def run_collector(config, fields, tiles, *, gaps, seed=0):
    """Give each tile's results as ``shift`` asks for them; returns what leaves the queue."""
    dut = Collector(config)
    is_array = fields["mode"] == Mode.ARRAY
    wanted = [kept(config, fields, *tile) for tile in tiles]
    most = config.results // config.tile_results     # tiles that the queue has room for
    got = []

    async def make(ctx):
        rng = random.Random(seed)
        ctx.set(dut.layer, fields)
        await ctx.tick()                             # (long before a layer's first results)
        left, given = [], 0
        while given < len(tiles) or left:
            # A tile may end in the cycle that takes the last result of the one before:
            waiting = given - sum(payload.ends.tile for payload in got)
            starts = given < len(tiles) and len(left) < 2 and waiting < most \
                and rng.random() >= gaps
            for lane in range(config.requantizers):
                value = left[lane] if left else rng.randrange(-100, 100)
                ctx.set((dut.array if is_array else dut.vector)[lane], value)
                ctx.set((dut.vector if is_array else dut.array)[lane], rng.randrange(-100, 100))
            ctx.set(dut.array_done, starts and is_array)
            ctx.set(dut.vector_done, starts and not is_array)
            ctx.set(dut.tile, tiles[given][0] if starts else random_ends(rng))
            assert ctx.get(dut.shift) == bool(left)
            left = left[config.requantizers:]
            if starts:
                left = tiles[given][1]
                given += 1
            await ctx.tick()
        ctx.set(dut.array_done, 0)
        ctx.set(dut.vector_done, 0)

    simulate(dut, make, drainer(dut.o, sum(map(len, wanted)), got, stalls=gaps, seed=seed))
    assert [plain(payload) for payload in got] == [value for tile in wanted for value in tile]


def random_ends(rng):
    row = rng.randrange(2)
    return {"row": row, "group": row & rng.randrange(2), "last_group": rng.randrange(2)}


@pytest.mark.parametrize("gaps", (0, 0.5))
@pytest.mark.parametrize("mode", (Mode.ARRAY, Mode.MAXIMUM, Mode.ADD))
@pytest.mark.parametrize("geometry, at_a_time", (
    ((1, 1, 1), 1), ((4, 1, 4), 1), ((3, 2, 3), 1), ((2, 4, 1), 1), ((4, 1, 4), 2), ((8, 2, 4), 4)))
def test_tiles(geometry, at_a_time, mode, gaps):
    config = small_config(*geometry) if at_a_time == 1 else small_config(
        *geometry, whole_sums=True, write_port=True, requantizers=at_a_time)
    rng = random.Random(0)
    is_array = mode == Mode.ARRAY
    height, columns = (config.rows, config.columns) if is_array else (config.word_bytes, 1)
    limit = 1 << (config.acc_width if is_array else 16) - 1
    for seed in range(2):
        fields = {"mode": mode, "channels": rng.randrange(height),
                  "last_channels": rng.randrange(height),
                  "last_columns": (seed + 1) % config.columns}
        tiles = [(random_ends(rng), [rng.randrange(-limit, limit)
                                     for _ in range(height * columns)]) for _ in range(12)]
        run_collector(config, fields, tiles, gaps=gaps, seed=seed)


@pytest.mark.parametrize("gaps", (0, 0.5))
def test_load(gaps):
    """The input stream passes through, as many bytes as the queue holds ahead of its reader."""
    config = small_config(2, 2, 2)
    dut = Collector(config)
    rng = random.Random(0)
    sent = [(rng.randrange(-128, 128), dict(zip(ENDS, nested, strict=True)))
            for nested in ([index < count for index in range(len(ENDS))]
                           for count in rng.choices(range(len(ENDS) + 1), k=100))]
    got = []

    async def choose(ctx):
        ctx.set(dut.layer.mode, Mode.LOAD)

    simulate(dut, choose, feeder(dut.load, [{"byte": byte, "ends": packed_ends(ends)}
                                            for byte, ends in sent], stalls=gaps),
             drainer(dut.o, len(sent), got, stalls=gaps))
    assert [plain(payload) for payload in got] == [
        ([byte], [name for name in ENDS if ends[name]]) for byte, ends in sent]
