"""Weights of four bits, which kernels unpack to int8, against LiteRT and TFLM."""

import numpy as np
import pytest
import tflite
from equal import equal_to_runtime
from operator_models import TYPES, OperatorModel

SLIDING = {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
# Kind, shape of the input, of the weights, of the output, which axis has scales, options.
CASES = {
    "dense": ("FULLY_CONNECTED", (1, 9), (5, 9), (1, 5), 0, {}),
    "conv": ("CONV_2D", (1, 5, 5, 3), (5, 3, 3, 3), (1, 5, 5, 5), 0, SLIDING),
    "depthwise": ("DEPTHWISE_CONV_2D", (1, 5, 5, 3), (1, 3, 3, 3), (1, 5, 5, 3), 3,
                  SLIDING | {"depth_multiplier": 1}),
}
# TFLM's dense layers have one scale.
LACKING = {"litert": [], "tflm": ["dense"]}


def packed(values: np.ndarray) -> bytes:
    """Two to a byte, the first in the lower half; an odd one alone."""
    halves = np.append(values.astype(np.uint8) & 15, np.zeros(values.size % 2, np.uint8))
    return (halves[0::2] | halves[1::2] << 4).tobytes()


def model(kind, shape, weights, out, axis, options):
    rng = np.random.default_rng(len(weights))
    m = OperatorModel()
    x, channels = m.input(shape), weights[axis]
    w = m.tensor(weights, packed(rng.integers(-8, 8, weights)), "int4")
    m.tensors[w].scale = tuple(rng.uniform(0.02, 0.1, channels).tolist())
    m.tensors[w].zero_point, m.tensors[w].dimension = (0,) * channels, axis
    bias = m.constant(rng.integers(-500, 500, channels))
    y = m.tensor(out, scale=0.3)
    m.operator(kind, [x, w, bias], [y], **options)
    return m.file(y), m.random_inputs(4)


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_int4(profile, monkeypatch, tmp_path):
    monkeypatch.setitem(TYPES, "int4", tflite.TensorType.INT4)
    cases = {name: model(*case) for name, case in CASES.items()}
    assert equal_to_runtime(profile, cases, tmp_path) == LACKING[profile]
