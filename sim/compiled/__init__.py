"""A simulator that compiles: a component's netlist to machine code, by way of LLVM.

Millions of cycles a second where Amaranth's simulator makes thousands, and no C++ compiler:

    design = compile_design(component)
    machine = design.machine()
    machine["start"] = 1
    machine.run(1_000_000, until="done")
    assert machine.memory("results")[0] == 42

What it simulates is what Amaranth's simulator would, a clock cycle at a time: a component with one
clock, made of logic, flip-flops and memories. Anything else raises UnsupportedDesign, by name.
An Assert that does not hold raises SimulationError; Print and Cover do nothing.
"""

from .machine import Design as Design
from .machine import Machine as Machine
from .machine import SimulationError as SimulationError
from .machine import compile_design as compile_design
from .netlist import UnsupportedDesign as UnsupportedDesign
from .vcd import Recording as Recording
