"""The engine: tape, scratchpad, array and requantizer put together."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .array import SystolicArray
from .config import EngineConfig, Mode
from .fetch import Fetcher, Token
from .jumps import Jumps
from .requantize import Requantizer
from .results import Collector, TileEnds
from .scratchpad import Scratchpad
from .store import Store
from .tape import TapeReader
from .vector import Vector
from .weights import WeightRings


def made_layout(config):
    """The bytes that a layer makes in a cycle, if ``valid``: those up to the one numbered `top`."""
    return data.StructLayout({"valid": 1, "top": range(config.requantizers),
                              "bytes": data.ArrayLayout(8, config.requantizers)})


class Engine(wiring.Component):
    """Runs the layers on the tape, one after the other, for ever.

    ``tape`` is the program: a whole inference, and then the same again. ``i`` takes the bytes of
    the model's inputs, ``o`` gives those of its outputs, int8 both. ``made`` shows every byte that
    any layer makes, and ``layer_done`` comes with the last one of each. A layer to the output makes
    a byte a cycle.
    """

    def __init__(self, config):
        if not isinstance(config, EngineConfig):
            raise TypeError(f"An engine is made from an EngineConfig, not {config!r}")
        self.config = config
        super().__init__({
            "tape":       In(stream.Signature(data.ArrayLayout(8, config.tape_bytes))),
            "i":          In(stream.Signature(signed(8))),
            "o":          Out(stream.Signature(signed(8))),
            "made":       Out(made_layout(config)),
            "layer_done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.tape_reader = tape      = TapeReader(config)
        m.submodules.fetcher     = fetcher   = Fetcher(config)
        m.submodules.scratchpad  = pad       = Scratchpad(config)
        m.submodules.weights     = weights   = WeightRings(config)
        m.submodules.array       = array     = SystolicArray(config)
        m.submodules.vector      = vector    = Vector(config)
        m.submodules.collector   = collector = Collector(config)
        m.submodules.requantizer = requant   = Requantizer(config)
        m.submodules.store       = store     = Store(config)
        m.submodules.jumps       = jumps     = Jumps(config)

        # The tape's packets go to their places:
        connect(m, flipped(self.tape), tape.i)
        connect(m, tape.weights, weights.i)
        connect(m, tape.records, requant.records)
        connect(m, tape.table, requant.table)
        connect(m, tape.jumps, jumps.i)
        layer = tape.layer
        is_window = layer.window if config.windows else C(0)
        for component in (fetcher, collector, requant):
            m.d.comb += component.layer.eq(layer)
        for component in (fetcher, store, jumps):
            m.d.comb += component.start.eq(tape.start)
        m.d.comb += [
            jumps.read_en.eq(fetcher.step_en), jumps.read_step.eq(fetcher.step),
            fetcher.jump.eq(jumps.read),
            jumps.write_en.eq(requant.run), store.jump.eq(jumps.write),
            jumps.write_step.eq(Cat(requant.coming.level, Mux(
                is_window, requant.coming.column, requant.coming.last_group))),
        ]

        # A write takes the scratchpad from the fetcher for that cycle, if there is but one port:
        steals = store.write & (not config.write_port)
        m.d.comb += [
            pad.addr.eq(Mux(steals, store.addr, fetcher.addr)), pad.w_addr.eq(store.addr),
            pad.write.eq(store.write), pad.w_mask.eq(store.w_mask), pad.w_data.eq(store.w_data),
            fetcher.go.eq(~steals),
        ]
        m.d["sync" if config.late_weights else "comb"] += fetcher.written.eq(weights.written)

        # The word read, with what lies outside of the image padded:
        word = Signal(data.ArrayLayout(signed(8), config.word_bytes))
        for lane in range(config.word_bytes):
            m.d.comb += word[lane].eq(pad.r_data[lane])
            if config.padding:
                with m.If(fetcher.outside[lane]):
                    m.d.comb += word[lane].eq(layer.pad)

        # A column takes a word when it is its turn, and plays its lanes in the next cycles:
        advance, token = fetcher.advance, fetcher.token
        taken = []
        for column in range(config.columns):
            playing = Signal(8 * config.word_bytes, name=f"playing{column}", reset_less=True)
            with m.If(advance & token.valid & (fetcher.column == column)):
                m.d.sync += playing.eq(word)
            if config.columns > 1:
                with m.Elif(advance):
                    m.d.sync += playing.eq(playing[8 * config.lanes:])
            m.d.comb += array.a[column].eq(playing[:8 * config.lanes])
            taken.append(playing)
        m.d.comb += [
            weights.en.eq(fetcher.ask), weights.read.eq(fetcher.weights),
            weights.r_addr.eq(fetcher.w_addr), array.en.eq(advance),
        ]
        for row in range(config.rows):
            m.d.comb += [array.w[row].eq(weights.w[row]), array.beat[row].eq(weights.beat[row])]

        # The vector unit has its words where column 0 has its own:
        is_array, at_vector = layer.mode == Mode.ARRAY, Signal(Token)
        m.d.sync += [at_vector.eq(token), at_vector.valid.eq(advance & token.valid & ~is_array)]
        m.d.comb += [
            vector.pair.eq((layer.mode == Mode.ADD) & config.addition),
            vector.word.eq(taken[0]), vector.valid.eq(at_vector.valid),
            vector.first.eq(at_vector.first), vector.last.eq(at_vector.last),
        ]
        if config.pairs:
            m.d.comb += [
                vector.flip.eq(layer.flip_second & config.addition),
                vector.multiply.eq(layer.multiply & config.multiplication),
                vector.zero_points.eq(Cat(layer.zero_point_1, layer.zero_point_2)),
            ]

        # What a tile ends follows it through the array:
        ending = Signal(data.StructLayout({"done": 1, "tile": TileEnds}))
        m.d.comb += [ending.done.eq(token.valid & token.last & is_array),
                     ending.tile.eq(token.tile)]
        for stage in range(config.array_latency):
            following = Signal(ending.shape(), name=f"ending{stage}")
            with m.If(advance):
                m.d.sync += following.eq(ending)
            ending = following
        drained = Signal.like(ending)        # the sums are in the drains a cycle later
        m.d.sync += [drained.tile.eq(ending.tile), drained.done.eq(advance & ending.done)]
        if config.whole_sums:                # ... or held, and in the drains another cycle later
            held, drained = drained, Signal.like(ending, name="loaded")
            m.d.sync += drained.eq(held)
        m.d.comb += array.load.eq(drained.done)
        m.d.comb += [
            collector.array_done.eq(drained.done),
            collector.vector_done.eq(at_vector.valid & at_vector.last),
            collector.tile.eq(Mux(is_array, drained.tile, at_vector.tile)),
            array.shift.eq(collector.shift), vector.shift.eq(collector.shift),
        ]
        for index in range(config.requantizers):
            m.d.comb += [collector.array[index].eq(array.o[index]),
                         collector.vector[index].eq(vector.o[index])]
        connect(m, collector.o, requant.i)

        # Tiles whose results are on their way; each has its place in the queue reserved. What is
        # left of the places, less one, has a sign of its own:
        most = config.results // config.tile_results
        left = Signal(range(-1, most), init=most - 1)
        leaving = collector.o.valid & collector.o.ready & collector.o.p.ends.tile \
            & (layer.mode != Mode.LOAD)
        m.d.comb += fetcher.room.eq(~left[-1])
        m.d.sync += left.eq(left - fetcher.room_taken + leaving)

        # Input, and where the bytes go:
        connect(m, flipped(self.i), fetcher.i)
        connect(m, fetcher.load, collector.load)
        m.d.comb += [
            self.o.payload.eq(requant.o.p.values[0]),
            self.o.valid.eq(requant.o.valid & layer.to_stream),
            store.i.payload.eq(requant.o.payload),
            store.i.valid.eq(requant.o.valid & ~layer.to_stream),
            requant.o.ready.eq(self.o.ready | ~layer.to_stream),
        ]

        # A layer ends with its last byte, and once its last tile has been walked to its end:
        running = Signal()
        m.d.comb += [
            self.made.valid.eq(requant.o.valid & requant.o.ready),
            self.made.bytes.eq(requant.o.p.values), self.made.top.eq(requant.o.p.top),
            self.layer_done.eq(self.made.valid & requant.o.p.ends.layer),
            tape.idle.eq(~running & ~collector.shift),
        ]
        with m.If(tape.start):
            m.d.sync += running.eq(1)
        with m.Elif(self.layer_done):
            m.d.sync += running.eq(0)
        return m
