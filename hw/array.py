"""The systolic array: activations move down its columns, weights along its rows."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .multiply import DualMultiply


class Beat(data.Struct):
    """What travels with a word of weights."""

    valid: 1       # the word counts
    last:  1       # ... and is the last of its tile: the sum is complete with it


class ProcessingElement(wiring.Component):
    """Adds up ``lanes`` products each cycle, and hands the sum of a tile to its drain register.

    ``a_o``, ``w_o`` and ``beat_o`` follow the inputs by a cycle. A word that is `last` puts the
    sum, itself included, into ``drain`` three cycles after it came, and clears the sum. All that
    waits for ``en``, but for the drain: with ``shift`` it takes over its neighbour's.
    """

    PIPELINE_CYCLES = 3

    def __init__(self, *, lanes, acc_width):
        self.lanes     = lanes
        self.acc_width = acc_width
        word = data.ArrayLayout(signed(8), lanes)
        super().__init__({
            "en":     In(1),
            "a_i":    In(word),
            "w_i":    In(word),
            "beat_i": In(Beat),
            "a_o":    Out(word),
            "w_o":    Out(word),
            "beat_o": Out(Beat),

            "shift":     In(1),
            "neighbour": In(signed(acc_width)),
            "drain":     Out(signed(acc_width)),
        })

    def elaborate(self, platform):
        m = Module()
        with m.If(self.en):
            m.d.sync += [self.a_o.eq(self.a_i), self.w_o.eq(self.w_i), self.beat_o.eq(self.beat_i)]

        # Multiply, two lanes to a block:
        products = []
        for lane in range(0, self.lanes, 2):
            pair = min(2, self.lanes - lane)
            m.submodules[f"multiply{lane}"] = multiply = DualMultiply()
            m.d.comb += multiply.en.eq(self.en)
            for k in range(pair):
                m.d.comb += [multiply.a[k].eq(self.a_i[lane + k]),
                             multiply.b[k].eq(self.w_i[lane + k])]
                products.append(multiply.p[k])

        # Add the products up. Both beats are those of the stage's contents:
        total = Signal(signed(16 + (self.lanes - 1).bit_length()), reset_less=True)
        beat_sum = Signal(Beat)
        with m.If(self.en):
            m.d.sync += [total.eq(balanced_sum(products)), beat_sum.eq(self.beat_o)]

        # Accumulate. A complete sum moves on and leaves zero behind, so that none is ever loaded:
        acc, result = Signal(signed(self.acc_width)), Signal(signed(self.acc_width))
        m.d.comb += result.eq(acc + total)
        with m.If(self.en & beat_sum.valid):
            m.d.sync += acc.eq(Mux(beat_sum.last, 0, result))
        with m.If(self.en & beat_sum.valid & beat_sum.last):
            m.d.sync += self.drain.eq(result)
        with m.Elif(self.shift):
            m.d.sync += self.drain.eq(self.neighbour)
        return m


class SystolicArray(wiring.Component):
    """``rows`` x ``columns`` elements: a row computes one output channel, a column one pixel.

    Column ``c`` expects its activations ``c`` cycles after column 0, row ``r`` its weights ``r``
    cycles after row 0. The element in the last row and column completes a tile last; from then on
    ``rows * columns - 1`` cycles with ``shift`` bring the results to ``o`` one by one: the rows
    of column 0 first. No element may complete its next sum before that.
    """

    def __init__(self, config):
        self.config = config
        word = data.ArrayLayout(signed(8), config.lanes)
        super().__init__({
            "en":    In(1),
            "a":     In(word).array(config.columns),
            "w":     In(word).array(config.rows),
            "beat":  In(Beat).array(config.rows),
            "shift": In(1),
            "o":     Out(signed(config.acc_width)),
        })

    @staticmethod
    def latency(config):
        """Cycles of ``en`` from a tile's last word at row 0 to its last result."""
        return config.rows + config.columns - 2 + ProcessingElement.PIPELINE_CYCLES

    def elaborate(self, platform):
        m = Module()
        rows, columns = self.config.rows, self.config.columns
        pe = {}
        for r in range(rows):
            for c in range(columns):
                pe[r, c] = ProcessingElement(lanes=self.config.lanes,
                                             acc_width=self.config.acc_width)
                m.submodules[f"pe_{r}_{c}"] = pe[r, c]

        for (r, c), element in pe.items():
            m.d.comb += [
                element.en.eq(self.en),
                element.a_i.eq(pe[r - 1, c].a_o if r else self.a[c]),
                element.w_i.eq(pe[r, c - 1].w_o if c else self.w[r]),
                element.beat_i.eq(pe[r, c - 1].beat_o if c else self.beat[r]),
                element.shift.eq(self.shift),
            ]

        # The drains form one chain that ends at row 0 of column 0:
        chain = [pe[r, c] for c in range(columns) for r in range(rows)]
        for element, neighbour in zip(chain, chain[1:]):
            m.d.comb += element.neighbour.eq(neighbour.drain)
        m.d.comb += self.o.eq(chain[0].drain)
        return m


def balanced_sum(values):
    """The sum of signed values as a tree, a bit wider at each level."""
    values = list(values)
    while len(values) > 1:
        values = [sum(values[k:k + 2][1:], values[k]) for k in range(0, len(values), 2)]
    return values[0]
