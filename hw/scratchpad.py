"""The scratchpad: byte-wide banks side by side, read from any byte address."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2


class ByteBank(wiring.Component):
    """``depth`` bytes, one port. ``r_data`` follows a read by a cycle, is undefined after a write.

    Platform override: ``platform.get_byte_bank(component)``.
    """

    def __init__(self, *, depth):
        self.depth = depth
        super().__init__({
            "addr":   In(range(depth)),
            "w_en":   In(1),
            "w_data": In(8),
            "r_data": Out(8),
        })

    def elaborate(self, platform):
        if hasattr(platform, "get_byte_bank"):
            return platform.get_byte_bank(self)
        m = Module()
        m.submodules.ram = ram = Memory(shape=8, depth=self.depth, init=[])
        w, r = ram.write_port(), ram.read_port()
        m.d.comb += [
            w.addr.eq(self.addr), w.data.eq(self.w_data), w.en.eq(self.w_en),
            r.addr.eq(self.addr), r.en.eq(~self.w_en), self.r_data.eq(r.data),
        ]
        return m


class Scratchpad(wiring.Component):
    """``banks`` byte banks: byte address ``a`` is row ``a // banks`` of bank ``a % banks``.

    A read takes the next ``banks`` bytes from any byte address; they are in ``r_data`` a cycle
    later, and stay until the next cycle's access. A write takes those bytes of a row that
    ``w_mask`` picks. ``addr`` is registered here, so the access is a cycle after it, and the mask
    and the data of a write are wanted a cycle after its address and ``write``.
    """

    def __init__(self, config):
        self.config = config
        banks = config.banks
        super().__init__({
            "addr":   In(config.addr_width),
            "write":  In(1),
            "w_mask": In(banks),
            "w_data": In(data.ArrayLayout(8, banks)),
            "r_data": Out(data.ArrayLayout(8, banks)),
        })

    def elaborate(self, platform):
        m = Module()
        banks = self.config.banks
        select = exact_log2(banks)
        row, offset = self.addr[select:], self.addr[:select]

        # The banks below the first byte hold the end of the word, one row on:
        next_row = Signal.like(row)
        m.d.comb += next_row.eq(row + 1)
        write_r = Signal()
        m.d.sync += write_r.eq(self.write)
        raw = []
        for bank in range(banks):
            m.submodules[f"bank{bank}"] = byte_bank = ByteBank(
                depth=self.config.scratchpad_bytes // banks)
            bank_row = Signal.like(row, name=f"bank_row{bank}")
            m.d.sync += bank_row.eq(Mux(~self.write & (offset > bank), next_row, row))
            m.d.comb += [
                byte_bank.addr.eq(bank_row),
                byte_bank.w_en.eq(write_r & self.w_mask[bank]),
                byte_bank.w_data.eq(self.w_data[bank]),
            ]
            raw.append(byte_bank.r_data)

        # Rotate the first byte to the front:
        offset_r, offset_rr = Signal.like(offset), Signal.like(offset)
        m.d.sync += [offset_r.eq(offset), offset_rr.eq(offset_r)]
        for lane in range(banks):
            rotated = Signal(data.ArrayLayout(8, banks), name=f"rotated{lane}")
            m.d.comb += [rotated.eq(Cat(raw[lane:] + raw[:lane])),
                         self.r_data[lane].eq(rotated[offset_rr])]
        return m
