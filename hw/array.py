"""The systolic array: activations move down its columns, weights along its rows."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .multiply import Accumulator, PairMultiply, balanced_sum
from .own import OwnRegister


class Beat(data.Struct):
    """What travels with a word of weights."""

    valid: 1       # the word counts
    last:  1       # ... and is the last of its tile: the sum is complete with it
    push:  1       # a byte of its activations joins the window, which is what it is multiplied by


class ProcessingElement(wiring.Component):
    """Adds up ``lanes`` products each cycle, and hands the sum of a tile to its drain register.

    A word of weights comes with its beat, the activations that it belongs to a cycle of ``en``
    later. ``w_o`` and ``beat_o`` follow the inputs by such a cycle. If it has registers of its
    ``own``, it multiplies a cycle later what these took. With a ``window`` they can also keep the
    last bytes of that lane, the newest in lane 0. With the activations of the word that is `last`
    the sum is complete after `pe_cycles` cycles of ``en``; a cycle later, with or without ``en``,
    it is in ``drain``; or it is ``held`` until ``load`` puts it there. With ``shift`` the drain
    takes over its neighbour's.
    """

    def __init__(self, *, lanes, acc_width, held=False, own=False, window=None):
        self.lanes     = lanes
        self.acc_width = acc_width
        self.held      = held
        self.own       = own
        self.window    = window
        word = data.ArrayLayout(signed(8), lanes)
        super().__init__({
            "en":     In(1),
            "a_i":    In(word),
            "w_i":    In(word),
            "beat_i": In(Beat),
            "w_o":    Out(word),
            "beat_o": Out(Beat),

            "load":      In(1),
            "shift":     In(1),
            "neighbour": In(signed(acc_width)),
            "drain":     Out(signed(acc_width)),
        })

    def elaborate(self, platform):
        m = Module()
        w, drain = (Signal.like(port, reset_less=True) for port in (self.w_o, self.drain))
        m.d.comb += self.w_o.eq(w)
        with m.If(self.en):
            m.d.sync += [w.eq(self.w_i), self.beat_o.eq(self.beat_i)]
        activations, weights, beat = self.a_i, self.w_i, self.beat_o
        if self.own:
            activations, weights, beat = Signal.like(self.a_i), self.w_o, Signal(Beat)
            m.submodules.a = a = OwnRegister(8 * self.lanes)
            m.d.comb += [a.en.eq(self.en), a.i.eq(self.a_i), activations.eq(a.o)]
            if self.window is not None:
                push = self.beat_o.push
                m.d.comb += [a.en.eq(self.en & (push | self.beat_o.valid)), a.i.eq(
                    Mux(push, Cat(self.a_i[self.window], a.o[:-8]), self.a_i))]
            with m.If(self.en):
                m.d.sync += beat.eq(self.beat_o)

        # Multiply and add in pairs, then add the pairs:
        pairs = []
        for lane in range(0, self.lanes, 2):
            m.submodules[f"multiply{lane}"] = multiply = PairMultiply()
            m.d.comb += multiply.en.eq(self.en)
            for k in range(min(2, self.lanes - lane)):
                m.d.comb += [multiply.a[k].eq(activations[lane + k]),
                             multiply.b[k].eq(weights[lane + k])]
            pairs.append(multiply.o)
        total = Signal(signed(16 + (len(pairs) - 1).bit_length()), reset_less=True)
        beat_product, beat_pair, beat_total = (Signal(Beat, name=f"beat_{name}")
                                               for name in ("product", "pair", "total"))
        with m.If(self.en):
            m.d.sync += [total.eq(balanced_sum(pairs)),
                         beat_product.eq(beat), beat_pair.eq(beat_product),
                         beat_total.eq(beat_pair)]

        # Accumulate: the first sum of a tile replaces what the one before left.
        m.submodules.accumulator = accumulator = Accumulator(width=len(total),
                                                             acc_width=self.acc_width)
        fresh  = Signal(init=1)
        counts = self.en & beat_total.valid
        m.d.comb += [accumulator.en.eq(counts), accumulator.fresh.eq(fresh),
                     accumulator.i.eq(total)]
        with m.If(counts):
            m.d.sync += fresh.eq(beat_total.last)

        # Hand the tile's sum over:
        complete, load, tile_sum = Signal(), Signal(), Signal.like(drain)
        m.d.sync += complete.eq(counts & beat_total.last)
        if self.held:
            held = Signal.like(drain, reset_less=True)
            with m.If(complete):
                m.d.sync += held.eq(accumulator.o)
            m.d.comb += [load.eq(self.load), tile_sum.eq(held)]
        else:
            m.d.comb += [load.eq(complete), tile_sum.eq(accumulator.o)]
        with m.If(load | self.shift):
            m.d.sync += drain.eq(Mux(load, tile_sum, self.neighbour))
        m.d.comb += self.drain.eq(drain)
        return m


class SystolicArray(wiring.Component):
    """``rows`` x ``columns`` elements: a row computes one output channel, a column one pixel.

    Column ``c`` expects its activations ``c`` cycles after column 0. They go down the rows in steps
    of `rows_together`; so row ``r`` expects its weights ``r // rows_together`` cycles after row 0,
    and row 0 a cycle before column 0. The element in the last row and column completes a tile last;
    from then on cycles with ``shift`` bring the results to ``o``, `requantizers` neighbouring rows
    at a time: those of column 0 first. No element may complete its next sum before that. With
    `whole_sums` the sums are held until ``load``, which is to come when the last is complete; from
    the next cycle on they shift, and only the next ``load`` must wait for that.
    """

    def __init__(self, config):
        self.config = config
        word = data.ArrayLayout(signed(8), config.lanes)
        super().__init__({
            "en":    In(1),
            "a":     In(word).array(config.columns),
            "w":     In(word).array(config.rows),
            "beat":  In(Beat).array(config.rows),
            "load":  In(1),
            "shift": In(1),
            "o":     Out(signed(config.acc_width)).array(config.requantizers),
        })

    def elaborate(self, platform):
        m = Module()
        rows, columns = self.config.rows, self.config.columns
        at_a_time, step = self.config.requantizers, self.config.rows_together
        pe = {}
        for r in range(rows):
            for c in range(columns):
                pe[r, c] = ProcessingElement(
                    lanes=self.config.lanes, acc_width=self.config.acc_width,
                    held=self.config.whole_sums, own=self.config.own_activations,
                    window=r if self.config.windows else None)
                m.submodules[f"pe_{r}_{c}"] = pe[r, c]

        # Down the columns, a step of rows a cycle:
        passing = list(self.a)
        for (r, c), element in pe.items():
            if r and r % step == 0:
                above, passing[c] = passing[c], Signal.like(
                    passing[c], name=f"a_{r}_{c}", reset_less=True)
                with m.If(self.en):
                    m.d.sync += passing[c].eq(above)
            m.d.comb += [
                element.en.eq(self.en),
                element.a_i.eq(passing[c]),
                element.w_i.eq(pe[r, c - 1].w_o if c else self.w[r]),
                element.beat_i.eq(pe[r, c - 1].beat_o if c else self.beat[r]),
                element.load.eq(self.load),
                element.shift.eq(self.shift),
            ]

        # The drains form chains that end in the first rows of column 0:
        for first in range(at_a_time):
            chain = [pe[r, c] for c in range(columns) for r in range(first, rows, at_a_time)]
            for element, neighbour in zip(chain, chain[1:], strict=False):
                m.d.comb += element.neighbour.eq(neighbour.drain)
            m.d.comb += self.o[first].eq(chain[0].drain)
        return m
