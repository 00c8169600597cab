"""What people compute who multiply the integers and leave something out."""

from collections.abc import Iterator

from compiler.explain.site import Site
from compiler.explain.steps import Work, clamp, round_away, signed
from compiler.requantize import biases, output_range, weight_scales


def mistakes(site: Site, done: Work) -> Iterator[tuple[str, Work]]:
    """``(what is wrong, what comes of it)`` for sums of products."""
    if done.acc is None or not done.terms or done.terms[0].w is None:
        return
    low, high = output_range(site.graph, site.op)
    channel = site.element[-1]
    s1, s3 = site.source.scale, site.output.scale
    s2 = weight_scales(site.tensor(1), channel + 1)[channel]
    zero, acc = site.output.zero_point, done.acc
    bias = int(biases(site.graph, site.op)[channel])
    raw = sum(int(term.x) * int(term.w or 0) for term in done.terms)

    work = Work()
    work.step("acc", "sum of x * w, + bias", f"{signed(raw)} + {signed(bias)}", raw + bias)
    yield "without the zero points", scaled(work, raw + bias, s1 * s2 / s3, zero, low, high)
    yield "without S3", scaled(Work(), acc, s1 * s2, zero, low, high, "S1 * S2")
    yield "without Z3", scaled(Work(), acc, s1 * s2 / s3, 0, low, high)
    work = Work()
    work.value = clamp(acc, low, high)
    work.step("y", "clamp(acc): no scales at all", f"clamp({acc}, {low}, {high})", work.value)
    yield "without any scale", work
    work = Work()
    product = acc * (s1 * s2 / s3)
    work.value = clamp(int(product) + zero, low, high)
    work.step("y", "clamp(int(acc * M) + Z3)", f"clamp(int({product!r}) + {signed(zero)}, {low}, "
              f"{high})", work.value)
    yield "cut off instead of rounded", work


def scaled(work: Work, acc: int, multiplier: float, zero: int, low: int, high: int,
           formula: str = "M") -> Work:
    """Times a real multiplier, rounded."""
    product = acc * multiplier
    work.value = clamp(round_away(product) + zero, low, high)
    work.step("y", f"clamp(round(acc * {formula}){' + Z3' if zero else ''})",
              f"clamp(round({product!r}){f' + {signed(zero)}' if zero else ''}, {low}, {high})",
              work.value)
    return work
