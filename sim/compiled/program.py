"""The loop around the cells: one LLVM function that evaluates, maybe stops, and steps.

    done = 0
    for ever:
        evaluate the logic
        when tracing: store every signal in rows[done]
        if done == cycles, or the watched output is 1, or an assertion is violated:
            store the results (output ports, assertions); return done
        store the next values of flip-flops and memories; done += 1
"""

from itertools import count

from amaranth.hdl import _nir as nir

from .layout import Area, Layout, Slot, container
from .lower import Lowering
from .netlist import Netlist

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
        self.lowering = Lowering(netlist, layout, count())

    def text(self) -> str:
        entry = ["entry:", *(f"  %watched{number} = icmp eq i64 %watch, {number}"
                             for number in watchable(self.netlist).values()), "  br label %cycle"]
        cycle = self._cycle()
        known = self.lowering.known()
        step = self.lowering.enter(after=known)
        self._step()
        leave = self.lowering.enter(after=known)
        self._leave()
        functions = cycle.functions | step.functions | leave.functions
        return "\n".join([*functions.values(), RUN, *entry,
                          "cycle:", "  %done = phi i64 [0, %entry], [%after, %again]", *cycle.lines,
                          "step:", *step.lines, "  br label %again",
                          "again:", "  %after = add i64 %done, 1", "  br label %cycle",
                          "leave:", *leave.lines, "  ret i64 %done", "}", ""])

    def _cycle(self):
        """Evaluate what a step or the decision to stop needs; the rest waits until the end."""
        lowering, cells = self.lowering, self.netlist.cells
        block = lowering.block
        for cell in cells:
            if isinstance(cell, (nir.FlipFlop, nir.SyncReadPort, nir.SyncWritePort)):
                lowering.emit_cone(cell.input_nets())
        stop = [block.emit(1, "icmp eq i64 %done, %cycles")]
        for index in assertions(self.netlist):
            lowering.emit_cone(cells[index].input_nets())
            violated = block.inverse(lowering.net(cells[index].test))
            stop.append(block.op("and", lowering.net(cells[index].en), violated))
        for name, number in watchable(self.netlist).items():
            nets = self.netlist.ports[name].nets
            lowering.emit_cone(nets)
            stop.append(block.emit(1, f"and {lowering.value(nets)}, %watched{number}"))
        if self.rows:
            self._trace()
        any_ = stop[0]
        for reason in stop[1:]:
            any_ = block.op("or", any_, reason)
        block.lines.append(f"  br {any_}, label %leave, label %step")
        return block

    def _trace(self) -> None:
        lowering, block = self.lowering, self.lowering.block
        offset = block.emit(64, f"mul i64 %done, {self.rows.size}")
        row = block.pointer("%rows", offset)
        for nets, slot in self.rows.slots.items():
            lowering.emit_cone(nets)
            block.store(block.pointer(row, slot.offset),
                        block.zext(lowering.value(nets), container(slot.width)))

    def _step(self) -> None:
        """Compute everything from the old state, then store it."""
        lowering, cells = self.lowering, self.netlist.cells
        writes = {index: (*lowering.address(cell.memory, cell.addr), lowering.value(cell.data),
                          lowering.value(cell.en))
                  for index, cell in enumerate(cells)
                  if isinstance(cell, nir.SyncWritePort) and cell.data}
        after = {}
        for index, slot in self.layout.cells.items():
            match cells[index]:
                case nir.FlipFlop(data=data):
                    after[slot] = lowering.value(data)
                case nir.SyncReadPort():
                    after[slot] = self._read(index, writes)
        for slot, word in after.items():
            lowering.store(slot, word)
        for index, write in writes.items():
            self._write(index, *write)

    def _read(self, index: int, writes):
        lowering, block, cell = self.lowering, self.lowering.block, self.netlist.cells[index]
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

    def _write(self, index: int, pointer: str, inside, data, enable) -> None:
        block, cell = self.lowering.block, self.netlist.cells[index]
        any_ = block.compare("ne", enable, type(enable)("0", enable.width))
        if inside is not None:
            any_ = block.op("and", any_, inside)
        block.lines += [f"  br {any_}, label %write{index}, label %written{index}",
                        f"write{index}:"]
        width = container(data.width)
        data, enable = block.zext(data, width), block.zext(enable, width)
        if len(set(cell.en)) > 1:
            old = block.load(pointer, width)
            kept = block.op("and", old, block.inverse(enable))
            data = block.op("or", kept, block.op("and", data, enable))
        block.store(pointer, data)
        block.lines += [f"  br label %written{index}", f"written{index}:"]

    def _leave(self) -> None:
        lowering = self.lowering
        for key, nets in results(self.netlist).items():
            if nets:
                lowering.emit_cone(nets)
                lowering.store(self.layout.results[key], lowering.value(nets))
