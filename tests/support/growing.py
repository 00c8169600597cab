"""Models that grow operator by operator, with random quantization: no TensorFlow needed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import tflite
from write_tflite import WrittenModel, WrittenOperator, WrittenTensor

from compiler.options import table_name

TYPES = {"float32": 0, "int32": 2, "uint8": 3, "int8": 9}
NUMPY = {number: name for name, number in TYPES.items()}
LARGEST_TENSOR = 2048                            # values, so that all runs take milliseconds


@dataclass
class Growing:
    """A model under construction. With ``ties`` all scales are powers of two, so that sums lie
    halfway between two integers of the output as often as not; a ``wild`` share of the scales is
    far from what fits its tensor."""

    rng: np.random.Generator
    ties: bool = False
    wild: float = 0.0
    tensors: list[WrittenTensor] = field(default_factory=list)
    operators: list[WrittenOperator] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)

    def shape(self, index: int) -> tuple[int, ...]:
        return self.tensors[index].shape

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, *values):
        return values[self.rng.integers(len(values))]

    def between(self, low: int, high: int) -> int:
        """Both ends included."""
        return int(self.rng.integers(low, high + 1))

    def scale(self, about: float) -> float:
        """A float32 within a factor of two or so of ``about``."""
        if self.wild and self.chance(self.wild):
            about *= 2.0 ** self.between(-24, 24)
        if self.ties:
            return 2.0 ** round(math.log2(about))
        return float(np.float32(about * 2.0 ** self.rng.uniform(-1, 1)))

    def zero_point(self) -> int:
        return self.pick(-128, 127, 0, *self.rng.integers(-128, 128, 3).tolist())

    def activation(self, shape: Sequence[int], about: float = 0.05, like: int | None = None,
                   scale: float | None = None, zero_point: int | None = None) -> int:
        """A computed int8 tensor, quantized at random or as ``like`` is."""
        if like is not None:
            scale, zero_point = self.tensors[like].scale[0], self.tensors[like].zero_point[0]
        return self._add(WrittenTensor(
            b"t%d" % len(self.tensors), tuple(map(int, shape)), TYPES["int8"],
            scale=(self.scale(about) if scale is None else scale,),
            zero_point=(self.zero_point() if zero_point is None else zero_point,)))

    def constant(self, values, scale: Sequence[float] = (), zero_point: Sequence[int] = (),
                 dimension: int = 0) -> int:
        values = np.asarray(values)
        return self._add(WrittenTensor(
            b"c%d" % len(self.tensors), values.shape, TYPES[str(values.dtype)], values.tobytes(),
            scale=tuple(scale), zero_point=tuple(zero_point), dimension=dimension))

    def indices(self, *values: int) -> int:
        """A constant vector of int32."""
        return self.constant(np.array(values, np.int32))

    def floats(self, shape: Sequence[int]) -> int:
        """A computed tensor of float32."""
        return self._add(WrittenTensor(b"t%d" % len(self.tensors), tuple(shape), TYPES["float32"],
                                       scale=(), zero_point=()))

    def input(self, index: int) -> int:
        self.inputs.append(index)
        return index

    def operate(self, kind: str, inputs: Sequence[int], outputs: Sequence[int], **options) -> None:
        if kind not in self.kinds:
            self.kinds.append(kind)
        table = table_name(kind)
        self.operators.append(WrittenOperator(
            tuple(inputs), tuple(outputs), self.kinds.index(kind),
            table and (getattr(tflite.BuiltinOptions, table), table,
                       {camel(key): value for key, value in options.items()})))

    def computed(self) -> list[int]:
        """The int8 tensors that an operator may read."""
        made = [index for op in self.operators for index in op.outputs]
        return [index for index in (*self.inputs, *made) if self.tensors[index].type == 9]

    def model(self) -> WrittenModel:
        """The model; its outputs are what nothing reads."""
        read = {index for op in self.operators for index in op.inputs}
        made = [index for op in self.operators for index in op.outputs]
        codes = [getattr(tflite.BuiltinOperator, kind) for kind in self.kinds]
        return WrittenModel(self.tensors, self.operators,
                            [(min(code, 127), code, None) for code in codes],
                            tuple(self.inputs), tuple(i for i in made if i not in read))

    def _add(self, tensor: WrittenTensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def camel(name: str) -> str:
    """``"stride_h"`` to ``"StrideH"``."""
    return "".join(part.capitalize() for part in name.split("_"))
