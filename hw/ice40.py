"""iCE40 UltraPlus blocks behind the hooks of the components that they replace."""

# Lattice FPGA-TN-02007 (DSP function usage) and FPGA-TN-02022 (SPRAM usage).

from amaranth import *

from .booth import booth_multiply
from .scratchpad import ByteBank

ADD_OR_PASS = Const(sum(
    (i2 if i0 else i1 ^ i2 ^ i3) << (i0 | i1 << 1 | i2 << 2 | i3 << 3)
    for i0 in range(2) for i1 in range(2) for i2 in range(2) for i3 in range(2)), 16)

SPRAM_BYTES       = 1 << 15
SPRAM_LEAST_BYTES = 1 << 10


class UltraPlusBlocks:
    """Mix into a platform of an iCE40UP."""

    def get_pair_multiply(self, component):
        """One SB_MAC16: two registered 8x8 products, the lower of which goes out and in again, to
        be added to the upper one in the block's own adder."""
        m = Module()
        lower = Signal(16)
        m.submodules.mac16 = Instance(
            "SB_MAC16", p_MODE_8x8=1, p_A_SIGNED=1, p_B_SIGNED=1, p_B_REG=1,
            p_TOP_8x8_MULT_REG=1, p_BOT_8x8_MULT_REG=1,
            p_TOPADDSUB_LOWERINPUT=1, p_TOPADDSUB_UPPERINPUT=1,  # the upper product, and C
            p_TOPOUTPUT_SELECT=1, p_BOTOUTPUT_SELECT=2,          # the sum, registered; a product
            i_CLK=ClockSignal(), i_CE=component.en, i_A=component.a, i_B=component.b, i_C=lower,
            i_IRSTTOP=0, i_IRSTBOT=0, i_ORSTTOP=0, i_ORSTBOT=0, i_OLOADTOP=0, i_OLOADBOT=0,
            i_OHOLDTOP=0, i_OHOLDBOT=0, i_AHOLD=0, i_BHOLD=0, i_CHOLD=0, i_DHOLD=0,
            i_ADDSUBTOP=0, i_ADDSUBBOT=0, i_CI=0, o_O=Cat(lower, component.o))
        return m

    def get_accumulator(self, component):
        """A logic cell a bit: its LUT adds along the carry chain, or passes the input on."""
        m = Module()
        acc  = Signal(component.acc_width, reset_less=True)
        sums = Signal(component.acc_width)
        addend = Signal(signed(component.acc_width))
        m.d.comb += [addend.eq(component.i), component.o.eq(acc)]
        carry = Const(0)
        for bit in range(component.acc_width):
            next_carry = Signal(name=f"carry{bit}")
            m.submodules[f"carry{bit}"] = Instance(
                "SB_CARRY", i_I0=acc[bit], i_I1=addend[bit], i_CI=carry, o_CO=next_carry)
            # I0 fresh, I1 acc, I2 addend, I3 carry: I0 ? I2 : I1 ^ I2 ^ I3
            m.submodules[f"sum{bit}"] = Instance(
                "SB_LUT4", p_LUT_INIT=ADD_OR_PASS, i_I0=component.fresh, i_I1=acc[bit],
                i_I2=addend[bit], i_I3=carry, o_O=sums[bit])
            carry = next_carry
        with m.If(component.en):
            m.d.sync += acc.eq(sums)
        return m

    def get_digit_multiply(self, component):
        """Logic: the array has all the multipliers."""
        return booth_multiply(component)

    def get_byte_bank(self, component):
        """An SB_SPRAM256KA as up to 32 Ki bytes: the address's lowest bit picks the half of a word.
        Small banks stay in block RAM."""
        if not SPRAM_LEAST_BYTES <= component.depth <= SPRAM_BYTES:
            return ByteBank.elaborate(component, None)
        m = Module()
        word, half, addr = Signal(16), Signal(), Signal(14)
        m.d.sync += half.eq(component.addr[0])
        m.d.comb += addr.eq(component.addr[1:])
        m.d.comb += component.r_data.eq(word.word_select(half, 8))
        m.submodules.spram = Instance(
            "SB_SPRAM256KA", i_CLOCK=ClockSignal(), i_CHIPSELECT=1,
            i_ADDRESS=addr, i_DATAIN=component.w_data.replicate(2), o_DATAOUT=word,
            i_WREN=component.w_en,
            i_MASKWREN=Cat((~component.addr[0]).replicate(2), component.addr[0].replicate(2)),
            i_STANDBY=0, i_SLEEP=0, i_POWEROFF=1)            # POWEROFF is active low
        return m
