"""Moves at a model's edges that the engine leaves to the host, or takes as bytes for floats."""

import numpy as np
import pytest
from equal import equal_to_runtime
from operator_models import OperatorModel

from compiler.reader import parse_model


def floats(m, shape):
    return m.tensor(shape, dtype="float32")


def converted(m, kind, source, output):
    m.operator(kind, [source], [output])
    return output


def head(m):
    """A transposed photo, as PyTorch's exporter takes it."""
    x = m.input((1, 3, 4, 5), dtype="float32")
    turned = floats(m, (1, 4, 5, 3))
    m.operator("TRANSPOSE", [x, m.constant([0, 2, 3, 1])], [turned])
    flat = floats(m, (1, 20, 3))
    m.operator("RESHAPE", [turned, m.constant([1, 20, 3])], [flat])
    return [m.add("RELU", [converted(m, "QUANTIZE", flat, m.tensor((1, 20, 3)))], (1, 20, 3))]


def tail(m):
    y = m.add("LEAKY_RELU", [m.input((1, 4, 6))], (1, 4, 6), alpha=0.3)
    real = converted(m, "DEQUANTIZE", y, floats(m, (1, 4, 6)))
    part, turned = floats(m, (1, 2, 3)), floats(m, (3, 1, 2))
    m.operator("STRIDED_SLICE", [real, m.constant([0, 3, 5]), m.constant([1, 1, 0]),
                                 m.constant([1, -1, -2])], [part], begin_mask=1, end_mask=5)
    m.operator("TRANSPOSE", [part, m.constant([2, 0, 1])], [turned])
    return [turned]


def middle(m):
    """Nothing is left of the floats."""
    y = m.add("RELU", [m.input((1, 4, 6))], (1, 4, 6))
    real = converted(m, "DEQUANTIZE", y, floats(m, (1, 4, 6)))
    flat = floats(m, (24,))
    m.operator("RESHAPE", [real, m.constant([24])], [flat])
    return [m.add("RELU6", [converted(m, "QUANTIZE", flat, m.tensor((24,), scale=0.03))], (24,))]


def read_twice(m):
    """What is moved is an output as well, before and after."""
    y = m.add("RELU", [m.input((1, 4, 6))], (1, 4, 6))
    real = converted(m, "DEQUANTIZE", y, floats(m, (1, 4, 6)))
    return [y, real]


def softmax(m, shape):
    y = m.tensor(shape, scale=1 / 256, zero_point=-128)
    m.operator("SOFTMAX", [m.add("LEAKY_RELU", [m.input(shape)], shape, alpha=0.5)], [y], beta=1.0)
    return y


def sliced_scores(m):
    return [m.add("SLICE", [softmax(m, (2, 5)), m.constant([0, 1]), m.constant([2, 3])], (2, 3))]


def joined_scores(m):
    """Of two heads, and beside them something that the engine makes."""
    boxes = m.add("RELU", [m.input((4, 2))], (4, 2))
    scores = m.add("CONCATENATION", [softmax(m, (4, 3)), softmax(m, (6, 3))], (10, 3), axis=0)
    return [m.add("TRANSPOSE", [scores, m.constant([1, 0])], (3, 10)), boxes]


MODELS = (head, tail, middle, read_twice, sliced_scores, joined_scores)


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_moves(profile, tmp_path):
    cases = {}
    for make in MODELS:
        m = OperatorModel()
        content = m.file(*make(m))
        rng = np.random.default_rng(1)
        shapes = parse_model(content, tmp_path / "m").tensors
        cases[make.__name__] = content, [
            rng.uniform(-5, 5, (3, *shapes[index].shape)).astype(np.float32)
            if shapes[index].dtype == "float32"
            else rng.integers(-128, 128, (3, *shapes[index].shape), np.int8) for index in m.inputs]
    assert equal_to_runtime(profile, cases, tmp_path) == []
