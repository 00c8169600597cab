"""Averages, sums and maxima against LiteRT and TFLM, on the golden model and on the RTL.

The first image has but two values next to each other, so that averages lie on ties.
"""

import numpy as np
import pytest
from equal import equal_to_runtime
from operator_models import OperatorModel

from compiler.errors import ModelError
from compiler.program import compile_model
from compiler.shapes import window_size
from compiler.targets import DEFAULT
from hw.config import EngineConfig

IMAGES = 3

# Shape, axes, keep_dims.
AXES = [
    ((1, 7, 5, 6), (1, 2), True), ((2, 4, 4, 9), (1, 2), False), ((1, 6, 5, 4), (1,), False),
    ((1, 6, 5, 4), (2,), True), ((1, 6, 5, 4), (3,), True), ((1, 6, 5, 4), (-1,), False),
    ((2, 6, 5, 4), (2, 3), False), ((1, 6, 5, 4), (1, 3), True), ((3, 5, 4), (1,), False),
    ((3, 5, 4), (0,), True), ((2, 3, 5, 4), (0, 2), False), ((1, 6, 5, 4), (1, 2, 3), True),
    ((6, 9), (0, 1), False), ((1, 16), (0,), True), ((8, 3), (-2, 0), False),
    ((1, 40, 32, 1), (1, 2), False), ((1, 4, 4, 4), (0, 1, 2, 3), True),
    # Beyond what a loop counts: 131 is a prime, 225 and 4,200 are not
    ((1, 131, 3), (1,), False), ((1, 15, 15, 3), (1, 2), False), ((2, 64, 64), (1, 2), False),
    ((1, 4200), (1,), False), ((1, 70, 60, 1), (1, 2), False), ((1500, 3), (1,), False),
    ((2, 1100, 2, 3), (2,), True),
]


def reduction(kind: str, dtype: str, case: int, power_of_two: bool) -> tuple[bytes, list]:
    """The model, and inputs for it."""
    rng = np.random.default_rng(case)
    shape, axes, keep_dims = AXES[case]
    middle = 128 if dtype == "uint8" else 0
    count = int(np.prod([shape[axis] for axis in {axis % len(shape) for axis in axes}]))
    scale, ratio = (2**-5, 0.5) if power_of_two else (0.031, rng.uniform(0.1, 1.1))
    if kind == "SUM":
        ratio *= 2 ** (count.bit_length() // 2)
    zero_point = int(rng.integers(-20, 20))
    output = (scale * ratio, int(rng.integers(-20, 20)))
    if kind == "REDUCE_MAX":
        output = scale, zero_point
    model = OperatorModel(dtype, scale, zero_point + middle)
    x = model.input(shape)
    reduced = np.zeros(shape).sum(axis=tuple({axis % len(shape) for axis in axes}),
                                  keepdims=keep_dims)
    y = model.tensor(reduced.shape, scale=output[0], zero_point=output[1] + middle)
    model.operator(kind, [x, model.constant(axes)], [y], keep_dims=keep_dims)
    inputs = model.random_inputs(IMAGES, case)
    inputs[0][0] = zero_point + middle + rng.integers(-1, 1, shape)
    return model.file(y), inputs


def reductions(kinds: tuple[str, ...], dtype: str = "int8",
               step: int = 1) -> dict[str, tuple[bytes, list]]:
    return {f"{kind}_{case}": reduction(kind, dtype, case, power_of_two=(case + k) % 2 == 0)
            for k, kind in enumerate(kinds) for case in range(0, len(AXES), step)}


# LiteRT's SUM reads int8 as uint8, and TFLM has it right; TFLM knows no uint8.
@pytest.mark.parametrize("profile, kinds, dtype", [
    ("litert", ("MEAN", "REDUCE_MAX"), "int8"), ("tflm", ("MEAN", "SUM", "REDUCE_MAX"), "int8"),
    ("litert", ("MEAN", "SUM", "REDUCE_MAX"), "uint8"),
])
def test_axes(profile, kinds, dtype, tmp_path):
    assert equal_to_runtime(profile, reductions(kinds, dtype), tmp_path) == []


@pytest.mark.parametrize("config", [
    EngineConfig(rows=3, columns=2, lanes=3, tape_rows=3),
    EngineConfig(rows=8, columns=2, lanes=4, tape_rows=8, whole_sums=True, acc_width=28),
], ids=["no power of two", "whole sums"])
def test_other_arrays(config, tmp_path):
    models = reductions(("MEAN", "REDUCE_MAX"), step=2) | pools("int8")
    assert equal_to_runtime("litert", models, tmp_path, config=config) == []


# Kind, image, window, strides, padding, batch, activation.
POOLS = [
    ("AVERAGE_POOL_2D", (7, 6, 5), (3, 3), (1, 1), "SAME", 1, 0),
    ("AVERAGE_POOL_2D", (7, 6, 5), (2, 4), (2, 1), "SAME", 2, 1),
    ("AVERAGE_POOL_2D", (9, 8, 3), (5, 4), (3, 3), "SAME", 1, 3),
    ("AVERAGE_POOL_2D", (5, 4, 6), (9, 7), (1, 1), "SAME", 1, 0),
    ("AVERAGE_POOL_2D", (6, 9, 2), (2, 2), (3, 4), "SAME", 3, 0),
    ("AVERAGE_POOL_2D", (6, 6, 9), (4, 2), (2, 2), "VALID", 2, 0),
    ("AVERAGE_POOL_2D", (1, 300, 2), (1, 200), (1, 50), "VALID", 1, 0),
    ("AVERAGE_POOL_2D", (40, 4, 2), (20, 2), (17, 2), "SAME", 1, 0),
    ("MAX_POOL_2D", (7, 6, 5), (3, 3), (2, 1), "SAME", 2, 0),
    ("MAX_POOL_2D", (9, 8, 3), (5, 4), (3, 3), "SAME", 1, 3),
]


def pool(dtype: str, case: int) -> tuple[bytes, list]:
    kind, image, window, strides, padding, batch, activation = POOLS[case]
    model = OperatorModel(dtype, 0.04, -9 + 128 * (dtype == "uint8"))
    x = model.input((batch, *image))
    sides = [window_size(image[axis], window[axis], strides[axis], 1, padding) for axis in (0, 1)]
    y = model.add(kind, [x], (batch, *sides, image[2]), padding=int(padding == "VALID"),
                  filter_height=window[0], filter_width=window[1], stride_h=strides[0],
                  stride_w=strides[1], fused_activation_function=activation)
    inputs = model.random_inputs(IMAGES, case)
    inputs[0][0] = model.zero_point + np.random.default_rng(case).integers(
        -1, 1, inputs[0].shape[1:])
    return model.file(y), inputs


def pools(dtype: str) -> dict[str, tuple[bytes, list]]:
    return {f"pool_{case}": pool(dtype, case) for case in range(len(POOLS))}


@pytest.mark.parametrize("profile, dtype", [("litert", "int8"), ("tflm", "int8"),
                                            ("litert", "uint8")])
def test_pools(profile, dtype, tmp_path):
    assert equal_to_runtime(profile, pools(dtype), tmp_path) == []


def arg_max(axis: int, dtype: str) -> tuple[bytes, list]:
    """Behind a RELU, so that the device has work; few values, so that the largest come often."""
    model = OperatorModel()
    shape = (2, 5, 4, 7)
    x = model.input(shape)
    y = model.add("RELU", [x], shape)
    index = model.tensor(np.zeros(shape).max(axis=axis).shape, dtype=dtype)
    model.operator("ARG_MAX", [y, model.constant(axis)], [index],
                   output_type={"int32": 2, "int64": 4}[dtype])
    inputs = [x // 16 * 16 for x in model.random_inputs(IMAGES, axis + 1)]
    return model.file(index), inputs


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_arg_max(profile, tmp_path):
    types = ("int32", "int64") if profile == "litert" else ("int32",)
    models = {f"axis_{axis}_{dtype}": arg_max(axis, dtype) for axis in (1, 2, 3, -1)
              for dtype in types}
    assert equal_to_runtime(profile, models, tmp_path) == []


def test_too_many_loops(tmp_path):
    model = OperatorModel()
    x = model.input((2, 3, 2, 3, 2, 3))
    y = model.add("REDUCE_MAX", [x, model.constant([1, 3, 5])], (2, 2, 2), keep_dims=False)
    (tmp_path / "m.tflite").write_bytes(model.file(y))
    with pytest.raises(ModelError) as caught:
        compile_model(tmp_path / "m.tflite", DEFAULT.engine)
    assert str(caught.value) == (
        "operator 0 REDUCE_MAX: reduces 3 axes with others between them, and the engine has loops "
        "for two; transpose the tensor before it")


def test_sums_beyond_the_accumulators(tmp_path):
    model = OperatorModel()
    x = model.input((1, 512, 512, 1))
    y = model.add("MEAN", [x, model.constant([1, 2])], (1, 1), keep_dims=False)
    (tmp_path / "m.tflite").write_bytes(model.file(y))
    config = EngineConfig(acc_width=24, scratchpad_bytes=1 << 19)
    with pytest.raises(ModelError) as caught:
        compile_model(tmp_path / "m.tflite", config)
    assert str(caught.value) == (
        "operator 0 MEAN: sums reach 33554432, beyond accumulators of 24 bits; use an engine with "
        "a larger acc_width")
