"""Yosys' cells as Amaranth's, which is what the compiled simulator reads."""

from collections.abc import Iterable

from amaranth.hdl import _nir as nir

from sim.compiled import UnsupportedDesign
from sim.compiled.netlist import COMBINATIONAL, Netlist, Port, check_clock
from sim.compiled.rewrite import split_false_loops

UNARY = {"$not": "~", "$_NOT_": "~", "$neg": "-"}
BINARY = {"$and": "&", "$_AND_": "&", "$or": "|", "$_OR_": "|", "$xor": "^", "$_XOR_": "^",
          "$add": "+", "$sub": "-", "$mul": "*"}


def read_netlist(module: dict) -> Netlist:
    """The netlist of a flat module in Yosys' JSON, or raises :class:`UnsupportedDesign`."""
    return _Reader(module).result()


class _Reader:
    """Makes cells whose inputs are late nets, a number for each of Yosys' bits, and binds them."""

    def __init__(self, module: dict):
        self.module  = module
        self.netlist = nir.Netlist()
        self.netlist.add_module(None, "top")
        self.init = {bit: value for net in module["netnames"].values()
                     for bit, value in zip(net["bits"], reversed(net["attributes"].get("init", "")),
                                           strict=False)}
        self.memories: dict[str, int] = {}

    def result(self) -> Netlist:
        top, ports = self.netlist.top, self.module["ports"]
        inputs = {name: port for name, port in ports.items() if port["direction"] == "input"}
        for name, port in inputs.items():
            start = 2 + sum(width for _start, width in top.ports_i.values())
            top.ports_i[name] = start, len(port["bits"])
            self.bind(port["bits"], [nir.Net.from_cell(0, start + bit)
                                     for bit in range(len(port["bits"]))])
        for name, cell in self.module["cells"].items():
            self.add(name, cell)
        top.ports_o |= {name: self.value(port["bits"]) for name, port in ports.items()
                        if name not in inputs}
        self.netlist.resolve_all_nets()
        clock = check_clock(self.netlist)
        split_false_loops(self.netlist, COMBINATIONAL)
        return Netlist(cells=self.netlist.cells, ports=self.ports(clock),
                       signals=self.signals(clock), memories=self.memories)

    def ports(self, clock: nir.Net | None) -> dict[str, Port]:
        top = self.netlist.top
        inputs = {name: Port(width, False, True, start=start)
                  for name, (start, width) in top.ports_i.items()
                  if nir.Net.from_cell(0, start) != clock}
        return inputs | {name: Port(len(nets), False, False, nets=nets)
                         for name, nets in top.ports_o.items()}

    def signals(self, clock: nir.Net | None) -> dict[str, tuple[nir.Value, bool]]:
        """The nets that nextpnr has routed, by the names they have there, but for the clock."""
        signals = {}
        for name, net in self.module["netnames"].items():
            late = self.value(net["bits"])
            if "ROUTING" in net["attributes"] and not net["hide_name"] \
                    and all(bit.is_const or bit in self.netlist.connections for bit in late):
                signals[name] = self.netlist.resolve_value(late), False
        return {name: signal for name, signal in signals.items() if clock not in signal[0]}

    # Nets

    def value(self, bits: Iterable[int | str]) -> nir.Value:
        return nir.Value(nir.Net.from_late(-bit) if isinstance(bit, int)
                         else nir.Net.from_const(int(bit == "1")) for bit in bits)

    def bind(self, bits: Iterable[int | str], nets: Iterable[nir.Net]) -> None:
        """Let ``nets`` drive ``bits``."""
        self.netlist.connections |= zip(self.value(bits), nets, strict=True)

    # Cells

    def add(self, name: str, cell: dict) -> None:
        parameters = {key: int(value, 2) for key, value in cell["parameters"].items()
                      if value.strip("01") == ""}
        ports = {port: self.value(bits) for port, bits in cell["connections"].items()}
        match cell["type"]:
            case "$dff" | "$dffe":
                self.flip_flop(parameters, ports, cell["connections"]["Q"])
            case "$mem_v2":
                self.memory(parameters, ports, cell)
            case "$mux" | "$_MUX_":
                self.operator("m", [ports["S"], ports["B"], ports["A"]], cell)
            case kind if kind in UNARY:
                self.operator(UNARY[kind], self.extended(parameters, ports, ["A"]), cell)
            case kind if kind in BINARY:
                self.operator(BINARY[kind], self.extended(parameters, ports, ["A", "B"]), cell)
            case "$lt" if not parameters["A_SIGNED"]:
                width = max(len(ports["A"]), len(ports["B"]))
                self.operator("u<", [nir.Value([*ports[name],
                                                *[nir.Net.from_const(0)] * width][:width])
                                     for name in ("A", "B")], cell)
            case kind:
                raise UnsupportedDesign(f"Cell of Yosys must be one that is read, not {kind} "
                                        f"{name!r}")

    def drive(self, bits: list, cell: nir.Cell) -> None:
        """Let a new cell drive ``bits``."""
        self.bind(bits, self.netlist.add_value_cell(len(bits), cell))

    def extended(self, parameters: dict, ports: dict, names: list[str]) -> list[nir.Value]:
        """Operands as wide as the result."""
        width = len(ports["Y"])
        signed = all(parameters.get(f"{name}_SIGNED") for name in names)
        return [nir.Value([*ports[name], *[ports[name][-1] if signed else nir.Net.from_const(0)]
                           * width][:width]) for name in names]

    def operator(self, operator: str, inputs: list[nir.Value], cell: dict) -> None:
        self.drive(cell["connections"]["Y"],
                   nir.Operator(0, operator=operator, inputs=inputs, src_loc=None))

    def flip_flop(self, parameters: dict, ports: dict, bits: list) -> None:
        data = ports["D"]
        if "EN" in ports:
            enable, = ports["EN"]
            if not parameters["EN_POLARITY"]:
                enable, = self.netlist.add_value_cell(1, nir.Operator(
                    0, operator="~", inputs=[ports["EN"]], src_loc=None))
            # The simulator skips what only this register reads in cycles without the enable.
            data = self.netlist.add_value_cell(len(data), nir.AssignmentList(
                0, default=ports["Q"], src_loc=None, assignments=[
                    nir.Assignment(cond=enable, start=0, value=data, src_loc=None)]))
        init = "".join("1" if self.init.get(bit) == "1" else "0" for bit in reversed(bits))
        self.drive(bits, nir.FlipFlop(
            0, data=data, init=int(init, 2), clk=ports["CLK"][0],
            clk_edge="pos" if parameters["CLK_POLARITY"] else "neg",
            arst=nir.Net.from_const(0), attributes={}, src_loc=None))

    def memory(self, parameters: dict, ports: dict, cell: dict) -> None:
        name, init = (cell["parameters"][key] for key in ("MEMID", "INIT"))
        if parameters["RD_CLK_ENABLE"]:
            raise UnsupportedDesign(f"Memory must be read without a clock, unlike {name!r}")
        size, width, address = (parameters[key] for key in ("SIZE", "WIDTH", "ABITS"))
        init = init.replace("x", "0").zfill(size * width)
        memory = self.netlist.add_cell(nir.Memory(
            0, width=width, depth=size, name=name, attributes={}, src_loc=None,
            init=[int(init[at:at + width], 2) for at in reversed(range(0, len(init), width))]))
        self.memories[name.removeprefix("\\")] = memory
        for port in range(parameters["WR_PORTS"]):
            self.netlist.add_cell(nir.SyncWritePort(
                0, memory, data=_part(ports["WR_DATA"], port, width),
                addr=_part(ports["WR_ADDR"], port, address),
                en=_part(ports["WR_EN"], port, width), clk=ports["WR_CLK"][port],
                clk_edge="pos" if parameters["WR_CLK_POLARITY"] >> port & 1 else "neg",
                src_loc=None))
        for port in range(parameters["RD_PORTS"]):
            self.drive(_part(cell["connections"]["RD_DATA"], port, width), nir.AsyncReadPort(
                0, memory, width=width, addr=_part(ports["RD_ADDR"], port, address),
                src_loc=None))


def _part(bits, index: int, width: int):
    return bits[index * width:(index + 1) * width]
