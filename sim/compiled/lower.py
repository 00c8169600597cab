"""Cells to LLVM IR: the value of any net of the netlist in the present cycle."""

from collections.abc import Iterator
from itertools import pairwise

from amaranth.hdl import _nir as nir

from .block import Block, Word, constant
from .layout import Layout, Slot, container
from .netlist import STATEFUL, Netlist
from .operators import operate, shift

Part = tuple[int, Word]                  # some bits of a cell's output: the first one, and them


class Lowering:
    """Emits combinational cells and puts together the values that are read from them.

    What is computed stays known, until ``recall`` goes back to what was known before a branch.
    """

    def __init__(self, netlist: Netlist, layout: Layout, block: Block):
        self.netlist, self.layout, self.block = netlist, layout, block
        self.values: dict[nir.Value, Word] = {}
        self.parts: dict[object, list[Part]] = {}

    def known(self) -> tuple[dict, dict]:
        return self.values.copy(), self.parts.copy()

    def recall(self, known: tuple[dict, dict]) -> None:
        self.values, self.parts = (memory.copy() for memory in known)

    # Values

    def net(self, net: nir.Net) -> Word:
        return self.value(nir.Value(net))

    def value(self, nets: nir.Value) -> Word:
        """The value of ``nets``; of no nets, one bit of zero."""
        if nets not in self.values:
            self.values[nets] = self._assemble(nets)
        return self.values[nets]

    def _assemble(self, nets: nir.Value) -> Word:
        width = len(nets)
        if nets.is_const:
            return constant(sum(net.const << bit for bit, net in enumerate(nets)), max(width, 1))
        same = _equal_nets(nets[::-1])
        if nets[-1] == 0:
            return self.block.zext(self.value(nets[:-same]), width)
        if same > 1:
            return self.block.sext(self.value(nets[:width - same + 1]), width)
        bits, word, position = 0, None, 0
        while position < width:
            if nets[position].is_const:
                bits |= nets[position].const << position
                position += 1
                continue
            piece = self._piece(nets[position:])
            length = piece.width
            if length < width:
                piece = self.block.zext(piece, width)
            if position:
                piece = self.block.op("shl", piece, constant(position, width))
            word = piece if word is None else self.block.op("or", word, piece)
            position += length
        return self.block.op("or", word, constant(bits, width)) if bits else word

    def _piece(self, nets: nir.Value) -> Word:
        """As many of the first nets as one instruction or two can give."""
        same = _equal_nets(nets)
        if same > 1:
            return self.block.sext(self.net(nets[0]), same)
        start, word = self._part(nets[0])
        first = nets[0].bit - start
        length = 1
        while length < min(len(nets), word.width - first) and nets[length] == nets[0] + length:
            length += 1
        return self.block.bits(word, first, length)

    def _part(self, net: nir.Net) -> Part:
        if net.cell == 0:
            for start, slot in self.layout.inputs.items():
                if start <= net.bit < start + slot.width:
                    return start, self._held(("input", start), slot)
        cell = self.netlist.cells[net.cell]
        if isinstance(cell, STATEFUL):
            return 0, self._held(net.cell, self.layout.cells[net.cell])
        return max((part for part in self.parts[net.cell] if part[0] <= net.bit),
                   key=lambda part: part[0])

    def _held(self, key, slot: Slot) -> Word:
        if key not in self.parts:
            self.parts[key] = [(0, self.load(slot))]
        return self.parts[key][0][1]

    def load(self, slot: Slot) -> Word:
        pointer = self.block.pointer("%registers", slot.offset)
        return self.block.trunc(self.block.load(pointer, container(slot.width), slot.width),
                                slot.width)

    def store(self, slot: Slot, word: Word, base: str = "%registers") -> None:
        pointer = self.block.pointer(base, slot.offset)
        self.block.store(pointer, self.block.zext(word, container(slot.width)))

    # Cells

    def emit(self, cells: list[int]) -> None:
        """Emit these combinational cells, in this order."""
        for index in cells:
            self.parts[index] = self._emit_cell(index)

    def load_early(self, index: int) -> None:
        """Load a register now, lest its next value is stored before it is read."""
        self._held(index, self.layout.cells[index])

    def _emit_cell(self, index: int) -> list[Part]:
        cell, block = self.netlist.cells[index], self.block
        match cell:
            case nir.Operator() if cell.width:
                if cell.operator == "r&" and not cell.inputs[0]:
                    return [(0, constant(1, 1))]
                return [(0, operate(block, cell.operator, *map(self.value, cell.inputs)))]
            case nir.Part() if cell.width:
                return [(0, self._part_select(cell))]
            case nir.Matches():
                return [(0, self._matches(cell))]
            case nir.PriorityMatch():
                return list(self._priority_match(cell))
            case nir.AssignmentList():
                return list(self._assignments(cell))
            case nir.AsyncReadPort() if cell.width:
                return [(0, self.read_memory(cell))]
        return []

    def _part_select(self, cell: nir.Part) -> Word:
        block = self.block
        width = max(len(cell.value), cell.width)
        extend = block.sext if cell.value_signed and cell.value else block.zext
        offset = self.value(cell.offset)
        highest = ((1 << offset.width) - 1) * cell.stride
        amount = block.zext(offset, max(highest.bit_length(), offset.width))
        if cell.stride != 1:
            amount = block.op("mul", amount, constant(cell.stride, amount.width))
        shifted = shift(block, "ashr" if cell.value_signed else "lshr",
                        extend(self.value(cell.value), width), amount)
        return block.trunc(shifted, cell.width)

    def _matches(self, cell: nir.Matches) -> Word:
        block, value = self.block, self.value(cell.value)
        result = constant(0, 1)
        for pattern in cell.patterns:
            mask = int("0" + pattern.replace("0", "1").replace("-", "0"), 2)
            bits = int("0" + pattern.replace("-", "0"), 2)
            masked = block.op("and", value, constant(mask, value.width))
            match = block.compare("eq", masked, constant(bits, value.width))
            result = block.op("or", result, match)
        return result

    def _priority_match(self, cell: nir.PriorityMatch) -> Iterator[Part]:
        block, open_ = self.block, self.net(cell.en)
        for bit, net in enumerate(cell.inputs):
            here = self.net(net)
            yield bit, block.op("and", open_, here)
            open_ = block.op("and", open_, block.inverse(here))

    def _assignments(self, cell: nir.AssignmentList) -> Iterator[Part]:
        """Assignments to some of the bits cut the output there, so that the parts stay apart."""
        cuts = {0, len(cell.default)}
        for assignment in cell.assignments:
            cuts |= {assignment.start, assignment.start + len(assignment.value)}
        for start, stop in pairwise(sorted(cuts)):
            word = self.value(cell.default[start:stop])
            for assignment in cell.assignments:
                first = start - assignment.start
                if 0 <= first < len(assignment.value):
                    value = self.value(assignment.value[first:first + stop - start])
                    word = self.block.select(self.net(assignment.cond), value, word)
            yield start, word

    # Memories

    def address(self, memory: int, nets: nir.Value) -> tuple[str, Word | None]:
        """A pointer to the word at an address, and whether it is there, unless it always is.

        Beyond the end it points to the word that stays zero.
        """
        block, slot = self.block, self.layout.cells[memory]
        address, inside = self.value(nets), None
        if 1 << len(nets) > slot.depth:
            wide = block.zext(address, max(64, address.width))
            inside = block.compare("ult", wide, constant(slot.depth, wide.width))
            address = block.trunc(block.select(inside, wide, constant(slot.depth, wide.width)), 64)
        scaled = block.op("mul", block.zext(address, 64), constant(slot.bytes, 64))
        offset = block.op("add", scaled, constant(slot.offset, 64))
        return block.pointer("%memories", offset), inside

    def read_memory(self, cell: nir.AsyncReadPort | nir.SyncReadPort) -> Word:
        pointer, _ = self.address(cell.memory, cell.addr)
        return self.block.trunc(self.block.load(pointer, container(cell.width)), cell.width)


def _equal_nets(nets) -> int:
    """How many of the first nets are the same net."""
    return next((count for count, net in enumerate(nets) if net != nets[0]), len(nets))
