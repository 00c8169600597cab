"""Operators that together depend on one byte, against LiteRT and TFLM, on golden model and RTL."""

import numpy as np
import pytest
from equal import SEVERAL, equal_to_runtime
from operator_models import OperatorModel

from compiler.program import compile_model
from compiler.targets import DEFAULT

SHAPE = (1, 4, 16, 4)
EVERY_BYTE = [np.arange(256, dtype=np.uint8).view(np.int8).reshape(1, *SHAPE)]


def number(m, value, scale=0.02, zero_point=4):
    return m.constant(np.array(value, np.int8), "int8", scale=scale, zero_point=zero_point)


def logistic(m, x):
    y = m.tensor(SHAPE, scale=1 / 256, zero_point=-128)
    m.operator("LOGISTIC", [x], [y])
    return y


def silu(m, x):
    return [m.add("MUL", [x, logistic(m, x)], SHAPE)]


def hard_swish(m, x):
    """As PyTorch exports it, the last number on the left."""
    moved = m.add("ADD", [x, number(m, [[100]])], SHAPE)
    gate = m.add("RELU6", [moved], SHAPE)
    return [m.add("MUL", [number(m, 27), m.add("MUL", [x, gate], SHAPE)], SHAPE)]


def square(m, x):
    return [m.add("MUL", [x, x], SHAPE)]


def both_gated(m, x):
    """Two functions of one byte that meet, behind another one."""
    same = m.add("LEAKY_RELU", [x], SHAPE, alpha=0.3)
    one, two = logistic(m, same), m.add("RELU", [same], SHAPE)
    return [m.add("SUB", [one, two], SHAPE)]


def read_elsewhere(m, x):
    """What lies between is an output, too."""
    gate = logistic(m, x)
    return [m.add("MUL", [gate, x], SHAPE), gate]


def nested(m, x):
    inside, = silu(m, x)
    return [m.add("MAXIMUM", [m.add("ADD", [x, inside], SHAPE), number(m, [3], 0.05, -3)], SHAPE)]


def slope(m, x):
    return [m.add("PRELU", [x, number(m, [[[30]]])], SHAPE)]


def minimum(m, x):
    """Which has no layer for two tensors."""
    return [m.add("MINIMUM", [x, m.add("NEG", [x], SHAPE)], SHAPE)]


FUNCTIONS = (silu, hard_swish, square, both_gated, read_elsewhere, nested, slope, minimum)
LACKING = {"litert": set(), "tflm": {"minimum"}}                 # TFLM has no NEG of int8


def model(function):
    m = OperatorModel()
    x = m.input(SHAPE)
    return m.file(*function(m, x)), EVERY_BYTE


@pytest.mark.parametrize("config", [DEFAULT.engine, SEVERAL], ids=["default", "several"])
@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_every_byte(profile, config, tmp_path):
    cases = {function.__name__: model(function) for function in FUNCTIONS}
    assert set(equal_to_runtime(profile, cases, tmp_path, config)) == LACKING[profile]


@pytest.mark.parametrize("function", (silu, hard_swish, square, nested))
def test_behind_a_layer(function, tmp_path):
    """They cost nothing there."""
    m = OperatorModel()
    pooled = m.add("MAX_POOL_2D", [m.input(SHAPE)], SHAPE, filter_width=1, filter_height=1,
                   stride_w=1, stride_h=1)
    cases = {"pooled": (m.file(*function(m, pooled)), EVERY_BYTE)}
    assert equal_to_runtime("litert", cases, tmp_path) == []
    layers = compile_model(tmp_path / "pooled.tflite", DEFAULT.engine).layers
    assert len(layers) == 3
    assert layers[1].name.startswith("0 MAX_POOL_2D, ") and layers[1].name.endswith(" TABLE")
