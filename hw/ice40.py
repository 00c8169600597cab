"""iCE40 UltraPlus blocks behind the hooks of the components that they replace."""

# Lattice FPGA-TN-02007 (DSP function usage) and FPGA-TN-02022 (SPRAM usage).

from amaranth import *

from .scratchpad import ByteBank


class UltraPlusBlocks:
    """Mix into a platform of an iCE40UP."""

    def get_dual_multiply(self, component):
        """Both halves of an SB_MAC16 as registered 8x8 products."""
        m = Module()
        m.submodules.mac16 = Instance(
            "SB_MAC16", p_MODE_8x8=1, p_A_SIGNED=1, p_B_SIGNED=1,
            p_TOP_8x8_MULT_REG=1, p_BOT_8x8_MULT_REG=1,
            p_TOPOUTPUT_SELECT=2, p_BOTOUTPUT_SELECT=2,      # the registered products
            i_CLK=ClockSignal(), i_CE=component.en, i_A=component.a, i_B=component.b,
            o_O=component.p, i_IRSTTOP=0, i_IRSTBOT=0)
        return m

    def get_byte_bank(self, component):
        """An SB_SPRAM256KA as 32 Ki bytes: the address's lowest bit picks the half of a word."""
        if component.depth != 1 << 15:
            return ByteBank.elaborate(component, None)
        m = Module()
        word, half = Signal(16), Signal()
        m.d.sync += half.eq(component.addr[0])
        m.d.comb += component.r_data.eq(word.word_select(half, 8))
        m.submodules.spram = Instance(
            "SB_SPRAM256KA", i_CLOCK=ClockSignal(), i_CHIPSELECT=1,
            i_ADDRESS=component.addr[1:], i_DATAIN=component.w_data.replicate(2), o_DATAOUT=word,
            i_WREN=component.w_en,
            i_MASKWREN=Cat((~component.addr[0]).replicate(2), component.addr[0].replicate(2)),
            i_STANDBY=0, i_SLEEP=0, i_POWEROFF=1)            # POWEROFF is active low
        return m
