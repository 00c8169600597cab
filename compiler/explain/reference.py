"""What TFLite's reference kernels do for one output value, operator by operator."""

import math
from collections.abc import Callable

import numpy as np

from compiler.explain.site import Site
from compiler.explain.steps import Term, Work
from compiler.explain.sums import (
    average,
    dot_product,
    matrix_product,
    maximum,
    reduced_maximum,
    reduction,
)
from compiler.explain.values import (
    FUNCTIONS,
    addition,
    arg_max,
    function,
    leaky,
    looked_up,
    negated,
    product,
    rescaled,
    softmax,
    to_float,
)
from compiler.golden.engine import KERNELS
from compiler.kinds import RESHAPES
from compiler.moves import MOVES, concatenation_tables


def reference(site: Site) -> Work | None:
    """The work of one element; None where its kind is not written down here."""
    explain = KINDS.get(site.op.kind)
    return explain(site) if explain else None


def moved(site: Site) -> Work:
    """Moves bytes and computes nothing."""
    # The kernel runs on positions in place of values:
    kernel = KERNELS[site.op.kind](site.graph, site.op, site.profile)
    inputs, names, start = [], [], 1 << 20
    for position, index in enumerate(site.op.inputs):
        if index < 0:
            continue
        tensor = site.graph.tensors[index]
        numbers = np.arange(math.prod(tensor.shape), dtype=np.int64).reshape(1, *tensor.shape)
        names.append((position, start))
        inputs.append(numbers + start)
        start += math.prod(tensor.shape)
    found = int(kernel(inputs)[site.output_at][(0, *site.element)])
    if found < 1 << 20:
        work = Work(value=found)
        what = f"Z3 = {site.output.zero_point}" if site.op.kind == "PAD" else ""
        work.step("y", "filled in: outside of the input", what, found)
        return work
    position, first = max((name for name in names if name[1] <= found), key=lambda name: name[1])
    at = tuple(map(int, np.unravel_index(found - first, site.tensor(position).shape)))
    x = site.value(position, at)
    work = Work(terms=[Term(at, x)], value=x)
    name = "x" if len(names) == 1 else f"input {position + 1}"
    work.step("y", f"{name}{list(at)}, moved", "", x)
    return work


def joined(site: Site) -> Work:
    """Moves bytes and computes nothing; legacy uint8 of another scale is rescaled in float32."""
    axis = site.op.options["axis"] % len(site.output.shape)
    at, position = list(site.element), 0
    while at[axis] >= site.tensor(position).shape[axis]:
        at[axis] -= site.tensor(position).shape[axis]
        position += 1
    x = site.value(position, tuple(at))
    table = concatenation_tables(site.graph, site.op)[position]
    work = Work(terms=[Term(tuple(at), x)], value=x if table is None else int(table[x & 255]))
    done = "moved" if table is None else "rescaled in float32"
    work.step("y", f"input {position + 1}{at}, {done}", "", work.value)
    return work


KINDS: dict[str, Callable[[Site], Work]] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"),
                    dot_product),
    "BATCH_MATMUL": matrix_product, "AVERAGE_POOL_2D": average, "MAX_POOL_2D": maximum,
    "MEAN": reduction, "SUM": reduction,
    "REDUCE_MAX": reduced_maximum,
    "ADD": addition, "SUB": addition, "MUL": product,
    **dict.fromkeys(("PRELU", "MAXIMUM", "MINIMUM"), looked_up),
    **dict.fromkeys(("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "QUANTIZE"),
                    rescaled),
    "LEAKY_RELU": leaky, "NEG": negated, **dict.fromkeys(FUNCTIONS, function),
    "DEQUANTIZE": to_float, "SOFTMAX": softmax, "ARG_MAX": arg_max,
    **dict.fromkeys((*RESHAPES, *MOVES), moved), "CONCATENATION": joined,
}
