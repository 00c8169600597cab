"""A component's netlist: Amaranth's own, checked, and put in order for a pass over it a cycle."""

from dataclasses import dataclass

import amaranth
from amaranth.hdl import ClockDomain, Const, Fragment, Signal, Value
from amaranth.hdl import _ir as ir
from amaranth.hdl import _nir as nir
from amaranth.hdl._ast import SignalSet
from amaranth.lib import wiring

from .rewrite import drop_impossible, merge_conditions, rename, split_false_loops

STATEFUL = (nir.FlipFlop, nir.SyncReadPort)
COMBINATIONAL = (nir.Operator, nir.Part, nir.Matches, nir.PriorityMatch, nir.AssignmentList,
                 nir.AsyncReadPort)
SUPPORTED = STATEFUL + COMBINATIONAL + (nir.Top, nir.Memory, nir.SyncWritePort, nir.SyncPrint,
                                        nir.AsyncPrint, nir.SyncProperty, nir.AsyncProperty)


class UnsupportedDesign(Exception):
    """The design has something that the compiled simulator does not simulate; says what, where."""


@dataclass(frozen=True)
class Port:
    """A port of the top component; inputs start at ``init``, outputs show ``nets``."""
    width: int
    signed: bool
    is_input: bool
    init: int = 0
    start: int = 0                       # inputs: first bit among the outputs of cell 0
    nets: nir.Value = nir.Value()        # outputs: what drives them


@dataclass(frozen=True)
class Netlist:
    """Cells that refer to each other by index, and the names by which people know their nets.

    The cells read and drive each other without loops; cell 0 stands for the input ports. Nets,
    values and cells are those of ``amaranth.hdl._nir``.
    """
    cells: list[nir.Cell]
    ports: dict[str, Port]
    signals: dict[str, tuple[nir.Value, bool]]     # hierarchical name: its nets, whether signed
    memories: dict[str, int]                       # hierarchical name: its cell

    def width(self, index: int) -> int:
        """Number of a cell's output bits."""
        return len(self.cells[index].output_nets(index))

    def registers(self) -> list[int]:
        """The cells whose outputs are state."""
        return [index for index, cell in enumerate(self.cells)
                if isinstance(cell, STATEFUL) and self.width(index)]

    def location(self, index: int) -> str:
        """Where a cell comes from, for messages."""
        return _location(self.cells[index].src_loc)


def read_netlist(component: wiring.Component) -> Netlist:
    """Elaborate ``component`` and return its netlist, or raise :class:`UnsupportedDesign`."""
    if not amaranth.__version__.startswith("0.5."):
        raise ImportError("The compiled simulator reads the private netlist of Amaranth 0.5, "
                          f"not of {amaranth.__version__}")
    domains: list[ClockDomain] = []

    def missing_domain(name: str) -> ClockDomain:
        domains.append(ClockDomain(name))
        return domains[-1]

    members = {"__".join(map(str, path)): (Value.cast(value), member.flow == wiring.In)
               for path, member, value in component.signature.flatten(component)}
    directions = {True: ir.PortDirection.Input, False: ir.PortDirection.Output}
    try:
        # A port can be a constant: the `ready` of a stream that is always ready.
        netlist = ir.build_netlist(
            Fragment.get(component, None), name="top", missing_domain=missing_domain,
            ports={name: (value, directions[is_input])
                   for name, (value, is_input) in members.items() if isinstance(value, Signal)})
    except nir.CombinationalCycle as error:
        raise UnsupportedDesign(str(error)) from None

    # Nothing resets the design but power-on, unless it made the reset its own port.
    rename(netlist, {net: nir.Net.from_const(0) for domain in domains
                     for net in netlist.signals.get(domain.rst, ())})
    _check_cells(netlist)
    check_clock(netlist)
    drop_impossible(netlist)
    merge_conditions(netlist)
    split_false_loops(netlist, COMBINATIONAL)
    return Netlist(cells=netlist.cells, ports=_ports(netlist, members),
                   signals=_signals(netlist, domains), memories=_memories(netlist))


def _location(src_loc) -> str:
    return "an unknown place" if src_loc is None else f"{src_loc[0]}:{src_loc[1]}"


def _check_cells(netlist: nir.Netlist) -> None:
    for cell in netlist.cells:
        if isinstance(cell, SUPPORTED):
            continue
        module = ".".join(netlist.modules[cell.module_idx].name)
        kind = type(cell).__name__
        if isinstance(cell, nir.Instance):
            kind += f" {cell.name!r} of {cell.type!r}"
        raise UnsupportedDesign(f"Cell must be one the compiled simulator knows, not {kind} "
                                f"in {module} from {_location(cell.src_loc)}")


def check_clock(netlist: nir.Netlist) -> nir.Net | None:
    """The one clock, or None if there is no clock; refuses anything else. Its readers go."""
    first = None
    for cell in netlist.cells:
        if isinstance(cell, nir.FlipFlop) and cell.arst != 0:
            raise UnsupportedDesign("Reset must be synchronous, not asynchronous as that of the "
                                    f"flip-flop from {_location(cell.src_loc)}")
        if not hasattr(cell, "clk"):
            continue
        here = f"{type(cell).__name__} from {_location(cell.src_loc)}"
        if cell.clk_edge != "pos":
            raise UnsupportedDesign(f"Clock edge must be the rising one, not that of the {here}")
        if first is None:
            first, first_place = cell.clk, here
        if cell.clk != first:
            raise UnsupportedDesign("Clock must be the same everywhere, not another one for the "
                                    f"{here} than for the {first_place}")
    if first is None:
        return None
    if not first.is_cell or first.cell != 0:
        raise UnsupportedDesign(f"Clock must be an input, not made by logic as that of the "
                                f"{first_place}")
    # From here on nobody needs the clock's net, so whoever still reads it takes it for data.
    for cell in netlist.cells:
        if hasattr(cell, "clk"):
            cell.clk = nir.Net.from_const(0)
        if first in cell.input_nets():
            raise UnsupportedDesign("Clock must not be used as data, as it is by the "
                                    f"{type(cell).__name__} from {_location(cell.src_loc)}")
    return first


def _ports(netlist: nir.Netlist, members) -> dict[str, Port]:
    ports = {}
    for name, (value, is_input) in members.items():
        width, signed = len(value), value.shape().signed
        if isinstance(value, Const):
            ports[name] = Port(width, signed, False, nets=nir.Value.from_const(value.value, width))
        elif is_input:
            start, _ = netlist.top.ports_i[name]
            ports[name] = Port(width, signed, True, init=value.init, start=start)
        else:
            ports[name] = Port(width, signed, False, nets=netlist.top.ports_o[name])
    return ports


def _signals(netlist: nir.Netlist, domains) -> dict[str, tuple[nir.Value, bool]]:
    hidden = SignalSet(signal for domain in domains for signal in (domain.clk, domain.rst))
    return {".".join((*module.name, name)): (netlist.signals[signal], signal.shape().signed)
            for module in netlist.modules
            for signal, name in module.signal_names.items() if len(signal) and signal not in hidden}


def _memories(netlist: nir.Netlist) -> dict[str, int]:
    return {".".join((*netlist.modules[cell.module_idx].name, cell.name)): index
            for index, cell in enumerate(netlist.cells) if isinstance(cell, nir.Memory)}
