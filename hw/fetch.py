"""The fetcher: walks a layer's loops and reads the scratchpad, the weights beside it."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import LOOPS, READ_STEPS, STEPS, Mode
from .layouts import jump_layout, layer_layout
from .loops import Loop, Place, Skip
from .outside import Outside
from .results import Ends, TileEnds, ends_of
from .weights import WeightRead


class Token(data.Struct):
    """A read that the scratchpad is carrying out, and what becomes of it."""

    valid: 1
    first: 1       # of its tile
    last:  1
    tile:  TileEnds


class Fetcher(wiring.Component):
    """Reads the taps of every tile of a layer, one word a cycle.

    ``start`` begins the layer that ``layer`` describes. Each cycle with ``go`` issues a read, or
    a bubble where a tile may not start its next slot: its weights are not there yet
    (``written``), there is no room for its results (``room``), or the tile before it needs time
    to shift out. A cycle without ``go`` issues nothing. A slot is one read for each column of the
    array, or one in all for the vector unit.

    ``addr`` is the byte address. `word_cycles` later the word is there, and with it ``token``,
    ``column`` and ``outside`` (the lanes that lie outside of the image); ``advance`` tells whether
    that cycle brought anything (a bubble does). The request for the weights is there a cycle
    before that, and so is ``ask``, the ``advance`` of weights. (With `write_port`, ``go`` is to
    be high always, and both are.)
    ``room_taken`` is the start of a tile's last slot. In mode LOAD, tiles are counted by the
    bytes that ``i`` brings, and go to ``load``.

    A layer of windows makes no results of its first reads, which only fill the windows; nor has it
    weights for these.

    The loops are a read ahead of the place: with ``step_en`` they go on, and ``step`` is that from
    the read which they were at to the next one, whose ``jump`` is wanted in the next cycle.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "layer": In(layer_layout(config)),
            "start": In(1),
            "busy":  Out(1),

            "go":         In(1),
            "room":       In(1),
            "room_taken": Out(1),
            "written":    In(range(2 * config.weight_words)),
            "addr":       Out(config.addr_width),

            "step_en": Out(1),
            "step":    Out(range(STEPS)),
            "jump":    In(jump_layout(config)["read"].shape),

            "advance":  Out(1),
            "token":    Out(Token),
            "column":   Out(range(config.columns)),
            "outside":  Out(config.word_bytes),
            "ask":      Out(1),
            "weights":  Out(WeightRead),
            "w_addr":   Out(range(config.weight_words)),

            "i":    In(stream.Signature(signed(8))),
            "load": Out(stream.Signature(data.StructLayout({"byte": signed(8), "ends": Ends}))),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer = self.config, self.layer
        # (Of the layer, these are known a cycle late: the first read comes later still.)
        is_load, is_array = Signal(), Signal()
        m.d.sync += [is_load.eq(layer.mode == Mode.LOAD), is_array.eq(layer.mode == Mode.ARRAY)]

        # The loops, inner to outer: a loop steps when all inside of it are in their last turn, and
        # none behind the last read. That one leaves them all as `start` wants them.
        issue, begin = Signal(), Signal()
        m.d.sync += begin.eq(self.start)
        counts = {"column": Mux(layer.mode == Mode.ARRAY, config.columns - 1, 0),
                  "chunk": layer.chunks, "kx": layer.kx, "ky": layer.ky, "tile": layer.tiles,
                  "row": layer.rows, "group": layer.groups}
        loops = {name: Loop(Value.cast(counts[name]).shape()) for name in LOOPS}
        ahead = Cat(loop.last for loop in loops.values())
        m.d.comb += self.step_en.eq(begin | issue)
        for index, (name, loop) in enumerate(loops.items()):
            m.submodules[f"{name}_loop"] = loop
            m.d.comb += [loop.count.eq(counts[name]), loop.step.eq(
                self.start | (self.step_en & ahead[:index].all() & ~ahead.all()))]
        for name, loop in reversed(loops.items()):
            with m.If(~loop.last):
                m.d.comb += self.step.eq(READ_STEPS[name])

        # The read that is next: which turns are the last, and where it lies.
        at = Signal(len(ahead), reset_less=True)
        with m.If(self.step_en):
            m.d.sync += at.eq(ahead)
        last = dict(zip(LOOPS, at, strict=True))
        turn = {name: at[:index].all() for index, name in enumerate(LOOPS)}    # it ends a turn
        m.submodules.place = place = Place(self.jump.shape())
        m.d.comb += [place.start.eq(self.start), place.step.eq(self.step_en),
                     place.jump.eq(self.jump), self.addr.eq(place.place.addr)]
        with m.If(begin):
            m.d.sync += self.busy.eq(1)
        with m.Elif(issue & at.all()):
            m.d.sync += self.busy.eq(0)

        # Reads that count, and those of them that complete a tile. In a layer of windows the others
        # only fill the windows; of those that count, some layers complete a tile with each.
        is_counted, slot_completes = C(1), last["chunk"] & last["kx"] & last["ky"]
        is_window, is_last = C(0), C(1)      # of the results of a turn of the loops in a tile
        if config.windows:
            is_window, is_last = layer.window, turn["tile"]
            m.submodules.ky_skip   = skip_ky   = Skip(layer.skip_ky.shape())
            m.submodules.tile_skip = skip_tile = Skip(layer.skip_tiles.shape())
            m.d.comb += [
                skip_ky.first.eq(layer.skip_ky), skip_ky.every.eq(layer.every_ky),
                skip_ky.begin.eq(self.start | (issue & turn["tile"])), skip_ky.step.eq(issue),
                skip_tile.first.eq(layer.skip_tiles), skip_tile.every.eq(layer.every_tile),
                skip_tile.begin.eq(self.start | (issue & turn["tile"] & last["tile"])),
                skip_tile.step.eq(issue & turn["tile"]),
            ]
            is_counted = ~is_window | (skip_ky.none & skip_tile.none)
            slot_completes = is_counted & (slot_completes | (is_window & layer.repeat_weights))

        # Weights: each tile plays its group's again; the group's last tile lets them go.
        reading    = Signal.like(self.written)
        tile_start = Signal.like(self.written)
        tile_ends  = slot_completes & last["column"]     # ... and so does this read, if it is one
        last_tile  = last["tile"] & last["row"]
        slot_ends  = turn["chunk"]
        release    = last_tile & (~layer.repeat_weights
                                  | (last["chunk"] & last["kx"] & last["ky"]))
        with m.If(issue & is_array & is_counted):
            m.d.sync += reading.eq(reading + 1)
            with m.If(tile_ends & last_tile & is_last):
                m.d.sync += tile_start.eq(reading + 1)
            with m.Elif(tile_ends | (slot_ends & layer.repeat_weights)):
                m.d.sync += reading.eq(tile_start)

        # When a slot may start:
        in_slot, most = Signal(), max(config.tile_spacing, config.vector_spacing)
        spacing = Signal(range(-1, most), init=-1)   # less one: its sign says that none is left
        arrived = Signal.like(self.written)
        m.d.comb += arrived.eq(self.written - reading)
        there = arrived >= config.columns if config.columns > 1 else self.written != reading
        allowed = (~is_array | ~is_counted | there) & (~slot_completes | (self.room & spacing[-1]))
        m.d.comb += [
            issue.eq(self.busy & Mux(is_load, self.load.valid & self.load.ready,
                                     self.go & (in_slot | allowed))),
            self.room_taken.eq(issue & ~in_slot & slot_completes & ~is_load),
        ]
        with m.If(issue):
            m.d.sync += in_slot.eq(~last["column"])
        with m.If(self.room_taken):
            m.d.sync += spacing.eq(Mux(
                is_array, config.tile_spacing - 2, config.vector_spacing - 2))
        with m.Elif(self.go & ~spacing[-1]):
            m.d.sync += spacing.eq(spacing - 1)

        # Bytes outside of the image:
        outside = Signal(config.word_bytes)
        if config.padding:
            m.submodules.outside = edges = Outside(config)
            m.d.comb += [edges.x.eq(place.place.x), edges.y.eq(place.place.y),
                         edges.row_bytes.eq(layer.row_bytes), edges.height.eq(layer.height),
                         outside.eq(edges.outside)]

        # What the tile, and the read, is the last of:
        token = Signal(Token)
        first = Signal()
        with m.If(self.start):
            m.d.sync += first.eq(1)
        with m.Elif(issue):
            m.d.sync += first.eq(tile_ends)
        m.d.comb += [
            token.valid.eq(issue & ~is_load),
            token.first.eq(first),
            token.last.eq(tile_ends),
            token.tile.row.eq(last["tile"] & is_last),
            token.tile.group.eq(last_tile & is_last),
            token.tile.last_group.eq(last["group"]),
            token.tile.column.eq(is_window & turn["tile"] & ~last["tile"]),
        ]
        weights = Signal(WeightRead)
        m.d.comb += [
            weights.beat.valid.eq(issue & is_array & is_counted),
            weights.beat.push.eq(issue & is_window),
            weights.beat.last.eq(tile_ends),
            weights.release.eq(release),
        ]

        # All that accompanies the read through the scratchpad:
        column = Signal.like(self.column)
        with m.If(issue):
            m.d.sync += column.eq(Mux(last["column"], 0, column + 1))
        if config.write_port:                    # nobody takes the scratchpad away: always
            m.d.comb += [self.ask.eq(1), self.advance.eq(1)]
        else:
            m.d.sync += [self.ask.eq(self.go), self.advance.eq(self.ask)]

        def late(value, cycles, reset_less=False):
            """``value`` so many cycles ago."""
            for _ in range(cycles):
                following = Signal.like(value, reset_less=reset_less)
                m.d.sync += following.eq(value)
                value = following
            return value

        word = config.word_cycles
        m.d.comb += [
            self.token.eq(late(token, word)),
            self.column.eq(late(column, word, reset_less=True)),
            self.outside.eq(late(outside, word, reset_less=True)),
            self.weights.eq(late(weights, word - 1)),
            self.w_addr.eq(late(reading, word - 1, reset_less=True)),
        ]

        # The input stream, in mode LOAD:
        m.d.comb += [
            self.load.valid.eq(self.i.valid & self.busy & is_load),
            self.i.ready.eq(self.load.ready & self.busy & is_load),
            self.load.p.byte.eq(self.i.payload),
            Value.cast(self.load.p.ends).eq(ends_of(
                pixel=last["ky"], tile=last["ky"], row=last["ky"] & last["tile"],
                group=last["ky"] & last_tile, last_group=last["group"])),
        ]
        return m
