"""What the host does around the device: operators at the edges, and uint8 as int8."""

from collections.abc import Sequence

import numpy as np

from compiler.golden import Golden
from compiler.legacy import flip
from compiler.program import Program


class Host:
    """The host's share of one program; arrays are ``[N, *shape]`` throughout."""

    def __init__(self, program: Program):
        self.partition = program.partition
        self.prologue  = Golden(program.partition.prologue, program.profile)
        self.epilogue  = Golden(program.partition.epilogue, program.profile)

    def to_device(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The device's inputs, int8, of the model's inputs."""
        return flipped(self.prologue.run(inputs), self.partition.flip_inputs)

    def from_device(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The model's outputs of the device's outputs."""
        return self.epilogue.run(self.received(outputs))

    def received(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The device's outputs in the types that they have in the model."""
        return flipped(outputs, self.partition.flip_outputs)


def flipped(arrays: Sequence[np.ndarray], flips: Sequence[bool]) -> list[np.ndarray]:
    """The arrays, with the top bit of every byte flipped where ``flips`` says so."""
    return [flip(array) if is_flipped else array
            for array, is_flipped in zip(arrays, flips, strict=True)]
