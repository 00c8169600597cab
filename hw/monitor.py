"""What is counted and summed of every image, beside the engine and without a cycle of its time."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from .engine import Made
from .link.reply import Counters

WATCHDOG_BIT = 24          # of the cycles that an image may take


class Monitor(wiring.Component):
    """Watches the bytes that the engine's layers make; the first layer makes the input's.

    An image is over with the end of its last layer, number ``last_layer``: ``image_done``. Its
    counters then hold until ``next``. The CRC covers the layers below ``limit``. ``hungry`` is an
    engine that waits for input; ``stuck`` one that has been at an image for 2^24 cycles.
    """

    last_layer: In(8)
    limit:      In(8)
    taken:      In(1)          # a byte of input
    made:       In(Made)
    layer_done: In(1)
    hungry:     In(1)
    restart:    In(1)
    next:       In(1)
    over:       Out(1)
    counters:   Out(Counters)
    stuck:      Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=8).create()
        layer, image, cycles = Signal(8), Signal(16), Signal(WATCHDOG_BIT + 1)
        m.d.comb += [
            self.counters.image.eq(image), self.counters.crc.eq(crc.crc),
            self.counters.cycles.eq(cycles), self.stuck.eq(cycles[WATCHDOG_BIT] & ~self.over),
            crc.data.eq(self.made.byte), crc.valid.eq(self.made.valid & (layer < self.limit)),
            crc.start.eq(self.next | self.restart),
        ]
        with m.If((self.taken | self.hungry) & ~self.over | self.restart):
            m.d.sync += cycles.eq(0)
        with m.Elif(~self.over):
            m.d.sync += cycles.eq(cycles + 1)
        with m.If(self.layer_done):
            m.d.sync += [layer.eq(layer + 1), self.over.eq(layer == self.last_layer)]
        with m.If(self.next | self.restart):
            m.d.sync += [layer.eq(0), self.over.eq(0)]
        with m.If(self.next):
            m.d.sync += image.eq(image + 1)
        with m.If(self.restart):
            m.d.sync += image.eq(0)
        return m
