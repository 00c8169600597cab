"""docs/operators.md: what is supported, from the very tables and rules that decide it."""

import inspect
from collections.abc import Callable, Iterator

from compiler import verify
from compiler.explain.reference import KINDS
from compiler.finding import Rule, sentences
from compiler.golden.engine import KERNELS
from compiler.kinds import RESHAPES
from compiler.lower import LOWER
from compiler.partition import HOST_ONLY
from compiler.rules import (
    CONVERSIONS,
    RULES,
    SUPPORTED,
    integer_activations,
    quantized_model,
    static_model,
    supported_operator,
)
from compiler.unary import LACKING

GENERAL: tuple[Rule, ...] = (
    quantized_model, static_model, supported_operator, integer_activations,
    verify.number_of_inputs, verify.dimensions, verify.types, verify.quantized,
    verify.window_options, verify.output_shape)

HEAD = """\
# Operators

Made by `python -m compiler operators > docs/operators.md` from the tables and rules that decide
(`compiler/rules/`, `verify.py`, `lower.py`, `partition.py`); a test holds it current. `python -m
compiler check MODEL` applies them all to a model, and those of a board's engine besides: its
memory, the bits of its sums and of its multiplier, and how far its counters count.

`S1`, `Z1`: scale and zero point of the input, `S2`, `Z2` of weights or second input, `S3`, `Z3` of
the output. `python -m compiler inspect MODEL --explain` puts in the numbers.
"""


def markdown() -> str:
    """The whole page."""
    parts = [HEAD, "## All operators\n", *map(as_item, GENERAL), ""]
    for kind in SUPPORTED:
        parts += [f"## {kind}\n", *place(kind), f"- Computes: {arithmetic(kind)}",
                  *(as_item(rule) for kinds, rule in RULES if kind in kinds), ""]
    return "\n".join(parts)


def as_item(rule: Rule) -> str:
    """A rule and its remedy."""
    text, remedy = sentences(rule)
    return f"- {capital(text)}. *{capital(remedy)}.*"


def place(kind: str) -> Iterator[str]:
    """Where an operator runs."""
    if kind in RESHAPES:
        yield "- Runs nowhere: the same bytes under another shape."
    if kind in LOWER:
        how = first_sentence(LOWER[kind]).removeprefix(f"{kind}.")
        yield f"- Runs on the engine{': ' if how else '.'}{how}"
    if kind in HOST_ONLY:
        yield "- Runs on the host, behind the last layer."
    without = [profile for profile, kinds in LACKING.items() if kind in kinds]
    if without:
        yield f"- Has no golden model in the profile {without[0]}, whose runtime lacks the kernel."
    if kind in CONVERSIONS and kind not in HOST_ONLY:
        yield "- Runs on the host where it reads floats, or turns uint8 to int8 or back at an edge."


def arithmetic(kind: str) -> str:
    """What it computes, in a sentence."""
    return first_sentence(KINDS[kind] if kind in KINDS else KERNELS[kind])


def first_sentence(function: Callable) -> str:
    """Of its docstring: the first paragraph, as one line."""
    text = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
    return (text if text.endswith(".") else text + ".").replace("``", "`")


def capital(text: str) -> str:
    """With a capital at the beginning."""
    return text[0].upper() + text[1:]
