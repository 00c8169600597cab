"""Rewrites of a netlist that leave its behaviour alone: fewer cells, and no false loops."""

from amaranth.hdl import _nir as nir

BITWISE = ("~", "&", "|", "^", "m")


class _Renaming:
    """Stands in for the netlist whose nets a cell's ``resolve_nets`` looks up."""

    def __init__(self, names: dict[nir.Net, nir.Net]):
        self.names = names

    def resolve_net(self, net):
        return self.names.get(net, net)

    def resolve_value(self, value):
        return nir.Value(self.names.get(net, net) for net in value)


def rename(netlist: nir.Netlist, names: dict[nir.Net, nir.Net]) -> None:
    """Replace nets by others wherever they are read."""
    if not names:
        return
    renaming = _Renaming(names)
    for cell in netlist.cells:
        cell.resolve_nets(renaming)
    for signal in netlist.signals:
        netlist.signals[signal] = renaming.resolve_value(netlist.signals[signal])


def drop_impossible(netlist: nir.Netlist) -> None:
    """Drop the assignments that wait for a reset which never comes."""
    never = {nir.Net.from_const(0)}
    for index, cell in enumerate(netlist.cells):
        if isinstance(cell, nir.Matches) and cell.value == (0,) and cell.patterns == ("1",):
            never.add(nir.Net.from_cell(index, 0))
    for index, cell in enumerate(netlist.cells):
        if isinstance(cell, nir.PriorityMatch):
            never |= {nir.Net.from_cell(index, bit)
                      for bit, net in enumerate(cell.inputs) if net in never}
    for cell in netlist.cells:
        if isinstance(cell, nir.AssignmentList):
            cell.assignments = tuple(a for a in cell.assignments if a.cond not in never)


def merge_conditions(netlist: nir.Netlist) -> None:
    """Make one of the conditions that modules and statements have each for itself."""
    while True:
        first: dict[tuple, int] = {}
        names = {}
        for index, cell in enumerate(netlist.cells):
            match cell:
                case nir.Matches():
                    key = (cell.value, cell.patterns)
                case nir.PriorityMatch():
                    key = (cell.en, cell.inputs)
                case _:
                    continue
            other = first.setdefault((type(cell), *key), index)
            if other != index:
                names |= {net: nir.Net.from_cell(other, net.bit)
                          for net in cell.output_nets(index)}
                netlist.cells[index] = nir.Top()
        if not names:
            return
        rename(netlist, names)


def split_false_loops(netlist: nir.Netlist, combinational: tuple[type, ...]) -> None:
    """Cut the cells that lie on loops into one cell a bit, so that cells have an order.

    ``a[1].eq(a[0])`` makes one two-bit cell that reads itself. Amaranth has refused loops of bits
    already, so single bits cannot form one, and the other cells, whose every output bit depends
    on all input bits, are on no loop of cells alone.
    """
    names = {}
    for index in _on_loops(netlist.cells, combinational):
        cell = netlist.cells[index]
        for bit in range(len(cell.output_nets(index)) if _is_bitwise(cell) else 0):
            one_bit = netlist.add_cell(_one_bit(cell, bit))
            output = bit if isinstance(cell, nir.PriorityMatch) else 0
            names[nir.Net.from_cell(index, bit)] = nir.Net.from_cell(one_bit, output)
    rename(netlist, names)


def _on_loops(cells: list[nir.Cell], combinational: tuple[type, ...]) -> set[int]:
    """The cells on a loop, or between two."""
    reads = {index: {net.cell for net in cell.input_nets() if net.is_cell
                     and isinstance(cells[net.cell], combinational)}
             for index, cell in enumerate(cells) if isinstance(cell, combinational)}
    feeds: dict[int, set[int]] = {index: set() for index in reads}
    for index, sources in reads.items():
        for source in sources:
            feeds[source].add(index)
    # What can be ordered from the inputs on, or from the outputs back, is on no loop.
    left = set(reads)
    for before, after in (reads, feeds), (feeds, reads):
        waits = {index: len(before[index] & left) for index in left}
        ready = [index for index, count in waits.items() if not count]
        while ready:
            index = ready.pop()
            left.remove(index)
            for follower in after[index] & left:
                waits[follower] -= 1
                if not waits[follower]:
                    ready.append(follower)
    return left


def _is_bitwise(cell: nir.Cell) -> bool:
    return isinstance(cell, (nir.AssignmentList, nir.PriorityMatch)) or (
        isinstance(cell, nir.Operator) and cell.operator in BITWISE)


def _one_bit(cell: nir.Cell, bit: int) -> nir.Cell:
    """A cell whose (last) output is the output ``bit`` of a bitwise cell."""
    place = {"src_loc": cell.src_loc}
    match cell:
        case nir.PriorityMatch():
            return nir.PriorityMatch(cell.module_idx, en=cell.en, inputs=cell.inputs[:bit + 1],
                                     **place)
        case nir.AssignmentList():
            assignments = [nir.Assignment(cond=a.cond, start=0, src_loc=a.src_loc,
                                          value=a.value[bit - a.start:bit - a.start + 1])
                           for a in cell.assignments if 0 <= bit - a.start < len(a.value)]
            return nir.AssignmentList(cell.module_idx, default=cell.default[bit:bit + 1],
                                      assignments=assignments, **place)
        case nir.Operator(operator="m"):
            select, *choices = cell.inputs
            inputs = [select, *(choice[bit:bit + 1] for choice in choices)]
            return nir.Operator(cell.module_idx, operator="m", inputs=inputs, **place)
        case nir.Operator():
            return nir.Operator(cell.module_idx, operator=cell.operator,
                                inputs=[value[bit:bit + 1] for value in cell.inputs], **place)
    raise AssertionError
