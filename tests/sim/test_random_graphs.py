"""Random graphs of operators that move bytes and of what they move: whose bytes lie where, in every
combination that chance finds. Against LiteRT, on the golden model and the RTL."""

from collections.abc import Callable

import numpy as np
import pytest
from equal import SEVERAL, equal_to_runtime, same, written
from operator_models import OperatorModel
from test_places import MAKERS, conv, depthwise

from compiler.golden import Golden
from compiler.program import compile_model
from compiler.targets import DEFAULT
from sim.host import Host

MOST_BYTES = 3000


def shape_of(m: OperatorModel, tensor: int) -> tuple[int, ...]:
    return tuple(m.tensors[tensor].shape)


def convolved(m, rng, x, live):
    if rng.integers(2):
        return [depthwise(m, x, int(rng.integers(1, 4)))]
    return [conv(m, x, int(rng.integers(1, 9)), int(rng.integers(99)))]


def computed(m, rng, x, live):
    makers = ["average", "maximum", "sum", "unary", "two tables"]
    return [MAKERS[makers[rng.integers(5)]](m, x)]


def concatenated(m, rng, x, live):
    shape = list(shape_of(m, x))
    axis = int(rng.integers(len(shape))) if rng.integers(3) == 0 else len(shape) - 1
    alike = [t for t in live if len(shape_of(m, t)) == len(shape)
             and all(k == axis or size == shape[k] for k, size in enumerate(shape_of(m, t)))]
    parts = [alike[rng.integers(len(alike))] for _ in range(rng.integers(1, 4))]
    shape[axis] = sum(shape_of(m, part)[axis] for part in parts)
    return [m.add("CONCATENATION", parts, shape, axis=axis)]


def split(m, rng, x, live):
    shape = list(shape_of(m, x))
    axis = int(rng.integers(len(shape)))
    counts = [count for count in range(1, shape[axis] + 1) if shape[axis] % count == 0]
    count = counts[rng.integers(len(counts))]
    shape[axis] //= count
    parts = [m.tensor(shape) for _ in range(count)]
    m.operator("SPLIT", [m.constant(axis), x], parts, num_splits=count)
    return parts


def sliced(m, rng, x, live):
    begin = [int(rng.integers(size)) for size in shape_of(m, x)]
    size = [int(rng.integers(1, whole - first + 1))
            for whole, first in zip(shape_of(m, x), begin, strict=True)]
    return [m.add("SLICE", [x, m.constant(begin), m.constant(size)], size)]


def padded(m, rng, x, live):
    first, *rest = shape_of(m, x)
    around = [[0, 0], *([int(n) for n in rng.integers(0, 3, 2)] for _ in rest)]
    shape = [first, *(size + sum(pair) for size, pair in zip(rest, around[1:], strict=True))]
    return [m.add("PAD", [x, m.constant(around)], shape)]


def transposed(m, rng, x, live):
    shape = shape_of(m, x)
    order = rng.permutation(len(shape)).tolist()
    return [m.add("TRANSPOSE", [x, m.constant(order)], [shape[axis] for axis in order])]


def reshaped(m, rng, x, live):
    first, *middle, last = shape_of(m, x)
    shape = [(first, *middle[::-1], last), (first * middle[0], *middle[1:], last)
             if len(middle) > 1 else (1, first, *middle, last)][rng.integers(2)]
    return [m.add("RESHAPE", [x, m.constant(shape)], shape)]


ANY: tuple[Callable, ...] = (concatenated, concatenated, concatenated, split, sliced, padded,
                             transposed, reshaped)
OF_IMAGES: tuple[Callable, ...] = (convolved, convolved, computed, computed)


def graph(seed: int) -> tuple[OperatorModel, list[int]]:
    """A model, and its outputs: what nothing reads, and often one more."""
    rng, m = np.random.default_rng(seed), OperatorModel()
    batch = int(rng.integers(1, 3))
    live = [m.input((batch, *rng.integers(2, 6, 2).tolist(), int(rng.integers(1, 6))))
            for _ in range(rng.integers(1, 3))]
    for _ in range(rng.integers(2, 9)):
        x = live[rng.integers(len(live))]
        kinds = ANY + OF_IMAGES * (len(shape_of(m, x)) == 4)
        made = kinds[rng.integers(len(kinds))](m, rng, x, live)
        if sum(np.prod(shape_of(m, part)) for part in made) < MOST_BYTES:
            live += made
    read = {tensor for op in m.operators for tensor in op.inputs}
    outputs = [tensor for tensor in live if tensor not in read and tensor not in m.inputs]
    return m, [*(outputs or live[-1:]), *rng.permutation(live)[:rng.integers(2)].tolist()]


@pytest.mark.parametrize("config", [DEFAULT.engine, SEVERAL])
@pytest.mark.parametrize("seeds", [range(30), pytest.param(range(30, 500),
                                                           marks=pytest.mark.slow)])
def test_graphs(config, seeds, tmp_path):
    cases = {}
    for seed in seeds:
        m, outputs = graph(seed)
        cases[f"m{seed}"] = m.file(*outputs), m.random_inputs(2, seed)
    assert equal_to_runtime("litert", cases, tmp_path, config) == []


@pytest.mark.parametrize("seeds", [range(30), pytest.param(range(30, 500),
                                                           marks=pytest.mark.slow)])
def test_what_layers_make(seeds, tmp_path):
    """Written where it is said to go, it gives the outputs."""
    for seed in seeds:
        m, outputs = graph(seed)
        (tmp_path / "m.tflite").write_bytes(m.file(*outputs))
        program = compile_model(tmp_path / "m.tflite", DEFAULT.engine)
        inputs = Host(program).to_device(m.random_inputs(2, seed))
        same(written(program, inputs), Golden(program.partition.device).run(inputs), str(seed))
