"""Operators that add up: convolutions, dense layers, pooling, reductions."""

from collections.abc import Iterator

import numpy as np

from compiler.explain.site import Site, window
from compiler.explain.steps import Term, Work, clamp, requantize, signed
from compiler.numerics import integer_range
from compiler.requantize import (
    average_rule,
    biases,
    dot_product_rules,
    mean_axes,
    mean_rule,
    output_range,
    padding_before,
    product_rule,
    rescale_rule,
    weight_scales,
    weight_zero_point,
)


def positions(site: Site) -> Iterator[tuple[tuple[int, ...] | None, tuple[int, ...]]]:
    """Where each product takes its input (None: outside of the image) and its weight."""
    source, weights, at = site.source.shape, site.tensor(1).shape, site.element
    match site.op.kind:
        case "FULLY_CONNECTED":
            depth = weights[1]
            row = int(np.ravel_multi_index(at, site.output.shape)) // weights[0]
            for index in range(depth):
                yield tuple(map(int, np.unravel_index(row * depth + index, source))), \
                    (at[-1], index)
        case "TRANSPOSE_CONV":
            o = site.op.options
            top, left = (padding_before(o["padding"], site.output.shape[axis], source[axis],
                                        o[f"stride_{'hw'[axis - 1]}"], weights[axis])
                         for axis in (1, 2))
            for ky in range(weights[1]):
                for kx in range(weights[2]):
                    row, rest_h = divmod(at[1] + top - ky, o["stride_h"])
                    column, rest_w = divmod(at[2] + left - kx, o["stride_w"])
                    if not rest_h and not rest_w and 0 <= row < source[1] \
                            and 0 <= column < source[2]:
                        for c in range(weights[3]):
                            yield (at[0], row, column, c), (at[3], ky, kx, c)
        case _:
            depthwise = site.op.kind == "DEPTHWISE_CONV_2D"
            depth = 1 if depthwise else weights[3]
            first = at[3] // (weights[3] // source[3]) if depthwise \
                else at[3] // (weights[0] // (source[3] // depth)) * depth
            for ky, kx, row, column in window(site, weights[1], weights[2]):
                inside = 0 <= row < source[1] and 0 <= column < source[2]
                for c in range(depth):
                    yield ((at[0], row, column, first + c) if inside else None,
                           (0, ky, kx, at[3]) if depthwise else (at[3], ky, kx, c))


def dot_product(site: Site) -> Work:
    """``clamp(M * (sum of (x - Z1) * (w - Z2), + bias) + Z3)``, ``M = S1 * S2 / S3``; rounded
    twice, by LiteRT's FULLY_CONNECTED once, in float64."""
    work = Work()
    weights, source = site.tensor(1), site.source
    w_zero, x_zero = weight_zero_point(site.graph, site.op), source.zero_point
    for x_at, w_at in positions(site):
        w = site.value(1, w_at)
        if x_at is None:
            work.outside.append(Term((), x_zero, w_at, w))
        else:
            work.terms.append(Term(x_at, site.source_value(x_at), w_at, w))
    total = sum((int(t.x) - x_zero) * (int(t.w or 0) - w_zero) for t in work.terms)
    work.step("sum", "sum of (x - Z1) * (w - Z2)", f"{len(work.terms)} products, Z1 = {x_zero}, "
              f"Z2 = {w_zero}", total)
    channel = site.element[-1]
    bias = int(biases(site.graph, site.op)[channel])
    acc = work.whole("acc", "sum + bias", f"{signed(total)} + {signed(bias)}", total + bias)
    rule = dot_product_rules(site.graph, site.op, site.profile)[channel]
    scale = weight_scales(weights, channel + 1)[channel]
    work.step("M", "S1 * S2 / S3", f"{source.scale!r} * {scale!r} / {site.output.scale!r}",
              source.scale * scale / site.output.scale)
    requantize(work, acc, rule)
    return work


def matrix_product(site: Site) -> Work:
    """``clamp(M * sum of (x - Z1) * (y - Z2), + Z3)``, ``M = S1 * S2 / S3``; rounded twice."""
    work, at = Work(), site.element
    first, second = site.tensor(0), site.tensor(1)
    depth = first.shape[-2 if site.op.options["adj_x"] else -1]
    for index in range(depth):
        own, other = (at[-2], index), (index, at[-1])
        x_at = batch(first.shape, at) + (own[::-1] if site.op.options["adj_x"] else own)
        y_at = batch(second.shape, at) + (other[::-1] if site.op.options["adj_y"] else other)
        work.terms.append(Term(x_at, site.value(0, x_at), y_at, site.value(1, y_at)))
    total = sum((int(t.x) - first.zero_point) * (int(t.w or 0) - second.zero_point)
                for t in work.terms)
    acc = work.whole("acc", "sum of (x - Z1) * (y - Z2)", f"{depth} products, "
                     f"Z1 = {first.zero_point}, Z2 = {second.zero_point}", total)
    work.step("M", "S1 * S2 / S3", f"{first.scale!r} * {second.scale!r} / {site.output.scale!r}",
              first.scale * second.scale / site.output.scale)
    requantize(work, acc, product_rule(site.graph, site.op, site.profile))
    return work


def batch(shape: tuple[int, ...], at: tuple[int, ...]) -> tuple[int, ...]:
    """Of a factor, the indices before the last two; they broadcast."""
    before = shape[:-2]
    return tuple(0 if size == 1 else index for size, index in zip(
        before, at[len(at) - 2 - len(before):len(at) - 2], strict=True))


def average(site: Site) -> Work:
    """The sum of the values inside the image by their number, ties away from zero; scales and zero
    points take no part."""
    work = Work()
    o = site.op.options
    pool(site, work, o["filter_height"], o["filter_width"])
    total = work.whole("sum", "sum of x, without zero point",
                       f"n = {len(work.terms)} values inside the image",
                       sum(int(term.x) for term in work.terms))
    requantize(work, total, average_rule(site.graph, site.op, len(work.terms)))
    return work


def pool(site: Site, work: Work, rows: int, columns: int) -> None:
    """The values of a pooling window."""
    shape = site.source.shape
    for _, _, row, column in window(site, rows, columns):
        if 0 <= row < shape[1] and 0 <= column < shape[2]:
            at = (site.element[0], row, column, site.element[3])
            work.terms.append(Term(at, site.value(0, at)))
        else:
            work.outside.append(Term((), 0))


def maximum(site: Site) -> Work:
    """The largest value inside the image, clamped to the activation's range."""
    work = Work()
    o = site.op.options
    pool(site, work, o["filter_height"], o["filter_width"])
    return largest(site, work, *output_range(site.graph, site.op))


def largest(site: Site, work: Work, low: int, high: int) -> Work:
    """The largest of the values that were read."""
    found = max(int(term.x) for term in work.terms)
    work.step("max", "max of x", f"{len(work.terms)} values", found)
    work.value = clamp(found, low, high)
    work.step("y", "clamp(x, low, high)", f"clamp({found}, {low}, {high})", work.value)
    return work


def reduced(site: Site, work: Work) -> None:
    """The values that a reduction reads."""
    shape, axes = site.source.shape, mean_axes(site.graph, site.op)
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    keeps = len(site.output.shape) == len(shape)
    fixed = {axis: site.element[axis if keeps else place] for place, axis in enumerate(kept)}
    for free in np.ndindex(*(shape[axis] for axis in axes)):
        chosen = fixed | dict(zip(axes, free, strict=True))
        at = tuple(chosen[axis] for axis in range(len(shape)))
        work.terms.append(Term(at, site.value(0, at)))


def reduction(site: Site) -> Work:
    """``clamp(M * sum of (x - Z1) + Z3)``, ``M = S1 / S3``, of MEAN by the number of values;
    rounded twice."""
    work = Work()
    reduced(site, work)
    zero, count = site.source.zero_point, len(work.terms)
    total = work.whole("sum", "sum of (x - Z1)", f"{count} values, Z1 = {zero}",
                       sum(int(term.x) - zero for term in work.terms))
    ratio = site.source.scale / site.output.scale
    ratio_text = f"{site.source.scale!r} / {site.output.scale!r}"
    if site.op.kind == "MEAN":
        rule = mean_rule(site.graph, site.op)
        work.step("M", f"S1 / S3 / {count}", ratio_text + f" / {count}", ratio / count)
        requantize(work, total, rule)
    else:
        rule = rescale_rule(site.source, site.output)
        work.step("M", "S1 / S3", ratio_text, ratio)
        requantize(work, total, rule)
    return work


def reduced_maximum(site: Site) -> Work:
    """The largest value."""
    work = Work()
    reduced(site, work)
    return largest(site, work, *integer_range(site.output.dtype))
