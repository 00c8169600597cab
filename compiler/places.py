"""Where tensors lie: some have bytes of their own, others are parts of these.

A part of a larger tensor need not be copied out of it where its bytes lie side by side. And what is
joined need not be copied together: its makers write where it belongs, also with the pixels of
others between theirs.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from compiler.errors import ShapeError
from compiler.ir import Graph, Operator
from compiler.kinds import RESHAPES
from compiler.moves import JOINS, MOVES, PARTS, concatenation_tables, move, moved_positions
from compiler.nests import Nest, nest
from compiler.relocate import MAKERS, Pitch, is_regular
from compiler.tables import fused_tables

MOST_BYTES = 1 << 24                             # of a tensor; more than any scratchpad holds

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
        super().__init__((tensor, offsets.get(place.root, 0) + place.offset)
                         for tensor, place in places.items())
        self.graph, self.places = graph, places

    def view(self, tensor: int, memory: np.ndarray) -> np.ndarray:
        """A tensor as a view of the scratchpad's bytes."""
        return np.ndarray(self.graph.tensors[tensor].shape, np.uint8, memory, self[tensor],
                          self.places[tensor].strides)

    def bytes_of(self, tensor: int) -> np.ndarray:
        """The address of every value of a tensor, in its shape."""
        found = np.array(self[tensor])
        for size, stride in zip(self.graph.tensors[tensor].shape, self.places[tensor].strides,
                                strict=True):
            found = found[..., None] + np.arange(size) * stride
        return found


def alone(graph: Graph) -> Addresses:
    """Every tensor in a buffer of its own, all of them at address 0: where the layers of single
    operators are wanted, and nobody runs them."""
    return side_by_side(graph, ())


def side_by_side(graph: Graph, tensors: Sequence[int]) -> Addresses:
    """Every tensor in a buffer of its own, of which those named lie one behind the other."""
    sizes = [math.prod(graph.tensors[index].shape) for index in tensors]
    starts = accumulate(sizes, initial=0)
    return Addresses(graph, {index: Place(index, 0, contiguous(tensor.shape))
                             for index, tensor in enumerate(graph.tensors)},
                     dict(zip(tensors, starts, strict=False)))


def find_places(graph: Graph, most_bytes: int,
                whole: frozenset[int] = frozenset()) -> dict[int, Place]:
    """Every computed tensor's place, with as little to be copied as can be.

    Operators of more than ``most_bytes`` are left out of this, since they fit nowhere anyway. The
    bytes of tensors that stay ``whole`` lie side by side.
    """
    return Placement(graph, most_bytes, whole).places


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of bytes side by side."""
    return tuple(math.prod(shape[axis + 1:]) for axis in range(len(shape)))


class Placement:
    """Places tensors operator by operator; what is placed first may be moved into what follows."""

    def __init__(self, graph: Graph, most_bytes: int, whole: frozenset[int]):
        self.graph, self.whole = graph, whole
        self.makers  = {tensor: op for op in graph.operators for tensor in op.outputs}
        self.readers: dict[int, list[Operator]] = defaultdict(list)
        for op in graph.operators:
            for tensor in op.inputs:
                self.readers[tensor].append(op)
        self.places: dict[int, Place] = {}
        fused = fused_tables(graph)
        for tensor in graph.inputs:
            self.place(tensor, tensor)
        for op in graph.operators:
            for tensor in op.outputs:
                self.place(tensor, tensor)
            if op.kind in RESHAPES and op.inputs and op.inputs[0] in self.places:
                self.place(op.outputs[0], op.inputs[0])
            elif op.inputs and op.inputs[0] in fused:
                self.move_buffer(op.inputs[0], op.outputs[0], 0)
            elif op.kind in MOVES:
                sizes = [self.size(index) for index in (*op.inputs, *op.outputs)]
                if 0 < min(sizes) and max(sizes) <= min(most_bytes, MOST_BYTES):
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
        try:
            found = move(self.graph.tensors, op)
        except ShapeError:                       # which is refused elsewhere
            return
        shapes = tuple(self.graph.tensors[index].shape for index in op.outputs)
        inputs = [op.inputs[position] for position in moved_positions(op)]
        if found is None or found.shapes != shapes or not self.places.keys() >= set(inputs):
            return
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
                           output=copy.output - starts[len(inputs) + other])
            if not copy.loops and copy.run == self.size(op.outputs[other]):
                self.place(op.outputs[other], inputs[one], copy.source)
            elif copy.size == self.size(inputs[one]):
                self.put(inputs[one], op.outputs[other], copy, op)

    def put(self, tensor: int, into: int, copy: Nest, op: Operator) -> None:
        """Moves the buffer of ``tensor`` to where the ``copy`` of ``op`` would copy it, if that may
        be."""
        old, new = self.places[tensor], self.places[into]
        group = [other for other, place in self.places.items() if place.root == old.root]
        if old.root == new.root or self.size(tensor) != self.size(old.root):
            return
        if not copy.loops:
            self.move_buffer(old.root, into, copy.output)
            return
        pitch = Pitch(copy.run, copy.loops[0].output)
        if len(copy.loops) == 1 and copy.loops[0].source == copy.run \
                and self.whole.isdisjoint(group) \
                and all(self.may_be_strided(other, set(group), op) for other in group) \
                and all((self.places[other], self.size(other)) == (old, self.size(tensor))
                        for other in group) \
                and is_regular(copy.loops[0].count) \
                and pitch.keeps(self.graph.tensors[tensor].shape):
            strides = tuple(pitch.stride(stride) for stride in old.strides)
            for other in group:
                self.places[other] = Place(new.root, new.offset + copy.output, strides, pitch)

    def may_be_strided(self, tensor: int, group: set[int], op: Operator) -> bool:
        """Whether what makes a tensor can leave room, and only ``op``, or what makes another one of
        the same bytes, reads it."""
        maker = self.makers.get(tensor)
        return maker is not None and maker.kind in STRIDED_MAKERS \
            and tensor not in self.graph.outputs \
            and all(reader is op or group.issuperset(reader.outputs)
                    for reader in self.readers[tensor])
