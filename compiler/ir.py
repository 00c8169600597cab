"""The graph that every pass reads and returns: frozen dataclasses in TFLite's own words."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Quantization:
    """``real = scale * (q - zero_point)``; one entry, or one per index of ``quantized_dimension``.

    Scales are float32 in the file and are kept as the float64 of the same value.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    quantized_dimension: int = 0


@dataclass(frozen=True)
class Tensor:
    """``data`` is None for what is computed, a read-only array of ``shape`` and ``dtype`` else."""

    name: str
    shape: tuple[int, ...]
    dtype: str                                   # numpy's name: "int8", "uint8", "int32", "float32"
    quantization: Quantization | None = None
    data: np.ndarray | None = field(default=None, compare=False)

    @property
    def scale(self) -> float:
        """The scale of a tensor quantized as a whole."""
        assert self.quantization is not None and len(self.quantization.scale) == 1
        return self.quantization.scale[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor quantized as a whole."""
        assert self.quantization is not None and len(self.quantization.zero_point) == 1
        return self.quantization.zero_point[0]


@dataclass(frozen=True)
class Operator:
    """``inputs`` and ``outputs`` index ``Graph.tensors``; -1 stands for an optional input left out.

    ``options`` holds the fields of the operator's builtin options table in snake case, enums as
    the schema's names: ``{"stride_h": 1, "padding": "SAME", "fused_activation_function": "RELU"}``.
    """

    index: int                                   # its place in the file, as users count it
    kind: str                                    # the schema's name: "CONV_2D"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """``3 CONV_2D``, as users know it."""
        return f"{self.index} {self.kind}"


@dataclass(frozen=True)
class Graph:
    """Operators stand in an order in which they can run."""

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
