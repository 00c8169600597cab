"""CRC-32, a bit a cycle: the line is slow, and logic cells are few."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out


class SerialCrc(wiring.Component):
    """The CRC of the bytes from ``i`` since ``clear``, a byte in nine cycles.

    ``crc`` holds between bytes; ``match`` is true where the last four bytes were the CRC, little
    end first, of those before them.
    """

    i:     In(stream.Signature(8))
    clear: In(1)
    crc:   Out(32)
    match: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.processor = crc = CRC32_ISO_HDLC(data_width=1).create()
        bits = Signal(9)                     # the byte to come, and a one above it
        busy = bits[1:].any()
        m.d.comb += [
            self.i.ready.eq(~busy),
            crc.start.eq(self.clear), crc.valid.eq(busy), crc.data.eq(bits[0]),
            self.crc.eq(crc.crc), self.match.eq(crc.match_detected & ~busy),
        ]
        with m.If(self.clear):
            m.d.sync += bits.eq(0)
        with m.Elif(busy):
            m.d.sync += bits.eq(bits >> 1)
        with m.Elif(self.i.valid):
            m.d.sync += bits.eq(Cat(self.i.payload, 1))
        return m
