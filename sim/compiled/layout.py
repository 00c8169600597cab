"""Where each bit of state lives: registers first and close together, then the memories."""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import _nir as nir

from .netlist import Netlist

CACHE_LINE = 64


def container(width: int) -> int:
    """Bits of the machine word that holds ``width`` bits: 8, 16, 32, 64, 128, ..."""
    return max(8, 1 << (width - 1).bit_length())


@dataclass(frozen=True)
class Slot:
    """A word, or ``depth`` of them, at a byte offset; the bits above ``width`` are zero."""
    offset: int
    width: int
    depth: int = 1

    @property
    def bytes(self) -> int:
        return container(self.width) // 8


class Area:
    """Slots one after another, each aligned to its own size."""

    def __init__(self) -> None:
        self.size = 0

    def add(self, width: int, depth: int = 1, align: int = 1) -> Slot:
        step = container(width) // 8
        align = max(align, min(step, CACHE_LINE))
        offset = -(-self.size // align) * align
        self.size = offset + step * depth
        return Slot(offset, width, depth)


class Layout:
    """The two areas of a machine's state, and the image of both at power-on.

    ``registers`` holds the input ports, the flip-flops, the outputs of synchronous read ports and
    the results of the last evaluation (``results``, which are no state); ``memories`` the rest.
    Each memory has one more word, which stays zero: that is what is read beyond its end.
    """

    def __init__(self, netlist: Netlist, results: dict[object, int]):
        registers, memories = Area(), Area()
        self.inputs = {port.start: registers.add(port.width) for port in netlist.ports.values()
                       if port.is_input and port.width}
        self.cells: dict[int, Slot] = {}
        # Registers from one line of source stand side by side: LLVM makes vectors of them.
        stateful = netlist.registers()
        stateful.sort(key=lambda index: (container(netlist.width(index)), netlist.location(index)))
        for index in stateful:
            self.cells[index] = registers.add(netlist.width(index))
        self.results = {key: registers.add(width) for key, width in results.items() if width}
        for index, cell in enumerate(netlist.cells):
            if isinstance(cell, nir.Memory) and cell.width:
                slot = memories.add(cell.width, cell.depth + 1, align=CACHE_LINE)
                self.cells[index] = Slot(slot.offset, cell.width, cell.depth)
        self.memories_at = -(-registers.size // CACHE_LINE) * CACHE_LINE
        self.size = self.memories_at + memories.size
        self.template = self._power_on(netlist)

    def _power_on(self, netlist: Netlist) -> np.ndarray:
        image = np.zeros(self.size, np.uint8)
        for port in netlist.ports.values():
            if port.is_input and port.width:
                write_word(image, self.inputs[port.start], port.init)
        for index, cell in enumerate(netlist.cells):
            if index not in self.cells:
                continue
            slot = self.cells[index]
            if isinstance(cell, nir.FlipFlop):
                write_word(image, slot, cell.init)
            elif isinstance(cell, nir.Memory) and any(cell.init):
                at, size, mask = self.memories_at + slot.offset, slot.bytes, (1 << slot.width) - 1
                words = b"".join((word & mask).to_bytes(size, "little") for word in cell.init)
                image[at:at + len(words)] = np.frombuffer(words, np.uint8)
        return image


def read_word(state: np.ndarray, slot: Slot, signed: bool = False) -> int:
    """The word at ``slot``, as a Python integer."""
    word = int.from_bytes(state[slot.offset:slot.offset + slot.bytes].tobytes(), "little")
    return word - (1 << slot.width) if signed and word >> (slot.width - 1) else word


def write_word(state: np.ndarray, slot: Slot, value: int) -> None:
    """Store the low bits of ``value`` at ``slot``."""
    word = (value & ((1 << slot.width) - 1)).to_bytes(slot.bytes, "little")
    state[slot.offset:slot.offset + slot.bytes] = np.frombuffer(word, np.uint8)
