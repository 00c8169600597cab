"""A board's routed netlist on the bench of simulated boards, with line and flash chip."""

import re
from pathlib import Path

from amaranth import Cat, ClockSignal, Instance, Module, Signal
from amaranth.back import rtlil
from amaranth.lib import wiring

from hw.system import SystemConfig
from sim.board import BoardBench, board_pins
from sim.compiled import Design
from sim.netlist.ice40 import circuit
from sim.netlist.reader import read_netlist
from sim.netlist.yosys import CHIP, elaborate


class RoutedBoard(wiring.Component):
    """The pins of a routed netlist, whose ports are ``ports``, as ``sim.board`` has them.

    What the pins are called tells what they are for. LEDs are not looked at, and whether it has
    something to do, a netlist does not tell.
    """

    def __init__(self, ports: dict[str, str]):
        self.ports = ports
        super().__init__(board_pins())

    def elaborate(self, platform):
        m = Module()
        inputs, outputs = {}, {}
        for name, direction in self.ports.items():
            if name.endswith(".clock"):
                inputs[name] = ClockSignal()
            elif direction == "input":
                inputs[name] = Signal(name=f"pin{len(inputs)}")
            else:
                outputs[name] = Signal(name=f"pad{len(outputs)}")
        m.submodules.chip = Instance(CHIP, *(("i", *item) for item in inputs.items()),
                                     *(("o", *item) for item in outputs.items()))

        def pin(pattern, of):
            return next((signal for name, signal in of.items() if re.search(pattern, name)),
                        Signal())

        m.d.comb += [
            pin(r"rx__io\.i$", inputs).eq(self.rx), self.tx.eq(pin(r"tx__io\.o$", outputs)),
            self.verdict.eq(1), self.active.eq(1),
            self.flash.cs.eq(~pin(r"cs__io\.o$", outputs)),
            self.flash.sck.eq(Cat(pin(rf"clk__io\.o{half}$", outputs) for half in range(2))),
        ]
        dq_o, dq_oe = (Cat(pin(rf"dq__io\[{index}\]\.{kind}$", outputs) for index in range(4))
                       for kind in ("o0?", "oe"))
        m.d.comb += [self.flash.dq_o.eq(dq_o), self.flash.dq_oe.eq(dq_oe)]
        for index in range(4):
            for kind, lines in (("i", self.flash.dq_i), ("i_mid", self.flash.dq_mid)):
                m.d.comb += pin(rf"dq__io\[{index}\]\.{kind}$", inputs).eq(lines[index])
        return m


def load_board(routed: dict, folder: Path, config: SystemConfig) -> Design:
    """Compiles the netlist that nextpnr-ice40 has written of a board with ``config``, for a
    ``sim.board.SimulatedBoard``. As ``sim.netlist.load`` otherwise."""
    chip = circuit(routed)
    ports = {name: port["direction"] for name, port in chip["modules"][CHIP]["ports"].items()}
    bench = BoardBench(config, RoutedBoard(ports))
    return Design(read_netlist(elaborate(chip, folder, rtlil.convert(bench, name="top"))))
