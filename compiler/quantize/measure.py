"""What quantization costs: a float model and its int8 model on the same inputs in LiteRT."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.ir import Graph, Tensor
from compiler.numerics import affine_quantize
from compiler.progress import progress
from compiler.quantize.runner import LONG_SOFTMAX, Runner
from compiler.quantize.source import FloatModel, dequantized


@dataclass
class Loss:
    """How far a tensor is from its float32 values.

    ``noise`` is the power of the difference over that of the values, summed over ``count`` inputs,
    so that each counts as much, however large its values are; ``rounding`` is what it would be if
    only this tensor were in int8.
    """

    tensor: int
    count: int = 0
    noise: float = 0.0
    rounding: float = 0.0

    def add(self, wanted: np.ndarray, got: np.ndarray, tensor: Tensor) -> None:
        """Counts one input: float32 values, and the integers of the int8 ``tensor``."""
        rounded = affine_quantize(wanted, tensor.scale, tensor.zero_point, tensor.dtype)
        self.count += 1
        self.noise += relative(wanted, real(got, tensor))
        self.rounding += relative(wanted, real(rounded, tensor))

    @property
    def sqnr(self) -> float | None:
        """Signal over quantization noise in dB; None where there is no noise."""
        return decibels(self.count, self.noise)

    @property
    def own(self) -> float | None:
        """The same of the tensor's own rounding."""
        return decibels(self.count, self.rounding)


@dataclass(frozen=True)
class Outputs:
    """Of one model output ``[N, *shape]``, as real numbers."""

    tensor: int
    floats: np.ndarray
    int8s: np.ndarray

    @property
    def same(self) -> int | None:
        """How many inputs have the same largest values along the last axis, or the same integers;
        None where there is one value and nothing to choose from."""
        equal = choices(self.floats) == choices(self.int8s)
        if self.floats.dtype.kind == "f" and self.floats.shape[-1] < 2:
            return None
        return int(equal.reshape(len(equal), -1).all(axis=1).sum())

    @property
    def errors(self) -> np.ndarray:
        """How far apart they are."""
        return np.abs(self.floats.astype(np.float64) - self.int8s)


class Pair:
    """A float model and the int8 model ``graph`` in ``content``, side by side."""

    def __init__(self, model: FloatModel, out: Path, graph: Graph, content: bytes):
        self.model, self.graph = model, graph
        self.place = {tensor.name: index for index, tensor in enumerate(graph.tensors)}
        self.float = Runner(str(model.path), model.content)
        self.int8 = Runner(str(out), content, reference=not reference_fails(graph))

    def outputs(self, inputs: Sequence[np.ndarray]) -> list[Outputs]:
        """What both answer to ``inputs``, ``[N, *shape]`` in float32."""
        floats: list[list[np.ndarray]] = [[] for _ in self.graph.outputs]
        int8s: list[list[np.ndarray]] = [[] for _ in self.graph.outputs]
        for _ in self.runs("accuracy", inputs):
            for found, index in zip(floats, self.model.graph.outputs, strict=True):
                found.append(self.float.tensor(index))
            for found, index in zip(int8s, self.graph.outputs, strict=True):
                found.append(real(self.int8.tensor(index), self.graph.tensors[index]))
        return [Outputs(index, np.array(ours), np.array(theirs)) for index, ours, theirs
                in zip(self.model.graph.outputs, floats, int8s, strict=True)]

    def losses(self, inputs: Sequence[np.ndarray]) -> list[Loss]:
        """Of all activations, the least exact first."""
        places = {index: self.place.get(self.model.graph.tensors[index].name)
                  for index in self.model.activations}
        losses = {place: Loss(index) for index, place in places.items()
                  if place is not None and self.graph.tensors[place].dtype == "int8"}
        for _ in self.runs("losses", inputs):
            for place, loss in losses.items():
                loss.add(self.float.tensor(loss.tensor), self.int8.tensor(place),
                         self.graph.tensors[place])
        return sorted(losses.values(),
                      key=lambda loss: math.inf if loss.sqnr is None else loss.sqnr)

    def runs(self, what: str, inputs: Sequence[np.ndarray]) -> Iterator[None]:
        """After each, both models have computed one input."""
        with progress(what, len(inputs[0])) as bar:
            for image in zip(*inputs, strict=True):
                self.float.run(image)
                self.int8.run([taken(value, self.graph.tensors[index])
                               for value, index in zip(image, self.graph.inputs, strict=True)])
                yield
                bar.update()


def choices(values: np.ndarray) -> np.ndarray:
    """The places of the largest real numbers along the last axis; integers are choices already."""
    return values.argmax(axis=-1) if values.dtype.kind == "f" else values


def relative(wanted: np.ndarray, got: np.ndarray) -> float:
    """The power of the difference over that of the values; the infinite ones of a
    PADV2 do not count."""
    counted = np.isfinite(wanted)
    exact = wanted[counted].astype(np.float64)
    signal, noise = float(np.square(exact).sum()), float(np.square(exact - got[counted]).sum())
    return noise / signal if signal else float(noise > 0)


def taken(value: np.ndarray, tensor: Tensor) -> np.ndarray:
    """A float32 input as the int8 model takes it."""
    if tensor.dtype == "float32":
        return value
    return affine_quantize(value, tensor.scale, tensor.zero_point, tensor.dtype)


def real(value: np.ndarray, tensor: Tensor) -> np.ndarray:
    """What the integers of a tensor stand for; integers without scales stand for themselves."""
    if tensor.quantization is None:
        return value
    return dequantized(Tensor(tensor.name, value.shape, tensor.dtype, tensor.quantization, value))


def reference_fails(graph: Graph) -> bool:
    """Whether LiteRT's reference kernels cannot be asked: they sum int8 wrongly, and a long SOFTMAX
    may end the process."""
    return any(op.kind == "SUM" or op.kind == "SOFTMAX"
               and graph.tensors[op.inputs[0]].shape[-1:] >= (LONG_SOFTMAX,)
               for op in graph.operators)


def decibels(signal: float, noise: float) -> float | None:
    """The ratio of two powers, None where it has no end."""
    return 10 * math.log10(signal / noise) if noise else None
