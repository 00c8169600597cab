"""The vector unit: maxima, copies and pairs of scratchpad words, no weights."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out


class Vector(wiring.Component):
    """The largest of the words of a tile, byte by byte; or the first word beside the last.

    ``word`` counts with ``valid``; `first` and `last` mark a tile's ends. From the
    cycle after the last, each ``shift`` brings the next `requantizers` lanes to ``o``: their
    maxima; with ``pair`` the first word's bytes as the requantizer's lower digits, the last word's
    as the digits above.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "pair":  In(1),
            "valid": In(1),
            "first": In(1),
            "last":  In(1),
            "word":  In(data.ArrayLayout(signed(8), config.word_bytes)),
            "shift": In(1),
            "o":     Out(signed(config.digit_width + 8)).array(config.requantizers),
        })

    def elaborate(self, platform):
        m = Module()
        lanes, at_a_time = self.config.word_bytes, self.config.requantizers
        low, high = (Signal(data.ArrayLayout(signed(8), lanes), name=name)
                     for name in ("low", "high"))
        capture = self.valid & self.last
        for lane in range(lanes):
            best, kept = Signal(signed(8)), Signal(signed(8))
            new = self.word[lane]
            m.d.comb += best.eq(Mux(~self.first & (self.pair | (kept > new)), kept, new))
            with m.If(self.valid):
                m.d.sync += kept.eq(best)
            with m.If(capture):
                m.d.sync += [low[lane].eq(best), high[lane].eq(new)]
            with m.Elif(self.shift):
                if lane + at_a_time < lanes:
                    m.d.sync += [low[lane].eq(low[lane + at_a_time]),
                                 high[lane].eq(high[lane + at_a_time])]
        for lane, o in enumerate(self.o):
            digit = Signal(signed(self.config.digit_width), name=f"digit{lane}")
            m.d.comb += [digit.eq(low[lane]),
                         o.eq(Mux(self.pair, Cat(digit, high[lane]).as_signed(), low[lane]))]
        return m
