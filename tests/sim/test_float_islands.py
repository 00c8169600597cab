"""Floats between DEQUANTIZE and QUANTIZE, over all bytes, against LiteRT and TFLM."""

import numpy as np
import pytest
from equal import equal_to_runtime, same
from operator_models import OperatorModel

from compiler.floats import FUNCTIONS, LACKING
from compiler.fold import simplified
from compiler.golden import Golden
from compiler.reader import parse_model

SHAPE = (1, 4, 16, 4)
# Scale and zero point on both sides; of the last, inputs and outputs are small.
SCALES = [(0.05, -3, 0.05, 5), (0.011, -128, 0.02, 127), (0.06, 127, 0.013, -128),
          (0.023, 100, 0.0151, -89), (1 / 128, 0, 1 / 64, 0)]
# What has no answer at zero or below it.
POSITIVE = ("LOG", "RSQRT", "SQRT")


def chain(scales: tuple, *kinds: str) -> tuple[bytes, list[np.ndarray]]:
    scale, zero_point, out_scale, out_zero_point = scales
    model = OperatorModel("int8", scale, zero_point)
    x = model.input(SHAPE)
    bytes_ = np.arange(256, dtype=np.uint8).view(np.int8).reshape(1, *SHAPE)
    if set(kinds) & set(POSITIVE):
        bytes_ = np.maximum(bytes_, min(zero_point + 1, 127)).astype(np.int8)
    for kind in ("DEQUANTIZE", *kinds):
        y = model.tensor(SHAPE, dtype="float32")
        options = {"LEAKY_RELU": {"alpha": 0.3}, "GELU": {"approximate": out_scale > 0.02}}
        model.operator(kind, [x], [y], **options.get(kind, {}))
        x = y
    y = model.tensor(SHAPE, scale=out_scale, zero_point=out_zero_point)
    model.operator("QUANTIZE", [x], [y])
    return model.file(y), [bytes_]


def between_layers() -> tuple[bytes, list[np.ndarray]]:
    """A sum goes through the table on its way; another layer reads what comes out."""
    model = OperatorModel("int8", 0.05, -3)
    x = model.input(SHAPE)
    total = model.add("ADD", [x, x], SHAPE)
    before, after = (model.tensor(SHAPE, dtype="float32") for _ in range(2))
    y = model.tensor(SHAPE, scale=0.01, zero_point=4)
    model.operator("DEQUANTIZE", [total], [before])
    model.operator("SIN", [before], [after])
    model.operator("QUANTIZE", [after], [y])
    return model.file(model.add("ADD", [y, total], SHAPE)), model.random_inputs(2)


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_all_bytes_through_floats(profile, tmp_path):
    cases = {f"{kind}_{k}": chain(scales, kind)
             for kind in FUNCTIONS for k, scales in enumerate(SCALES)
             if (kind, k) not in (("LOG", 2), ("RSQRT", 2))}     # nothing above its zero point
    refused = equal_to_runtime(profile, cases, tmp_path, config=None)
    assert {name[:-2] for name in refused} == set(LACKING[profile])
    for name in cases.keys() - refused:
        graph = parse_model(cases[name][0], tmp_path / name)
        folded, inputs = simplified(graph), cases[name][1]
        assert len(folded.operators) == 1
        same(Golden(folded, profile).run(inputs), Golden(graph, profile).run(inputs), name)


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_islands_on_the_rtl(profile, tmp_path):
    cases = {"_".join(kinds): chain(SCALES[0], *kinds)
             for kinds in ((), ("NEG",), ("SQUARE", "NEG", "EXP"), ("ABS", "SIN", "TANH"))}
    cases["between layers"] = between_layers()
    assert equal_to_runtime(profile, cases, tmp_path) == []
