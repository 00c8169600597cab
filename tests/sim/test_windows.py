"""Depthwise convolutions whose windows the array keeps, against LiteRT and TFLM, on the RTL."""

import random
from dataclasses import replace

import pytest
from convolution_models import IMAGES, Case, file
from equal import WIDE, equal_to_runtime

from compiler.program import compile_model

# Sixteen lanes for whole windows, eight for their rows.
NARROW = replace(WIDE, rows=8, lanes=8, rows_together=4, requantizers=4)
ONE_PORT = replace(WIDE, requantizers=1, write_port=False)
CONFIGS = pytest.mark.parametrize("config", [WIDE, NARROW, ONE_PORT],
                                  ids=["wide", "narrow", "one port"])

DEPTHWISE = Case("DEPTHWISE_CONV_2D", (9, 7, 16), (3, 3), 16, depth=1)
CASES = {
    "same": DEPTHWISE,
    "valid, ties": replace(DEPTHWISE, padding="VALID", power_of_two=True, batch=2),
    "strided": replace(DEPTHWISE, image=(11, 12, 8), channels=8, stride=(2, 2)),
    "strided down": replace(DEPTHWISE, image=(13, 6, 4), channels=4, stride=(3, 1)),
    "strided across": replace(DEPTHWISE, image=(5, 14, 24), channels=24, stride=(1, 3)),
    "a prime of rows": replace(DEPTHWISE, image=(25, 5, 8), channels=8, activation="RELU"),
    "dilated": replace(DEPTHWISE, image=(9, 9, 8), channels=8, kernel=(2, 2), dilation=(2, 2)),
    "even": replace(DEPTHWISE, image=(6, 8, 8), channels=8, kernel=(2, 4)),
    "a row": replace(DEPTHWISE, image=(6, 9, 8), channels=8, kernel=(1, 5)),
    "a column": replace(DEPTHWISE, image=(9, 6, 8), channels=8, kernel=(5, 1)),
    "more columns than a loop turns": replace(DEPTHWISE, image=(1, 1024, 4), channels=4,
                                              kernel=(1, 3)),
    "few channels": replace(DEPTHWISE, image=(8, 8, 3), channels=3),
    "a last group": replace(DEPTHWISE, image=(8, 8, 15), channels=15),
    "large window": replace(DEPTHWISE, image=(9, 9, 8), channels=8, kernel=(5, 3)),
    "weights of -128": replace(DEPTHWISE, image=(5, 5, 8), channels=8, weights=(-128, -127)),
}


def count(path, config):
    return sum(layer.fields.get("window", 0) for layer in compile_model(path, config).layers)


@CONFIGS
@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_windows(config, profile, tmp_path):
    cases = {name.replace(" ", "_"): file(case, seed)
             for seed, (name, case) in enumerate(CASES.items())}
    assert equal_to_runtime(profile, cases, tmp_path, config, IMAGES) == []
    assert sum(count(tmp_path / f"{name}.tflite", config) for name in cases) >= 8


def random_case(rng):
    channels = rng.choice((4, 8, 12, 16, rng.randint(1, 20)))
    return replace(
        DEPTHWISE, image=(rng.randint(2, 13), rng.randint(2, 13), channels), channels=channels,
        kernel=(rng.randint(1, 4), rng.randint(1, 4)),
        stride=(rng.randint(1, 3), rng.randint(1, 3)),
        dilation=(rng.choice((1, 1, 2)), rng.choice((1, 1, 2))), batch=rng.choice((1, 1, 2)),
        padding=rng.choice(("SAME", "VALID")), power_of_two=rng.random() < 0.5)


@pytest.mark.slow
@CONFIGS
@pytest.mark.parametrize("seed", range(10))
def test_random_windows(config, seed, tmp_path):
    rng, cases = random.Random(seed), {}
    while len(cases) < 20:
        case = random_case(rng)
        if all((size - 1) * step < length for size, step, length in zip(
                case.kernel, case.dilation, case.image, strict=False)) \
                and (case.stride == (1, 1) or case.dilation == (1, 1)):
            cases[f"case_{len(cases)}"] = file(case, rng.randrange(1000))
    assert equal_to_runtime("litert", cases, tmp_path, config, 1) == []
