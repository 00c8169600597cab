"""Operators of one byte, over all of its 256 values, against LiteRT and TFLM."""

import numpy as np
import pytest
from equal import equal_to_runtime
from operator_models import OperatorModel

# Scale and zero point of the input, and of the output where the operator leaves them open.
SCALES = [(0.05, -3, 0.05, 5), (0.003, -128, 0.02, 127), (0.2, 127, 0.01, -128),
          (0.023, 100, 0.0151, -89), (1 / 128, 0, 1 / 64, 0), (0.7, -60, 0.7, -60),
          # Where RSQRT's multiplier in float32 and in float64 give other bytes.
          (0.02256341092288494, -128, 0.030370429158210754, -128)]
KINDS = {
    "LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0), "HARD_SWISH": None, "LEAKY_RELU": None,
    "EXP": None, "RELU": None, "RELU6": None, "RELU_N1_TO_1": None, "QUANTIZE": None,
    "RELU_0_TO_1": None, "LOG": None, "ELU": None, "GELU": None, "ABS": None, "NEG": None,
    "SQRT": None, "RSQRT": None,
}
LACKING = {"litert": {"ELU"},
           "tflm": {"EXP", "LOG", "GELU", "NEG", "SQRT", "RELU_0_TO_1", "RELU_N1_TO_1"}}
ALSO_UINT8 = set(KINDS) - {"EXP", "LOG", "ELU", "ABS", "NEG", "SQRT", "RSQRT"}
SLOPES = (0.0, 0.01, 0.3, 0.99, 1.7, -0.4, 0.5)


TINY = ((2.0**-11, 0.5), (2.0**-10, 1.0), (2.0**-9, 1.0), (2.8e-5, 0.0367), (2.0**-23, 1e-6),
        (2.0**-24, 1e-7), (2.0**-28, 2.0**-10))


def models(dtype: str) -> dict[str, tuple[bytes, list[np.ndarray]]]:
    found = {}
    middle = 128 if dtype == "uint8" else 0
    bytes_ = np.arange(256, dtype=np.uint8).view(dtype).reshape(1, 1, 4, 16, 4)
    for kind, fixed in KINDS.items():
        for k, (scale, zero_point, *free) in enumerate(SCALES):
            model = OperatorModel(dtype, scale, zero_point + middle)
            x = model.input((1, 4, 16, 4))
            out_scale, out_zero_point = fixed or free
            y = model.tensor((1, 4, 16, 4), scale=out_scale, zero_point=out_zero_point + middle)
            options = {"LEAKY_RELU": {"alpha": SLOPES[k]}, "GELU": {"approximate": k % 2 == 1}}
            model.operator(kind, [x], [y], **options.get(kind, {}))
            # Of less than the zero point there is no answer: these fail.
            least = zero_point + middle if kind in ("SQRT", "RSQRT") else np.iinfo(dtype).min
            found[f"{kind}_{k}"] = model.file(y), [np.maximum(bytes_, bytes_.dtype.type(least))]
    return found


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_all_bytes(profile, tmp_path):
    cases = models("int8")
    refused = equal_to_runtime(profile, cases, tmp_path)
    assert {name[:-2] for name in refused} == LACKING[profile]


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_hard_swish_of_tiny_scales(profile, tmp_path):
    """Where its shifts leave int16."""
    cases = {}
    for k, (scale, out_scale) in enumerate(TINY):
        model = OperatorModel("int8", scale, -5)
        y = model.tensor((1, 256), scale=out_scale, zero_point=11)
        model.operator("HARD_SWISH", [model.input((1, 256))], [y])
        cases[f"m{k}"] = model.file(y), [np.arange(256, dtype=np.uint8).view(np.int8)[None, None]]
    assert equal_to_runtime(profile, cases, tmp_path) == []


def test_all_bytes_of_uint8(tmp_path):
    cases = {name: model for name, model in models("uint8").items() if name[:-2] in ALSO_UINT8}
    assert equal_to_runtime("litert", cases, tmp_path) == []
