"""ECP5 cells behind the hooks of the components that they replace."""

# Lattice FPGA-TN-02212 (ECP5 family: slices in ripple mode).

from amaranth import *

from .rows import two_rows_multiply


def half(negate):
    """The contents of one half of a CCU2C that adds ``A and B`` (turned over with ``negate``) to
    ``C and D``.

    Its LUT tells whether a carry goes through, so whether the two differ. If they do not, the carry
    out is either of them: it is read from the same LUT at C = D = 0, and so is the first one.
    """
    return Const(sum(((bool(place & 1 and place & 2) ^ negate) ^ bool(place & 4 and place & 8))
                     << place for place in range(16)), 16)


class Slices:
    """Mix into a platform of an ECP5: multipliers of slices, as many as there is room for, and as
    near to the rest as need be. The hard ones are left for wider factors. Short weight rings are in
    logic, too, and leave the block RAM to the tape."""

    short_rings = {"ram_style": "distributed"}

    def get_pair_multiply(self, component):
        """Two bits of a factor at a time."""
        return two_rows_multiply(component)

    def get_own_register(self, component):
        """Flip-flops as cells: Yosys makes one of two of its own that hold the same, and a net
        that feeds the multipliers of several rows takes 15 ns."""
        m = Module()
        for bit in range(component.width):
            m.submodules[f"bit{bit}"] = Instance(
                "TRELLIS_FF", p_GSR="DISABLED", p_CEMUX="CE", p_CLKMUX="CLK", p_LSRMUX="LSR",
                p_REGSET="RESET", p_SRMODE="LSR_OVER_CE", i_CLK=ClockSignal(), i_LSR=Const(0),
                i_CE=component.en, i_DI=component.i[bit], o_Q=component.o[bit])
        return m

    def get_two_rows(self, component):
        """Five CCU2C, each of two bits of the sum of two rows of a product."""
        m = Module()
        a, b, subtract = component.a, component.b, component.subtract
        one = [a[min(bit, 7)] for bit in range(10)]
        two = [Const(0), *(a[min(bit, 7)] for bit in range(9))]
        carry = Const(int(subtract), 1)
        for bit in range(0, 10, 2):
            next_carry = Signal(name=f"carry{bit}")
            inputs = {}
            for index in range(2):
                inputs |= {f"i_A{index}": two[bit + index], f"i_B{index}": b[1],
                           f"i_C{index}": one[bit + index], f"i_D{index}": b[0]}
            m.submodules[f"bits{bit}"] = Instance(
                "CCU2C", p_INIT0=half(subtract), p_INIT1=half(subtract), p_INJECT1_0="NO",
                p_INJECT1_1="NO", i_CIN=carry, **inputs, o_S0=component.o[bit],
                o_S1=component.o[bit + 1], o_COUT=next_carry)
            carry = next_carry
        return m
