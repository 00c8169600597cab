"""Operators of two inputs against LiteRT and TFLM, on the golden model and on the RTL."""

from dataclasses import replace

import numpy as np
import pytest
from equal import equal_to_runtime
from operator_models import OperatorModel

from compiler.errors import ModelError
from compiler.program import compile_model
from compiler.targets import DEFAULT
from hw.config import EngineConfig

Models = dict[str, tuple[bytes, list[np.ndarray]]]

# Scales and zero points of both inputs and of the output. Powers of two put results on ties; with
# the last ones, products in float32 and in float64 round apart for 133 accumulators.
SCALES = {
    "usual": ((0.05, -3), (0.021, 7), (0.043, 5)),
    "ties": ((2**-4, -9), (2**-5, 20), (2**-3, -11)),
    "far apart": ((0.3, 100), (0.0041, -128), (0.27, 60)),
    "saturating": ((0.05, -128), (0.05, 127), (0.02, -20)),
    "float32": ((0.05748589336872101, -3), (0.016696948558092117, 7), (0.0019196780631318688, 5)),
}
KINDS = ("ADD", "SUB", "MUL")


def offset(dtype: str) -> int:
    return 128 if dtype == "uint8" else 0


def all_pairs(kind: str, scales: str, dtype: str) -> tuple[bytes, list[np.ndarray]]:
    """All 65,536 pairs of bytes, in eight images; the golden model sees them all."""
    (s1, z1), (s2, z2), (s3, z3) = SCALES[scales]
    if kind == "MUL" and scales != "float32":
        s3 = s1 * s2 * (64 if scales == "ties" else 75)
    middle, model = offset(dtype), OperatorModel(dtype, s1, z1 + offset(dtype))
    x = model.input((1, 32, 64, 4))
    y = model.input((1, 32, 64, 4), scale=s2, zero_point=z2 + middle)
    out = model.tensor((1, 32, 64, 4), scale=s3, zero_point=z3 + middle)
    model.operator(kind, [x, y], [out], fused_activation_function=0)
    bytes_ = np.arange(256, dtype=np.uint8).view(dtype)
    first, second = np.broadcast_arrays(bytes_[:, None], bytes_)
    return model.file(out), [np.ascontiguousarray(array).reshape(8, 1, 32, 64, 4)
                             for array in (first, second)]


@pytest.mark.parametrize("profile, dtype", [("litert", "int8"), ("tflm", "int8"),
                                            ("litert", "uint8")])
@pytest.mark.parametrize("images", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_all_pairs(profile, dtype, images, tmp_path):
    cases = {f"{kind}_{scales}".replace(" ", "_"): all_pairs(kind, scales, dtype)
             for kind in KINDS for scales in SCALES}
    assert equal_to_runtime(profile, cases, tmp_path, images=images) == []


# The shapes of both inputs; of constants the first is "first" or "second".
SHAPES = {
    "one_shape": ((1, 5, 4, 6), (1, 5, 4, 6), None),
    "rank": ((1, 4, 6), (4, 6), None),
    "channels": ((1, 5, 4, 6), (1, 1, 1, 6), None),
    "pixels": ((1, 5, 4, 6), (1, 5, 4, 1), None),
    "rows": ((1, 1, 4, 6), (1, 5, 4, 6), None),
    "both": ((2, 1, 4, 1), (1, 5, 1, 6), None),
    "batch": ((3, 9), (1, 9), None),
    "number": ((1, 5, 4, 6), (), "second"),
    "number_first": ((1,), (1, 5, 4, 6), "first"),
    "vector": ((2, 5, 4, 6), (6,), "second"),
    "vector_first": ((1, 1, 6), (1, 5, 4, 6), "first"),
    "columns": ((1, 5, 4, 6), (4, 1), "second"),
    "mask": ((1, 5, 4, 6), (1, 5, 4, 6), "second"),
    "widened": ((1, 1, 4, 6), (1, 5, 1, 1), "second"),
    "long": ((1100, 3), (3,), "second"),
}


def shaped(kind: str, shapes: str, activation: int, dtype: str, seed: int,
           scales: str = "usual") -> tuple[bytes, list[np.ndarray]]:
    """One operator; its constant is random."""
    (s1, z1), (s2, z2), (s3, z3) = SCALES[scales]
    if kind == "MUL":
        s3 = s1 * s2 * 60
    one, other, constant = SHAPES[shapes]
    rng, middle = np.random.default_rng(seed), offset(dtype)
    model, inputs = OperatorModel(dtype, s1, z1 + middle), []
    for name, shape, scale, zero_point in (("first", one, s1, z1), ("second", other, s2, z2)):
        how = {"scale": scale, "zero_point": zero_point + middle}
        values = rng.integers(middle - 128, middle + 128, shape)
        inputs.append(model.constant(values, dtype, **how) if name == constant
                      else model.input(shape, **how))
    out = model.tensor(np.broadcast_shapes(one, other), scale=s3, zero_point=z3 + middle)
    options = {} if kind in ("PRELU", "MAXIMUM", "MINIMUM") else {
        "fused_activation_function": activation}
    if kind in ("MAXIMUM", "MINIMUM"):
        for index in (*inputs, out):
            model.tensors[index].scale, model.tensors[index].zero_point = (s1,), (z1 + middle,)
    model.operator(kind, inputs, [out], **options)
    return model.file(out), model.random_inputs(3, seed)


def shapes_of(kinds: tuple[str, ...], dtype: str, names=SHAPES) -> Models:
    return {f"{kind}_{name}": shaped(kind, name, (0, 1, 3)[k % 3], dtype, k)
            for kind in kinds for k, name in enumerate(names)}


@pytest.mark.parametrize("profile, dtype", [("litert", "int8"), ("tflm", "int8"),
                                            ("litert", "uint8")])
def test_shapes(profile, dtype, tmp_path):
    assert equal_to_runtime(profile, shapes_of(KINDS, dtype), tmp_path) == []


SLOPES = ("number", "vector", "columns", "mask", "one_shape", "channels")


@pytest.mark.parametrize("profile, dtype", [("litert", "int8"), ("tflm", "int8"),
                                            ("litert", "uint8")])
def test_prelu(profile, dtype, tmp_path):
    cases = {f"{name}_{scales}".replace(" ", "_"): shaped("PRELU", name, 0, dtype, k, scales)
             for scales in SCALES for k, name in enumerate(SLOPES)}
    assert equal_to_runtime(profile, cases, tmp_path) == []


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_extremes(profile, tmp_path):
    cases = shapes_of(("MAXIMUM",), "int8", ("one_shape", "channels", "number", "number_first")) \
        | shapes_of(("MINIMUM",), "int8", ("number", "number_first"))
    assert equal_to_runtime(profile, cases, tmp_path) == []


def twice(kind: str) -> tuple[bytes, list[np.ndarray]]:
    """One tensor as both inputs."""
    model = OperatorModel()
    x = model.input((1, 8, 32))
    out = model.tensor((1, 8, 32), scale=0.3, zero_point=-100)
    model.operator(kind, [x, x], [out], fused_activation_function=0)
    return model.file(out), [np.arange(256, dtype=np.uint8).view(np.int8).reshape(1, 1, 8, 32)]


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_one_tensor_twice(profile, tmp_path):
    assert equal_to_runtime(profile, {kind: twice(kind) for kind in KINDS}, tmp_path) == []


@pytest.mark.parametrize("config", [
    EngineConfig(rows=3, columns=2, lanes=3, tape_rows=3),
    EngineConfig(rows=8, columns=2, lanes=4, tape_rows=8, whole_sums=True, acc_width=28),
    EngineConfig(rows=1, columns=1, lanes=1, tape_rows=1),
], ids=["no power of two", "whole sums", "1x1x1"])
def test_other_arrays(config, tmp_path):
    cases = shapes_of(KINDS, "int8") | {"prelu": shaped("PRELU", "vector", 0, "int8", 0)}
    assert equal_to_runtime("litert", cases, tmp_path, config=config) == []


@pytest.mark.parametrize("kind, shapes, message", [
    ("MINIMUM", "one_shape",
     "operator 0 MINIMUM: has the inputs 't0' of [1, 5, 4, 6] and 't1' of [1, 5, 4, 6], and the "
     "engine takes a tensor and one number; put another operator in its place"),
    ("MAXIMUM", "vector_first",
     "operator 0 MAXIMUM: has the inputs constant 't0' of [1, 1, 6] and 't1' of [1, 5, 4, 6], and "
     "the engine takes two tensors, or a tensor and one number; put another operator in its place"),
    ("MUL", "one_shape",
     "operator 0 MUL needs multiplication, which this engine was built without; build one for "
     "this model"),
])
def test_refusals(kind, shapes, message, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(shaped(kind, shapes, 0, "int8", 0)[0])
    with pytest.raises(ModelError) as caught:
        compile_model(path, replace(DEFAULT.engine, multiplication=False))
    assert str(caught.value) == message
