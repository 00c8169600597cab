"""What the kernels of all operators have in common."""

from collections.abc import Callable, Sequence

import numpy as np

from compiler.ir import Graph, Operator

# Takes the operator's inputs, ``[N, *shape]`` each or ``[1, *shape]`` for constants, and returns
# its outputs in the same form. Inputs that are left out (-1) are not in the list.
Kernel = Callable[[list[np.ndarray]], Sequence[np.ndarray]]


def constant(graph: Graph, op: Operator, position: int) -> np.ndarray:
    """The data of a constant input."""
    data = graph.tensors[op.inputs[position]].data
    assert data is not None
    return data


def blocks(count: int, size: int) -> list[slice]:
    """``count`` things in slices of at most ``size``, and of one at the least."""
    size = max(1, size)
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]
