"""The vector unit: maxima, copies, pairs and products of scratchpad words, no weights."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .config import PRODUCT_BITS


class Vector(wiring.Component):
    """The largest of the words of a tile, byte by byte; or the first word beside the last.

    ``word`` counts with ``valid``; `first` and `last` mark a tile's ends. From the
    cycle after the last, each ``shift`` brings the next `requantizers` lanes to ``o``: their
    maxima; with ``pair`` the first word's bytes as the requantizer's lower digits, the last word's
    as the digits above, with ``flip`` all their bits flipped; with ``multiply`` the products of
    both, each less its ``zero_points``.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "pair":  In(1),
            "flip":  In(1),
            "multiply":    In(1),
            "zero_points": In(data.ArrayLayout(signed(8), 2)),
            "valid": In(1),
            "first": In(1),
            "last":  In(1),
            "word":  In(data.ArrayLayout(signed(8), config.word_bytes)),
            "shift": In(1),
            "o":     Out(signed(config.vector_width)).array(config.requantizers),
        })

    def elaborate(self, platform):
        m = Module()
        config, lanes = self.config, self.config.word_bytes
        at_a_time = config.requantizers
        low, high = (Signal(data.ArrayLayout(signed(8), lanes), name=name, reset_less=True)
                     for name in ("low", "high"))
        capture, both = self.valid & self.last, self.pair | self.multiply
        bests = [Signal(signed(8), name=f"best{lane}") for lane in range(lanes)]
        for lane, best in enumerate(bests):
            kept = Signal(signed(8), name=f"kept{lane}", reset_less=True)
            new = self.word[lane]
            m.d.comb += best.eq(Mux(~self.first & (both | (kept > new)), kept, new))
            with m.If(self.valid):
                m.d.sync += kept.eq(best)
            with m.If(capture):
                m.d.sync += [low[lane].eq(best), high[lane].eq(new)]
            with m.Elif(self.shift):
                if lane + at_a_time < lanes:
                    m.d.sync += [low[lane].eq(low[lane + at_a_time]),
                                 high[lane].eq(high[lane + at_a_time])]
        for lane, o in enumerate(self.o):
            digit, flipped = (Signal(signed(width), name=f"{name}{lane}")
                              for name, width in (("digit", config.digit_width), ("flipped", 8)))
            m.d.comb += [digit.eq(low[lane]), flipped.eq(high[lane] ^ self.flip.replicate(8)),
                         o.eq(Mux(self.pair, Cat(digit, flipped).as_signed(), low[lane]))]

            # A product is made while its lane is on the way to the front:
            if config.multiplication:
                following = min(lane + at_a_time, lanes - 1)
                product = Signal(signed(PRODUCT_BITS), name=f"product{lane}", reset_less=True)
                factors = [Mux(capture, bests[lane], low[following]),
                           Mux(capture, self.word[lane], high[following])]
                one, two = (factor - zero_point
                            for factor, zero_point in zip(factors, self.zero_points, strict=True))
                with m.If(capture | self.shift):
                    m.d.sync += product.eq(one * two)
                with m.If(self.multiply):
                    m.d.comb += o.eq(product)
        return m
