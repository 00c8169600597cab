"""Operators that look at one value, two, or a row of them; and the edges to float."""

import math
from collections.abc import Callable

import numpy as np

from compiler.binary import add_rule, binary_table, mul_rule
from compiler.explain.site import Site
from compiler.explain.steps import (
    Term,
    Work,
    clamp,
    double_rounding,
    finish,
    requantize,
    round_away,
    signed,
)
from compiler.fixedpoint import softmax_exponentials, softmax_rows
from compiler.floats import float_operator
from compiler.numerics import (
    DoubleRounding,
    activation_range,
    integer_range,
    quantize_multiplier,
)
from compiler.requantize import real_multiplier
from compiler.unary import unary_table


def operands(site: Site) -> tuple[Work, int, int]:
    """The two values that meet at the element; shapes broadcast."""
    work = Work()
    found = []
    for position in (0, 1):
        shape = site.tensor(position).shape
        at = tuple(0 if size == 1 else index for size, index in zip(
            shape, site.element[len(site.element) - len(shape):], strict=True))
        found.append(site.value(position, at))
        work.terms.append(Term(at, found[-1]))
    return work, found[0], found[1]


def addition(site: Site) -> Work:
    """Both inputs to twice the larger scale with 20 bits more, their sum or difference to the
    output's; each of the three is rounded twice."""
    work, x1, x2 = operands(site)
    rule = add_rule(site.graph, site.op)
    scaled = []
    for number, x in ((1, x1), (2, x2)):
        zero, multiplier, shift = (values[number - 1] for values in
                                   (rule.zero_points, rule.multipliers, rule.shifts))
        own, largest = (site.tensor(number - 1).scale,
                        max(site.tensor(0).scale, site.tensor(1).scale))
        work.step(f"M{number}", f"S{number} / (2 * max(S1, S2))", f"{own!r} / (2 * {largest!r})",
                  own / (2 * largest))
        d = work.whole(f"d{number}", f"(x{number} - Z{number}) << 20",
                       f"({signed(x)} - {signed(zero)}) << 20", (x - zero) << 20)
        work.step("multiplier", f"of M{number}", f"shift {shift}", multiplier)
        scaled.append(double_rounding(work, d, multiplier, shift, f"d{number}"))
    sign = "-" if rule.sign < 0 else "+"
    total = work.whole("sum", f"scaled1 {sign} scaled2",
                       f"{signed(scaled[0])} {sign} {signed(scaled[1])}",
                       scaled[0] + rule.sign * scaled[1])
    largest, scale = max(site.tensor(0).scale, site.tensor(1).scale), site.output.scale
    work.step("M3", "2 * max(S1, S2) / (2**20 * S3)", f"2 * {largest!r} / (2**20 * {scale!r})",
              2 * largest / 2**20 / scale)
    requantize(work, total, rule.output)
    return work


def product(site: Site) -> Work:
    """``clamp(M * (x1 - Z1) * (x2 - Z2) + Z3)``, ``M = S1 * S2 / S3``; rounded twice."""
    work, x1, x2 = operands(site)
    z1, z2 = site.tensor(0).zero_point, site.tensor(1).zero_point
    acc = work.whole("acc", "(x1 - Z1) * (x2 - Z2)",
                     f"({signed(x1)} - {signed(z1)}) * ({signed(x2)} - {signed(z2)})",
                     (x1 - z1) * (x2 - z2))
    s1, s2, s3 = site.tensor(0).scale, site.tensor(1).scale, site.output.scale
    work.step("M", "S1 * S2 / S3", f"{s1!r} * {s2!r} / {s3!r}", s1 * s2 / s3)
    requantize(work, acc, mul_rule(site.graph, site.op, site.profile))
    return work


def looked_up(site: Site) -> Work:
    """What TFLite's rule gives for the pair of bytes."""
    work, x1, x2 = operands(site)
    table = binary_table(site.graph, site.op, site.profile)
    work.value = int(table[x1 & 255, x2 & 255])
    work.step("y", f"{site.op.kind}(x1, x2), by TFLite's rule", f"x1 = {x1}, x2 = {x2}", work.value)
    return work


def same_place(site: Site) -> tuple[Work, int]:
    """The value at the element's own place."""
    x = site.value(0, site.element)
    return Work(terms=[Term(site.element, x)]), x


def rescaled(site: Site) -> Work:
    """``clamp(M * (x - Z1) + Z3)``, ``M = S1 / S3``; rounded twice. QUANTIZE of floats divides and
    rounds in float32."""
    if site.source.dtype == "float32":
        return from_float(site)
    if "through" in site.op.options:
        return through_floats(site)
    work, x = same_place(site)
    source, output = site.source, site.output
    if site.op.kind == "RELU6" and site.profile == "tflm":
        work.value = int(unary_table(site.graph, site.op, site.profile)[x & 255])
        work.step("y", "clamp(x, Z1, Z1 + 6 / S1), no rescaling", f"x = {x}", work.value)
        return work
    real = source.scale / output.scale if site.op.kind == "QUANTIZE" \
        else real_multiplier(site.profile, (source.scale,), output.scale)
    rule = DoubleRounding(*quantize_multiplier(real), output.zero_point, *activation_range(
        site.op.kind, output.scale, output.zero_point, output.dtype))
    d = work.whole("d", "x - Z1", f"{signed(x)} - {signed(source.zero_point)}",
                   x - source.zero_point)
    work.step("M", "S1 / S3", f"{source.scale!r} / {output.scale!r}", real)
    requantize(work, d, rule)
    return work


def leaky(site: Site) -> Work:
    """``clamp(M * (x - Z1) + Z3)``, ``M = S1 / S3``, of negative values times alpha; rounded
    twice."""
    work, x = same_place(site)
    source, output, alpha = site.source, site.output, site.op.options["alpha"]
    d = work.whole("d", "x - Z1", f"{signed(x)} - {signed(source.zero_point)}",
                   x - source.zero_point)
    numerators = (source.scale,) if d >= 0 else (source.scale, abs(alpha))
    real = real_multiplier(site.profile, numerators, output.scale)
    formula = "S1 / S3" if d >= 0 else f"S1 * {abs(alpha):g} / S3"
    multiplier, shift = quantize_multiplier(real)
    work.step("M", formula, "", real)
    work.step("multiplier", "round(M * 2**(31 - shift))", f"shift {shift}", multiplier)
    scaled = double_rounding(work, d, multiplier, shift, "d")
    if d < 0 and alpha < 0:
        scaled = work.whole("negated", "-scaled", f"-({scaled})", -scaled)
    finish(work, scaled, output.zero_point, *integer_range(output.dtype))
    return work


FUNCTIONS: dict[str, tuple[str, Callable[[float], float]]] = {
    "LOGISTIC": ("1 / (1 + exp(-real))", lambda v: 1 / (1 + math.exp(min(-v, 700.0)))),
    "TANH": ("tanh(real)", math.tanh),
    "HARD_SWISH": ("real * clamp(real + 3, 0, 6) / 6", lambda v: v * clamped(v + 3) / 6),
    "EXP": ("exp(real)", lambda v: math.exp(min(v, 700.0))),
    "LOG": ("log(real)", lambda v: math.log(v) if v > 0 else math.nan),
    "ELU": ("real, or exp(real) - 1 below zero", lambda v: math.expm1(min(v, 0.0)) + max(v, 0.0)),
    "GELU": ("real / 2 * erfc(-real / sqrt(2))", lambda v: v / 2 * math.erfc(-v / math.sqrt(2))),
    "ABS": ("abs(real)", abs),
    "SQRT": ("sqrt(real)", lambda v: math.sqrt(v) if v >= 0 else math.nan),
    "RSQRT": ("1 / sqrt(real)", lambda v: 1 / math.sqrt(v) if v > 0 else math.nan),
}


def clamped(value: float) -> float:
    """Within 0 and 6."""
    return max(0.0, min(6.0, value))


def function(site: Site) -> Work:
    """``clamp(f(S1 * (x - Z1)) / S3 + Z3)`` for each of 256 bytes, in the kernel's own
    arithmetic."""
    work, x = same_place(site)
    source, output = site.source, site.output
    text, compute = FUNCTIONS[site.op.kind]
    real = float(work.step("real", "S1 * (x - Z1)",
                           f"{source.scale!r} * ({signed(x)} - {signed(source.zero_point)})",
                           source.scale * (x - source.zero_point)))
    result = compute(real)
    if math.isfinite(result):
        work.step("f", text, f"real = {real!r}", result)
        work.step("exact", "f / S3 + Z3", f"{result!r} / {output.scale!r} + "
                  f"{signed(output.zero_point)}", result / output.scale + output.zero_point)
    work.value = int(unary_table(site.graph, site.op, site.profile)[x & 255])
    work.step("y", "the kernel's table, rounded in its own arithmetic and clamped",
              f"table[{x}]", work.value)
    return work


def negated(site: Site) -> Work:
    """``-x`` of the bytes as they are, scales and zero points being nothing to it; -128 stays."""
    work, x = same_place(site)
    work.value = int(unary_table(site.graph, site.op, site.profile)[x & 255])
    work.step("y", "-x, as a byte", f"-({x})", work.value)
    return work


def through_floats(site: Site) -> Work:
    """QUANTIZE of what float32 operators make of the input, all as one table."""
    work, x = same_place(site)
    source = site.source
    v = np.array([np.float32(source.scale * (x - source.zero_point))])
    work.step("real", "S1 * (x - Z1), in float32",
              f"{source.scale!r} * ({signed(x)} - {signed(source.zero_point)})", v.item())
    for op in site.op.options["through"]:
        read, v = v.item(), float_operator(op, site.profile)(v)
        if math.isfinite(v.item()):
            work.step(f"f{op.index}", f"{op.kind}, in float32", f"{op.kind}({read!r})", v.item())
    work.value = int(unary_table(site.graph, site.op, site.profile)[x & 255])
    work.step("y", "clamp(round(f / S3) + Z3), the quotient in float32", f"table[{x}]", work.value)
    return work


def from_float(site: Site) -> Work:
    """QUANTIZE of float32: divided and rounded in float32."""
    x = float(site.value(0, site.element))
    work = Work(terms=[Term(site.element, x)])
    output = site.output
    ratio = float(np.float32(x) / np.float32(output.scale))
    work.step("ratio", "x / S3, in float32", f"{x!r} / {output.scale!r}", ratio)
    low, high = integer_range(output.dtype)
    rounded = round_away(max(-1e6, min(1e6, ratio)))
    work.step("rounded", "round(ratio), ties away from zero", f"round({ratio!r})", rounded)
    work.value = clamp(rounded + output.zero_point, low, high)
    work.step("y", "clamp(rounded + Z3)", f"clamp({signed(rounded)} + "
              f"{signed(output.zero_point)}, {low}, {high})", work.value)
    return work


def to_float(site: Site) -> Work:
    """``S1 * (x - Z1)`` in float64, then float32."""
    work, x = same_place(site)
    source = site.source
    work.value = float(np.float32(source.scale * (x - source.zero_point)))
    work.step("y", "S1 * (x - Z1), in float64, then float32",
              f"{source.scale!r} * ({signed(x)} - {signed(source.zero_point)})", work.value)
    return work


def softmax(site: Site) -> Work:
    """256 times ``exp(beta * S1 * x)`` over the sum of them along the last axis, in fixed point."""
    work = Work()
    source, output = site.source, site.output
    for index in range(source.shape[-1]):
        at = (*site.element[:-1], index)
        work.terms.append(Term(at, site.value(0, at)))
    largest = max(int(term.x) for term in work.terms)
    exponentials = softmax_exponentials(source.scale, site.op.options["beta"])
    x = site.value(0, site.element)
    work.step("largest", "max of x", f"{len(work.terms)} values", largest)
    own = work.whole("own", "exp(-beta * S1 * (largest - x)) * 2**31, in fixed point",
                     f"x = {x}, largest - x = {largest - x}", int(exponentials[largest - x]))
    total = work.whole("total", "sum of round(exp / 2**12)", "in 12 integer bits",
                       sum((int(exponentials[largest - int(term.x)]) + 2**11) >> 12
                           for term in work.terms))
    share = own / (total << 12)
    work.step("share", "own / (total * 2**12)", f"{own} / {total << 12}", share)
    row = exponentials[np.array([largest - int(term.x) for term in work.terms])]
    low, high = integer_range(output.dtype)
    work.value = clamp(int(softmax_rows(row)[site.element[-1]]) + low, low, high)
    work.step("y", "round(share * 256) + Z3, by the kernel's reciprocal",
              f"round({share * 256:.6g}) + {signed(output.zero_point)}", work.value)
    return work


def arg_max(site: Site) -> Work:
    """The first index of the largest value."""
    work = Work()
    shape = site.source.shape
    data = site.tensor(1).data
    assert data is not None
    axis = int(data.reshape(-1)[0]) % len(shape)
    for index in range(shape[axis]):
        at = (*site.element[:axis], index, *site.element[axis:])
        work.terms.append(Term(at, site.value(0, at)))
    read = [int(term.x) for term in work.terms]
    work.value = read.index(max(read))
    work.step("y", "the first index of the largest x", f"max = {max(read)}", work.value)
    return work
