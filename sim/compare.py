"""Where an engine first went wrong: which layer, image, pixel and channel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compiler.flatbuffer import shown
from compiler.golden import Golden
from compiler.ir import Graph
from compiler.program import Program
from sim.compiled import Machine
from sim.device import from_stream, to_stream
from sim.rtl import RtlEngine

# Cycles from a layer's last value to the byte's arrival in its bank: address and data have a
# register each, and the bank takes them in at the end of the cycle after.
STORE_CYCLES = 4


@dataclass(frozen=True)
class Difference:
    """One value that is not the golden model's. ``place`` is what computed it, in words."""

    place: str
    tensor: str
    image: int
    index: tuple[int, ...]                       # in the tensor
    pixel: tuple[int, int]
    channel: int
    wanted: float
    got: float

    def __str__(self) -> str:
        y, x = self.pixel
        return (f"{self.place}, tensor {shown(self.tensor)}, image {self.image}, pixel ({y}, {x}), "
                f"channel {self.channel}: wanted {self.wanted}, got {self.got}")


def equal_images(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> np.ndarray:
    """For each image, whether all bytes of all outputs are the same."""
    equal = np.ones(len(wanted[0]), bool)
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        one, other = (np.ascontiguousarray(array).reshape(len(equal), -1).view(np.uint8)
                      for array in (one, other))
        equal &= (one == other).all(axis=1)
    return equal


def difference(where: str, tensor: str, image: int, found: np.ndarray,
               wanted: np.ndarray) -> Difference | None:
    """The first of two tensors of one image, None where they are equal."""
    indices = np.argwhere(found != wanted)
    if not len(indices):
        return None
    index = tuple(indices[0].tolist())
    # Tensors with fewer than four dimensions are images of one row, or one pixel.
    _, y, x, channel = ((0,) * 4 + index)[-4:]
    return Difference(where, tensor, image, index, (y, x), channel, wanted[index].item(),
                      found[index].item())


def output_difference(graph: Graph, found: Sequence[np.ndarray], wanted: Sequence[np.ndarray],
                      image: int) -> Difference:
    """The first one in the outputs of an image that differ."""
    return next(first for index, one, other in zip(graph.outputs, found, wanted, strict=True)
                if (first := difference("output", graph.tensors[index].name, image, one[image],
                                        other[image])))


def locate(program: Program, inputs: Sequence[np.ndarray], image: int) -> Difference | None:
    """Runs ``image`` of the device's inputs again on the RTL and holds every layer's tensor
    against the golden model's, right after the layer's end. None where all are equal.

    The image before it runs first, so that the engine is found as it was.
    """
    warm = min(image, 1)
    inputs = [array[image - warm:image + 1] for array in inputs]
    device = program.partition.device
    golden = Golden(device, program.profile).tensors(inputs)
    engine = RtlEngine(program, threads=1)
    machine = engine.machine(to_stream(inputs))

    for _ in range(warm * len(program.layers)):
        _end_layer(machine, engine.patience)
    for position, layer in enumerate(program.layers):
        if not _end_layer(machine, engine.patience):
            return None
        passes = [(other.name, other.tensor) for other in program.layers[position:position + 2]]
        if layer.fields.get("to_stream") or layer.is_part \
                or passes == [(layer.name, layer.tensor)] * 2:
            continue                             # it left, or not all of the tensor is there yet
        found = difference(f"layer {layer.name}", device.tensors[layer.tensor].name, image,
                           read_tensor(machine, program, layer.tensor), golden[layer.tensor][warm])
        if found:
            return found

    answer = machine.memory("outputs")[:machine["out_bytes"]].reshape(warm + 1, -1)
    outputs = from_stream(program, answer[warm:])
    for index, found in zip(device.outputs, outputs, strict=True):
        wrong = difference("layer output", device.tensors[index].name, image, found[0],
                           golden[index][warm])
        if wrong:
            return wrong
    return None


def _end_layer(machine: Machine, patience: int) -> bool:
    """Runs until the next layer has ended and its last byte is stored; whether it did."""
    ended = machine["layers"]
    machine.run(patience, until="layer_done")
    machine.run(STORE_CYCLES)
    return machine["layers"] == ended + 1


def read_tensor(machine: Machine, program: Program, tensor: int) -> np.ndarray:
    """A tensor of the device as the scratchpad holds it: byte ``a`` in bank ``a % banks``."""
    banks = [machine.memory(f"scratchpad.bank{bank}.ram") for bank in range(program.config.banks)]
    values = np.stack(banks, axis=1).reshape(-1)[program.place.bytes_of(tensor)]
    return values.astype(np.uint8).view(np.int8)
