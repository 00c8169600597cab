"""One quantization: a float model and data in, an int8 model and a report out."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from compiler.errors import ToolError
from compiler.files import check_writable, write_file
from compiler.quantize.bounds import check_bounds
from compiler.quantize.data import first, read_data, read_labels
from compiler.quantize.int8 import int8_model
from compiler.quantize.measure import Pair
from compiler.quantize.ranges import ranges
from compiler.quantize.report import Report
from compiler.quantize.source import float_model
from compiler.reader import parse_model
from compiler.targets import Target
from compiler.verdict import examine, judge

PACKAGES = {"ai_edge_litert": "ai-edge-litert", "ai_edge_quantizer": "ai-edge-quantizer"}


@dataclass(frozen=True)
class Job:
    """``labels`` belong to ``test``, and to ``calibration`` where that is None; ``limit`` is how
    many inputs of the calibration data count."""

    model: Path
    calibration: Path
    out: Path
    labels: Path | None
    test: Path | None
    limit: int | None
    target: Target
    profile: str


def quantize(job: Job) -> Report:
    """Writes the int8 model, whole or not at all, and measures it."""
    check_packages()
    check_writable(job.out, (job.model, job.calibration, job.labels, job.test))
    model = float_model(job.model)
    inputs = read_data(job.calibration, model.graph)
    tested = inputs if job.test is None else read_data(job.test, model.graph)
    labels = None if job.labels is None else read_labels(job.labels, model.graph, len(tested[0]))
    inputs = first(inputs, job.limit)
    found = ranges(model, inputs)
    content = int8_model(model, found)
    graph = parse_model(content, job.out)
    check_bounds(f"{job.model} in int8", graph)
    write_file(job.out, content)

    pair = Pair(model, job.out, graph, content)
    verdict, = judge(examine(graph, job.profile), [job.target])
    return Report(
        model=model, out=job.out, graph=graph, size=len(content), calibration=job.calibration,
        calibrated=len(inputs[0]), ranges=found, data=job.test or job.calibration, labels=labels,
        outputs=pair.outputs(tested), losses=pair.losses(inputs), verdict=verdict)


def check_packages() -> None:
    """ToolError where the extra is not installed."""
    missing = [name for module, name in PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise ToolError(f"{' and '.join(missing)} must be installed to quantize, and "
                        f"{'are' if missing[1:] else 'is'} not; pip install '.[quantize]' does it")
