"""An explanation in lines for people."""

from collections.abc import Iterator

from compiler.explain.page import Explanation
from compiler.explain.steps import Term, Work, signed
from compiler.flatbuffer import shown
from compiler.requantize import weight_zero_point

SHOWN = 12                     # products, unless all are asked for


def text(found: Explanation, full: bool = False) -> str:
    """The whole page."""
    site = found.site
    lines = [f"{shown(site.output.name)}{list(site.element)} of operator {site.op}, profile "
             f"{site.profile}; {found.source}"]
    if found.done.terms:
        lines += ["", "what it reads", *terms(found, full)]
    lines += ["", "what TFLite computes", *steps(found.done)]
    if found.engine is not None:
        lines += ["", "what the engine computes, with what is on its tape", *steps(found.engine)]
    if found.wrong:
        lines += ["", "what is often computed instead"]
        for what, work in found.wrong:
            away = abs(work.value - found.right)
            lines += [f"  {what}: {number(work.value)}, "
                      + ("the same here by chance" if not away else f"{number(away)} away"),
                      *(f"  {line}" for line in steps(work))]
    stands = "" if found.real is None else f", which stands for S3 * (y - Z3) = {found.real:.9g}"
    lines += ["", f"result: {number(found.right)}{stands}; " + (
        "all ways agree" if found.agrees else "THE WAYS DISAGREE")]
    return "\n".join(lines)


def terms(found: Explanation, full: bool) -> Iterator[str]:
    """Products or values, the first of them."""
    listed = found.done.terms if full else found.done.terms[:SHOWN]
    rows = [row(found, term) for term in listed]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        yield "  " + "  ".join(cell.rjust(width) for cell, width in
                               zip(cells, widths, strict=True)).rstrip()
    left = len(found.done.terms) - len(listed)
    if left:
        yield f"  ... and {left:,} more (--full shows them)"
    if found.done.outside:
        yield (f"  {len(found.done.outside):,} taps are outside of the image, where x = Z1: they "
               "add nothing")


def row(found: Explanation, term: Term) -> list[str]:
    """One product or value."""
    x = f"x{list(term.x_at)} = {number(term.x)}"
    if term.w is None:
        return [x]
    site = found.site
    z1, z2 = site.source.zero_point, site.tensor(1).zero_point \
        if site.op.kind == "BATCH_MATMUL" else weight_zero_point(site.graph, site.op)
    product = (int(term.x) - z1) * (term.w - z2)
    return [x, f"w{list(term.w_at)} = {term.w}",
            f"({number(term.x)} - {signed(z1)}) * ({term.w} - {signed(z2)}) = {product}"]


def steps(work: Work) -> Iterator[str]:
    """Formula and numbers, a step a line."""
    widths = [max((len(getattr(step, name)) for step in work.steps), default=0)
              for name in ("name", "formula")]
    for step in work.steps:
        numbers = f" = {step.numbers}" if step.numbers else ""
        yield (f"  {step.name:<{widths[0]}} = {step.formula:<{widths[1]}}{numbers} = "
               f"{number(step.value)}")
    if work.note:
        yield f"  ({work.note})"


def number(value: int | float) -> str:
    """Whole numbers as they are, others with the digits that they have."""
    return str(value) if isinstance(value, int) else f"{value!r}"
