import time
from types import SimpleNamespace

import numpy as np
import pytest

from compiler.numerics import double_rounding, quantize_multiplier
from compiler.staircase_add import AddError, evaluate_add, fit_add

HARDWARE = SimpleNamespace(digit_width=8, multiplier_width=26, shift_min=15, shift_max=22,
                           offset_width=32)


def tflite_add(scales, zero_points, low=-128, high=127):
    """TFLite reference_integer_ops Add, both inputs to a common scale with 20 bits more."""
    first, second, output = scales
    twice = 2 * max(first, second)
    m1, m2 = quantize_multiplier(first / twice), quantize_multiplier(second / twice)
    final = quantize_multiplier(twice / (2**20 * output))

    def rule(x1, x2):
        total = (double_rounding((x1 - zero_points[0]) << 20, *m1)
                 + double_rounding((x2 - zero_points[1]) << 20, *m2))
        return np.clip(double_rounding(total, *final) + zero_points[2], low, high)
    return rule


def check(scales, zero_points, low=-128, high=127):
    rule = tflite_add(scales, zero_points, low, high)
    slopes = scales[0] / scales[2], scales[1] / scales[2]
    start = time.process_time()
    add = fit_add(rule, slopes, zero_points[:2], low, high, HARDWARE)
    elapsed = time.process_time() - start
    assert 0 <= add.multiplier1 < 2**26 and 0 <= add.multiplier2 < 2**26
    assert 15 <= add.shift <= 22
    assert all(-2**31 <= r < 2**31 for r in (add.offset, add.offset_negative))
    x1, x2 = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    assert (evaluate_add(x1, x2, add, zero_points[:2], low, high) == rule(x1, x2)).all()
    return elapsed


@pytest.mark.parametrize("ratio", [(0.25, 1.1), (0.05, 20), (1e-3, 1), (16, 2000)])
def test_random_scales(ratio):
    rng = np.random.default_rng(int(ratio[1]))
    elapsed = []
    for _ in range(60):
        output = float(np.float32(rng.uniform(0.01, 0.2)))
        inputs = output * np.exp(rng.uniform(*np.log(ratio), 2))
        zero_points = tuple(rng.integers(-128, 128, 3).tolist())
        low = int(rng.choice([-128, zero_points[2]]))
        elapsed.append(check((*map(float, np.float32(inputs)), output), zero_points, low))
    print(f"ADD {ratio}: {np.mean(elapsed):.3f} s on average, {max(elapsed):.3f} s at most")


@pytest.mark.parametrize("first", [0, -1, -2, -5, 2])
@pytest.mark.parametrize("second", [0, -1, -3])
def test_ties(first, second):
    for zero_points in ((0, 0, 0), (-128, -128, -128), (5, -77, 127)):
        check((2.0**first, 2.0**second, 1.0), zero_points)


def test_refuses_a_ratio_too_large():
    with pytest.raises(AddError, match=(
            r"^multiplies an input by 3000, the ratio of its scale to the output's; this hardware "
            r"multiplies by less than 2048$")):
        check((3000.0, 1.0, 1.0), (0, 0, 0))


def test_refuses_what_no_multipliers_give():
    def rule(x1, x2):
        return np.clip(x1 + x2 + ((x1 == 40) & (x2 == 2)), -128, 127)
    with pytest.raises(AddError, match=(
            r"^has no two multipliers of 26 bits at shift 22 that give all 65,536 results \(scale "
            r"ratios 1 and 1\)$")):
        fit_add(rule, (1.0, 1.0), (0, 0), -128, 127, HARDWARE)
