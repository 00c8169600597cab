"""What is wrong with a model, one thing at a time, in words for its owner."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

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
        found = f"; found {self.found}" if self.found else ""
        return f"{where}{self.rule}{found}; {self.remedy}"


class Refused(ModelError):
    """A model that cannot run, for the reasons ``findings``."""

    def __init__(self, name: str, findings: Sequence[Finding]):
        self.findings = tuple(findings)
        lines = "".join(f"\n  {finding}" for finding in findings)
        super().__init__(f"{name} cannot run: {findings[0]}" if len(findings) == 1
                         else f"{name} cannot run, for {len(findings)} reasons:{lines}")


@cache
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
    """Refused with all ``findings``, a line each; nothing where there are none."""
    if findings:
        raise Refused(name, findings)


def reasons(error: ModelError, op: Operator | None = None) -> tuple[Finding, ...]:
    """The findings of an error, which is about ``op`` where it does not say itself.

    A sentence that is not of a rule names what is wrong, then the remedy.
    """
    if isinstance(error, Refused):
        return error.findings
    text = str(error)
    if op is not None:
        text = text.removeprefix(f"operator {op}").lstrip(":, ")
    wrong, _, remedy = text.rpartition("; ")
    return (Finding(None if op is None else op.index, "" if op is None else op.kind, "",
                    "", wrong or remedy, remedy if wrong else "make another model"),)


class Reasons:
    """Collects what stands against a model while work on the rest of it goes on."""

    def __init__(self) -> None:
        self.errors: dict[str, tuple[ModelError, Operator | None]] = {}

    @contextmanager
    def of(self, op: Operator | None = None) -> Iterator[None]:
        """Takes the ModelError of work on ``op``, or on the whole model."""
        try:
            yield
        except ModelError as error:
            self.errors.setdefault(str(error), (error, op))

    def findings(self) -> list[Finding]:
        """All of them."""
        return [finding for error in self.errors.values() for finding in reasons(*error)]

    def refuse(self, name: str) -> None:
        """The only error as it was raised, or Refused with all; nothing where there are none."""
        if len(self.errors) == 1:
            raise next(iter(self.errors.values()))[0]
        refuse(name, self.findings())
