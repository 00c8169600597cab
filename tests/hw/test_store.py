import itertools
import random

import pytest
from simulation import packed_ends, random_bytes, simulate, small_config

from compiler.jumps import write_jumps
from hw.config import WRITE_STEPS, Mode
from hw.store import Store


def layer_bytes(rng, fields, *, groups, rows, pixels):
    """The bytes of a layer: for each its address, itself, and what it ends."""
    counts = [fields["channels"] + 1] * (groups - 1) + [fields["last_channels"] + 1]
    for group, row, pixel in itertools.product(range(groups), range(rows), range(pixels)):
        start = fields["out_base"] + group * (fields["channels"] + 1) \
            + row * fields["out_row"] + pixel * fields["out_pixel"]
        for channel in range(counts[group]):
            last = channel == counts[group] - 1
            row_end = last and pixel == pixels - 1
            group_end = row_end and row == rows - 1
            yield start + channel, random_bytes(rng, 1)[0], {
                "pixel": last, "tile": last and rng.random() < 0.5, "row": row_end,
                "group": group_end, "layer": group_end and group == groups - 1,
                "last_group": group == groups - 1}


class Storing:
    """A store, and the jumps beside it."""

    def __init__(self, config):
        self.config = config
        self.dut    = Store(config)
        self.jumps  = None

    async def start(self, ctx, fields, *, groups, rows, pixels):
        """The two cycles with which a layer begins."""
        self.jumps = write_jumps(fields | {
            "mode": Mode.ARRAY, "groups": groups - 1, "rows": rows - 1,
            "tiles": (pixels - 1) // self.config.columns,
            "last_columns": (pixels - 1) % self.config.columns}, self.config)
        ctx.set(self.dut.start, 1)
        self.jump(ctx, None)
        await ctx.tick()
        ctx.set(self.dut.start, 0)
        self.jump(ctx, WRITE_STEPS["start"])
        await ctx.tick()

    def jump(self, ctx, step):
        """The jump of this cycle; none that matters."""
        jump = 99 if step is None else self.jumps[step]["addr"]
        ctx.set(self.dut.jump.addr, jump % self.config.scratchpad_bytes)

    def offer(self, ctx, valid, values, ends, top=0):
        """Bytes for this cycle, and the jump behind them."""
        fields = packed_ends(ends)
        ctx.set(self.dut.i.valid, valid)
        ctx.set(self.dut.i.payload, {"values": values, "top": top, "ends": fields})
        self.jump(ctx, fields["level"] + 4 * fields["last_group"] if valid else None)


def writes(config, items):
    """The words to be written: after which item, to which row of the banks, and what of it."""
    found, word = [], {}
    for index, (address, byte, ends) in enumerate(items):
        row, bank = divmod(address % config.scratchpad_bytes, config.banks)
        word[bank] = byte
        if ends["pixel"] or bank == config.banks - 1:
            found.append((index, row, word))
            word = {}
    return found


def run_store(storing, fields, counts, items, *, gaps, rng):
    """A testbench that runs a layer and compares each write."""
    dut, config = storing.dut, storing.config
    wanted = dict((index, (row, word)) for index, row, word in writes(config, items))

    async def testbench(ctx):
        await storing.start(ctx, fields, **counts)
        given, follows = 0, None
        while given < len(items) or follows:
            if follows:                      # mask and data, a cycle after the address
                mask = ctx.get(dut.w_mask)
                assert {bank for bank in range(config.banks) if mask >> bank & 1} == set(follows)
                for bank, byte in follows.items():
                    assert ctx.get(dut.w_data[bank]) == byte & 0xff
            valid = given < len(items) and rng.random() >= gaps
            _, byte, ends = items[given] if valid else (0, 55, dict.fromkeys(
                ("pixel", "tile", "row", "group", "layer"), rng.randrange(2)))
            storing.offer(ctx, valid, [byte & 0xff], ends)
            row, follows = wanted.get(given, (0, None)) if valid else (0, None)
            assert ctx.get(dut.write) == (follows is not None)
            if follows:
                assert ctx.get(dut.addr) // config.banks == row
            given += valid
            await ctx.tick()

    return testbench


@pytest.mark.parametrize("gaps", (0, 0.4))
@pytest.mark.parametrize("at_a_time", (1, 2, 4))
def test_writes_as_they_come(at_a_time, gaps):
    config = small_config(4, 1, 8, whole_sums=True, write_port=True, requantizers=at_a_time)
    storing = Storing(config)
    dut = storing.dut

    async def testbench(ctx):
        rng = random.Random(0)
        for _ in range(8):
            fields = {"channels": 7, "last_channels": rng.randrange(8),
                      "out_base": rng.randrange(config.scratchpad_bytes),
                      "out_pixel": rng.randrange(40), "out_row": rng.randrange(200)}
            counts = {"groups": rng.randrange(1, 4), "rows": 2, "pixels": 3}
            items = list(layer_bytes(rng, fields, **counts))
            await storing.start(ctx, fields, **counts)
            while items:
                count = 1 + next(index for index, (_, _, ends) in enumerate(items)
                                 if ends["pixel"] or index == at_a_time - 1)
                valid = rng.random() >= gaps
                values = [byte & 0xff for _, byte, _ in items[:count]]
                values += [rng.randrange(256)] * (at_a_time - count)
                storing.offer(ctx, valid, values, items[count - 1][2], top=count - 1)
                assert ctx.get(dut.write) == valid
                if valid:
                    assert ctx.get(dut.addr) == items[0][0] % config.scratchpad_bytes
                    assert ctx.get(dut.w_mask) == (1 << count) - 1
                    assert [ctx.get(dut.w_data[k]) for k in range(count)] == values[:count]
                    items = items[count:]
                await ctx.tick()
            ctx.set(dut.i.valid, 0)

    simulate(dut, testbench)


@pytest.mark.parametrize("gaps", (0, 0.4))
@pytest.mark.parametrize("geometry", ((1, 1, 1), (4, 1, 4), (3, 2, 3), (4, 4, 4)))
def test_layers(geometry, gaps):
    config = small_config(*geometry)
    storing = Storing(config)
    rng = random.Random(0)
    layers = []
    for _ in range(8):
        channels = rng.randrange(max(config.rows, config.word_bytes))
        fields = {
            "channels": channels, "last_channels": rng.randrange(channels + 1),
            "out_base": rng.randrange(config.scratchpad_bytes),
            "out_pixel": rng.randrange(40), "out_row": rng.randrange(config.scratchpad_bytes)}
        counts = {"groups": rng.randrange(1, 4), "rows": rng.randrange(1, 4),
                  "pixels": rng.randrange(1, 5)}
        items = list(layer_bytes(rng, fields, **counts))
        layers.append(run_store(storing, fields, counts, items, gaps=gaps, rng=rng))

    async def testbench(ctx):
        for layer in layers:
            await layer(ctx)

    simulate(storing.dut, testbench)
