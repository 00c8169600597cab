"""Whose numbers are whose: our profiles beside the runtimes that the world takes for TFLite."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from compiler.errors import ModelError
from compiler.fold import simplified
from compiler.golden import Golden
from compiler.ir import Graph, Operator
from compiler.numerics import PROFILES
from compiler.progress import progress
from compiler.reader import read_model
from compiler.rules import check
from sim.compare import Difference, difference, equal_images, output_difference
from sim.oracles import RUNTIMES, Question, Runtime, ask, check_installed, with_outputs
from sim.run import Job, images, run_golden


@dataclass(frozen=True)
class Comparison:
    """A runtime beside one of our profiles. ``first`` is the first tensor of the first image that
    differs; of the model's outputs, where the runtime does not tell the others."""

    runtime: Runtime
    profile: str
    images: int                                  # that differ
    values: int                                  # that differ
    largest: float                               # difference
    first: Difference | None = None

    @property
    def is_ours(self) -> bool:
        """Whether the profile means this runtime: then they have to be equal."""
        return self.runtime.profile == self.profile


@dataclass(frozen=True)
class Verdict:
    """Of the runtimes and the profiles that have no answer, ``refused`` and ``lacking`` say why."""

    model: str
    source: str
    images: int
    values: int                                  # in all outputs of all images
    comparisons: tuple[Comparison, ...]
    refused: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether each profile is equal to its runtime, and at least one could be compared."""
        ours = [comparison for comparison in self.comparisons if comparison.is_ours]
        return bool(ours) and not any(comparison.images for comparison in ours)

    def equal(self, profile: str) -> list[Runtime]:
        """The runtimes that ``profile`` equals in every byte."""
        return [comparison.runtime for comparison in self.comparisons
                if comparison.profile == profile and not comparison.images]


def compare(model: Path, data: str, inputs: Path | None, limit: int | None) -> Verdict:
    """Runs ``model`` everywhere. ToolError where a runtime is not installed."""
    check_installed()
    graph = simplified(read_model(model))
    check(graph)
    arrays, _, source = images(Job(model, "golden", data=data, inputs=inputs, limit=limit), graph)
    refused: dict[str, str] = {}
    lacking: dict[str, str] = {}
    ours = {}
    for profile in PROFILES:
        try:
            ours[profile] = run_golden(graph, profile, arrays)
        except ModelError as error:
            lacking[profile] = str(error)
    if not ours:
        raise ModelError(lacking[PROFILES[0]])

    question = Question(model.read_bytes(), arrays)
    comparisons = []
    for runtime in RUNTIMES.values():
        with progress(runtime.title, len(arrays[0])) as bar:
            answer = ask(runtime.name, [question], bar.update)[0]
        if isinstance(answer, str):
            refused[runtime.name] = answer
            continue
        comparisons += [beside(runtime, profile, graph, outputs, answer)
                        for profile, outputs in ours.items()]
        if any(comparison.images for comparison in comparisons[-len(ours):]):
            comparisons[-len(ours):] = located(comparisons[-len(ours):], graph, question, answer)
    values = sum(array.size for array in next(iter(ours.values())))
    return Verdict(graph.name, source, len(arrays[0]), values, tuple(comparisons), refused,
                   lacking)


def beside(runtime: Runtime, profile: str, graph: Graph, ours: Sequence[np.ndarray],
           theirs: Sequence[np.ndarray]) -> Comparison:
    """How far our outputs are from the runtime's, and the first of them that differs."""
    theirs = [array.reshape(one.shape) for array, one in zip(theirs, ours, strict=True)]
    equal = equal_images(ours, theirs)
    if equal.all():
        return Comparison(runtime, profile, 0, 0, 0)
    apart = [distance(one, other) for one, other in zip(ours, theirs, strict=True)]
    image = int(np.argmin(equal))
    first = output_difference(graph, ours, theirs, image)
    return Comparison(runtime, profile, int((~equal).sum()),
                      sum(int(np.count_nonzero(array)) for array in apart),
                      max(float(array.max()) for array in apart), first)


def distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far apart values are, exactly."""
    wide = np.float64 if one.dtype.kind == "f" else np.int64
    return np.abs(one.astype(wide) - other.astype(wide))


def located(comparisons: Sequence[Comparison], graph: Graph, question: Question,
            theirs: Sequence[np.ndarray]) -> list[Comparison]:
    """The comparisons of one runtime with the first tensor that differs, where it tells them.

    It is asked again, with all tensors as outputs; and believed, as long as the model's own outputs
    stay what they were, for a runtime may join operators whose results nobody wants to see.
    """
    makers = {index: op for op in graph.operators for index in op.outputs}
    chosen = sorted({c.first.image for c in comparisons if c.first})
    inputs = [array[chosen] for array in question.inputs]
    told = ask(comparisons[0].runtime.name,
               [Question(with_outputs(question.model, list(makers)), inputs)])[0]
    if isinstance(told, str):
        return list(comparisons)
    shown = dict(zip(makers, told, strict=True))
    if any(not np.array_equal(shown[index].reshape(-1), array[chosen].reshape(-1))
           for index, array in zip(graph.outputs, theirs, strict=True) if index in shown):
        return list(comparisons)
    return [replace(c, first=first_tensor(c, graph, makers, inputs, chosen, shown))
            if c.first else c for c in comparisons]


def first_tensor(comparison: Comparison, graph: Graph, makers: dict[int, Operator],
                 inputs: Sequence[np.ndarray], chosen: Sequence[int],
                 shown: dict[int, np.ndarray]) -> Difference | None:
    """The first tensor of the comparison's image that differs from what the runtime has shown."""
    assert comparison.first is not None
    image = comparison.first.image
    at = chosen.index(image)
    golden = Golden(graph, comparison.profile).tensors([array[at:at + 1] for array in inputs])
    for index, op in makers.items():
        ours = golden[index][0]
        found = difference(f"operator {op}", graph.tensors[index].name, image, ours,
                           shown[index][at].reshape(ours.shape))
        if found:
            return found
    return comparison.first
