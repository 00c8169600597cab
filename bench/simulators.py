"""Cycles a second: the compiled simulator beside Amaranth's own, on one component.

    python -m bench.simulators                     # the array, 4 x 4
    python -m bench.simulators hw.engine Engine --config rows=4,columns=4
"""

import argparse
import ast
import importlib
import os
import platform
import time

import amaranth
import llvmlite
from amaranth.sim import Simulator

from hw.array import SystolicArray
from hw.config import EngineConfig
from sim.compiled import compile_design

ROUNDS = 20


def compiled_rate(machine, seconds):
    """The best of some rounds, by the time of this thread: other jobs disturb it least."""
    cycles, spent = 1000, 0.0
    while spent < seconds / ROUNDS:
        cycles *= 2
        spent = thread_seconds(machine.run, cycles)
    return cycles / min(thread_seconds(machine.run, cycles) for _ in range(ROUNDS))


def amaranth_rate(component, seconds):
    """The same for Amaranth's simulator, with nothing but a clock."""
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.advance()
    cycles, spent = 0, 0.0
    while spent < seconds:
        spent += thread_seconds(simulator.run_until, 1e-6 * (cycles + 100))
        cycles += 100
    return cycles / spent


def thread_seconds(work, *arguments):
    start = time.thread_time()
    work(*arguments)
    return time.thread_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", nargs="?", default="hw.array")
    parser.add_argument("component", nargs="?", default=SystolicArray.__name__)
    parser.add_argument("--config", default="rows=4,columns=4,lanes=1", metavar="NAME=VALUE,...",
                        help="fields of its EngineConfig")
    parser.add_argument("--seconds", type=float, default=2.0, help="of measuring, each")
    arguments = parser.parse_args()
    fields = (field.split("=") for field in arguments.config.split(",") if field)
    config = EngineConfig(**{name: ast.literal_eval(value) for name, value in fields})
    kind = getattr(importlib.import_module(arguments.module), arguments.component)

    design = compile_design(kind(config), cache=False)
    machine = design.machine()
    for name, port in design.netlist.ports.items():
        if port.is_input and port.width == 1:
            machine[name] = 1            # enables and handshakes: let it work
    compiled = compiled_rate(machine, arguments.seconds)
    interpreted = amaranth_rate(kind(config), arguments.seconds)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
          f"load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, "
          f"amaranth {amaranth.__version__}, llvmlite {llvmlite.__version__}")
    print(f"{arguments.component} {arguments.config}: {design.cells} cells, "
          f"compiled in {design.compile_seconds:.2f} s")
    print(f"compiled {compiled:14,.0f} cycles/s\namaranth {interpreted:14,.0f} cycles/s\n"
          f"ratio    {compiled / interpreted:14,.0f}")


if __name__ == "__main__":
    main()
