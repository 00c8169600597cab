import time
from types import SimpleNamespace

import numpy as np
import pytest

from compiler.numerics import (
    AverageRounding,
    DoubleRounding,
    Float64Rounding,
    quantize_multiplier,
)
from compiler.staircase import Requantize, StaircaseError, evaluate, fit
from compiler.thresholds import Stack, thresholds

HARDWARE = SimpleNamespace(digit_width=8, multiplier_width=26, shift_min=15, shift_max=22,
                           offset_width=32)


def double(scale, zero_point, low=-128, high=127):
    return DoubleRounding(*quantize_multiplier(scale), zero_point, low, high)


def check(rules, acc_min, acc_max, rng=None):
    """Fit, then compare datapath and rules around every step and at random accumulators."""
    acc_min, acc_max = np.array(acc_min, np.int64), np.array(acc_max, np.int64)
    digits, channels = fit(rules, acc_min, acc_max, HARDWARE)
    rng = rng or np.random.default_rng(5)
    low, high = rules[0].low, rules[0].high
    for rule, channel, a, b in zip(rules, channels, acc_min, acc_max, strict=True):
        assert 0 <= channel.multiplier < 2**26 and 15 <= channel.shift <= 22
        assert all(-2**31 <= r < 2**31 for r in (channel.offset, channel.offset_negative))
        _, steps = thresholds(Stack([rule]), np.array([[a]]), np.array([[b]]))
        acc = np.concatenate([(steps.T + np.arange(-3, 4)).ravel(), [a, -1, 0, 1, b],
                              rng.integers(a, b + 1, 300), rng.integers(-300, 300, 100)])
        acc = np.clip(acc, a, b)
        got = evaluate(acc[:, None], [channel], digits, low, high, HARDWARE)[:, 0]
        assert (got == rule(acc)).all(), (rule, channel, digits)
    return digits, channels


@pytest.mark.parametrize("scales, acc", [
    ((2.0**-9, 2.0**-4), 2**16), ((2.0**-12, 2.0**-9), 2**20), ((2.0**-4, 4.0), 2**20),
    ((4.0, 2000.0), 2**15), ((2.0**-20, 2.0**-12), 2**14)])
@pytest.mark.parametrize("make", [double, Float64Rounding])
def test_random_scales(make, scales, acc):
    rng = np.random.default_rng(int(1 / scales[0]) + 7)
    for scale in np.exp(rng.uniform(*np.log(scales), 220)):
        zero_point = int(rng.integers(-128, 128))
        low = int(rng.choice([-128, zero_point]))                # as with RELU
        check([make(float(scale), zero_point, low, 127)],
              [-int(rng.integers(1, acc))], [int(rng.integers(1, acc))], rng)


@pytest.mark.parametrize("exponent", range(-13, 3))
@pytest.mark.parametrize("make", [double, Float64Rounding])
@pytest.mark.parametrize("odd", [1, 3])
def test_ties(make, exponent, odd):
    """Scales with few bits put accumulators exactly between two outputs."""
    for zero_point in (-128, -5, 0, 127):
        check([make(odd * 2.0**exponent, zero_point, -128, 127)], [-2**22], [2**22])


def test_every_accumulator():
    rng = np.random.default_rng(11)
    acc = np.arange(-2**15, 2**15)
    for scale in np.exp(rng.uniform(np.log(2**-7), np.log(0.5), 40)):
        for rule in (double(scale, 3), Float64Rounding(float(scale), 3, -128, 127)):
            digits, channels = fit([rule], acc[:1], acc[-1:], HARDWARE)
            got = evaluate(acc[:, None], channels, digits, -128, 127, HARDWARE)
            assert digits == 2 and (got[:, 0] == rule(acc)).all()


@pytest.mark.parametrize("count", [*range(1, 66), 128, 169, 255, 256, 999, 1000, 1999, 2000])
def test_average(count):
    rule = AverageRounding(count, -128, 127)
    acc = np.arange(-128 * count, 127 * count + 1)
    digits, channels = fit([rule], acc[:1], acc[-1:], HARDWARE)
    got = evaluate(acc[:, None], channels, digits, -128, 127, HARDWARE)
    assert (got[:, 0] == rule(acc)).all()


@pytest.mark.parametrize("acc_min, acc_max", [
    (-2**31, 2**31 - 1), (0, 0), (-1, 0), (-1, -1), (0, 2**31 - 1), (-2**31, -1), (2**30, 2**30)])
def test_extreme_ranges(acc_min, acc_max):
    for zero_point in (-128, 0, 127):
        for scale in (2.0**-20, 0.002, 0.3):
            check([double(scale, zero_point, -128, 127)], [acc_min], [acc_max])
            check([Float64Rounding(scale, zero_point, -128, 127)], [acc_min], [acc_max])


def test_no_step():
    rule = double(0.001, 200)                    # saturated at every reachable accumulator
    digits, channels = check([rule], [-5000], [5000])
    assert digits == 1 and channels[0].multiplier == 0
    check([DoubleRounding(0, 0, 7, -128, 127)], [-2**31], [2**31 - 1])
    check([double(0.001, 7, 5, 5)], [-2**20], [2**20])


def test_steps_far_from_zero():
    """Steps beside a large bias: few of them, and offsets that must not overflow."""
    for at in (2**23, -2**23, 2**26, -2**29):
        for scale in (2.0**-17, 1e-6):
            check([Float64Rounding(scale, -round(at * scale), -128, 127)],
                  [at - 2**18], [at + 2**18])


def test_channels_share_their_digits():
    rules = [double(scale, -10) for scale in (0.001, 0.01, 0.03)]
    digits, channels = check(rules, [-2**20] * 3, [2**20] * 3)
    assert digits == 3 and len(channels) == 3


def test_evaluate_is_the_datapath():
    rng = np.random.default_rng(2)
    for digits in (1, 2, 3, 4):
        channel = Requantize(int(rng.integers(2**26)), 12345678, -87654321, 17)
        acc = rng.integers(-2**31, 2**31, 50)
        got = evaluate(acc[:, None], [channel], digits, -128, 127, HARDWARE)[:, 0]
        for x, y in zip(acc.tolist(), got.tolist(), strict=True):
            x = max(-2**(8 * digits - 1), min(2**(8 * digits - 1) - 1, x))
            p = (x * channel.multiplier) // 2**(8 * (digits - 1))
            r = channel.offset_negative if p < 0 else channel.offset
            assert y == max(-128, min(127, (p + r) // 2**17))


def test_refuses_what_is_too_fine():
    with pytest.raises(StaircaseError, match=(
            r"^channel 1 needs a multiplier of 28 bits with 4 digits for its 248 steps at "
            r"accumulators -4924028 to 8975802; this hardware has 26 bits and shifts by 15 to "
            r"22$")):
        fit([double(2.0**-14, 0), double(1.777e-05, -40)], [-9000000] * 2, [9000000] * 2,
            HARDWARE)


def test_refuses_what_is_too_steep():
    """The digits of one channel can leave too few bits for the multiplier of another."""
    with pytest.raises(StaircaseError, match=(
            r"^channel 1 needs a multiplier of 29 bits with 3 digits for its 255 steps at "
            r"accumulators -636 to 632; this hardware has 26 bits and shifts by 15 to 22$")):
        fit([double(0.001, 0), double(0.2, 0)], [-2**20] * 2, [2**20] * 2, HARDWARE)


def test_refuses_overflow():
    with pytest.raises(StaircaseError, match=(
            r"^channel 1 shifts accumulators up to 1073741823 left by 2, which overflows the 32 "
            r"bits that TFLite rounds in$")) as caught:
        fit([double(0.1, 0), double(2.5, 0)], [-2**30] * 2, [2**30 - 1] * 2, HARDWARE)
    assert caught.value.channel == 1 and caught.value.reason.startswith("shifts accumulators")
    with pytest.raises(StaircaseError, match=(
            r"^channel 0 multiplies accumulators up to 40000 by 65000, which overflows the 32 bits "
            r"that TFLite rounds to$")):
        fit([Float64Rounding(65000.0, 0, -128, 127)], [-100], [40000], HARDWARE)


def test_refuses_steps_beyond_the_digits():
    narrow = SimpleNamespace(**{**vars(HARDWARE), "digit_width": 4})
    with pytest.raises(StaircaseError, match=(
            r"^channel 0 has a step at an accumulator of magnitude 127499, beyond the 16 bits of "
            r"4 digits$")):
        fit([double(0.001, 0)], [-2**20], [2**20], narrow)


def test_speed():
    rng = np.random.default_rng(3)
    scales = np.exp(rng.uniform(np.log(5e-4), np.log(2e-2), 2500))
    bound = rng.integers(20_000, 3_000_000, 2500)
    for make in (double, Float64Rounding):
        rules = [make(float(scale), -11, -128, 127) for scale in scales]
        start = time.process_time()
        digits, channels = fit(rules, -bound, bound, HARDWARE)
        elapsed = time.process_time() - start
        bits = max(channel.multiplier for channel in channels).bit_length()
        print(f"{make.__name__}: 2500 channels in {elapsed:.2f} s, {digits} digits, {bits} bits")
