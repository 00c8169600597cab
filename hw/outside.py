"""Which bytes of a word lie outside of the image, and are read as padding."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Outside(wiring.Component):
    """A word begins ``x`` bytes behind its row's beginning, in row ``y``; what is not in
    ``[0, row_bytes)``, or in no row of ``[0, height]``, is ``outside``, a bit to each byte."""

    def __init__(self, config):
        self.config = config
        super().__init__({
            "x":         In(signed(config.addr_width + 1)),
            "y":         In(signed(11)),
            "row_bytes": In(config.addr_width),
            "height":    In(10),
            "outside":   Out(config.word_bytes),
        })

    def elaborate(self, platform):
        m = Module()
        x, word_bytes = self.x, self.config.word_bytes
        bits = (word_bytes - 1).bit_length()
        y_outside, remaining = Signal(), Signal.like(x)
        left_of, right_of = Signal(), Signal()       # the first byte is this far from an edge
        m.d.comb += [
            y_outside.eq(self.y.as_unsigned() > self.height),
            remaining.eq(self.row_bytes - x),
            left_of.eq(~x[bits:].all()),             # further than a word, where x < 0
            right_of.eq(~remaining[bits:].any()),    # within a word, where remaining >= 0
        ]
        for lane in range(word_bytes):
            before = x[-1] & (left_of | (x[:bits] < (1 << bits) - lane))
            behind = remaining[-1] | (right_of & (remaining[:bits] <= lane))
            m.d.comb += self.outside[lane].eq(y_outside | before | behind)
        return m
