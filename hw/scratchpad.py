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


class TwoPortBank(wiring.Component):
    """... with a port for reads and another one for writes. Nobody reads what is being written."""

    def __init__(self, *, depth):
        self.depth = depth
        super().__init__({
            "r_addr": In(range(depth)),
            "r_data": Out(8),
            "w_addr": In(range(depth)),
            "w_en":   In(1),
            "w_data": In(8),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.ram = ram = Memory(shape=8, depth=self.depth, init=[])
        w, r = ram.write_port(), ram.read_port()
        m.d.comb += [
            w.addr.eq(self.w_addr), w.data.eq(self.w_data), w.en.eq(self.w_en),
            r.addr.eq(self.r_addr), self.r_data.eq(r.data),
        ]
        return m


class Scratchpad(wiring.Component):
    """``banks`` byte banks: byte address ``a`` is row ``a // banks`` of bank ``a % banks``.

    A read takes the next ``banks`` bytes from any byte address; `word_cycles` later they are in
    ``r_data``, and stay until the next cycle's access. A write takes those bytes of a row that
    ``w_mask`` picks. ``addr`` is registered here, so the access is a cycle after it, and the mask
    and the data of a write are wanted a cycle after its address and ``write``.

    With `write_port`, a write leaves reads alone, has an address of its own, ``w_addr``, and takes
    what ``w_mask`` picks of the next ``banks`` bytes from there on; all of that a cycle earlier.
    """

    def __init__(self, config):
        self.config = config
        wide = config.requantizers if config.write_port else config.banks
        super().__init__({
            "addr":   In(config.addr_width),
            "w_addr": In(config.addr_width),
            "write":  In(1),
            "w_mask": In(wide),
            "w_data": In(data.ArrayLayout(8, wide)),
            "r_data": Out(data.ArrayLayout(8, config.banks)),
        })

    def elaborate(self, platform):
        m = Module()
        banks = self.config.banks
        raw = self.two_ports(m) if self.config.write_port else self.one_port(m)
        if self.config.is_large:                 # banks lie far apart
            near = Signal(data.ArrayLayout(8, banks), reset_less=True)
            m.d.sync += near.eq(Cat(raw))
            raw = list(near)

        # Rotate the first byte to the front:
        offset = self.addr[:exact_log2(banks)]
        for stage in range(self.config.word_cycles):
            following = Signal.like(offset, name=f"offset{stage}", reset_less=True)
            m.d.sync += following.eq(offset)
            offset = following
        for lane in range(banks):
            rotated = Signal(data.ArrayLayout(8, banks), name=f"rotated{lane}")
            m.d.comb += [rotated.eq(Cat(raw[lane:] + raw[:lane])),
                         self.r_data[lane].eq(rotated[offset])]
        return m

    def rows_from(self, m, addr, name):
        """The row of each bank that holds its byte of those from ``addr`` on, a cycle later: the
        banks below the first byte hold the end, one row on."""
        select = exact_log2(self.config.banks)
        row, offset = addr[select:], addr[:select]
        next_row = Signal.like(row)
        m.d.comb += next_row.eq(row + 1)
        for bank in range(self.config.banks):
            bank_row = Signal.like(row, name=f"{name}{bank}", reset_less=True)
            m.d.sync += bank_row.eq(Mux(offset > bank, next_row, row))
            yield bank_row

    def one_port(self, m):
        """Banks with one port, and what they read. A write begins with a row, so its address is
        that of the row's first bank."""
        config = self.config
        raw = []
        write_r, addr = Signal(), Signal.like(self.addr)
        m.d.sync += write_r.eq(self.write)
        m.d.comb += [addr.eq(self.addr), addr[:exact_log2(config.banks)].eq(
            Mux(self.write, 0, self.addr[:exact_log2(config.banks)]))]
        for bank, bank_row in enumerate(self.rows_from(m, addr, "bank_row")):
            m.submodules[f"bank{bank}"] = byte_bank = ByteBank(
                depth=config.scratchpad_bytes // config.banks)
            m.d.comb += [
                byte_bank.addr.eq(bank_row),
                byte_bank.w_en.eq(write_r & self.w_mask[bank]),
                byte_bank.w_data.eq(self.w_data[bank]),
            ]
            raw.append(byte_bank.r_data)
        return raw

    def two_ports(self, m):
        """Banks with two ports, and what they read."""
        config = self.config
        wide, select = config.requantizers, exact_log2(config.banks)
        offset = self.w_addr[:select]

        # A bank takes the byte that is as far from the first one as the bank is from its bank:
        turned = Signal(data.ArrayLayout(8, wide), reset_less=True)
        for place in range(wide):
            source = Signal(range(wide), name=f"source{place}")
            m.d.comb += source.eq(place - offset)
            m.d.sync += turned[place].eq(self.w_data[source])
        reads  = self.rows_from(m, self.addr, "read_row")
        writes = self.rows_from(m, self.w_addr, "write_row")
        raw = []
        for bank, (read_row, write_row) in enumerate(zip(reads, writes, strict=True)):
            m.submodules[f"bank{bank}"] = byte_bank = TwoPortBank(
                depth=config.scratchpad_bytes // config.banks)
            distance, w_en = Signal(select, name=f"distance{bank}"), Signal(name=f"w_en{bank}")
            m.d.comb += distance.eq(bank - offset)
            m.d.sync += w_en.eq(self.write & (self.w_mask >> distance)[0])
            m.d.comb += [
                byte_bank.r_addr.eq(read_row), byte_bank.w_addr.eq(write_row),
                byte_bank.w_en.eq(w_en), byte_bank.w_data.eq(turned[bank % wide]),
            ]
            raw.append(byte_bank.r_data)
        return raw
