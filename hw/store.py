"""The store: bytes on their way back into the scratchpad."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .layouts import jump_layout
from .loops import Place
from .results import several


class Store(wiring.Component):
    """Takes bytes to where the layer wants them, `requantizers` at a time.

    Behind them, ``jump`` leads to the place of the next; in the cycle after ``start``, to that of
    the first. With `write_port`, they are written as they come. Otherwise they are gathered:
    ``write`` asks for the scratchpad in this very cycle, with ``addr``; mask and data follow a
    cycle later. That happens when a row of the banks is full, or a pixel ends.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "start":  In(1),
            "jump":   In(jump_layout(config)["write"].shape),
            "i":      In(stream.Signature(several(8, config), always_ready=True)),
            "addr":   Out(config.addr_width),
            "write":  Out(1),
            "w_mask": Out(config.requantizers if config.write_port else config.banks),
            "w_data": Out(data.ArrayLayout(
                8, config.requantizers if config.write_port else config.banks)),
        })

    def elaborate(self, platform):
        m = Module()
        ends, taken = self.i.p.ends, self.i.valid
        m.submodules.place = place = Place(self.jump.shape())
        begin = Signal()
        m.d.sync += begin.eq(self.start)
        m.d.comb += [place.start.eq(self.start), place.step.eq(begin | taken),
                     place.jump.eq(self.jump), self.addr.eq(place.place.addr)]
        if self.config.write_port:
            m.d.comb += [self.write.eq(taken), self.w_data.eq(self.i.p.values),
                         self.w_mask.eq(Cat(self.i.p.top >= lane
                                            for lane in range(self.config.requantizers)))]
            return m

        # A byte goes to its bank's place, with its bit in the mask:
        bank = self.addr[:exact_log2(self.config.banks)]
        m.d.comb += self.write.eq(taken & (ends.pixel | bank.all()))
        written, mask = Signal(), Signal.like(self.w_mask)
        m.d.sync += written.eq(self.write)
        m.d.comb += mask.eq(Mux(written, 0, self.w_mask))
        m.d.sync += self.w_mask.eq(mask)
        for index in range(self.config.banks):
            with m.If(taken & (bank == index)):
                m.d.sync += [self.w_mask[index].eq(1), self.w_data[index].eq(self.i.p.values[0])]
        return m
