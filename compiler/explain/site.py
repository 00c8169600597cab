"""One element of an operator's output, and what it is computed from."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from compiler.ir import Graph, Operator, Tensor
from compiler.requantize import padding_before


@dataclass(frozen=True)
class Site:
    """One element of an operator's output, and the values of all tensors of one image."""

    graph: Graph
    op: Operator
    profile: str
    element: tuple[int, ...]
    values: dict[int, np.ndarray]
    output_at: int = 0                           # which of the outputs

    def tensor(self, position: int) -> Tensor:
        """An input."""
        return self.graph.tensors[self.op.inputs[position]]

    def value(self, position: int, index: tuple[int, ...]) -> int:
        """One value of an input."""
        return self.values[self.op.inputs[position]][index].item()

    @property
    def source(self) -> Tensor:
        """The activations that are read first."""
        return self.tensor(self.source_position)

    @property
    def source_position(self) -> int:
        """Of the activations among the inputs."""
        return 2 if self.op.kind == "TRANSPOSE_CONV" else 0

    @property
    def output(self) -> Tensor:
        """What the element is of."""
        return self.graph.tensors[self.op.outputs[self.output_at]]


def window_start(site: Site, axis: int, kernel: int, image: int, output: int) -> int:
    """Where the window of the element begins, along height (axis 1) or width (2)."""
    o, letter = site.op.options, "hw"[axis - 1]
    stride, dilation = o[f"stride_{letter}"], o.get(f"dilation_{letter}_factor", 1)
    before = padding_before(o["padding"], image, output, stride, kernel, dilation)
    return site.element[axis] * stride - before


def window(site: Site, rows: int, columns: int) -> Iterator[tuple[int, int, int, int]]:
    """``(ky, kx, row, column)`` of the taps, those outside of the image as well."""
    o, source, output = site.op.options, site.source.shape, site.output.shape
    top = window_start(site, 1, rows, source[1], output[1])
    left = window_start(site, 2, columns, source[2], output[2])
    for ky in range(rows):
        for kx in range(columns):
            yield (ky, kx, top + ky * o.get("dilation_h_factor", 1),
                   left + kx * o.get("dilation_w_factor", 1))
