"""The loop around the cells: one LLVM function that evaluates, maybe stops, and steps.

    done = 0
    for ever:
        evaluate the logic
        when tracing: store every signal in rows[done]
        if done == cycles, or the watched output is 1, or an assertion is violated:
            store the results (output ports, assertions); return done
        store the next values of flip-flops and memories; done += 1
"""

from amaranth.hdl import _nir as nir

from .block import Block, Word, constant
from .layout import Area, Layout, Slot, container
from .lower import Lowering
from .netlist import Netlist
from .schedule import ALWAYS, LEAVE, Place, schedule

RUN = "define i64 @run(ptr noalias %registers, ptr noalias %memories, " \
      "i64 %cycles, i64 %watch, ptr noalias %rows) {"
NOTHING_WATCHED = -1


def assertions(netlist: Netlist) -> list[int]:
    """The cells that must hold at each clock edge. Covers and prints do nothing."""
    return [index for index, cell in enumerate(netlist.cells)
            if isinstance(cell, (nir.SyncProperty, nir.AsyncProperty)) and cell.kind != "cover"]


def results(netlist: Netlist) -> dict[object, nir.Value]:
    """What an evaluation leaves in the state for the host to read."""
    values: dict[object, nir.Value] = {
        ("output", name): port.nets for name, port in netlist.ports.items() if not port.is_input}
    for index in assertions(netlist):
        cell = netlist.cells[index]
        values["enabled", index], values["holds", index] = nir.Value(cell.en), nir.Value(cell.test)
        for position, chunk in enumerate(cell.format.chunks if cell.format else ()):
            if not isinstance(chunk, str):
                values["chunk", index, position] = chunk.value
    return values


def watchable(netlist: Netlist) -> dict[str, int]:
    """The numbers that tell the function which output port to watch."""
    names = (name for name, port in netlist.ports.items()
             if not port.is_input and port.width == 1)
    return {name: number for number, name in enumerate(names)}


class Rows:
    """What a traced cycle looks like in memory: each value once, however many its names."""

    def __init__(self, netlist: Netlist):
        area = Area()
        self.slots: dict[nir.Value, Slot] = {}
        for nets, _signed in netlist.signals.values():
            if nets not in self.slots:
                self.slots[nets] = area.add(len(nets))
        self.size = -(-area.size // 8) * 8


def run_function(netlist: Netlist, layout: Layout, rows: Rows | None = None) -> str:
    """The IR of ``i64 @run(registers, memories, cycles, watch, rows)``."""
    return _Program(netlist, layout, rows).text()


class _Program:
    def __init__(self, netlist: Netlist, layout: Layout, rows: Rows | None):
        self.netlist, self.layout, self.rows = netlist, layout, rows
        self.block = Block()
        self.lowering = Lowering(netlist, layout, self.block)
        self.writes = {index: cell for index, cell in enumerate(netlist.cells)
                       if isinstance(cell, nir.SyncWritePort) and cell.data}
        always = [net for index in [*assertions(netlist), *self.writes]
                  for net in netlist.cells[index].input_nets()]
        always += [net for name in watchable(netlist) for net in netlist.ports[name].nets]
        leave = [net for nets in results(netlist).values() for net in nets]
        if rows:
            always += [*leave, *(net for nets in rows.slots for net in nets)]
        self.schedule = schedule(netlist, always, leave, grouped=not rows)

    def text(self) -> str:
        block = self.block
        block.label("entry")
        block.lines += [f"  %watched{number} = icmp eq i64 %watch, {number}"
                        for number in watchable(self.netlist).values()]
        block.jump("cycle")
        block.label("cycle")
        block.lines.append("  %done = phi i64 [0, %entry], [%after, %again]")
        self._evaluate()
        block.branch(self._stop(), "leave", "step")
        evaluated = self.lowering.known()
        block.label("step")
        self._step()
        block.jump("again")
        block.label("again")
        block.lines.append("  %after = add i64 %done, 1")
        block.jump("cycle")
        self.lowering.recall(evaluated)
        block.label("leave")
        self._leave()
        block.lines.append("  ret i64 %done")
        return "\n".join([*block.functions.values(), RUN, *block.lines, "}", ""])

    def _evaluate(self) -> None:
        for index in self.schedule.early:
            self.lowering.load_early(index)
        self.lowering.emit(self.schedule.cells[ALWAYS])
        if self.rows:
            offset = self.block.emit(64, f"mul i64 %done, {self.rows.size}")
            row = self.block.pointer("%rows", offset)
            for nets, slot in self.rows.slots.items():
                self.lowering.store(slot, self.lowering.value(nets), row)

    def _stop(self) -> Word:
        lowering, block = self.lowering, self.block
        stop = block.emit(1, "icmp eq i64 %done, %cycles")
        for index in assertions(self.netlist):
            cell = self.netlist.cells[index]
            violated = block.op("and", lowering.net(cell.en),
                                block.inverse(lowering.net(cell.test)))
            stop = block.op("or", stop, violated)
        for name, number in watchable(self.netlist).items():
            nets = self.netlist.ports[name].nets
            here = block.emit(1, f"and {lowering.value(nets)}, %watched{number}")
            stop = block.op("or", stop, here)
        return stop

    def _step(self) -> None:
        """Store the next state: of each place, all that it reads is read before it stores."""
        lowering, block, writes = self.lowering, self.block, {}
        for index, cell in self.writes.items():
            writes[index] = (*lowering.address(cell.memory, cell.addr),
                             lowering.value(cell.data), lowering.value(cell.en))
        self._store_registers(ALWAYS, writes)
        known = lowering.known()
        for number, group in enumerate(self.schedule.groups):
            active = constant(0, 1)
            for guard in sorted(group):
                active = block.op("or", active, lowering.net(guard))
            block.branch(active, f"group{number}", f"grouped{number}")
            block.label(f"group{number}")
            lowering.emit(self.schedule.cells.get(group, []))
            self._store_registers(group, writes)
            block.jump(f"grouped{number}")
            block.label(f"grouped{number}")
            lowering.recall(known)
        for index, write in writes.items():
            self._write(index, *write)

    def _store_registers(self, place: Place, writes) -> None:
        after = []
        for index in self.schedule.registers[place]:
            cell = self.netlist.cells[index]
            after.append((self.layout.cells[index], self.lowering.value(cell.data)
                          if isinstance(cell, nir.FlipFlop) else self._read(index, writes)))
        for slot, word in after:
            self.lowering.store(slot, word)

    def _read(self, index: int, writes):
        lowering, block, cell = self.lowering, self.block, self.netlist.cells[index]
        word = lowering.read_memory(cell)
        for port in cell.transparent_for:
            _, _, data, enable = writes[port]
            address, other = lowering.value(cell.addr), lowering.value(
                self.netlist.cells[port].addr)
            wide = max(address.width, other.width)
            same = block.compare("eq", block.zext(address, wide), block.zext(other, wide))
            kept = block.op("and", word, block.inverse(enable))
            merged = block.op("or", kept, block.op("and", data, enable))
            word = block.select(same, merged, word)
        return block.select(lowering.net(cell.en), word, lowering.value(
            nir.Value(nir.Net.from_cell(index, bit) for bit in range(cell.width))))

    def _write(self, index: int, pointer: str, inside: Word | None, data: Word, enable: Word):
        block, cell = self.block, self.netlist.cells[index]
        enabled = block.compare("ne", enable, constant(0, enable.width))
        if inside is not None:
            enabled = block.op("and", enabled, inside)
        block.branch(enabled, f"write{index}", f"written{index}")
        block.label(f"write{index}")
        width = container(data.width)
        data, enable = block.zext(data, width), block.zext(enable, width)
        if len(set(cell.en)) > 1:
            kept = block.op("and", block.load(pointer, width), block.inverse(enable))
            data = block.op("or", kept, block.op("and", data, enable))
        block.store(pointer, data)
        block.jump(f"written{index}")
        block.label(f"written{index}")

    def _leave(self) -> None:
        self.lowering.emit(self.schedule.cells[LEAVE])
        for key, nets in results(self.netlist).items():
            if nets:
                self.lowering.store(self.layout.results[key], self.lowering.value(nets))
