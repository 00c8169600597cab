"""What is wrong with a model, one thing at a time, in words for its owner."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from compiler.errors import ModelError
from compiler.flatbuffer import shown
from compiler.ir import Graph, Operator

# What a rule says about an operator: the tensor (None: the operator itself) and what was found.
Violation = tuple[int | None, str]

# A rule is a function whose docstring is the sentence that users read and, behind an empty line,
# the remedy. It yields its violations.
Rule = Callable[[Graph, Operator], Iterator[Violation]]


@dataclass(frozen=True)
class Finding:
    """A broken rule; ``operator`` is None where it concerns the whole model."""

    operator: int | None
    kind: str
    tensor: str
    found: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        where = ""
        if self.operator is not None:
            tensor = f", tensor {shown(self.tensor)}" if self.tensor else ""
            where = f"operator {self.operator} {self.kind}{tensor}: "
        return f"{where}{self.rule}; found {self.found}; {self.remedy}"


def sentences(rule: Rule) -> tuple[str, str]:
    """``(rule, remedy)`` of a rule's docstring, in lower case and without full stops."""
    text, remedy = (
        " ".join(paragraph.split()).rstrip(".")
        for paragraph in (inspect.getdoc(rule) or "").split("\n\n")
    )
    if not text[1:2].isupper():                  # not "MEAN must be ..."
        text = text[0].lower() + text[1:]
    return text, remedy[0].lower() + remedy[1:]


def apply(rule: Rule, graph: Graph, op: Operator) -> list[Finding]:
    """The findings of one rule on one operator."""
    text, remedy = sentences(rule)
    return [
        Finding(op.index, op.kind, "" if tensor is None else graph.tensors[tensor].name,
                found, text, remedy)
        for tensor, found in rule(graph, op)
    ]


def refuse(name: str, findings: Sequence[Finding]) -> None:
    """ModelError with all ``findings``, a line each; nothing where there are none."""
    if len(findings) == 1:
        raise ModelError(f"{name} cannot run: {findings[0]}")
    if findings:
        lines = "".join(f"\n  {finding}" for finding in findings)
        raise ModelError(f"{name} cannot run, for {len(findings)} reasons:{lines}")
