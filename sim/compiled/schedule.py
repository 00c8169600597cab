"""What to compute when: always, or only in cycles in which some register takes it up.

Most registers wait for a condition most of the time. Those that wait for the same one form a
group, and the logic that only they read is skipped with them.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from amaranth.hdl import _nir as nir

from .netlist import COMBINATIONAL, Netlist

ALWAYS, LEAVE = "always", "leave"        # places other than groups; LEAVE: when the run ends
LEAST_CELLS = 4                          # a branch for less is not worth it
MOST_GUARDS = 4

Place = str | frozenset[nir.Net]         # a group is named by its guards


@dataclass(frozen=True)
class Schedule:
    """``cells`` of a place are to be evaluated in this order, and before those of other places.

    ``registers`` of a group keep their values unless one of its guards is 1. ``early`` are those
    that are read in other places too: to be loaded before anything is stored.
    """
    cells: dict[Place, list[int]]
    registers: dict[Place, list[int]]
    early: list[int]

    @property
    def groups(self) -> list[frozenset[nir.Net]]:
        return [place for place in self.registers if place != ALWAYS]


def schedule(netlist: Netlist, always: Iterable[nir.Net], leave: Iterable[nir.Net],
             grouped: bool = True) -> Schedule:
    """``always`` and ``leave`` are the nets that are read there besides the registers' inputs."""
    cells = netlist.cells
    registers = netlist.registers()
    homes = _homes(cells, registers) if grouped else dict.fromkeys(registers, ALWAYS)
    reads = {index: _cells_of(cells[index].input_nets()) for index in homes}
    everywhere = {ALWAYS: _cells_of(always), LEAVE: _cells_of(leave)}
    for home in homes.values():
        if home != ALWAYS:
            everywhere[ALWAYS] |= _cells_of(home)
    order = _order(cells, set().union(*reads.values(), *everywhere.values()))
    places = _places(cells, order, homes, reads, everywhere)
    # Dissolve groups that are too small, which makes others' logic common:
    sizes = Counter([*places.values(), *homes.values()])
    homes = {index: home if sizes[home] >= LEAST_CELLS else ALWAYS
             for index, home in homes.items()}
    places = _places(cells, order, homes, reads, everywhere)

    result = Schedule(cells={ALWAYS: [], LEAVE: []}, registers={ALWAYS: []}, early=[])
    for index in order:
        result.cells.setdefault(places[index], []).append(index)
    for index, home in homes.items():
        result.registers.setdefault(home, []).append(index)
        # What is read always may first be met in a group, after its next value was stored.
        if (place := places.get(index, LEAVE)) == ALWAYS or place not in (LEAVE, home):
            result.early.append(index)
    return result


def _cells_of(nets: Iterable[nir.Net]) -> set[int]:
    return {net.cell for net in nets if net.is_cell}


def _order(cells: list[nir.Cell], roots: set[int]) -> list[int]:
    """The combinational cells that the roots depend on, each after those that it reads."""
    order: dict[int, None] = {}
    for root in sorted(roots):
        stack = [(root, None)]
        while stack:
            index, sources = stack.pop()
            if index in order or not isinstance(cells[index], COMBINATIONAL):
                continue
            if sources is None:
                sources = iter(sorted(_cells_of(cells[index].input_nets())))
            source = next(sources, None)
            if source is None:
                order[index] = None
            else:
                stack += [(index, sources), (source, None)]
    return list(order)


def _places(cells, order, homes, reads, everywhere) -> dict[int, Place]:
    """Where each cell and register is read: the one place, or always if there are several."""
    places: dict[int, Place] = {}

    def read_in(place: Place, sources: set[int]) -> None:
        for source in sources:
            if places.setdefault(source, place) != place:
                places[source] = ALWAYS

    for place, sources in everywhere.items():
        read_in(place, sources)
    for index, home in homes.items():
        read_in(home, reads[index])
    for index in reversed(order):
        read_in(places[index], _cells_of(cells[index].input_nets()))
    return places


def _homes(cells: list[nir.Cell], registers: list[int]) -> dict[int, Place]:
    """For each register its group, or ALWAYS."""
    choices = {index: _guards(cells, index) for index in registers}
    # Of the conditions that must all hold, the one for which most registers wait.
    popularity = Counter(net for guards in choices.values() for nets in guards for net in nets)
    return {index: frozenset(max(sorted(nets), key=popularity.__getitem__) for nets in guards)
            if 0 < len(guards) <= MOST_GUARDS else ALWAYS
            for index, guards in choices.items()}


def _guards(cells: list[nir.Cell], index: int) -> set[frozenset[nir.Net]]:
    """A register keeps its value unless all conditions of one of these sets hold.

    Nothing is known of it when there is no set.
    """
    cell = cells[index]
    if isinstance(cell, nir.SyncReadPort):
        return set() if cell.en.is_const else {_factors(cells, cell.en)}
    sources = _cells_of(cell.data)
    if len(sources) != 1:
        return set()
    source, = sources
    logic, width = cells[source], len(cell.data)
    if not isinstance(logic, nir.AssignmentList) or cell.data != _outputs(source, width) \
            or logic.default != _outputs(index, width):
        return set()
    conditions = {_outermost(cells, assignment.cond) for assignment in logic.assignments}
    if any(condition.is_const for condition in conditions):
        return set()
    return {_factors(cells, condition) for condition in conditions}


def _outputs(index: int, width: int) -> nir.Value:
    return nir.Value(nir.Net.from_cell(index, bit) for bit in range(width))


def _outermost(cells: list[nir.Cell], condition: nir.Net) -> nir.Net:
    """The condition around the conditions around ``condition``."""
    while condition.is_cell and isinstance(cells[condition.cell], nir.PriorityMatch):
        outer = cells[condition.cell].en
        if outer.is_const:
            break
        condition = outer
    return condition


def _factors(cells: list[nir.Cell], condition: nir.Net) -> frozenset[nir.Net]:
    """Conditions that ``condition`` implies, itself or what it is made of."""
    match cells[condition.cell]:
        case nir.PriorityMatch(inputs=inputs) if condition.bit == 0 and inputs[0].is_cell:
            return _factors(cells, inputs[0])
        case nir.Matches(value=(net,), patterns=("1",)) if net.is_cell:
            return _factors(cells, net)
        case nir.Operator(operator="&", inputs=inputs, width=1):
            nets = [net for (net,) in inputs if net.is_cell]
            return frozenset({condition}).union(*(_factors(cells, net) for net in nets))
    return frozenset({condition})
