"""What is not copied, because its makers put it where it belongs, against LiteRT and TFLM."""

from collections.abc import Callable

import numpy as np
import pytest
from equal import SEVERAL, equal_to_runtime, same, written
from operator_models import OperatorModel

from compiler.golden import Golden
from compiler.program import Program, compile_model
from compiler.reader import read_model
from compiler.targets import DEFAULT, TARGETS
from hw.config import EngineConfig
from sim.compare import locate

WINDOW = {"padding": 0, "stride_h": 1, "stride_w": 1}
NOT_DILATED = {"dilation_h_factor": 1, "dilation_w_factor": 1}
POOL = WINDOW | {"filter_height": 2, "filter_width": 3}


def weights(m: OperatorModel, shape, channels: int, seed: int) -> list[int]:
    """Random weights and biases."""
    rng = np.random.default_rng(seed)
    return [m.constant(rng.integers(-127, 128, shape), "int8", scale=0.01, zero_point=0),
            m.constant(rng.integers(-3000, 3000, channels))]


def conv(m, x, channels, seed=1):
    n, h, w, c = m.tensors[x].shape
    parameters = weights(m, (channels, 3, 3, c), channels, seed)
    return m.add("CONV_2D", [x, *parameters], (n, h, w, channels), **WINDOW, **NOT_DILATED)


def depthwise(m, x, multiplier):
    n, h, w, c = m.tensors[x].shape
    parameters = weights(m, (1, 3, 3, c * multiplier), c * multiplier, 2)
    return m.add("DEPTHWISE_CONV_2D", [x, *parameters], (n, h, w, c * multiplier), **WINDOW,
                 **NOT_DILATED, depth_multiplier=multiplier)


def same_shape(kind, **options):
    return lambda m, x: m.add(kind, [x], m.tensors[x].shape, **options)


def squared(m, x):
    """A sum, which is walked from end to end."""
    return m.add("ADD", [x, x], m.tensors[x].shape)


def unlike(m, x):
    """LOGISTIC, and what brings it back to the others' scale."""
    y = m.tensor(m.tensors[x].shape, scale=1 / 256, zero_point=-128)
    m.operator("LOGISTIC", [x], [y])
    z = m.tensor(m.tensors[x].shape)
    m.operator("QUANTIZE", [y], [z])
    return z


MAKERS: dict[str, Callable[[OperatorModel, int], int]] = {
    "conv": lambda m, x: conv(m, x, 7), "many channels": lambda m, x: conv(m, x, 21),
    "depthwise": lambda m, x: depthwise(m, x, 1), "multiplied": lambda m, x: depthwise(m, x, 7),
    "average": same_shape("AVERAGE_POOL_2D", **POOL), "maximum": same_shape("MAX_POOL_2D", **POOL),
    "sum": squared, "unary": same_shape("LEAKY_RELU", alpha=0.3),
    "two tables": lambda m, x: unlike(m, same_shape("RELU")(m, x)),
    "conv and tables": lambda m, x: unlike(m, conv(m, x, 6)),
}


def joined(axis: int, *makers: str):
    """Branches from one input, joined; what is joined is used further and is an output."""
    m = OperatorModel()
    x = m.input((1, 6, 5, 3))
    parts = [MAKERS[name](m, x) for name in makers]
    shape = list(m.tensors[parts[0]].shape)
    shape[axis] = sum(m.tensors[part].shape[axis] for part in parts)
    y = m.add("CONCATENATION", parts, shape, axis=axis)
    return m, [m.add("LEAKY_RELU", [y], shape, alpha=0.5), y]


JOINED = {
    **{name: (3, name, "conv") for name in MAKERS},
    "beside each other": (2, "sum", "maximum", "unary", "average", "depthwise"),
    "below each other": (1, "unary", "sum", "depthwise", "maximum"),
    "one": (3, "conv"),
}


def compiled(m: OperatorModel, outputs, tmp_path, profile="litert",
             config=DEFAULT.engine) -> Program:
    (tmp_path / "m.tflite").write_bytes(m.file(*outputs))
    return compile_model(read_model(tmp_path / "m.tflite"), config, profile)


def kinds(program: Program) -> list[str]:
    return [layer.name for layer in program.layers]


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_joined_by_their_makers(profile, tmp_path):
    cases = {}
    for name, (axis, *makers) in JOINED.items():
        m, outputs = joined(axis, *makers)
        cases[name] = m.file(*outputs), m.random_inputs(3)
        assert not any("CONCATENATION" in layer
                       for layer in kinds(compiled(m, outputs, tmp_path))), name
    assert equal_to_runtime(profile, cases, tmp_path) == []


@pytest.mark.parametrize("config", [
    SEVERAL, pytest.param(TARGETS["ulx3s-85f"].engine, marks=pytest.mark.slow)])
def test_joined_on_other_engines(config, tmp_path):
    cases = {}
    for name, (axis, *makers) in JOINED.items():
        m, outputs = joined(axis, *makers)
        cases[name] = m.file(*outputs), m.random_inputs(2)
    assert equal_to_runtime("litert", cases, tmp_path, config) == []


def chain_of_tables():
    m = OperatorModel()
    x = conv(m, m.input((1, 6, 6, 3)), 5)
    x = same_shape("LEAKY_RELU", alpha=0.3)(m, x)
    x = unlike(m, x)
    return m, [same_shape("MAX_POOL_2D", **POOL)(m, x)]


def table_of_what_is_read_twice():
    m = OperatorModel()
    x = conv(m, m.input((1, 6, 6, 3)), 5)
    y = same_shape("LEAKY_RELU", alpha=0.3)(m, x)
    pooled = same_shape("MAX_POOL_2D", **POOL)(m, x)
    return m, [m.add("ADD", [pooled, y], m.tensors[x].shape)]


def table_of_many_passes():
    """Weights that no ring holds, so that every pixel is a pass: one table for all."""
    m = OperatorModel()
    x = conv(m, m.input((1, 4, 4, 130)), 3)
    return m, [same_shape("LEAKY_RELU", alpha=0.3)(m, x)]


def parts_of_rows():
    m = OperatorModel()
    x = same_shape("RELU")(m, m.input((4, 3, 2)))
    whole = [m.tensor((1, 3, 2)) for _ in range(4)]
    m.operator("SPLIT", [m.constant(0), x], whole, num_splits=4)
    rows = [m.tensor((3, 2)) for _ in range(1)]
    m.operator("UNPACK", [whole[2]], rows, axis=0, num=1)
    return m, [same_shape("LEAKY_RELU", alpha=0.3)(m, rows[0]), whole[1], whole[3]]


def padded():
    m = OperatorModel()
    x = conv(m, m.input((1, 5, 6, 2)), 3)
    y = m.add("PAD", [x, m.constant([[0, 0], [1, 2], [3, 0], [0, 1]])], (1, 8, 9, 4))
    return m, [m.add("MAX_POOL_2D", [y], (1, 8, 9, 4), **POOL)]


def nested():
    """Joined, and joined again with what is only read there, on two axes."""
    m = OperatorModel()
    x = m.input((1, 4, 4, 3))
    one = m.add("CONCATENATION", [conv(m, x, 2), conv(m, x, 3, 2)], (1, 4, 4, 5), axis=3)
    two = m.add("CONCATENATION", [one, conv(m, x, 4, 3)], (1, 4, 4, 9), axis=3)
    return m, [m.add("CONCATENATION", [two, two], (1, 8, 4, 9), axis=1), one]


def shuffled():
    """Channels taken apart and put together in another order."""
    m = OperatorModel()
    x = conv(m, m.input((1, 4, 4, 3)), 8)
    parts = [m.tensor((1, 4, 4, 4)) for _ in range(2)]
    m.operator("SPLIT", [m.constant(3), x], parts, num_splits=2)
    packed = m.add("PACK", parts[::-1], (1, 4, 4, 4, 2), axis=4, values_count=2)
    flat = m.add("RESHAPE", [packed, m.constant([1, 4, 4, 8])], (1, 4, 4, 8))
    return m, [conv(m, flat, 3)]


def inputs_joined():
    m = OperatorModel()
    a, b = m.input((1, 3, 5)), m.input((2, 3, 5))
    y = m.add("CONCATENATION", [a, b, a], (4, 3, 5), axis=0)
    return m, [same_shape("RELU")(m, y), b]


# And how many layers they are.
OTHERS = {chain_of_tables: 4, table_of_what_is_read_twice: 6, table_of_many_passes: 18,
          parts_of_rows: 6, padded: 9, nested: 8, shuffled: 6, inputs_joined: 6}


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_others(profile, tmp_path):
    cases = {}
    for make, layers in OTHERS.items():
        m, outputs = make()
        cases[make.__name__] = m.file(*outputs), m.random_inputs(3)
        assert len(kinds(compiled(m, outputs, tmp_path, profile))) == layers
    assert equal_to_runtime(profile, cases, tmp_path) == []


@pytest.mark.parametrize("make", [*OTHERS, lambda: joined(3, *list(MAKERS)[:6])])
def test_what_layers_make(make, tmp_path):
    """What each layer is said to make, written where it is said to go, gives the outputs; and the
    RTL's memory holds every tensor where it is said to lie."""
    m, outputs = make()
    program, inputs = compiled(m, outputs, tmp_path), m.random_inputs(2)
    same(written(program, inputs), Golden(program.partition.device).run(inputs), "made")
    assert locate(program, inputs, 1) is None


def test_parts_that_keep_too_much_alive(tmp_path):
    """A few bytes of a large tensor get a buffer of their own where memory is short."""
    m = OperatorModel()
    shape, begin = (1, 10, 20, 10), (1, 1, 1, 10)
    large = m.input(shape)
    few = m.add("SLICE", [large, m.constant([0, 0, 0, 0]), m.constant(begin)], begin)
    y = large
    for _ in range(2):
        y = m.add("MAX_POOL_2D", [y], shape, filter_width=2, filter_height=1, stride_w=1,
                  stride_h=1)
    outputs = [m.add("RELU", [few], begin), y]
    roomy = compiled(m, outputs, tmp_path)
    assert roomy.plan.peak_bytes == 6000
    config = EngineConfig(rows=1, columns=1, lanes=1, tape_rows=1, scratchpad_bytes=4096)
    tight = compiled(m, outputs, tmp_path, config=config)
    assert tight.plan.peak_bytes < 4096
    cases = {"m": (m.file(*outputs), m.random_inputs(2))}
    assert equal_to_runtime("litert", cases, tmp_path, config) == []
