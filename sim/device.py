"""What all engines that play a program have in common: bytes in and out, times, and patience."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from compiler.program import Program, tensor_bytes

# An engine may be slower than the count of its loops by this, before it counts as stopped.
SLACK = 8


class Stalled(Exception):
    """An engine that has stopped; the text says where."""


@dataclass(frozen=True)
class DeviceRun:
    """What a device made of its inputs.

    ``ends`` [images, layers] is the cycle in which each layer ended, counted from the reset of
    one engine that took all images back to back; a board tells no more than ``after_input``, each
    image's cycles from its last byte of input to its last byte of output. ``simulated_cycles``
    were computed for it.
    """

    outputs: list[np.ndarray]
    ends: np.ndarray | None
    simulated_cycles: int
    after_input: list[int] = field(default_factory=list)

    @property
    def cycles(self) -> int:
        """From the reset to the last output byte."""
        return int(self.ends[-1, -1]) + 1

    @property
    def first_image_cycles(self) -> int:
        """From the reset to the last output byte of the first image."""
        return int(self.ends[0, -1]) + 1

    @property
    def cycles_per_image(self) -> float:
        """From an image's last output byte to the next one's; of one image, all its cycles."""
        if len(self.ends) == 1:
            return self.cycles
        return (int(self.ends[-1, -1]) - int(self.ends[0, -1])) / (len(self.ends) - 1)

    @property
    def layer_cycles(self) -> list[int]:
        """From the end of the layer before, in the last image."""
        before = -1 if len(self.ends) == 1 else int(self.ends[-2, -1])
        return np.diff(self.ends[-1].astype(np.int64), prepend=before).tolist()


def to_stream(inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Device inputs ``[N, *shape]`` as the bytes of each image, uint8 ``[N, bytes]``."""
    parts = [np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8) for array in inputs]
    return np.concatenate(parts, axis=1)


def from_stream(program: Program, stream: np.ndarray) -> list[np.ndarray]:
    """The inverse of ``to_stream``, for outputs."""
    device = program.partition.device
    ends = np.cumsum([tensor_bytes(program, index) for index in device.outputs])
    parts = np.split(stream, ends[:-1], axis=1)
    return [np.ascontiguousarray(part).view(np.int8).reshape(-1, *device.tensors[index].shape)
            for part, index in zip(parts, device.outputs, strict=True)]


def tape_beats(program: Program) -> np.ndarray:
    """The tape as uint8 ``[beats, tape_bytes]``."""
    return np.frombuffer(program.tape, np.uint8).reshape(-1, program.config.tape_bytes)


def patience(program: Program) -> int:
    """Cycles in which a layer that is not stuck has surely ended."""
    config = program.config
    most = 0
    for layer in program.layers:
        f = layer.fields
        tiles = (f["groups"] + 1) * (f["rows"] + 1) * (f["tiles"] + 1)
        words = (f["ky"] + 1) * (f["kx"] + 1) * (f["chunks"] + 1) * config.columns
        most = max(most, tiles * (words + config.tile_results + config.rows + config.columns))
    return SLACK * (most + len(tape_beats(program))) + 10_000


def stalled(program: Program, layers: int, cycles: int, first_image: int = 0) -> Stalled:
    """The error for an engine that has ended ``layers`` layers and, for ``cycles``, no more."""
    image, layer = divmod(layers, len(program.layers))
    return Stalled(f"the engine stopped in layer {program.layers[layer].name} of image "
                   f"{first_image + image}: no layer has ended for {cycles:,} cycles")
