"""What is counted and summed of every image, beside the engine and without a cycle of its time."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .engine import made_layout
from .link.reply import Counters

WATCHDOG_BIT = 24          # of the cycles that an image may take
POLYNOMIAL = 0xedb88320    # of CRC-32, the lowest power in the top bit


class BytesCrc(wiring.Component):
    """The CRC-32 of the bytes since ``start``, of which ``valid`` brings those of ``bytes`` up to
    the one numbered ``top``."""

    def __init__(self, count):
        self.count = count
        super().__init__({
            "start": In(1),
            "valid": In(1),
            "top":   In(range(count)),
            "bytes": In(data.ArrayLayout(8, count)),
            "crc":   Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        crc = Signal(32, init=0xffff_ffff)
        m.d.comb += self.crc.eq(~crc)
        # A step for each number of bytes, all side by side: a bit of the next CRC is a parity.
        bits = [{("crc", bit)} for bit in range(32)]
        after = Signal.like(crc)
        with m.Switch(self.top):
            for place in range(self.count):
                for bit in range(8):
                    out = bits[0] ^ {(place, bit)}
                    bits = [bits[index + 1] if index < 31 else set() for index in range(32)]
                    bits = [terms ^ out if POLYNOMIAL >> index & 1 else terms
                            for index, terms in enumerate(bits)]
                with m.Case(place):
                    m.d.comb += after.eq(Cat(
                        Cat(crc[bit] if source == "crc" else self.bytes[source][bit]
                            for source, bit in terms_in_order(terms)).xor() for terms in bits))
        with m.If(self.start):
            m.d.sync += crc.eq(0xffff_ffff)
        with m.Elif(self.valid):
            m.d.sync += crc.eq(after)
        return m


def terms_in_order(terms):
    """The same bits in the same order in every run: netlists are named by their hashes."""
    return sorted(terms, key=lambda term: (isinstance(term[0], str), str(term[0]), term[1]))


class Monitor(wiring.Component):
    """Watches the bytes that the engine's layers make; the first layer makes the input's.

    An image is over with the end of its last layer, number ``last_layer``: ``image_done``. Its
    counters then hold until ``next``. The CRC covers the layers below ``limit``. ``hungry`` is an
    engine that waits for input; ``stuck`` one that has been at an image for 2^24 cycles.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "last_layer": In(8),
            "limit":      In(8),
            "taken":      In(1),       # a byte of input
            "made":       In(made_layout(config)),
            "layer_done": In(1),
            "hungry":     In(1),
            "restart":    In(1),
            "next":       In(1),
            "over":       Out(1),
            "counters":   Out(Counters),
            "stuck":      Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = BytesCrc(self.config.requantizers)
        layer, image, cycles = Signal(8), Signal(16), Signal(WATCHDOG_BIT + 1)
        m.d.comb += [
            self.counters.image.eq(image), self.counters.crc.eq(crc.crc),
            self.counters.cycles.eq(cycles), self.stuck.eq(cycles[WATCHDOG_BIT] & ~self.over),
            crc.bytes.eq(self.made.bytes), crc.top.eq(self.made.top),
            crc.valid.eq(self.made.valid & (layer < self.limit)),
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
