"""What came of a quantization, as text for people and as JSON for programs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compiler.flatbuffer import shown
from compiler.ir import Graph
from compiler.quantize.measure import Loss, Outputs, choices
from compiler.quantize.ranges import Ranges
from compiler.quantize.source import FloatModel
from compiler.verdict import Verdict

SHOWN_TENSORS = 10


@dataclass(frozen=True)
class Report:
    """``data`` is what the outputs were compared on, ``labels`` the classes of its inputs."""

    model: FloatModel
    out: Path
    graph: Graph
    size: int
    calibration: Path
    calibrated: int
    ranges: Ranges
    data: Path
    labels: np.ndarray | None
    outputs: list[Outputs]
    losses: list[Loss]
    verdict: Verdict

    @property
    def right(self) -> tuple[int, int] | None:
        """How many inputs the float model and the int8 model put into their classes."""
        if self.labels is None:
            return None
        found = self.outputs[0]
        ours, theirs = (int((choices(values).reshape(-1) == self.labels).sum())
                        for values in (found.floats, found.int8s))
        return ours, theirs


def document(report: Report) -> dict[str, Any]:
    """As plain values."""
    graph = report.model.graph
    return {
        "model": str(report.model.path), "out": str(report.out), "bytes": report.size,
        "calibration": {"data": str(report.calibration), "inputs": report.calibrated},
        "measured": {"data": str(report.data), "inputs": len(report.outputs[0].floats)},
        "accuracy": None if report.right is None else
        {"float": report.right[0], "int8": report.right[1]},
        "outputs": [{"name": graph.tensors[found.tensor].name, "same": found.same,
                     "mean_error": float(found.errors.mean()),
                     "largest_error": float(found.errors.max())} for found in report.outputs],
        "tensors": [row(report, loss) for loss in report.losses],
        "check": {"board": report.verdict.target.name, "fits": report.verdict.fits,
                  "reasons": [asdict(reason) | {"text": str(reason)}
                              for reason in report.verdict.reasons]},
    }


def row(report: Report, loss: Loss) -> dict[str, Any]:
    """One tensor; ``operator`` is what makes it in the file of the float model, None the input."""
    graph = report.model.graph
    maker = next((op for op in graph.operators if loss.tensor in op.outputs), None)
    low, high = report.ranges[loss.tensor]
    return {"operator": maker and maker.index, "kind": maker.kind if maker else "input",
            "tensor": loss.tensor, "name": graph.tensors[loss.tensor].name,
            "sqnr_db": loss.sqnr, "own_sqnr_db": loss.own, "low": low, "high": high}


def text(report: Report) -> str:
    """In lines."""
    count = len(report.outputs[0].floats)
    of_data = f"of {count:,} inputs of {report.data}"
    lines = [f"model       {report.model.path}: {len(report.model.graph.operators)} operators",
             f"written     {report.out}: {report.size:,} bytes, int8, calibrated on "
             f"{report.calibrated:,} inputs of {report.calibration}"]
    if report.right is not None:
        ours, theirs = report.right
        lines.append(f"accuracy    {ours / count:.2%} in float32, {theirs / count:.2%} in int8: "
                     f"{ours:,} and {theirs:,} {of_data}")
    lines += [f"output      {agreement(report, found, of_data)}" for found in report.outputs]
    lines += ["", *tensors(report), "", *engine(report)]
    return "\n".join(lines)


def agreement(report: Report, found: Outputs, of_data: str) -> str:
    """One output in both models."""
    name = shown(report.model.graph.tensors[found.tensor].name)
    what = "largest value" if found.floats.dtype.kind == "f" else "integers"
    same = "" if found.same is None else f"the same {what} for {found.same:,} {of_data}; "
    return f"{name}: {same}error {found.errors.mean():.4g} on average, {found.errors.max():.4g} " \
           f"at the most"


def tensors(report: Report) -> Iterator[str]:
    """The least exact ones."""
    yield "what loses most: the float32 values over their error in int8; in brackets, if this " \
          "tensor alone were int8"
    for found in map(lambda loss: row(report, loss), report.losses[:SHOWN_TENSORS]):
        maker = f"{found['operator']} {found['kind']}" if found["operator"] is not None else "input"
        yield f"  {maker:22} {decibels(found['sqnr_db']):>8} ({decibels(found['own_sqnr_db'])})  " \
              f"{found['low']:.4g} to {found['high']:.4g}  {shown(found['name'])}"
    if len(report.losses) > SHOWN_TENSORS:
        yield f"  and {len(report.losses) - SHOWN_TENSORS} that are more exact; --json has all"


def decibels(value: float | None) -> str:
    """For a table."""
    return "exact" if value is None else f"{value:.1f} dB"


def engine(report: Report) -> Iterator[str]:
    """Whether the engine takes it."""
    board = report.verdict.target.name
    more = f"python -m compiler check {report.out} --board {board}"
    if report.verdict.fits:
        yield f"board       {board}: fits; {more} tells how fast"
        return
    yield f"board       {board}: does not fit; {more} tells all, which is:"
    yield from (f"  {reason}" for reason in report.verdict.reasons)
