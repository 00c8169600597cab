import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.binary import BINARY_KINDS, binary_table
from compiler.errors import ModelError
from compiler.fixedpoint import (
    exp_of_negative,
    inverse_square_root,
    logistic,
    softmax_exponentials,
    softmax_rows,
    tanh,
)
from compiler.ir import Graph, Operator, Quantization, Tensor
from compiler.numerics import (
    AverageRounding,
    DoubleRounding,
    Float64Rounding,
    activation_range,
    average_rounding,
    double_rounding,
    float64_rounding,
    quantize_multiplier,
    round_away,
    rounding_divide_by_pot,
    rounding_doubling_high_mul,
    truncated_divide,
    wrap32,
)
from compiler.requantize import requantize_rules, weight_zero_point, window_counts
from compiler.unary import LACKING, UNARY_KINDS, unary_table

int32 = st.integers(-(2**31), 2**31 - 1)


def c_divide(a: int, b: int) -> int:
    """C's integer division."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def half_away(x: Fraction) -> int:
    """The nearest integer, ties away from zero."""
    return math.floor(abs(x) + Fraction(1, 2)) * (-1 if x < 0 else 1)


# --- Primitives, against the definitions in exact arithmetic

@given(int32, int32)
def test_high_mul_is_the_nudge_and_truncation_of_the_c_code(a, b):
    nudge = (1 << 30) if a * b >= 0 else 1 - (1 << 30)
    expected = min(c_divide(a * b + nudge, 1 << 31), 2**31 - 1)
    assert rounding_doubling_high_mul(a, b) == expected
    assert rounding_doubling_high_mul(np.array([a]), np.array([b])).tolist() == [expected]


def test_high_mul_saturates_only_in_its_corner():
    assert rounding_doubling_high_mul(-(2**31), -(2**31)) == 2**31 - 1
    assert rounding_doubling_high_mul(-(2**31), 2**31 - 1) == -(2**31) + 1


@given(int32, st.integers(0, 31))
def test_divide_by_pot_rounds_ties_away_from_zero(x, exponent):
    expected = half_away(Fraction(x, 1 << exponent))
    assert rounding_divide_by_pot(x, exponent) == expected
    assert rounding_divide_by_pot(np.array([x]), np.array([exponent])).tolist() == [expected]


@given(st.floats(-1e9, 1e9))
def test_round_away(x):
    assert round_away(x) == half_away(Fraction(x))
    assert round_away(np.array([x])).tolist() == [half_away(Fraction(x))]


@pytest.mark.parametrize("x, rounded", [
    (0.5, 1), (-0.5, -1), (2.5, 3), (-2.5, -3), (0.49999999999999994, 0),
    (-0.49999999999999994, 0), (1e15 + 0.5, 10**15 + 1),
])
def test_round_away_at_ties(x, rounded):
    assert round_away(x) == rounded


def test_round_away_in_float32():
    below = np.nextafter(np.float32(0.5), np.float32(0))
    assert round_away(np.array([below, 0.5, -1.5], np.float32)).tolist() == [0, 1, -2]


@given(st.integers(-(2**40), 2**40), st.integers(1, 2**20))
def test_truncated_divide(a, b):
    assert truncated_divide(a, b) == c_divide(a, b)
    assert truncated_divide(np.array([a]), b).tolist() == [c_divide(a, b)]


@given(st.integers(-(2**40), 2**40))
def test_wrap32(x):
    assert wrap32(x) == np.array([x]).astype(np.int32)[0]


@given(st.integers(-(2**31), 2**31 - 1), st.integers(1, 10_000))
def test_average_rounds_ties_away_from_zero(total, count):
    assert average_rounding(total, count) == half_away(Fraction(total, count))


# --- Multipliers

@pytest.mark.parametrize("scale, multiplier", [
    (0.0, (0, 0)),
    (1.0, (2**30, 1)),
    (0.5, (2**30, 0)),
    (0.75, (3 * 2**29, 0)),
    (1 - 2.0**-40, (2**30, 1)),                  # the fraction rounds up to 1
    (2.0**-32, (2**30, -31)),
    (2.0**-33, (0, 0)),                          # too small for a shift of 31
    (3.0, (3 * 2**29, 2)),
])
def test_quantize_multiplier(scale, multiplier):
    assert quantize_multiplier(scale) == multiplier


@given(st.floats(1e-9, 1e9))
def test_quantize_multiplier_is_within_half_a_unit(scale):
    multiplier, shift = quantize_multiplier(scale)
    assert 2**30 <= multiplier < 2**31
    assert abs(Fraction(scale) / Fraction(2) ** (shift - 31) - multiplier) <= Fraction(1, 2)


@given(int32, st.integers(2**30, 2**31 - 1), st.integers(-31, 8))
def test_double_rounding(acc, multiplier, shift):
    left, right = max(shift, 0), max(-shift, 0)
    shifted = (acc * 2**left + 2**31) % 2**32 - 2**31
    high = math.floor(Fraction(shifted * multiplier, 2**31) + Fraction(1, 2))
    expected = half_away(Fraction(high, 2**right))
    assert double_rounding(acc, multiplier, shift) == expected
    arrays = (np.array([value], np.int64) for value in (acc, multiplier, shift))
    assert double_rounding(*arrays).tolist() == [expected]


@given(int32, st.floats(1e-9, 4.0))
def test_float64_rounding(acc, scale):
    assert float64_rounding(acc, scale) == half_away(Fraction(float(acc) * scale))


def test_the_two_roundings_differ_where_numerics_says_they_do():
    # A negative tie of the second stage: 2**30 * 2**-31 * -3 is -1.5, which double rounding takes
    # up to -1 in the first stage and then to -1 * 0.5 = -0.5, away from zero.
    assert double_rounding(-3, 2**30, -1) == -1
    assert float64_rounding(-3, 0.25) == -1
    assert double_rounding(3, 2**30, -1) == 1            # 1.5 up to 2, then 1
    assert float64_rounding(5, 0.3) == 2 and double_rounding(1, 2**31 - 1, -1) == 1


# --- Staircases

STAIRCASES = [
    DoubleRounding(1518500250, -7, -5, -128, 127),
    DoubleRounding(2**30, -1, 3, -20, 90),
    DoubleRounding(2**31 - 1, 2, 0, -128, 127),
    DoubleRounding(0, 0, 7, -128, 127),
    Float64Rounding(0.00217, -5, -128, 127),
    Float64Rounding(0.5, 100, 0, 255),
    AverageRounding(9, -128, 127),
    AverageRounding(4, 0, 100),
]


@pytest.mark.parametrize("rule", STAIRCASES, ids=str)
def test_staircases_rise_within_their_range_and_never_fall(rule):
    acc = np.concatenate([np.arange(-3000, 3000), np.array([-(2**28), 2**28])])
    acc.sort()
    y = rule(acc)
    assert y.dtype == np.int64 and y.min() >= rule.low and y.max() <= rule.high
    assert (np.diff(y) >= 0).all()


@pytest.mark.parametrize("activation, expected", [
    ("NONE", (-128, 127)), ("RELU", (-10, 127)), ("RELU6", (-10, 50)), ("RELU_N1_TO_1", (-20, 0)),
    ("RELU_0_TO_1", (-10, 0)),
])
def test_activation_range(activation, expected):
    assert activation_range(activation, 0.1, -10, "int8") == expected
    low, high = (v + 128 for v in expected)
    assert activation_range(activation, 0.1, 118, "uint8") == (low, high)


def test_activation_range_stays_within_the_type():
    assert activation_range("RELU", 0.1, -128, "int8") == (-128, 127)
    assert activation_range("RELU6", 0.001, -128, "int8") == (-128, 127)


# --- Rules of operators

def graph_of(kind, options, source, output, *others):
    """A graph of one operator: tensor 0 in, the last one out."""
    tensors = (source, *others, output)
    op = Operator(0, kind, tuple(range(len(tensors) - 1)), (len(tensors) - 1,), options)
    return Graph("g", tensors, (op,), (0,), (len(tensors) - 1,)), op


def eight(shape, scale, zero_point, dtype="int8", dimension=0, data=None):
    scales = scale if isinstance(scale, tuple) else (scale,)
    points = zero_point if isinstance(zero_point, tuple) else (zero_point,)
    return Tensor("t", shape, dtype, Quantization(scales, points, dimension), data)


F = float(np.float32(0.1))
G = float(np.float32(0.003))


def test_fully_connected_rounds_once_in_litert_and_twice_in_tflm():
    graph, op = graph_of("FULLY_CONNECTED", {"fused_activation_function": "RELU"},
                         eight((1, 4), F, 5), eight((1, 2), 0.25, -10), eight((2, 4), G, 0))
    assert requantize_rules(graph, op, "litert") == (
        Float64Rounding(F * G / 0.25, -10, -10, 127),) * 2
    assert requantize_rules(graph, op, "tflm") == (
        DoubleRounding(*quantize_multiplier(F * G / 0.25), -10, -10, 127),) * 2


def test_convolutions_have_a_rule_per_channel():
    options = {"fused_activation_function": "NONE"}
    weights = eight((2, 1, 1, 4), (F, G), (0, 0))
    graph, op = graph_of("CONV_2D", options, eight((1, 4, 4, 4), 0.5, 5),
                         eight((1, 4, 4, 2), 0.25, -10), weights)
    expected = tuple(DoubleRounding(*quantize_multiplier(s * 2), -10, -128, 127) for s in (F, G))
    assert requantize_rules(graph, op, "litert") == expected
    assert requantize_rules(graph, op, "tflm") == expected
    depthwise = eight((1, 3, 3, 3), G, 0)
    graph, op = graph_of("DEPTHWISE_CONV_2D", options, eight((1, 4, 4, 3), 0.5, 5),
                         eight((1, 4, 4, 3), 0.25, -10), depthwise)
    assert requantize_rules(graph, op, "litert") == expected[1:] * 3


def test_legacy_convolutions_multiply_scales_in_float32():
    graph, op = graph_of("CONV_2D", {}, eight((1, 4, 4, 4), F, 5, "uint8"),
                         eight((1, 4, 4, 1), 0.25, 10, "uint8"), eight((1, 1, 1, 4), G, 7, "uint8"))
    product = float(np.float32(F) * np.float32(G))
    assert product != F * G
    assert requantize_rules(graph, op, "litert") == (
        DoubleRounding(*quantize_multiplier(product / 0.25), 10, 0, 255),)


@pytest.mark.parametrize("kind, dtype, scale, expected", [
    ("FULLY_CONNECTED", "int8", (1.0,), 7),
    ("FULLY_CONNECTED", "int8", (1.0, 2.0), 0),
    ("CONV_2D", "int8", (1.0,), 0),
    ("CONV_2D", "uint8", (1.0,), 7),
    ("DEPTHWISE_CONV_2D", "uint8", (1.0,), 7),
])
def test_which_kernels_honour_the_zero_point_of_weights(kind, dtype, scale, expected):
    weights = eight((2, 1, 1, 2), scale, (7,) * len(scale), dtype)
    graph, op = graph_of(kind, {}, eight((1, 1, 1, 2), 1.0, 0), eight((1, 2), 1.0, 0), weights)
    assert weight_zero_point(graph, op) == expected


def test_mean_folds_the_count_into_its_multiplier():
    axes = Tensor("axes", (2,), "int32", None, np.array([1, 2], np.int32))
    graph, op = graph_of("MEAN", {"keep_dims": False}, eight((1, 7, 7, 4), 0.5, 3),
                         eight((1, 4), 0.25, -10), axes)
    # 2 = 2**30 * 2**(2 - 31); log2(49) is 5 and a bit, so 5 bits more before dividing by 49.
    assert requantize_rules(graph, op, "litert") == (
        DoubleRounding((2**30 << 5) // 49, 2 - 5, -10, -128, 127),)


def test_average_pools_have_a_rule_per_count():
    options = {"padding": "SAME", "stride_h": 2, "stride_w": 2, "filter_height": 3,
               "filter_width": 3, "fused_activation_function": "NONE"}
    graph, op = graph_of("AVERAGE_POOL_2D", options, eight((1, 5, 4, 1), F, 3),
                         eight((1, 3, 2, 1), F, 3))
    assert window_counts(op, (1, 5, 4, 1), (1, 3, 2, 1)).tolist() == [[6, 4], [9, 6], [6, 4]]
    assert requantize_rules(graph, op, "litert") == tuple(
        AverageRounding(count, -128, 127) for count in (9, 6, 4))


def test_quantize_between_integers():
    graph, op = graph_of("QUANTIZE", {}, eight((4,), 0.5, 100, "uint8"), eight((4,), 0.5, -28))
    assert requantize_rules(graph, op, "litert") == (DoubleRounding(2**30, 1, -28, -128, 127),)
    table = unary_table(graph, op, "litert")
    assert (table.view(np.uint8) == np.arange(256) ^ 0x80).all()


# --- Tables, against real arithmetic: the kernels may be off by one, and no more

def real(table, source, output, function):
    byte = np.arange(256, dtype=np.uint8).view(source.dtype).astype(np.float64)
    y = function((byte - source.zero_point) * source.scale)
    expected = np.clip(np.round(y / output.scale) + output.zero_point, -128, 127)
    return np.abs(table.astype(int) - expected).max()


FUNCTIONS = {
    "RELU": lambda v: np.maximum(v, 0),
    "RELU6": lambda v: np.clip(v, 0, 6),
    "RELU_N1_TO_1": lambda v: np.clip(v, -1, 1),
    "LEAKY_RELU": lambda v: np.where(v < 0, 0.25 * v, v),
    "LOGISTIC": lambda v: 1 / (1 + np.exp(-v)),
    "TANH": np.tanh,
    "HARD_SWISH": lambda v: v * np.clip(v + 3, 0, 6) / 6,
    "QUANTIZE": lambda v: v,
    "EXP": np.exp,
    "RELU_0_TO_1": lambda v: np.clip(v, 0, 1),
    "LOG": lambda v: np.where(v > 0, np.log(np.maximum(v, 1e-9)), -1e9),
    "ELU": lambda v: np.where(v < 0, np.expm1(v), v),
    "GELU": lambda v: v / 2 * np.vectorize(math.erfc)(-v / math.sqrt(2)),
    "ABS": np.abs,
    "NEG": lambda v: np.where(v == -8, v, -v),   # -128 stays what it is
    "SQRT": lambda v: np.sqrt(np.maximum(v, 0)),
    "RSQRT": lambda v: np.where(v > 0, 1 / np.sqrt(np.maximum(v, 1e-9)), 1e9),
}


@pytest.mark.parametrize("profile", ["litert", "tflm"])
@pytest.mark.parametrize("kind", UNARY_KINDS)
def test_unary_tables(kind, profile):
    source = eight((4,), 0.0625, 10)
    output = {"LOGISTIC": eight((4,), 1 / 256, -128), "TANH": eight((4,), 1 / 128, 0),
              "RELU6": source}.get(kind, eight((4,), 0.05, -3))
    graph, op = graph_of(kind, {"alpha": 0.25}, source, output)
    if kind == "NEG":                            # of the bytes as they are
        source = output = eight((4,), 0.0625, 0)
        graph, op = graph_of(kind, {}, source, output)
    if kind in LACKING[profile]:
        with pytest.raises(ModelError) as error:
            unary_table(graph, op, profile)
        other, = {"litert", "tflm"} - {profile}
        assert str(error.value) == (f"operator 0 {kind} has no golden model in the profile "
                                    f"{profile}; use the profile {other}")
        return
    table = unary_table(graph, op, profile)
    assert table.shape == (256,) and table.dtype == np.int8
    assert real(table, source, output, FUNCTIONS[kind]) <= 1


@pytest.mark.parametrize("profile", ["litert", "tflm"])
@pytest.mark.parametrize("kind", BINARY_KINDS)
def test_binary_tables(kind, profile):
    first = eight((4,), 0.05, 10)
    second = eight((4,), 0.08, -7) if kind not in ("MAXIMUM", "MINIMUM") else first
    output = eight((4,), 0.1937, 4) if kind not in ("MAXIMUM", "MINIMUM") else first
    graph, op = graph_of(kind, {"fused_activation_function": "NONE"}, first, output, second)
    table = binary_table(graph, op, profile)
    byte = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float64)
    v1 = ((byte - first.zero_point) * first.scale)[:, None]
    v2 = ((byte - second.zero_point) * second.scale)[None, :]
    y = {"ADD": v1 + v2, "SUB": v1 - v2, "MUL": v1 * v2, "PRELU": np.where(v1 < 0, v1 * v2, v1),
         "MAXIMUM": np.maximum(v1, v2), "MINIMUM": np.minimum(v1, v2)}[kind]
    expected = np.clip(np.round(y / output.scale) + output.zero_point, -128, 127)
    assert np.abs(table.astype(int) - expected).max() <= 1
    assert (table == expected).mean() > 0.85     # two roundings differ from one now and then


# --- Fixed point

def test_exponential_logistic_and_tanh_are_close_to_the_real_ones():
    a = -np.arange(0, 2**31, 2**22 + 12345, dtype=np.int64)
    assert np.abs(exp_of_negative(a, 5) / 2**31 - np.exp(a / 2**26)).max() < 1e-6
    b = np.arange(-(2**31) + 1, 2**31, 2**23 + 12345, dtype=np.int64)
    assert np.abs(logistic(b) / 2**31 - 1 / (1 + np.exp(-b / 2**27))).max() < 1e-6
    assert np.abs(tanh(b) / 2**31 - np.tanh(b / 2**27)).max() < 1e-6


@given(st.integers(1, 2**31 - 1))
def test_inverse_square_root(x):
    multiplier, shift = inverse_square_root(x)
    assert abs(multiplier * 2.0 ** (shift - 31) * math.sqrt(x) - 1) < 1e-5


def test_softmax_sums_to_one():
    exponentials = softmax_exponentials(0.1, 1.0)
    rows = exponentials[np.random.default_rng(1).integers(0, 256, (50, 10))]
    rows[:, 0] = exponentials[0]
    shares = softmax_rows(rows)
    assert np.abs(shares.sum(axis=1) - 256).max() <= 5
    assert np.abs(shares - 256 * rows / rows.sum(axis=1, keepdims=True)).max() < 0.51
