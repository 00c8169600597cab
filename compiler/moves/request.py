"""What is asked of an operator that moves bytes, and what it answers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.errors import ShapeError
from compiler.flatbuffer import first_few

Shape = tuple[int, ...]
Arrays = Sequence[np.ndarray]
Pair = tuple[np.ndarray, np.ndarray | int]


@dataclass(frozen=True)
class Move:
    """What an operator moves: the outputs' shapes, and the pairs for its inputs and outputs."""

    shapes: tuple[Shape, ...]
    pairs: Callable[[Arrays, Arrays], Iterator[Pair]]


@dataclass(frozen=True)
class Request:
    """An operator's part that counts: shapes of what it moves, parameters, options."""

    shapes: tuple[Shape, ...]
    parameters: tuple[np.ndarray, ...]
    options: dict[str, Any]
    outputs: int
    fill: int                                    # what PAD fills with

    @property
    def shape(self) -> Shape:
        """Of the only input, or the first."""
        return self.shapes[0]

    def listed(self, position: int) -> list[int]:
        """A parameter that is a list of numbers."""
        values = self.parameters[position]
        if values.ndim != 1:
            raise ShapeError(f"a parameter of shape {list(values.shape)} where a list belongs")
        return [int(value) for value in values]

    def one(self, position: int) -> int:
        """A parameter of one whole number."""
        return int(self.number(position))

    def number(self, position: int) -> np.ndarray:
        """A parameter of one number, of any type."""
        values = self.parameters[position]
        if values.size != 1:
            raise ShapeError(f"{first_few(values.reshape(-1).tolist())} where one number belongs")
        return values.reshape(())

    def axis(self, value: int, new: int = 0) -> int:
        """An axis of the input, which may count from the end, with ``new`` axes more."""
        rank = len(self.shape) + new
        if not -rank <= value < rank:
            raise ShapeError(f"axis {value} of {rank}")
        return value % rank
