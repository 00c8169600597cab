"""Runs a graph on many images at once, operator by operator."""

import math
from collections.abc import Sequence

import numpy as np

from compiler.errors import ModelError
from compiler.golden import conv, dense, edges, move, pointwise, pool, resize
from compiler.golden.kernel import Kernel
from compiler.ir import Graph, Operator, Tensor
from compiler.numerics import PROFILES

# From the operator's kind to the function that prepares its kernel: weights are converted and
# tables built once, then the kernel runs on any number of images.
KERNELS = conv.KERNELS | dense.KERNELS | edges.KERNELS | move.KERNELS | pointwise.KERNELS \
    | pool.KERNELS | resize.KERNELS

# Bytes of activations that images in flight may take together.
BLOCK_BYTES = 1 << 26


class Golden:
    """The golden model of one graph in one profile, ready to run any number of times."""

    def __init__(self, graph: Graph, profile: str = "litert") -> None:
        if profile not in PROFILES:
            raise ValueError(f"Profile must be one of {', '.join(PROFILES)}, not {profile!r}")
        for op in graph.operators:
            if op.kind not in KERNELS:
                raise ModelError(f"operator {op} has no golden model; the kinds that have one are "
                                 f"{', '.join(sorted(KERNELS))}")
        self.graph = graph
        self.kernels: list[tuple[Operator, Kernel]] = [
            (op, KERNELS[op.kind](graph, op, profile)) for op in graph.operators
        ]
        self.last_use = {index: at for at, op in enumerate(graph.operators) for index in op.inputs}
        sizes = (math.prod(t.shape) * np.dtype(t.dtype).itemsize for t in graph.tensors)
        self.block = max(1, BLOCK_BYTES // max(1, sum(sizes)))

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Outputs ``[N, *shape]`` of inputs ``[N, *shape]``, of the graph's types."""
        found = self.computed(inputs, self.graph.outputs)
        return [found[index] for index in self.graph.outputs]

    def tensors(self, inputs: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
        """All computed tensors by their index, inputs included."""
        made = [index for op in self.graph.operators for index in op.outputs]
        return self.computed(inputs, (*self.graph.inputs, *made))

    def computed(self, inputs: Sequence[np.ndarray],
                 wanted: Sequence[int]) -> dict[int, np.ndarray]:
        """The ``wanted`` tensors, of as many images at once as memory bears."""
        images = check_inputs(self.graph, inputs)
        found = {
            index: np.empty((images, *self.graph.tensors[index].shape),
                            self.graph.tensors[index].dtype)
            for index in wanted
        }
        for first in range(0, images, self.block):
            part = slice(first, first + self.block)
            values = self.run_block([array[part] for array in inputs], frozenset(wanted))
            for index, whole in found.items():
                whole[part] = values[index]
        return found

    def run_block(
        self, inputs: Sequence[np.ndarray], wanted: frozenset[int]
    ) -> dict[int, np.ndarray]:
        """The ``wanted`` tensors of a few images; the others are let go after their last use."""
        values: dict[int, np.ndarray] = {
            index: tensor.data[None] for index, tensor in enumerate(self.graph.tensors)
            if tensor.data is not None
        }
        values.update(zip(self.graph.inputs, inputs, strict=True))
        for at, (op, kernel) in enumerate(self.kernels):
            outputs = kernel([values[index] for index in op.inputs if index != -1])
            values.update(zip(op.outputs, outputs, strict=True))
            for index in (*op.inputs, *op.outputs):
                if index not in wanted and self.last_use.get(index, -1) <= at:
                    values.pop(index, None)
        return values


def check_inputs(graph: Graph, inputs: Sequence[np.ndarray]) -> int:
    """The number of images, after every array was found to have the right shape and type."""
    if len(inputs) != len(graph.inputs):
        raise ModelError(f"the model has {len(graph.inputs)} inputs, and {len(inputs)} were given")
    for position, (index, array) in enumerate(zip(graph.inputs, inputs, strict=True)):
        tensor: Tensor = graph.tensors[index]
        if array.shape[1:] != tensor.shape or array.dtype != tensor.dtype or array.ndim == 0:
            raise ModelError(
                f"input {position} must be of shape {list(('N', *tensor.shape))} and type "
                f"{tensor.dtype}, not {list(array.shape)} and {array.dtype}"
            )
        if len(array) != len(inputs[0]):
            raise ModelError(f"input {position} has {len(array)} images, "
                             f"and input 0 has {len(inputs[0])}")
    return len(inputs[0])
