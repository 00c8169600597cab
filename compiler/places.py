"""Where tensors lie: some have bytes of their own, others are parts of these.

A part of a larger tensor need not be copied out of it where its bytes lie side by side. And what is
joined need not be copied together: its makers write where it belongs, also with the pixels of
others between theirs.
"""

import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from compiler.ir import Graph, Operator
from compiler.moves import JOINS, MOVES, PARTS, concatenation_tables, move, moved_positions
from compiler.nests import Nest, nest
from compiler.relocate import MAKERS, Pitch, is_regular
from compiler.tables import fused_tables

# The same bytes under another shape: no work at all.
VIEWS = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
# What can leave room between the pixels that it writes.
STRIDED_MAKERS = {*MAKERS, *MOVES} - {"GATHER"}


@dataclass(frozen=True)
class Place:
    """In the buffer of the tensor ``root``, from byte ``offset`` on, ``strides`` bytes apart.

    ``pitch`` is None where the bytes lie side by side.
    """

    root: int
    offset: int
    strides: tuple[int, ...]
    pitch: Pitch | None = None


class Addresses(dict[int, int]):
    """The scratchpad address of every tensor's first byte."""

    def __init__(self, graph: Graph, places: dict[int, Place], offsets: dict[str | int, int]):
        super().__init__((tensor, offsets[place.root] + place.offset)
                         for tensor, place in places.items())
        self.graph, self.places = graph, places

    def view(self, tensor: int, memory: np.ndarray) -> np.ndarray:
        """A tensor as a view of the scratchpad's bytes."""
        return np.ndarray(self.graph.tensors[tensor].shape, np.uint8, memory, self[tensor],
                          self.places[tensor].strides)

    def memory(self) -> np.ndarray:
        """Bytes for ``view``, as many as the tensors need."""
        ends = [self[tensor] + 1 + sum((size - 1) * stride for size, stride in zip(
            self.graph.tensors[tensor].shape, place.strides, strict=True))
                for tensor, place in self.places.items()]
        return np.empty(max(0, *ends), np.uint8)

    def bytes_of(self, tensor: int) -> np.ndarray:
        """The address of every value of a tensor, in its shape."""
        found = np.array(self[tensor])
        for size, stride in zip(self.graph.tensors[tensor].shape, self.places[tensor].strides,
                                strict=True):
            found = found[..., None] + np.arange(size) * stride
        return found


def find_places(graph: Graph, most_bytes: int,
                whole: frozenset[int] = frozenset()) -> dict[int, Place]:
    """Every computed tensor's place, with as little to be copied as can be.

    Operators of more than ``most_bytes`` are left out of this, since they fit nowhere anyway. The
    bytes of tensors that stay ``whole`` lie side by side.
    """
    return Placement(graph, most_bytes, whole).places


def apart(graph: Graph) -> Addresses:
    """Every computed tensor at address 0, as if it were alone."""
    computed = [*graph.inputs, *(tensor for op in graph.operators for tensor in op.outputs)]
    places = {tensor: Place(tensor, 0, contiguous(graph.tensors[tensor].shape))
              for tensor in computed}
    return Addresses(graph, places, dict.fromkeys(places, 0))


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of bytes side by side."""
    return tuple(math.prod(shape[axis + 1:]) for axis in range(len(shape)))


class Placement:
    """Places tensors operator by operator; what is placed first may be moved into what follows."""

    def __init__(self, graph: Graph, most_bytes: int, whole: frozenset[int]):
        self.graph, self.whole = graph, whole
        self.makers  = {tensor: op for op in graph.operators for tensor in op.outputs}
        self.readers = Counter(tensor for op in graph.operators for tensor in set(op.inputs))
        self.places: dict[int, Place] = {}
        fused = fused_tables(graph)
        for tensor in graph.inputs:
            self.place(tensor, tensor)
        for op in graph.operators:
            for tensor in op.outputs:
                self.place(tensor, tensor)
            source = op.inputs[0] if op.inputs else -1
            if op.kind in VIEWS and source in self.places:
                self.place(op.outputs[0], source)
            elif source in fused:
                self.move_buffer(op.inputs[0], op.outputs[0], 0)
            elif op.kind in MOVES and max(map(self.size, (*op.inputs, *op.outputs))) <= most_bytes:
                self.join(op)

    def size(self, tensor: int) -> int:
        """Bytes of a tensor."""
        return math.prod(self.graph.tensors[tensor].shape)

    def place(self, tensor: int, where: int, offset: int = 0) -> None:
        """Puts a tensor where another one's bytes from ``offset`` on are."""
        root = where
        if where in self.places and where != tensor:
            root, offset = self.places[where].root, self.places[where].offset + offset
        self.places[tensor] = Place(root, offset, contiguous(self.graph.tensors[tensor].shape))

    def move_buffer(self, root: int, into: int, offset: int) -> None:
        """Puts all that lies in one buffer where another tensor's bytes from ``offset`` on are."""
        new = self.places[into]
        for tensor, place in self.places.items():
            if place.root == root:
                self.places[tensor] = replace(place, root=new.root,
                                              offset=new.offset + offset + place.offset)

    def join(self, op: Operator) -> None:
        """Puts outputs into the input, or inputs into the output, where no more is to be done."""
        found = move(self.graph.tensors, op)
        assert found is not None
        inputs = [op.inputs[position] for position in moved_positions(op)]
        tables = concatenation_tables(self.graph, op)
        # All of them one behind the other, as if each had bytes of its own:
        whole = [*inputs, *op.outputs]
        starts = [sum(map(self.size, whole[:k])) for k in range(len(whole))]
        memory = np.empty(sum(map(self.size, whole)), np.uint8)
        arrays = [memory[start:start + self.size(tensor)].reshape(self.graph.tensors[tensor].shape)
                  for start, tensor in zip(starts, whole, strict=True)]

        for pair, (destination, source) in enumerate(
                found.pairs(arrays[:len(inputs)], arrays[len(inputs):])):
            one = pair if op.kind in JOINS else 0
            other = pair if op.kind in PARTS else 0
            if not isinstance(source, np.ndarray) or tables[one] is not None:
                continue
            copy = nest(destination, source, memory)
            copy = replace(copy, source=copy.source - starts[one],
                           destination=copy.destination - starts[len(inputs) + other])
            if not copy.loops and copy.run == self.size(op.outputs[other]):
                self.place(op.outputs[other], inputs[one], copy.source)
            elif copy.size == self.size(inputs[one]):
                self.put(inputs[one], op.outputs[other], copy)

    def put(self, tensor: int, into: int, copy: Nest) -> None:
        """Moves the buffer of ``tensor`` to where ``copy`` would copy it, if that may be."""
        old, new = self.places[tensor], self.places[into]
        group = [other for other, place in self.places.items() if place.root == old.root]
        if old.root == new.root or self.size(tensor) != self.size(old.root):
            return
        if not copy.loops:
            self.move_buffer(old.root, into, copy.destination)
            return
        pitch = Pitch(copy.run, copy.loops[0].destination)
        shape, maker = self.graph.tensors[tensor].shape, self.makers.get(tensor)
        if len(copy.loops) == 1 and copy.loops[0].source == copy.run \
                and maker is not None and maker.kind in STRIDED_MAKERS \
                and self.whole.isdisjoint(group) \
                and self.readers[tensor] == 1 and tensor not in self.graph.outputs \
                and all(self.places[other].strides == old.strides for other in group) \
                and is_regular(copy.loops[0].count) and pitch.keeps(shape):
            strides = tuple(pitch.stride(stride) for stride in old.strides)
            for other in group:
                self.places[other] = Place(new.root, new.offset + copy.destination, strides, pitch)
