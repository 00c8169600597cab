"""iCE40 cells and blocks behind the hooks of the components that they replace."""

# Lattice FPGA-TN-02007 (DSP function usage) and FPGA-TN-02022 (SPRAM usage).

from amaranth import *

from .booth import booth_multiply
from .rows import row_multiply
from .scratchpad import ByteBank

SPRAM_BYTES       = 1 << 15
SPRAM_LEAST_BYTES = 1 << 10


def table(function):
    """A LUT's contents: ``function`` of its four inputs."""
    return Const(sum(function(*(place >> k & 1 for k in range(4))) << place
                     for place in range(16)), 16)


def carry_chain(m, control, left, right, o, contents):
    """A logic cell a bit of ``o``: a LUT of ``control``, a bit of ``left``, one of ``right`` and
    the carry of all bits below."""
    carry = Const(0)
    for bit in range(len(o)):
        next_carry = Signal(name=f"carry{bit}")
        m.submodules[f"carry{bit}"] = Instance(
            "SB_CARRY", i_I0=left[bit], i_I1=right[bit], i_CI=carry, o_CO=next_carry)
        m.submodules[f"sum{bit}"] = Instance(
            "SB_LUT4", p_LUT_INIT=contents, i_I0=control, i_I1=left[bit], i_I2=right[bit],
            i_I3=carry, o_O=o[bit])
        carry = next_carry


class LogicCells:
    """Mix into a platform of any iCE40: arithmetic of its logic cells, which add and choose in
    one; and memories of a few words, where all block RAM is taken."""

    few_words = {"ram_style": "registers"}

    def get_pair_multiply(self, component):
        """Rows of logic cells."""
        return row_multiply(component)

    def get_add_or_pass(self, component):
        """A logic cell a bit."""
        m = Module()
        carry_chain(m, component.add, component.acc, component.a, component.o,
                    table(lambda add, acc, a, carry:
                          (acc ^ a ^ carry if add else acc) ^ component.invert))
        return m

    def get_accumulator(self, component):
        """A logic cell a bit, its register the accumulator's."""
        m = Module()
        acc  = Signal(component.acc_width, reset_less=True)
        sums = Signal(component.acc_width)
        addend = Signal(signed(component.acc_width))
        m.d.comb += [addend.eq(component.i), component.o.eq(acc)]
        carry_chain(m, component.fresh, acc, addend, sums,
                    table(lambda fresh, acc, i, carry: i if fresh else acc ^ i ^ carry))
        with m.If(component.en):
            m.d.sync += acc.eq(sums)
        return m

    def get_digit_multiply(self, component):
        """Logic: the array has all the multipliers."""
        return booth_multiply(component)


class UltraPlusBlocks(LogicCells):
    """Mix into a platform of an iCE40UP, whose scratchpad leaves room in its block RAM."""

    few_words = {}

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
