"""Models that grow operator by operator, with random quantization: no TensorFlow needed."""

import math
from collections.abc import Sequence

import numpy as np
from operator_models import OperatorModel
from write_tflite import WrittenModel

INT8 = 9
LARGEST_TENSOR = 2048                            # values, so that all runs take milliseconds


class Growing(OperatorModel):
    """A model under construction.

    With ``ties`` all scales are powers of two, so that sums lie halfway between two integers of the
    output as often as not; a ``wild`` share of the scales is far from what fits its tensor.
    """

    def __init__(self, rng: np.random.Generator, ties: bool = False, wild: float = 0.0):
        super().__init__()
        self.rng, self.ties, self.wild = rng, ties, wild

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, *values):
        return values[self.rng.integers(len(values))]

    def between(self, low: int, high: int) -> int:
        """Both ends included."""
        return int(self.rng.integers(low, high + 1))

    def some_scale(self, about: float) -> float:
        """A float32 within a factor of two or so of ``about``."""
        if self.wild and self.chance(self.wild):
            about *= 2.0 ** self.between(-24, 24)
        if self.ties:
            return 2.0 ** round(math.log2(about))
        return float(np.float32(about * 2.0 ** self.rng.uniform(-1, 1)))

    def some_zero_point(self) -> int:
        return self.pick(-128, 127, 0, *self.rng.integers(-128, 128, 3).tolist())

    def shape_of(self, index: int) -> tuple[int, ...]:
        return self.tensors[index].shape

    def scale_of(self, index: int) -> float:
        return self.tensors[index].scale[0]

    def activation(self, shape: Sequence[int], about: float = 0.05, like: int | None = None,
                   scale: float | None = None, zero_point: int | None = None) -> int:
        """A computed int8 tensor, quantized at random or as ``like`` is."""
        if like is not None:
            scale, zero_point = self.scale_of(like), self.tensors[like].zero_point[0]
        return self.tensor(
            tuple(map(int, shape)),
            scale=self.some_scale(about) if scale is None else scale,
            zero_point=self.some_zero_point() if zero_point is None else zero_point)

    def floats(self, shape: Sequence[int]) -> int:
        """A computed tensor of float32."""
        return self.tensor(shape, dtype="float32")

    def weights(self, values: np.ndarray, scales: Sequence[float], dimension: int = 0,
                zero_point: int = 0) -> int:
        """A constant with one scale, or one for each index of a dimension."""
        index = self.constant(values, str(values.dtype))
        self.tensors[index].scale = tuple(scales)
        self.tensors[index].zero_point = (zero_point,) * len(scales)
        self.tensors[index].dimension = dimension
        return index

    def entered(self, index: int) -> int:
        """A tensor, as an input of the model."""
        self.inputs.append(index)
        return index

    def computed(self) -> list[int]:
        """The int8 tensors that an operator may read."""
        made = [index for op in self.operators for index in op.outputs]
        return [index for index in (*self.inputs, *made) if self.tensors[index].type == INT8]

    def grown(self) -> WrittenModel:
        """The model; its outputs are what nothing reads."""
        read = {index for op in self.operators for index in op.inputs}
        made = [index for op in self.operators for index in op.outputs]
        return self.model(*(index for index in made if index not in read))
