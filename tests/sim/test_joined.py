"""Operators whose results are joined, or go through a table, against LiteRT: their layers then
leave room between pixels, or where that cannot be, are copied."""

import numpy as np
import pytest
from equal import equal_to_runtime
from operator_models import OperatorModel


def reduction(kind: str, axis: int):
    def make(m: OperatorModel, x: int) -> int:
        shape = np.zeros(m.tensors[x].shape).max(axis=axis).shape
        return m.add(kind, [x, m.constant([axis])], shape, keep_dims=False)
    return make


def pair(kind: str, constant: tuple[int, ...] | None):
    def make(m: OperatorModel, x: int) -> int:
        rng, shape = np.random.default_rng(0), m.tensors[x].shape
        other = x if constant is None else m.constant(rng.integers(-128, 128, constant), "int8")
        if constant is None:
            other = m.add("LEAKY_RELU", [x], shape, alpha=0.3)
        options = {} if kind == "PRELU" else {"fused_activation_function": 0}
        return m.add(kind, [x, other], shape, **options)
    return make


def transposed(m: OperatorModel, x: int) -> int:
    n, h, w, c = m.tensors[x].shape
    rng = np.random.default_rng(1)
    weights = m.constant(rng.integers(-127, 128, (3, 3, 2, c)), "int8", scale=0.004, zero_point=0)
    y = m.tensor((n, 2 * h, 2 * w, 3))
    m.operator("TRANSPOSE_CONV", [m.constant([n, 2 * h, 2 * w, 3]), weights, x], [y], padding=0,
               stride_h=2, stride_w=2)
    return y


def product(m: OperatorModel, x: int) -> int:
    *batch, c = m.tensors[x].shape
    rng = np.random.default_rng(1)
    weights = m.constant(rng.integers(-127, 128, (c, 5)), "int8", scale=0.004)
    return m.add("BATCH_MATMUL", [x, weights], (*batch, 5), adj_x=False, adj_y=False)


# Each with the rank of its result.
MAKERS = {
    "MEAN of channels": (reduction("MEAN", 3), 3), "MEAN of rows": (reduction("MEAN", 1), 3),
    "MEAN of columns": (reduction("MEAN", 2), 3), "SUM of columns": (reduction("SUM", 2), 3),
    "REDUCE_MAX of channels": (reduction("REDUCE_MAX", 3), 3),
    "REDUCE_MAX of rows": (reduction("REDUCE_MAX", 1), 3),
    "ADD": (pair("ADD", None), 4), "SUB": (pair("SUB", None), 4), "MUL": (pair("MUL", None), 4),
    "ADD of channels": (pair("ADD", (5,)), 4), "MUL of columns": (pair("MUL", (4, 1)), 4),
    "SUB of a mask": (pair("SUB", (3, 4, 5)), 4), "PRELU": (pair("PRELU", (1, 1, 5)), 4),
    "MUL by a number": (pair("MUL", ()), 4), "TRANSPOSE_CONV": (transposed, 4),
    "BATCH_MATMUL": (product, 4),
}


def joined(name: str, axis: int) -> tuple[bytes, list[np.ndarray]]:
    """Two of them, one behind a function of one byte, one behind the other along an axis."""
    m = OperatorModel()
    parts = []
    for _ in range(2):
        parts.append(MAKERS[name][0](m, m.input((2, 3, 4, 5))))
    shape = m.tensors[parts[1]].shape
    parts[1] = m.add("LEAKY_RELU", [parts[1]], shape, alpha=0.7)
    whole = [*shape]
    whole[axis] *= 2
    y = m.add("CONCATENATION", parts, whole, axis=axis)
    return m.file(y), m.random_inputs(2)


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_joined(profile, tmp_path):
    models = {f"{name}_{axis}".replace(" ", "_"): joined(name, axis)
              for name, (_, rank) in MAKERS.items() for axis in range(1, rank)
              if (profile, name) != ("litert", "SUM of columns")}    # which is wrong there
    assert equal_to_runtime(profile, models, tmp_path) == []
