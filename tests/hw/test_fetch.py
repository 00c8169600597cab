import itertools
import random
from dataclasses import dataclass

import pytest
from amaranth.hdl import Array, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from simulation import ENDS, get_ends, simulate, small_config

from compiler.jumps import read_jumps, walk_fields
from hw.config import READ_STEPS, STEPS, Mode
from hw.fetch import Fetcher
from hw.layouts import jump_layout, layer_layout

LOOPS = ("groups", "rows", "tiles", "ky", "kx", "chunks")


@dataclass
class Read:
    """What the fetcher must do in a cycle that brings a word."""

    addr: int
    column: int
    outside: int              # a bit to each lane
    first: bool               # of its tile
    last: bool
    ends: dict                # of the tile
    starts_slot: bool
    in_last_slot: bool
    word: int = 0             # of the weights, counted from the layer's first
    release: bool = False


def turns(fields, *names):
    """The turns of nested loops, and for each whether it is its loop's last."""
    for turn in itertools.product(*(range(fields.get(name, 0) + 1) for name in names)):
        yield (*turn, *(index == fields.get(name, 0) for index, name in
                        zip(turn, names, strict=True)))


def all_fields(config, fields):
    """Those of the configuration, and those that become jumps."""
    names = [*(name for name, _ in layer_layout(config)), *walk_fields(config)]
    return {name: fields.get(name, 0) for name in names}


class Jumping(wiring.Component):
    """A fetcher, and the jumps beside it."""

    def __init__(self, config):
        self.fetcher = Fetcher(config)
        super().__init__({"jumps": In(jump_layout(config)["read"].shape).array(STEPS)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fetcher = fetcher = self.fetcher
        with m.If(fetcher.start):
            m.d.sync += fetcher.jump.eq(self.jumps[READ_STEPS["start"]])
        with m.Elif(fetcher.step_en):
            m.d.sync += fetcher.jump.eq(Array(self.jumps)[fetcher.step])
        return m


def reads(config, fields):
    """The reads of a layer, from the docstrings of `layer_layout` and `walk_fields`; and the words
    it lets go of."""
    f = all_fields(config, fields)
    is_array = f["mode"] == Mode.ARRAY
    columns = config.columns if is_array else 1
    slots = (f["ky"] + 1) * (f["kx"] + 1) * (f["chunks"] + 1)
    group_words = columns * (1 if f["repeat_weights"] else slots)
    found = []
    for group, row, tile, last_group, last_row, last_tile in turns(f, *LOOPS[:3]):
        ends = {"row": last_tile, "group": last_tile and last_row,
                "last_group": last_group}
        for slot, (ky, kx, chunk, *_) in enumerate(turns(f, *LOOPS[3:])):
            for column in range(columns):
                row_addr = f["base"] + row * f["row_stride"] + ky * f["ky_stride"]
                x = f["x_start"] + group * f["group_stride"] + tile * f["tile_stride"] \
                    + kx * f["kx_stride"] + column * f["column_stride"] \
                    + (0 if f["same_word"] else chunk * config.word_bytes)
                y = f["y_start"] + row * f["y_row_step"] + ky * f["y_ky_step"]
                inside = [0 <= x + lane < f["row_bytes"] and 0 <= y <= f["height"]
                          for lane in range(config.word_bytes)]
                word = column if f["repeat_weights"] else slot * columns + column
                in_last_slot = slot == slots - 1
                found.append(Read(
                    addr=(row_addr + x) % config.scratchpad_bytes, column=column,
                    outside=sum((not i) << lane for lane, i in enumerate(inside)),
                    first=slot == 0 and column == 0,
                    last=in_last_slot and column == columns - 1,
                    ends=ends, starts_slot=column == 0, in_last_slot=in_last_slot,
                    word=group * group_words + word,
                    release=ends["group"] and (in_last_slot or not f["repeat_weights"])))
    return found, (f["groups"] + 1) * group_words if is_array else 0


class Fetching:
    """A fetcher with a model of all that surrounds it, run layer by layer."""

    def __init__(self, config, *, gaps, seed=0):
        self.config = config
        self.whole  = Jumping(config)
        self.dut    = self.whole.fetcher
        self.gaps   = gaps
        self.rng    = random.Random(seed)
        self.written = self.released = self.wanted = self.layer_words = 0   # of weights

    def chance(self):
        return self.rng.random() >= self.gaps

    async def start(self, ctx, fields):
        """The two cycles with which a layer begins."""
        f = all_fields(self.config, fields)
        ctx.set(self.dut.layer, {name: f[name] for name, _ in layer_layout(self.config)})
        for port, jump in zip(self.whole.jumps, read_jumps(f, self.config), strict=True):
            ctx.set(port, jump | {"addr": jump["addr"] % self.config.scratchpad_bytes})
        ctx.set(self.dut.start, 1)
        await ctx.tick()
        ctx.set(self.dut.start, 0)
        await ctx.tick()

    async def run(self, ctx, fields):
        """Run a layer, compare every read, and return the cycles in which reads were issued."""
        dut, config = self.dut, self.config
        wanted, words = reads(config, fields)
        is_array = fields["mode"] == Mode.ARRAY
        first_word, self.wanted = self.layer_words, self.layer_words + words
        self.layer_words += words
        spacing = config.tile_spacing if is_array else config.vector_spacing
        await self.start(ctx, fields)
        before, issued, slot_go, asked, late = [], [], None, None, config.word_cycles
        idle, credit, cycle, went = 0, 0, 0, 0
        while idle < 3 + late:
            # With its word, a read comes with all that belongs to it, the weights' share of that a
            # cycle before:
            if before:
                assert ctx.get(dut.ask) == before[-1][0]
            if len(before) >= late:
                go, addr, written, room, room_taken, goes = before[-late]
                assert ctx.get(dut.advance) == go
                valid = ctx.get(dut.token.valid)
                assert asked["valid"] == (valid and is_array)
                if valid:
                    read = wanted[len(issued)]
                    issued.append(cycle - late)
                    assert go and addr == read.addr
                    self.compare(ctx, read)
                    if is_array:
                        assert asked == {
                            "valid": 1, "last": read.last, "release": read.release,
                            "addr": (first_word + read.word) % config.weight_words}
                    if read.starts_slot and is_array:
                        assert written - first_word - read.word >= config.columns
                    takes_room = read.starts_slot and read.in_last_slot
                    assert room_taken == takes_room and (room or not takes_room)
                    if takes_room:
                        assert slot_go is None or goes - slot_go >= spacing
                        slot_go = goes
                    self.released += is_array and read.release
                else:
                    assert not room_taken

            # The surroundings:
            self.written += self.written < min(self.wanted, self.released + config.weight_words) \
                and self.chance()
            if not self.gaps:
                self.written = min(self.wanted, self.released + config.weight_words)
            credit += credit < 3 and self.chance()
            go = config.write_port or self.chance()
            ctx.set(dut.go, go)
            ctx.set(dut.room, credit > 0)
            ctx.set(dut.written, self.written % (2 * config.weight_words))
            taken = ctx.get(dut.room_taken)
            before.append((go, ctx.get(dut.addr), self.written, credit > 0, taken, went))
            credit -= taken
            went += go
            weights = dut.weights
            asked = {"valid": ctx.get(weights.beat.valid), "last": ctx.get(weights.beat.last),
                     "release": ctx.get(weights.release), "addr": ctx.get(dut.w_addr)}
            idle = 0 if ctx.get(dut.busy) else idle + 1
            cycle += 1
            await ctx.tick()
        assert len(issued) == len(wanted)
        return issued

    def compare(self, ctx, read):
        dut = self.dut
        token = dut.token
        got = {"column": ctx.get(dut.column), "outside": ctx.get(dut.outside),
               "first": ctx.get(token.first), "last": ctx.get(token.last),
               "ends": {name: ctx.get(getattr(token.tile, name)) for name in read.ends}}
        assert got == {name: getattr(read, name) for name in got}

    async def load(self, ctx, fields):
        """Run a layer in mode LOAD."""
        dut = self.dut
        sent = [self.rng.randrange(-128, 128)
                for _ in turns(fields, "groups", "rows", "tiles", "ky")]
        ends = []
        for *_, group, row, tile, ky in turns(fields, "groups", "rows", "tiles", "ky"):
            nested = itertools.accumulate((ky, True, tile, row, group), lambda a, b: a and b)
            ends.append(dict(zip(ENDS, nested, strict=True)))
        ctx.set(dut.i.valid, 0)
        await self.start(ctx, fields)
        taken = 0
        while taken < len(sent):
            assert ctx.get(dut.busy) and not ctx.get(dut.token.valid)
            offered, ready = self.chance(), self.chance()
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.i.payload, sent[taken] if offered else 99)
            ctx.set(dut.load.ready, ready)
            assert ctx.get(dut.load.valid) == offered
            assert ctx.get(dut.i.ready & dut.i.valid) == (offered and ready)
            if offered and ready:
                assert ctx.get(dut.load.p.byte) == sent[taken]
                assert get_ends(ctx, dut.load.p.ends) == ends[taken]
                taken += 1
            await ctx.tick()
        ctx.set(dut.i.valid, 1)              # what comes after the layer must wait
        for _ in range(3):
            assert not ctx.get(dut.busy) and not ctx.get(dut.i.ready)
            await ctx.tick()


def random_fields(rng, config, mode):
    """Any fields, the strides small enough for reads to lie on both sides of every edge."""
    counts = {name: rng.choice((0, 0, 1, 2)) for name in LOOPS}
    if mode == Mode.ARRAY:                   # a tile's weights must fit into the rings
        counts["chunks"] = rng.choice((0, 1))
        counts["kx"] = rng.choice((0, 1))
    return counts | {
        "mode": mode, "repeat_weights": rng.randrange(2), "same_word": rng.randrange(2),
        "base": rng.randrange(config.scratchpad_bytes),
        "row_stride": rng.randrange(config.scratchpad_bytes),
        "ky_stride": rng.randrange(config.scratchpad_bytes),
        "x_start": rng.randrange(-3 * config.word_bytes, 4),
        "group_stride": rng.randrange(config.word_bytes + 1),
        "tile_stride": rng.randrange(12), "column_stride": rng.randrange(6),
        "kx_stride": rng.randrange(8), "row_bytes": rng.choice((1, 5, 16, 20, 33)),
        "y_start": rng.randrange(-3, 2), "y_row_step": rng.randrange(4),
        "y_ky_step": rng.randrange(3), "height": rng.randrange(6),
    }


GEOMETRIES = pytest.mark.parametrize("geometry", ((1, 1, 1), (4, 1, 4), (3, 2, 3), (2, 4, 1)))


LARGE = {"whole_sums": True, "write_port": True, "requantizers": 2}


@pytest.mark.parametrize("geometry, parameters", (
    ((1, 1, 1), {}), ((4, 1, 4), {}), ((3, 2, 3), {}), ((2, 4, 1), {}), ((4, 2, 2), LARGE)))
@pytest.mark.parametrize("gaps", (0, 0.4))
def test_random_layers(geometry, parameters, gaps):
    config = small_config(*geometry, weight_words=64, **parameters)
    fetching = Fetching(config, gaps=gaps, seed=5)

    async def testbench(ctx):
        rng = random.Random(1)
        for index in range(16):
            mode = (Mode.ARRAY, Mode.ARRAY, Mode.MAXIMUM, Mode.ADD, Mode.LOAD)[index % 5]
            fields = random_fields(rng, config, mode)
            if mode == Mode.LOAD:            # a byte to a pixel
                await fetching.load(ctx, fields | {"kx": 0, "chunks": 0, "ky": 0})
            else:
                await fetching.run(ctx, fields)

    simulate(fetching.whole, testbench, deadline=100_000)


@dataclass
class Convolution:
    """An image, and the window that slides over it with padding on all sides."""

    height: int
    width: int
    channels: int
    kernel: tuple
    stride: int
    padding: int
    address: int = 100

    @property
    def out(self):
        return [(size + 2 * self.padding - kernel) // self.stride + 1
                for size, kernel in zip((self.height, self.width), self.kernel, strict=True)]

    def fields(self, config):
        """What the engine wants to be told: a kernel's row lies side by side in memory."""
        row_bytes, step = self.width * self.channels, self.stride * self.channels
        return {
            "mode": Mode.ARRAY, "rows": self.out[0] - 1,
            "tiles": -(-self.out[1] // config.columns) - 1, "ky": self.kernel[0] - 1,
            "chunks": -(-self.kernel[1] * self.channels // config.word_bytes) - 1,
            "base": (self.address - self.padding * row_bytes) % config.scratchpad_bytes,
            "row_stride": self.stride * row_bytes, "ky_stride": row_bytes,
            "x_start": -self.padding * self.channels, "tile_stride": config.columns * step,
            "column_stride": step, "row_bytes": row_bytes, "y_start": -self.padding,
            "y_row_step": self.stride, "y_ky_step": 1, "height": self.height - 1,
        }

    def taps(self, config):
        """For each read in order, the byte address of each lane, or None outside of the image."""
        chunks = -(-self.kernel[1] * self.channels // config.word_bytes)
        for row, first in itertools.product(range(self.out[0]),
                                            range(0, self.out[1], config.columns)):
            for ky, chunk, column in itertools.product(range(self.kernel[0]), range(chunks),
                                                       range(config.columns)):
                y = row * self.stride + ky - self.padding
                start = ((first + column) * self.stride - self.padding) * self.channels \
                    + chunk * config.word_bytes
                yield [self.address + (y * self.width * self.channels) + x
                       if 0 <= y < self.height and 0 <= x < self.width * self.channels else None
                       for x in range(start, start + config.word_bytes)]


@GEOMETRIES
@pytest.mark.parametrize("convolution", (
    Convolution(5, 6, 1, (3, 3), 1, 1), Convolution(4, 7, 3, (3, 2), 2, 0),
    Convolution(3, 3, 5, (1, 1), 1, 0), Convolution(6, 5, 2, (5, 3), 1, 2)), ids=str)
def test_convolution(geometry, convolution):
    config = small_config(*geometry, weight_words=64)
    fields = convolution.fields(config)
    wanted = [(read.addr, read.outside) for read in reads(config, fields)[0]]
    taps = list(convolution.taps(config))
    assert len(wanted) == len(taps)
    for (addr, outside), lanes in zip(wanted, taps, strict=True):
        for lane, place in enumerate(lanes):
            assert (place is None) == bool(outside >> lane & 1)
            assert place is None or place == (addr + lane) % config.scratchpad_bytes
    fetching = Fetching(config, gaps=0.1)

    async def testbench(ctx):
        await fetching.run(ctx, fields)

    simulate(fetching.whole, testbench, deadline=100_000)


@GEOMETRIES
def test_a_word_a_cycle(geometry):
    """Without stalls, only a tile that is shorter than its results' way out waits."""
    config = small_config(*geometry, weight_words=64)
    fetching = Fetching(config, gaps=0)

    async def testbench(ctx):
        for mode, chunks, tiles in ((Mode.ARRAY, 0, 4), (Mode.ARRAY, 6, 3), (Mode.MAXIMUM, 0, 4),
                                    (Mode.MAXIMUM, 7, 3)):
            issued = await fetching.run(ctx, {"mode": mode, "chunks": chunks, "tiles": tiles,
                                              "row_bytes": 16})
            is_array = mode == Mode.ARRAY
            columns = config.columns if is_array else 1
            spacing = config.tile_spacing if is_array else config.vector_spacing
            cycle, room_from, wanted = 0, 0, []
            for _ in range(tiles + 1):
                for slot in range(chunks + 1):
                    if slot == chunks:
                        cycle = max(cycle, room_from)
                        room_from = cycle + spacing
                    wanted += range(cycle, cycle + columns)
                    cycle += columns
            assert issued == wanted
            for _ in range(spacing):         # the last tile's way out
                await ctx.tick()

    simulate(fetching.whole, testbench)
