"""A board's top: the system, its clock, and the buffers of its pins."""

from amaranth import ClockDomain, Const, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from boards.boards import Board
from hw.system import System, SystemConfig


class Top(Elaboratable):
    """One board with one design. Pins have registers of their own where timing matters."""

    def __init__(self, board: Board, config: SystemConfig):
        self.board  = board
        self.config = config

    def elaborate(self, platform):
        m = Module()
        board, config = self.board, self.config
        name, from_hz = board.clock_in
        m.domains.sync = ClockDomain("sync")
        pin = platform.request(name, dir="-")
        m.submodules.clock, locked = board.family.pll(
            platform, pin, board.pll_in_pad, from_hz, config.clock_hz)
        m.submodules.reset = ResetSynchronizer(~locked)

        m.submodules.system = system = System(config)
        uart = platform.request("uart", dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.FFBuffer("o", uart.tx)
        m.d.comb += [system.rx.eq(rx.i), tx.o.eq(system.tx)]
        for (resource, number), value in zip(
                board.leds, (system.verdict, system.fault), strict=False):
            led = platform.request(resource, number, dir="-")
            m.submodules += (buffer := io.Buffer("o", led))
            m.d.comb += buffer.o.eq(value)
        if config.flash_dq:
            self.connect_flash(m, platform.request(board.flash_resource, dir="-"), system.flash)
        return m

    def connect_flash(self, m, port, flash):
        """The chip's pins behind registers; its clock is told for both halves of a cycle."""
        m.submodules.flash_cs = cs = io.FFBuffer("o", port.cs)
        m.d.comb += cs.o.eq(flash.cs)
        if self.config.flash_cycles == 1:
            m.submodules.flash_clk = clk = io.DDRBuffer("o", port.clk)
            m.d.comb += clk.o.eq(flash.sck)
        else:                                    # (Lattice FPGA-TN-02039: user access to the clock)
            sck = Signal()
            m.d.sync += sck.eq(flash.sck[1])
            m.submodules.flash_clk = Instance("USRMCLK", i_USRMCLKI=sck, i_USRMCLKTS=Const(0))
        if self.config.flash_dq == 1:
            m.submodules.flash_copi = copi = io.FFBuffer("o", port.copi)
            m.submodules.flash_cipo = cipo = io.FFBuffer("i", port.cipo)
            m.d.comb += [copi.o.eq(flash.dq_o[0]), flash.dq_i[1].eq(cipo.i)]
        elif self.config.flash_dq == 8:
            # (What a buffer takes in the middle of a cycle, it gives a cycle before what it takes
            # at the end of that cycle.)
            for index in range(4):
                m.submodules[f"flash_dq{index}"] = dq = io.DDRBuffer("io", port.dq[index])
                m.d.comb += [dq.o.eq(flash.dq_o[index].replicate(2)), dq.oe.eq(flash.dq_oe[index]),
                             flash.dq_i[index].eq(dq.i[0])]
                m.d.sync += flash.dq_mid[index].eq(dq.i[1])
        else:
            for index in range(len(port.dq)):
                m.submodules[f"flash_dq{index}"] = dq = io.FFBuffer("io", port.dq[index])
                m.d.comb += [dq.o.eq(flash.dq_o[index]), dq.oe.eq(flash.dq_oe[index]),
                             flash.dq_i[index].eq(dq.i)]
