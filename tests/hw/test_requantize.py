import random
from dataclasses import dataclass, field

import pytest
from amaranth.hdl import Value
from simulation import ENDS, get_ends, packed_ends, simulate, small_config, wrap

from hw.config import Mode
from hw.layouts import RECORD
from hw.requantize import Requantizer


@dataclass
class Record:
    """The parameters of a channel."""

    bias: int
    multiplier: int
    shift: int
    offset: int
    offset_negative: int

    def beats(self, config):
        code = self.shift - config.shift_min
        bits = Value.cast(RECORD.const({
            "bias": self.bias, "multiplier": self.multiplier, "offset": self.offset,
            "offset_negative": self.offset_negative,
            "shift_low": code % 4, "shift_high": code // 4})).value
        content = bits.to_bytes(16, "little")
        content += bytes(-len(content) % config.tape_bytes)
        return [list(content[first:first + config.tape_bytes])
                for first in range(0, len(content), config.tape_bytes)]


@dataclass
class Layer:
    """Fields, records, and values with what each ends and the record that it uses."""

    fields: dict
    records: list
    values: list = field(default_factory=list)      # (value, ends, index of the record)
    table: list | None = None


def requantized(layer, value, index, width):
    """The formula of the Requantizer's docstring."""
    f, record = layer.fields, layer.records[index]
    steps = f["steps"] + 1
    if f["mode"] == Mode.ADD:
        product = (wrap(value, width) - f["zero_point_1"]) * record.multiplier \
            + ((value >> width) - f["zero_point_2"]) * layer.records[index + 1].multiplier
    else:
        limit = 1 << (width * steps - 1)
        total = min(max(value + record.bias, -limit), limit - 1)
        product = total * record.multiplier >> width * (steps - 1)
    offset = record.offset_negative if product < 0 else record.offset
    byte = min(max((product + offset >> record.shift) + f["zero_point"], f["low"]), f["high"])
    return wrap(layer.table[byte & 0xff], 8) if layer.table else byte


def pair(low, high, config):
    """Two bytes as the vector unit puts them side by side: a digit each."""
    return (low & (1 << config.digit_width) - 1) + (high << config.digit_width)


def random_record(rng, config, steps):
    """A record, and how many bits of values make a byte of results with it; or anything."""
    shift = rng.randint(config.shift_min, config.shift_max)
    # The sum with its bias has 32 bits: neither of them may use all of them.
    bits = min(config.digit_width * steps + rng.randint(-1, 1), config.acc_width - 1, 30)
    width = rng.randint(1, config.multiplier_width)
    if rng.random() < 0.7:
        width = min(max(shift + config.digit_width * steps - bits, 1),
                    config.multiplier_width)
    multiplier = rng.choice(((1 << width) - 1, 1 << (width - 1), rng.randrange(1 << width)))
    top = min(1 << shift, (1 << 29) - 1)
    offsets = [rng.randint(-top, top) if rng.random() < 0.9
               else rng.choice((-1 << 29, (1 << 29) - 1)) for _ in range(2)]
    bias = rng.randrange(-1 << bits, 1 << bits)
    return Record(bias, multiplier, shift, *offsets), bits


def random_layer(rng, config, *, mode, steps, shared, groups=2, pixels=3, with_table=False):
    zero = rng.choice((0, -128, 127, rng.randrange(-128, 128)))
    low, high = sorted((rng.randrange(-128, 128), rng.randrange(-128, 128)))
    if rng.random() < 0.7:
        low, high = -128, 127
    channels, last_channels = rng.randint(1, config.rows), rng.randint(1, config.rows)
    fields = {"mode": mode, "steps": steps - 1, "shared_record": shared, "table": with_table,
              "zero_point": zero, "low": low, "high": high, "channels": channels - 1,
              "zero_point_1": rng.choice((-128, 0, 127, 3)),
              "zero_point_2": rng.choice((-128, 0, 127, -5))}
    records = [random_record(rng, config, steps)
               for _ in range(2 if shared else groups * config.rows)]
    layer = Layer(fields, [record for record, _ in records],
                  table=[rng.randrange(256) for _ in range(256)] if with_table else None)
    if mode == Mode.ADD:
        layer.records[0].bias = 0
    for group in range(groups):
        count = last_channels if group == groups - 1 else channels
        for pixel in range(pixels):
            for channel in range(count):
                index = 0 if shared else group * config.rows + channel
                bits = records[index][1]
                value = rng.choice((-1 << bits, (1 << bits) - 1, -records[index][0].bias,
                                    *[rng.randrange(-1 << bits, 1 << bits) for _ in range(6)]))
                if mode == Mode.ADD:
                    value = pair(*(rng.randrange(-128, 128) for _ in range(2)), config)
                last = channel == count - 1
                group_end = last and pixel == pixels - 1
                layer.values.append((value, {
                    "pixel": last, "tile": last, "row": group_end or (last and rng.random() < 0.5),
                    "group": group_end, "layer": group_end and group == groups - 1}, index))
    return layer


class Requantizing:
    """A requantizer, run layer by layer; its records come as early as there is room."""

    def __init__(self, config, layers, *, gaps, seed=0):
        self.config = config
        self.layers = layers
        self.gaps   = gaps
        self.rng    = random.Random(seed)
        self.dut    = Requantizer(config)
        self.beats  = [beat for layer in layers for record in self.on_tape(layer)
                       for beat in record.beats(config)]
        self.sent   = 0
        self.cycle  = 0
        self.usable = 0          # records that the pipeline can have read

    def on_tape(self, layer):
        """A layer's records as the tape has them: shared ones once for every lane."""
        copies = self.config.requantizers if layer.fields["shared_record"] else 1
        return [record for record in layer.records for _ in range(copies)]

    def together(self, layer):
        """The layer's values as they come: neighbouring channels of a pixel side by side."""
        items = [[]]
        for value in layer.values:
            if len(items[-1]) == self.config.requantizers \
                    or (items[-1] and items[-1][-1][1]["pixel"]):
                items.append([])
            items[-1].append(value)
        return items

    def chance(self):
        return self.rng.random() >= self.gaps

    async def tick(self, ctx):
        """A cycle, and a beat of the records in it."""
        dut = self.dut
        offers = self.sent < len(self.beats) and self.chance()
        ctx.set(dut.records.valid, offers)
        ctx.set(dut.records.payload, self.beats[self.sent] if offers
                else [self.rng.randrange(256)] * self.config.tape_bytes)
        # A record has always been there for a while when its first value comes: the weights that
        # make the value are behind it on the tape.
        if ctx.get(dut.o.ready) or not ctx.get(dut.o.valid):
            self.usable = self.sent // self.config.record_beats
        self.sent += offers and ctx.get(dut.records.ready)
        self.cycle += 1
        await ctx.tick()

    async def run(self, ctx, layer, first_record):
        """Run a layer; returns the cycles in which values were taken and bytes first offered."""
        dut = self.dut
        for value in layer.table or ():
            ctx.set(dut.table.valid, 1)
            ctx.set(dut.table.payload, value)
            await self.tick(ctx)
        ctx.set(dut.table.valid, 0)
        ctx.set(dut.layer, layer.fields)
        given, got, took, offered = 0, 0, [], []
        items = self.together(layer)
        while got < len(items):
            ctx.set(dut.o.ready, self.chance())
            item = items[min(given, len(items) - 1)]
            _, ends, index = item[-1]
            needed = first_record + (self.config.shared_records if layer.fields["shared_record"]
                                     else index + 1)
            valid = given < len(items) and needed <= self.usable and self.chance()
            ctx.set(dut.i.valid, valid)
            values = [value if valid else 12345 for value, _, _ in item]
            given_ends = ends if valid else dict.fromkeys(ENDS, 1)
            ctx.set(dut.i.payload, {
                "values": values + [54321] * (self.config.requantizers - len(item)),
                "top": len(item) - 1, "ends": packed_ends(given_ends)})
            if valid and ctx.get(dut.i.ready):
                took.append(self.cycle)
                given += 1
            if ctx.get(dut.o.valid):
                ends = items[got][-1][1]
                for lane, (value, _, index) in enumerate(items[got]):
                    wanted = requantized(layer, value, index, self.config.digit_width)
                    assert ctx.get(dut.o.p.values[lane]) == wanted, \
                        f"{value} with {layer.records[index]} and {layer.fields}"
                assert ctx.get(dut.o.p.top) == len(items[got]) - 1
                assert get_ends(ctx, dut.o.p.ends) == ends
                if len(offered) == got:
                    offered.append(self.cycle)
                got += ctx.get(dut.o.ready)
            coming = get_ends(ctx, dut.coming) if ctx.get(dut.run) else None
            await self.tick(ctx)
            if coming and ctx.get(dut.o.valid):
                assert get_ends(ctx, dut.o.p.ends) == coming
        return took, offered

    async def run_all(self, ctx):
        first = 0
        for layer in self.layers:
            await self.run(ctx, layer, first)
            first += len(self.on_tape(layer))
        assert self.sent == len(self.beats)

    def simulate(self):
        simulate(self.dut, self.run_all, deadline=100_000)


GEOMETRIES = pytest.mark.parametrize("rows, lanes", ((1, 1), (2, 3), (3, 3), (4, 4)))


def config_for(rows, lanes, sums):
    """A small engine, or the next larger one that can have two results at a time."""
    if sums is TWO:
        rows, lanes = rows + rows % 2, lanes + lanes % 2
    return small_config(rows, 1, lanes, **sums)


GAPS = pytest.mark.parametrize("gaps", (0, 0.35))
TWO = {"whole_sums": True, "write_port": True, "requantizers": 2}
SUMS = pytest.mark.parametrize("sums", ({}, {"digit_width": 10}, {"whole_sums": True}, TWO),
                               ids=("digits", "wide digits", "whole", "two at a time"))


@GEOMETRIES
@GAPS
@pytest.mark.parametrize("steps", (2, 3, 4))
@SUMS
def test_channels(rows, lanes, gaps, steps, sums):
    config = config_for(rows, lanes, sums)
    rng = random.Random(steps)
    layers = [random_layer(rng, config, mode=rng.choice((Mode.ARRAY, Mode.MAXIMUM)), steps=steps,
                           shared=0, groups=rng.randint(1, 3)) for _ in range(6)]
    Requantizing(config, layers, gaps=gaps).simulate()


@GEOMETRIES
@GAPS
@SUMS
def test_shared_record(rows, lanes, gaps, sums):
    config = config_for(rows, lanes, sums)
    rng = random.Random(rows)
    layers = [random_layer(rng, config, mode=Mode.ARRAY, steps=steps, shared=1)
              for _ in range(2) for steps in (1, 2, 3, 4)]
    Requantizing(config, layers, gaps=gaps).simulate()


@GAPS
@SUMS
def test_add(gaps, sums):
    config = small_config(2, 1, 4, **sums)
    rng = random.Random(0)
    layers = [random_layer(rng, config, mode=Mode.ADD, steps=2, shared=1, pixels=8)
              for _ in range(10)]
    Requantizing(config, layers, gaps=gaps).simulate()


@SUMS
def test_add_of_extremes(sums):
    config = small_config(2, 1, 4, **sums)
    layers = []
    for zero_points in ((-128, 127), (127, -128)):
        layer = random_layer(random.Random(1), config, mode=Mode.ADD, steps=2, shared=1)
        layer.fields |= dict(zip(("zero_point_1", "zero_point_2"), zero_points, strict=True),
                             zero_point=0, low=-128, high=127)
        top = (1 << config.multiplier_width) - 1
        layer.records = [Record(0, top, config.shift_max, 0, 0),
                         Record(0, top, config.shift_max, 0, 0)]
        layer.values = [(pair(low, high, config), dict.fromkeys(ENDS, 0), 0)
                        for low in (-128, -1, 0, 127) for high in (-128, -1, 0, 127)]
        layer.values[-1][1].update(dict.fromkeys(ENDS, 1))
        layers.append(layer)
    Requantizing(config, layers, gaps=0).simulate()


@GAPS
@SUMS
def test_table(gaps, sums):
    config = small_config(2, 1, 2, **sums)
    rng = random.Random(0)
    layers = [random_layer(rng, config, mode=Mode.MAXIMUM, steps=2, shared=1, pixels=10,
                           with_table=with_table) for with_table in (True, False, True, True)]
    Requantizing(config, layers, gaps=gaps).simulate()


@pytest.mark.parametrize("changes", (
    dict(acc_width=24), dict(multiplier_width=16), dict(multiplier_width=32),
    dict(multiplier_width=32, shift_min=4), dict(shift_min=17), dict(channel_records=32)),
    ids=str)
@SUMS
def test_widths(changes, sums):
    config = small_config(2, 1, 4, **sums, **changes)
    rng = random.Random(9)
    layers = [random_layer(rng, config, mode=Mode.ARRAY, steps=steps, shared=steps == 1,
                           groups=3, pixels=4)
              for steps in (1, 2, 3, 4) for _ in range(2)]
    Requantizing(config, layers, gaps=0).simulate()


@pytest.mark.parametrize("changes", (dict(multiplier_width=22), dict(shift_min=18)), ids=str)
@SUMS
def test_largest_shift(changes, sums):
    config = small_config(2, 1, 4, **sums, **changes)
    layer = random_layer(random.Random(0), config, mode=Mode.ARRAY, steps=1, shared=1)
    layer.fields |= {"zero_point": 0, "low": -128, "high": 127}
    layer.records = [Record(0, 1, config.shift_max, 0, 0)] * 2
    layer.values = [(-1, dict.fromkeys(ENDS, 1), 0)]
    Requantizing(config, [layer], gaps=0).simulate()


@pytest.mark.parametrize("steps", (1, 2, 3, 4))
@SUMS
def test_saturation(steps, sums):
    """Each limit of the digits and its neighbours, both sides."""
    config = small_config(2, 1, 4, **sums)
    limit = 1 << (min(config.digit_width * steps, 32) - 1)
    edges = [edge + step for edge in (-limit, limit - 1) for step in (-1, 0, 1)]
    layer = random_layer(random.Random(0), config, mode=Mode.ARRAY, steps=steps, shared=1)
    layer.fields |= {"zero_point": 0, "low": -128, "high": 127}
    # The largest shift that leaves the lowest bits of the saturated sum to be seen:
    layer.records = [Record(0, 1 << config.shift_min, config.shift_min, 0, 0)] * 2
    if steps > 1:
        layer.records[0] = Record(-limit + 50, 1 << 29, config.shift_min + 15, 0, 0)
    values = [edge - layer.records[0].bias for edge in edges]
    values = [value for value in values if -1 << 31 <= value < 1 << 31
              and -1 << 31 <= value + layer.records[0].bias < 1 << 31]
    layer.values = [(value, dict.fromkeys(ENDS, index == len(values) - 1), 0)
                    for index, value in enumerate(values)]
    Requantizing(config, [layer], gaps=0).simulate()


@pytest.mark.parametrize("steps", (1, 2, 3, 4))
@SUMS
def test_latency(steps, sums):
    config = small_config(2, 1, 4, **sums)
    layer = random_layer(random.Random(0), config, mode=Mode.ARRAY, steps=steps, shared=steps == 1,
                         groups=1, pixels=8)
    requantizing = Requantizing(config, [layer], gaps=0)

    async def testbench(ctx):
        while requantizing.sent < len(requantizing.beats):
            await requantizing.tick(ctx)
        took, offered = await requantizing.run(ctx, layer, 0)
        turns = 1 if config.whole_sums else steps
        assert took == list(range(took[0], took[0] + turns * len(took), turns))
        assert config.turns(steps) == turns
        latency = config.requantize_latency(steps)
        assert offered == [cycle + latency for cycle in took]

    simulate(requantizing.dut, testbench)
