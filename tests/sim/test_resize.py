"""RESIZE_BILINEAR on the array, against LiteRT and TFLM."""

import pytest
from equal import SEVERAL, WIDE, equal_to_runtime
from operator_models import OperatorModel

from compiler.errors import ModelError
from compiler.program import compile_model
from compiler.targets import DEFAULT, TARGETS

HALF, ALIGN = {"half_pixel_centers": True}, {"align_corners": True}
# From, to, options, channels.
SIZES = {
    "twice": ((4, 5), (8, 10), HALF, 3), "twice, corners": ((4, 5), (8, 10), {}, 5),
    "four times": ((3, 4), (12, 16), HALF, 2), "eight times": ((2, 3), (16, 24), {}, 3),
    "sixteen times": ((2, 2), (32, 16), HALF, 3),
    "aligned": ((3, 5), (5, 9), ALIGN, 7), "half": ((8, 6), (4, 3), HALF, 17),
    "both ways": ((4, 8), (8, 4), HALF, 4), "same": ((3, 3), (3, 3), {}, 3),
    "one pixel": ((1, 1), (4, 2), HALF, 5), "rows alone": ((4, 6), (16, 6), {}, 21),
    "odd columns": ((4, 5), (8, 7), {}, 3), "odd rows": ((3, 5), (5, 5), HALF, 2),
}


def model(before, after, options, channels, dtype="int8"):
    m = OperatorModel(dtype, zero_point=-3 if dtype == "int8" else 125)
    shape, resized = (1, *before, channels), (1, *after, channels)
    x = m.add("LEAKY_RELU", [m.input(shape)], shape, alpha=0.5)
    y = m.add("RESIZE_BILINEAR", [x, m.constant(after)], resized,
              **{"align_corners": False, "half_pixel_centers": False} | options)
    return m, m.add("LEAKY_RELU", [y], resized, alpha=0.25)


@pytest.mark.parametrize("profile, config", [
    ("litert", DEFAULT.engine), ("tflm", DEFAULT.engine), ("litert", SEVERAL), ("litert", WIDE),
    pytest.param("litert", TARGETS["ulx3s-85f"].engine, marks=pytest.mark.slow)])
def test_sizes(profile, config, tmp_path):
    cases = {}
    for name, size in SIZES.items():
        m, output = model(*size)
        cases[name] = m.file(output), m.random_inputs(3)
    assert equal_to_runtime(profile, cases, tmp_path, config) == []


def test_uint8(tmp_path):
    """The legacy kernel, which computes in float32 and rounds ties up."""
    cases = {}
    for name, size in SIZES.items():
        if not name.startswith("odd"):
            m, output = model(*size, "uint8")
            cases[name] = m.file(output), m.random_inputs(3)
    assert equal_to_runtime("litert", cases, tmp_path) == []


@pytest.mark.parametrize("before, after, options", [
    ((4, 4), (12, 12), {}), ((2, 2), (128, 128), HALF), ((5, 4), (7, 6), {}),
    ((4, 4), (6, 6), ALIGN)])
def test_odd_sizes(before, after, options, tmp_path):
    m, output = model(before, after, options, 2)
    (tmp_path / "m.tflite").write_bytes(m.file(output))
    with pytest.raises(ModelError) as error:
        compile_model(tmp_path / "m.tflite", DEFAULT.engine)
    assert str(error.value) == (
        "m cannot run: operator 1 RESIZE_BILINEAR, tensor 't3': RESIZE_BILINEAR must weigh pixels "
        "by at most 12 bits, as it does when it resizes by powers of two up to 32, or int8 along "
        "one axis; found "
        f"{before[0]} x {before[1]} to {after[0]} x {after[1]}; resize by a power of two, or use "
        "RESIZE_NEAREST_NEIGHBOR")
