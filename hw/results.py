"""Results on their way to the requantizer: shifted out of where they were made, into a queue."""

from amaranth import *
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from .config import Mode
from .layouts import layer_layout


class Ends(data.Struct):
    """What a value is the last of: a ``level`` of 1 is a pixel (the channels of it that this group
    computes), 2 a row, 3 a group. ``last_group`` says of which group it is; ``column``, in a layer
    of windows, that it ends a column, but no row."""

    level:      2
    last_group: 1
    tile:       1
    column:     1

    @property
    def pixel(self):
        """Whether it ends a pixel."""
        return self.level != 0

    @property
    def group(self):
        """Whether it ends a group."""
        return self.level == 3

    @property
    def layer(self):
        """Whether it ends the layer."""
        return self.group & self.last_group


def ends_of(*, pixel, tile, row, group, last_group, column=0):
    """The Ends of a value, each of which holds only where those before it do."""
    return Cat(group | (pixel & ~row), row, last_group, tile, C(0) | column)


def several(shape, config):
    """What leaves in a cycle: neighbouring channels of a pixel up to the one numbered `top`, and
    what the last of them ends."""
    return data.StructLayout({
        "values": data.ArrayLayout(shape, config.requantizers),
        "top":    range(config.requantizers),
        "ends":   Ends,
    })


def result_layout(config):
    """Values for the requantizer."""
    return several(signed(config.acc_width), config)


class TileEnds(data.Struct):
    """What a tile is the last of: `last_group` says of which group it is."""

    row:        1
    group:      1
    last_group: 1
    column:     1


class Collector(wiring.Component):
    """Shifts finished tiles out, drops what lies outside of the image, and queues the rest.

    ``array_done`` and ``vector_done`` come with the last result of a tile, ``tile`` with either;
    from the next cycle on, ``shift`` brings `requantizers` results a cycle, which the makers of
    results must leave alone until then. Whoever starts a tile sees to it that the queue will have
    room. In mode LOAD the input stream goes straight into the queue, a byte for each ``load``.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "layer":       In(layer_layout(config)),
            "array_done":  In(1),
            "vector_done": In(1),
            "tile":        In(TileEnds),
            "array":       In(signed(config.acc_width)).array(config.requantizers),
            "vector":      In(signed(config.vector_width)).array(config.requantizers),
            "shift":       Out(1),
            "load":        In(stream.Signature(data.StructLayout({"byte": signed(8),
                                                                  "ends": Ends}))),
            "o":           Out(stream.Signature(result_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer = self.config, self.layer
        # (Of the layer, these are known a cycle late: the first value comes later still.)
        is_load, is_array = Signal(), Signal()
        m.d.sync += [is_load.eq(layer.mode == Mode.LOAD), is_array.eq(layer.mode == Mode.ARRAY)]
        # (One more than asked for: that one waits in the queue's output.)
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(
            width=result_layout(config).size, depth=config.results + 1)

        # Walk the tile: rows of the array are channels, its columns pixels.
        busy   = Signal()
        tile   = Signal(TileEnds)
        at_a_time = config.requantizers
        row    = Signal(range(max(config.rows, config.word_bytes) // at_a_time))
        column = Signal(range(config.columns))
        last_row    = Mux(is_array, config.rows // at_a_time - 1,
                          config.word_bytes // at_a_time - 1)
        last_column = Mux(is_array, config.columns - 1, 0)
        with m.If(busy):
            m.d.sync += row.eq(row + 1)
            with m.If(row == last_row):
                m.d.sync += [row.eq(0), column.eq(column + 1)]
                with m.If(column == last_column):
                    m.d.sync += [column.eq(0), busy.eq(0)]
        # (... of which these lie inside, less one each:)
        channels = Signal.like(layer.channels, reset_less=True)
        columns  = Signal(max(1, ceil_log2(config.columns)), reset_less=True)
        with m.If(self.array_done | self.vector_done):
            m.d.sync += [
                busy.eq(1),
                tile.eq(self.tile),
                channels.eq(Mux(self.tile.last_group, layer.last_channels, layer.channels)),
                columns.eq(Mux(self.tile.row & is_array, layer.last_columns, last_column)),
            ]
        m.d.comb += self.shift.eq(busy)

        # Keep what lies inside:
        ends = Signal(Ends)
        whole, rest = exact_log2(at_a_time), Signal(range(at_a_time))
        pixel_end = row == channels[whole:]
        m.d.comb += rest.eq(channels[:whole])
        tile_end  = pixel_end & (column == columns)
        m.d.comb += Value.cast(ends).eq(ends_of(
            pixel=pixel_end, tile=tile_end, row=tile_end & tile.row,
            group=tile_end & tile.group, last_group=tile.last_group,
            column=tile_end & tile.column))

        # Queue it, or a byte of the input stream:
        result = Signal(result_layout(config))
        for lane in range(at_a_time):
            small = Signal.like(self.vector[lane], name=f"small{lane}")
            m.d.comb += [small.eq(Mux(is_load, self.load.p.byte, self.vector[lane])),
                         result.values[lane].eq(Mux(is_array, self.array[lane], small))]
        m.d.comb += [
            result.ends.eq(Mux(is_load, self.load.p.ends, ends)),
            result.top.eq(Mux(is_load, 0, Mux(pixel_end, rest, at_a_time - 1))),
            self.o.payload.eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        comes = Mux(is_load, self.load.valid & self.load.ready,
                    busy & (row <= channels[whole:]) & (column <= columns))
        coming, there = result, comes
        if config.is_large:
            coming, there = Signal(result_layout(config), reset_less=True), Signal()
            m.d.sync += [coming.eq(result), there.eq(comes)]
        m.d.comb += [queue.w_data.eq(coming), queue.w_en.eq(there)]
        # (Input comes slowly: it will do to know of room a cycle later, while there is some.)
        m.d.sync += self.load.ready.eq(queue.level < max(1, config.results // 2))
        return m
