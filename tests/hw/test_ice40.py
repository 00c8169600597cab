import re

import pytest
from amaranth import *
from amaranth.hdl import Assert, Assume, Fragment
from prove import cell_models, needs_yosys, prove, prove_same

from hw.ice40 import LogicCells, UltraPlusBlocks
from hw.multiply import Accumulator, PairMultiply
from hw.rows import AddOrPass
from hw.scratchpad import ByteBank


@needs_yosys
def test_pair_multiply(tmp_path):
    prove_same(tmp_path, PairMultiply, UltraPlusBlocks(), cells=["SB_MAC16"])


class SwappedFactors(UltraPlusBlocks):
    """A platform whose block is wrong: the proof must notice."""

    def get_pair_multiply(self, component):
        m = Module()
        inner = PairMultiply()
        m.submodules.block = super().get_pair_multiply(inner)
        m.d.comb += [inner.en.eq(component.en), component.o.eq(inner.o),
                     inner.a[0].eq(component.a[1]), inner.a[1].eq(component.a[0]),
                     inner.b.eq(component.b)]
        return m


@needs_yosys
def test_finds_difference(tmp_path):
    with pytest.raises(AssertionError, match="proof did fail"):
        prove_same(tmp_path, PairMultiply, SwappedFactors(), cells=["SB_MAC16"])


@needs_yosys
@pytest.mark.parametrize("width, acc_width", ((16, 24), (17, 28), (18, 32)))
def test_accumulator(tmp_path, width, acc_width):
    prove_same(tmp_path, lambda: Accumulator(width=width, acc_width=acc_width),
               UltraPlusBlocks(), cells=["SB_LUT4", "SB_CARRY"])


@needs_yosys
@pytest.mark.parametrize("invert", (False, True))
def test_add_or_pass(tmp_path, invert):
    prove_same(tmp_path, lambda: AddOrPass(invert=invert), LogicCells(),
               cells=["SB_LUT4", "SB_CARRY"], clocked=False)


@needs_yosys
@pytest.mark.parametrize("spoiled", (False, True))
def test_byte_bank(tmp_path, spoiled):
    """A byte at any address reads as it was written last, whatever came in between.

    The address is a free constant, and both memories shrink to that place and one for the rest.
    A wrong read needs three accesses at the most: the write, one that spoils it, and the read.
    ``spoiled`` makes the model forget the mask, to see that the proof notices.
    """
    spram = cell_models("SB_SPRAM256KA")
    spram = re.sub(r"always @\(negedge POWEROFF\) begin.*?\n\tend\n", "", spram, flags=re.DOTALL)
    spram, declarations = re.subn(r"reg \[15:0\] mem \[0:16383\];",
                                  "wire [13:0] chosen; reg [15:0] mem [0:1];", spram)
    spram, uses = re.subn(r"mem\[ADDRESS\]", "mem[ADDRESS != chosen]", spram)
    assert (declarations, uses) == (1, 5)
    if spoiled:
        spram = spram.replace("MASKWREN[2]", "1")

    m = Module()
    gold, gate = ByteBank(depth=2), ByteBank(depth=1 << 15)
    m.submodules.gold = gold
    m.submodules.gate = Fragment.get(gate, UltraPlusBlocks())
    chosen   = Signal(15)
    chosen_r = Signal(15, reset_less=True)
    addr     = Signal(15)
    w_en     = Signal()
    w_data   = Signal(8)
    begun    = Signal()
    m.d.sync += [chosen_r.eq(chosen), begun.eq(1)]
    m.d.comb += [
        Assume(~begun | (chosen == chosen_r)),
        gold.addr.eq(addr != chosen), gold.w_en.eq(w_en), gold.w_data.eq(w_data),
        gate.addr.eq(addr), gate.w_en.eq(w_en), gate.w_data.eq(w_data),
    ]
    written    = Signal()
    comparable = Signal()
    m.d.sync += [written.eq(written | (w_en & (addr == chosen))),
                 comparable.eq(written & ~w_en & (addr == chosen))]
    m.d.comb += Assert(~comparable | (gold.r_data == gate.r_data))
    steps = ["connect -set gate.spram.chosen chosen[14:1]", "memory_map; opt_clean",
             "sat -verify -seq 6 -prove-asserts -set-assumes -set rst 0 -set-at 1 begun 0 "
             "-set-at 1 written 0 -set-at 1 comparable 0 same"]
    ports = [chosen, addr, w_en, w_data]
    if spoiled:
        with pytest.raises(AssertionError, match="proof did fail"):
            prove(tmp_path, m, ports=ports, cells=spram, steps=steps)
    else:
        prove(tmp_path, m, ports=ports, cells=spram, steps=steps)
