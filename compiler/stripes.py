"""Convolution and pooling in stripes: what lies between them is never whole, and takes less room.

A pair is a convolution whose output only one pooling reads, whose windows do not share rows. It
runs as many times as there are stripes: some rows of the convolution, then what the pooling makes
of them. The rows lie in a buffer that every stripe uses again; the convolution's weights come from
the tape again for each.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from compiler.ir import Graph, Operator
from compiler.layers import Layer, largest
from hw.config import EngineConfig

PRODUCERS = ("CONV_2D", "DEPTHWISE_CONV_2D")


@dataclass(frozen=True)
class Pair:
    """Rows of the pooling's output are made ``rows`` at a time."""

    producer: Operator
    pool: Operator
    window: int                # rows of the tensor that a row of the pooling's output needs
    stride: int
    rows: int

    @property
    def tensor(self) -> int:
        """What lies between them."""
        return self.producer.outputs[0]

    @property
    def buffer_rows(self) -> int:
        """Rows of the tensor that are there at a time."""
        return (self.rows - 1) * self.stride + self.window


def pairs(graph: Graph, config: EngineConfig) -> list[Pair]:
    """All of a graph, each in one stripe."""
    maker = {tensor: op for op in graph.operators for tensor in op.outputs}
    users: dict[int, list[Operator]] = {}
    for op in graph.operators:
        for tensor in op.inputs:
            users.setdefault(tensor, []).append(op)
    found = []
    for pool in graph.operators:
        tensor = pool.inputs[0]
        producer = maker.get(tensor)
        if pool.kind != "MAX_POOL_2D" or producer is None or producer.kind not in PRODUCERS \
                or len(users[tensor]) > 1 or tensor in graph.outputs \
                or not runs_whole(graph, producer, config):
            continue
        window, stride = pool.options["filter_height"], pool.options["stride_h"]
        height, rows = graph.tensors[tensor].shape[1], graph.tensors[pool.outputs[0]].shape[1]
        is_inside = (rows - 1) * stride + window <= height       # no row of a window is padding
        if stride >= window and is_inside and graph.tensors[tensor].shape[0] == 1:
            found.append(Pair(producer, pool, window, stride, rows))
    return found


def runs_whole(graph: Graph, op: Operator, config: EngineConfig) -> bool:
    """Whether a convolution is sure to need no passes for clipped rows (lower_conv.is_clipped),
    and to make its rows one by one (compiler/lower_window.py)."""
    if op.kind == "DEPTHWISE_CONV_2D" and config.windows:
        return False
    o, rows = op.options, graph.tensors[op.inputs[1]].shape[1]
    dilation = o.get("dilation_h_factor", 1)
    return max(o["stride_h"], dilation) <= largest(config, "y_row_step") \
        and rows * dilation + o.get("pad_top", 0) <= largest(config, "y_start")


def thinner(whole: Sequence[Pair]) -> Iterator[dict[int, Pair]]:
    """Ever more stripes, the same number for all pairs, by the tensor between them."""
    most = max((pair.rows for pair in whole), default=1)
    before = None
    for count in range(2, most + 1):
        now = {pair.tensor: replace(pair, rows=math.ceil(pair.rows / count)) for pair in whole}
        if now != before:
            yield now
        before = now


def interleaved(pair: Pair, producer: Sequence[Layer], pool: Sequence[Layer],
                output_rows: int) -> Iterator[Layer]:
    """The pair's layers, stripe by stripe."""
    for first in range(0, output_rows, pair.rows):
        count = min(pair.rows, output_rows - first)
        row, rows = first * pair.stride, (count - 1) * pair.stride + pair.window
        for layer in producer:
            f = layer.fields
            yield replace(
                layer, macs=layer.macs if first == 0 else 0, is_part=True,
                origin=row * f["out_row"],
                fields=f | {"rows": rows - 1, "base": f["base"] + row * f["row_stride"],
                            "y_start": f["y_start"] + row * f["y_row_step"]})
        is_last = first + count == output_rows
        for layer in pool:
            f = layer.fields
            yield replace(
                layer, is_part=not is_last,
                fields=f | {"rows": count - 1, "out_base": f["out_base"] + first * f["out_row"]})
