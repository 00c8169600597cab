"""Convolutions of all kinds against LiteRT and TFLM, on the golden model and on the RTL."""

from dataclasses import replace

import numpy as np
import pytest
from convolution_models import IMAGES, Case, file
from equal import equal_to_runtime

from compiler.errors import ModelError
from compiler.program import compile_model
from hw.config import EngineConfig

CONV = Case("CONV_2D", (7, 6, 4), (3, 3), 6)
DEPTHWISE = Case("DEPTHWISE_CONV_2D", (7, 6, 5), (3, 3), 5, depth=1)
TRANSPOSED = Case("TRANSPOSE_CONV", (4, 3, 5), (3, 3), 6, stride=(2, 2), output=(8, 6))
UINT8 = {"dtype": "uint8", "weights": (0, 255)}

CASES = {
    "grouped": replace(CONV, depth=2, channels=8),
    "grouped, side by side": replace(CONV, image=(6, 5, 12), depth=1, channels=24, padding="VALID"),
    "grouped, ties": replace(CONV, depth=2, channels=16, power_of_two=True, batch=2),
    "grouped, wide": replace(CONV, image=(5, 5, 21), depth=7, channels=9, stride=(2, 1)),
    "grouped, dilated": replace(CONV, image=(9, 8, 8), depth=2, channels=4, dilation=(2, 3)),
    "dilated, SAME": replace(CONV, image=(9, 11, 3), dilation=(3, 2), power_of_two=True),
    "dilated, VALID": replace(CONV, image=(9, 11, 3), dilation=(2, 4), padding="VALID", batch=2),
    "dilated beyond 15": replace(CONV, image=(40, 9, 2), kernel=(3, 2), dilation=(16, 3)),
    "all rows but one outside": replace(CONV, image=(5, 4, 2), kernel=(5, 2), dilation=(17, 1)),
    "between the rows": replace(CONV, image=(3, 4, 2), kernel=(2, 2), dilation=(20, 9)),
    "strided beyond 15": replace(CONV, image=(70, 6, 2), kernel=(19, 3), stride=(17, 2)),
    "depthwise, strided beyond 15": replace(DEPTHWISE, image=(40, 6, 5), kernel=(19, 2),
                                            stride=(18, 18), power_of_two=True),
    "one channel": replace(DEPTHWISE, image=(7, 6, 1), channels=9, activation="RELU6"),
    "depthwise, dilated": replace(DEPTHWISE, image=(12, 13, 6), channels=12, dilation=(4, 3)),
    "depthwise, more than rows": replace(DEPTHWISE, image=(5, 5, 2), channels=22, batch=2),
    "weights of -128": replace(CONV, weights=(-128, -126), padding="VALID"),
    "uint8, one plane": replace(CONV, **UINT8, zero_point=128, activation="RELU"),
    "uint8, two planes": replace(CONV, **UINT8, zero_point=103, power_of_two=True),
    "uint8, three planes": replace(CONV, **UINT8 | {"weights": (254, 255)}, zero_point=0),
    "uint8, lowest": replace(CONV, **UINT8 | {"weights": (0, 1)}, zero_point=255),
    "uint8, grouped": replace(CONV, depth=2, channels=8, **UINT8, zero_point=99),
    "uint8, dilated": replace(CONV, image=(9, 8, 5), dilation=(2, 2), **UINT8, zero_point=160),
    "uint8, depthwise": replace(DEPTHWISE, **UINT8, zero_point=140, activation="RELU6"),
    "uint8, depthwise, strided": replace(DEPTHWISE, image=(9, 9, 7), channels=14, stride=(2, 2),
                                         batch=2, **UINT8, zero_point=90, power_of_two=True),
    "transposed": TRANSPOSED,
    "transposed, ties": replace(TRANSPOSED, channels=16, power_of_two=True, batch=2),
    "transposed, odd output": replace(TRANSPOSED, kernel=(5, 4), output=(7, 5)),
    "transposed, VALID": replace(TRANSPOSED, kernel=(3, 4), padding="VALID", output=(9, 8)),
    "transposed, window below stride": replace(TRANSPOSED, kernel=(2, 1), stride=(3, 4),
                                               padding="VALID", output=(12, 12)),
    "transposed, stride 1": replace(TRANSPOSED, stride=(1, 1), kernel=(3, 2), output=(4, 3)),
    "transposed, stride beyond 15": replace(TRANSPOSED, image=(3, 2, 3), stride=(17, 2),
                                            kernel=(20, 3), output=(51, 4)),
    "transposed, weights of -128": replace(TRANSPOSED, weights=(-128, -127)),
    "transposed, uint8": replace(TRANSPOSED, **UINT8, zero_point=120),
}


def models(dtypes: tuple[str, ...]) -> dict[str, tuple[bytes, list[np.ndarray]]]:
    return {name.replace(" ", "_"): file(case, seed) for seed, (name, case) in
            enumerate(CASES.items()) if case.dtype in dtypes}


@pytest.mark.parametrize("profile, dtypes", [("litert", ("int8", "uint8")), ("tflm", ("int8",))])
def test_convolutions(profile, dtypes, tmp_path):
    assert equal_to_runtime(profile, models(dtypes), tmp_path, images=IMAGES) == []


@pytest.mark.parametrize("config", [
    EngineConfig(rows=3, columns=2, lanes=3, tape_rows=3),
    EngineConfig(rows=8, columns=2, lanes=4, tape_rows=8, whole_sums=True, acc_width=28),
], ids=["no power of two", "whole sums"])
def test_other_arrays(config, tmp_path):
    cases = models(("int8", "uint8"))
    some = {name: cases[name] for name in list(cases)[config.rows % 2::2]}
    assert equal_to_runtime("litert", some, tmp_path, config=config, images=1) == []


@pytest.mark.parametrize("case, message", [
    (replace(DEPTHWISE, image=(3, 3, 5000), channels=5000, depth=1, weights=(-128, -128)), None),
    (replace(CONV, image=(4, 4, 4200), channels=1, dilation=(1, 2), weights=(-128, -128)),
     "operator 0 CONV_2D: its weights need nine bits, or are -128 side by side, in windows of 3 "
     "rows that are too long to be read twice; quantize the model again to weights of -127 to 127"),
    (replace(TRANSPOSED, image=(1, 1, 1), kernel=(1, 1), stride=(90, 90), output=(90, 90)),
     "operator 0 TRANSPOSE_CONV needs more than 256 passes of the engine, or 16777216 bytes of "
     "weights on the tape, all before it counted; use a smaller batch, fewer groups, smaller "
     "strides, or an engine whose weight rings hold the layer"),
])
def test_refusals(case, message, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(file(case, 0)[0])
    engine = EngineConfig(acc_width=32, scratchpad_bytes=1 << 17)
    if message is None:
        compile_model(path, engine)
        return
    with pytest.raises(ModelError) as caught:
        compile_model(path, engine)
    assert str(caught.value) == message
