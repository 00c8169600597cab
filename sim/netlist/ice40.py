"""nextpnr's netlist of an iCE40 as a circuit of cells that have models.

Three things are said there only between the lines: what an open input reads, that a pad or a PLL
feeds a global buffer that has no input, and which pad belongs to which port of the design.
"""

import re
from itertools import count

from sim.compiled import UnsupportedDesign
from sim.netlist.yosys import CHIP

# Of Yosys (ICESTORM_LC, SB_...), or ours, in ice40.v.
MODELS = {
    "ICESTORM_LC":    "ICESTORM_LC",
    "ICESTORM_RAM":   "SB_RAM40_4K",
    "ICESTORM_DSP":   "SB_MAC16",
    "ICESTORM_SPRAM": "SPRAM",
    "ICESTORM_PLL":   "PLL",
    "SB_GB":          "SB_GB",
    "SB_IO":          "PAD",
}
HAVE_BUSES = ("SB_RAM40_4K", "SB_MAC16", "SPRAM")

# Inputs that read 1 when nothing is connected; all others read 0.
PULLED_UP = {"CEN", "CE", "RCLKE", "WCLKE", "CLOCK_ENABLE"}

# Parameters of which the models know one value.
KNOWN = {
    "ICESTORM_RAM": {"NEG_CLK_R": 0, "NEG_CLK_W": 0},
    "SB_IO":        {"NEG_TRIGGER": 0},
}


def circuit(routed: dict) -> dict:
    """The design in Yosys' JSON. Its inputs and outputs are those of the pads, and its clock."""
    top, = routed["modules"].values()
    converted = _Circuit(top)
    for cell_name, cell in top["cells"].items():
        converted.add(cell_name, cell)
    return {"modules": {CHIP: {"ports": converted.ports, "cells": converted.cells,
                               "netnames": top["netnames"]}}}


class _Circuit:
    def __init__(self, top: dict):
        used = (bit for net in top["netnames"].values() for bit in net["bits"])
        self.new_bits = count(max(used, default=1) + 1)
        self.pins = {bit: name if len(port["bits"]) == 1 else f"{name}[{index}]"
                     for name, port in top["ports"].items()
                     for index, bit in enumerate(port["bits"], port.get("offset", 0))}
        self.ports: dict[str, dict] = {}
        self.cells: dict[str, dict] = {}

    def add(self, name: str, cell: dict) -> None:
        if cell["type"] not in MODELS:
            raise UnsupportedDesign(f"Cell must be one of {', '.join(MODELS)}, "
                                    f"not {cell['type']} {name!r}")
        parameters = cell["parameters"].copy()
        for parameter, known in KNOWN.get(cell["type"], {}).items():
            if int(parameters.pop(parameter, "0"), 2) != known:
                raise UnsupportedDesign(f"Parameter {parameter} must be {known}, "
                                        f"as it is not in {cell['type']} {name!r}")
        connections, model = self._connections(cell), MODELS[cell["type"]]
        match model:
            case "PLL":
                parameters.clear()
                connections = {port: bits for port, bits in connections.items()
                               if cell["port_directions"][port] == "output"}
                connections["CLOCK"] = self._port(f"{name}.clock", "input")
            case "SB_GB" if not cell["connections"]["USER_SIGNAL_TO_GLOBAL_BUFFER"]:
                connections["USER_SIGNAL_TO_GLOBAL_BUFFER"] = self._port(f"{name}.clock", "input")
            case "PAD":
                if cell["connections"].get("LATCH_INPUT_VALUE"):
                    raise UnsupportedDesign(f"Pad must not latch its input, as {name!r} does")
                parameters = {"PIN_TYPE": parameters["PIN_TYPE"]}
                connections.pop("GLOBAL_BUFFER_OUTPUT", None)        # an SB_GB without input has it
                pin, = connections.pop("PACKAGE_PIN")
                for port, direction in _pad_ports(cell):
                    connections[port] = self._port(f"{self.pins[pin]}.{port}", direction)
            case _ if model in HAVE_BUSES:
                connections = _with_buses(connections)
        self.cells[name] = {"type": model, "parameters": parameters, "attributes": {},
                            "port_directions": {}, "connections": connections}

    def _connections(self, cell: dict) -> dict[str, list]:
        """What each port of the cell is connected to, if only to a constant or to nothing."""
        return {port: bits or (["1" if port in PULLED_UP else "0"]
                               if cell["port_directions"][port] == "input"
                               else [next(self.new_bits)])
                for port, bits in cell["connections"].items()}

    def _port(self, name: str, direction: str) -> list[int]:
        """A new port of the design."""
        bits = [next(self.new_bits)]
        self.ports[name.lstrip("$")] = {"direction": direction, "bits": bits}
        return bits


def _with_buses(connections: dict[str, list]) -> dict[str, list]:
    """``A_0``, ``A_1``, ... become the bus ``A``."""
    buses: dict[str, dict[int, int | str]] = {}
    for port, (bit,) in connections.items():
        bus, index = re.fullmatch(r"(.*?)(?:_(\d+))?", port).groups(default="0")
        buses.setdefault(bus, {})[int(index)] = bit
    return {bus: [bits[index] for index in sorted(bits)] for bus, bits in buses.items()}


def _pad_ports(cell: dict) -> list[tuple[str, str]]:
    """The ports that the design gets from a pad, which are ports of its model."""
    enable, output, _input = re.fullmatch("0*(..)(..)(..)",
                                          cell["parameters"]["PIN_TYPE"][-6:]).groups()
    ports = []
    if cell["connections"].get("D_IN_0") or cell["connections"].get("D_IN_1"):
        ports.append(("i", "input"))
    if cell["connections"].get("D_IN_1"):
        ports.append(("i_mid", "input"))
    if enable != "00":
        ports += [("o0", "output"), ("o1", "output")] if output == "00" else [("o", "output")]
    if enable >= "10":
        ports.append(("oe", "output"))
    return ports
