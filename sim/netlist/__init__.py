"""Placed and routed designs in the compiled simulator: what the bitstream holds, not our RTL.

``nextpnr-ice40 --write routed.json`` writes down every cell that it placed, with its LUT, its
flip-flop's set or reset, its memory's first words and its multiplier's configuration. Here they
become a netlist again, by way of Yosys and its models of the cells:

    design = load("build/routed.json", "build")
    machine = design.machine()
    machine["uart_0__rx__io.i"] = 1
    machine.run(1000)
    assert machine["led_0__io.o"]

A pin has a port for each of its directions: ``pin.i`` goes in, ``pin.o`` out, and ``pin.oe`` says
whether the pin drives, where it may let go. A pin with two values a cycle has ``pin.o0``, in the
first half of the cycle, and ``pin.o1``. Inputs are the same in both halves.

The design has one clock, from a pin or a PLL, which is locked from the start. Flip-flops begin as
the bitstream sets them, to 0, SPRAM with zeros; what the hardware leaves undefined reads as 0.
"""

import json
from pathlib import Path

from sim.compiled import Design
from sim.netlist.ice40 import circuit
from sim.netlist.reader import read_netlist
from sim.netlist.yosys import elaborate


def load(routed_json: Path | str, folder: Path | str) -> Design:
    """Compile the netlist that nextpnr-ice40 has written; files in between go into ``folder``.

    The folder must not lie below that for temporary files, of which YoWASP sees nothing. Raises
    :class:`sim.compiled.UnsupportedDesign` for cells and clocks that it cannot simulate.
    """
    routed = circuit(json.loads(Path(routed_json).read_text()))
    return Design(read_netlist(elaborate(routed, Path(folder))))
