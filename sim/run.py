"""One job of the simulator: a model, images and an engine in, a report out."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from compiler.arrays import check_outputs_path, read_inputs, write_outputs
from compiler.errors import DataError, ModelError
from compiler.files import check_writable, write_file
from compiler.fold import simplified
from compiler.golden import Golden
from compiler.ir import Graph
from compiler.program import Program, compile_model
from compiler.progress import progress
from compiler.reader import read_model
from compiler.rules import check
from compiler.size import with_room
from compiler.targets import DEFAULT, Target
from hw.config import EngineConfig
from sim.compare import equal_images, locate, output_difference
from sim.data import load, quantize_input
from sim.device import DeviceRun, to_stream
from sim.host import Host
from sim.netlist.engine import NetlistEngine
from sim.python_engine import PythonEngine
from sim.report import Report
from sim.rtl import RtlEngine

MODEL = Path(__file__).resolve().parents[1] / "models" / "mnist_cnn_int8.tflite"

# How many images of the sample are enough to see that a model runs, engine by engine.
SAMPLE_IMAGES = 1000
FEW_IMAGES = {"python": 1, "netlist": 20}

CLASSES = 10                                     # of MNIST


@dataclass(frozen=True)
class Job:
    """What to run. ``inputs`` is a file and goes before ``data``; ``config`` is the engine's."""

    model: Path = MODEL
    engine: str = "rtl"
    target: Target = DEFAULT
    config: EngineConfig = DEFAULT.engine
    profile: str = "litert"
    data: str = "sample"
    inputs: Path | None = None
    outputs: Path | None = None
    limit: int | None = None
    vcd: Path | None = None
    window: tuple[int, int] = (0, 10_000)
    build: Path | None = None                    # of the engine netlist; by default the board's


def netlist_engine(job: Job) -> NetlistEngine:
    """The model on a placed-and-routed board."""
    return NetlistEngine(job.target, job.model, job.profile,
                         job.build or Path("build") / job.target.name)


Engine = RtlEngine | PythonEngine | NetlistEngine
ENGINES: dict[str, Callable[[Job, Program], Engine]] = {
    "rtl": lambda job, program: RtlEngine(program),
    "python": lambda job, program: PythonEngine(program),
    "netlist": lambda job, program: netlist_engine(job),
}


def compiled(graph: Graph, job: Job) -> Program:
    """The model for the job's engine: that of its board, or another."""
    if job.config != job.target.engine:
        return compile_model(graph, job.config, job.profile)
    return with_room(job.target, lambda engine: compile_model(graph, engine, job.profile))


def run(job: Job, note: Callable[[str], object]) -> Report:
    """Does the job; ``note`` takes a sentence for the user that is no result."""
    start = time.perf_counter()
    graph = simplified(read_model(job.model))
    check(graph)
    if job.vcd:
        check_writable(job.vcd, (job.model, job.inputs))
    if job.outputs:
        check_outputs_path(job.outputs, graph, (job.model, job.inputs, job.vcd))
    try:
        program = compiled(graph, job)
    except ModelError as error:
        if job.engine != "golden":
            raise
        note(f"the engine cannot run this model, the golden model can: {error}")
        program = None
    inputs, labels, source = images(job, graph)
    if job.engine == "golden":
        outputs = found = wanted = run_golden(graph, job.profile, inputs)
        device_run, seconds = None, None
    else:
        engine = ENGINES[job.engine](job, program)
        program = engine.program                 # (a build's is as small as the model allows)
        host = Host(program)
        device_inputs = host.to_device(inputs)
        if job.vcd:
            record(program, device_inputs, job.window, job.vcd)
        device_run, seconds = run_device(engine, device_inputs)
        outputs = host.from_device(device_run.outputs)
        # The device's own outputs count as well: a SOFTMAX on the host may hide a difference.
        graph = replace(graph, outputs=(*graph.outputs, *program.partition.device.outputs))
        found = outputs + host.received(device_run.outputs)
        wanted = run_golden(graph, job.profile, inputs)
    equal, first_difference = equal_images(found, wanted), None
    if not equal.all():
        image = int(np.argmin(equal))
        first_difference = locate(program, device_inputs, image) \
            or output_difference(graph, found, wanted, image)
    if job.outputs:
        write_outputs(job.outputs, outputs)
    return Report(
        job=job, program=program, source=source, images=len(equal), equal=int(equal.sum()),
        output_bytes=sum(array.nbytes for array in outputs), correct=hits(outputs[0], labels),
        difference=first_difference, device_run=device_run, seconds=seconds,
        wall_seconds=time.perf_counter() - start)


def images(job: Job, graph: Graph) -> tuple[list[np.ndarray], np.ndarray | None, str]:
    """The model's inputs, their labels where there are any, and where they are from."""
    limit = job.limit or FEW_IMAGES.get(job.engine)
    if job.inputs:
        return [array[:limit] for array in read_inputs(job.inputs, graph)], None, str(job.inputs)
    if len(graph.inputs) != 1:
        raise DataError(f"the model has {len(graph.inputs)} inputs, and images are one; give all "
                        "of them with --inputs X.npz")
    dataset = load(job.data)
    if job.data == "sample":
        limit = limit or SAMPLE_IMAGES
    try:
        inputs = quantize_input(dataset.images[:limit], graph.tensors[graph.inputs[0]])
    except DataError as error:
        raise DataError(f"{error}; give this model's own inputs with --inputs X.npy") from None
    return [inputs], dataset.labels[:limit], dataset.name


def run_golden(graph: Graph, profile: str, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The golden model's outputs."""
    golden: Golden = Golden(graph, profile)
    parts: list[list[np.ndarray]] = []
    with progress("golden model", len(inputs[0])) as bar:
        for first in range(0, len(inputs[0]), golden.block):
            parts.append(golden.run([array[first:first + golden.block] for array in inputs]))
            bar.update(len(parts[-1][0]))
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def run_device(engine: Engine, inputs: Sequence[np.ndarray]) -> tuple[DeviceRun, float]:
    """What the engine made of its inputs, and in how many seconds."""
    start = time.perf_counter()
    with progress("simulation", len(inputs[0])) as bar:
        return engine.run(inputs, bar.update), time.perf_counter() - start


def record(program: Program, inputs: Sequence[np.ndarray], window: tuple[int, int],
           path: Path) -> None:
    """Writes all signals of the RTL in the cycles of ``window`` as VCD. One machine takes all
    images here, so that cycles are counted as in the report."""
    stream = to_stream(inputs)
    machine = RtlEngine(program, images=len(stream)).machine(stream)
    start, stop = window
    passed = machine.run(start, until="done")
    if passed < start:
        raise DataError(f"the window {start}:{stop} begins after the run's last cycle, {passed}")
    recording = machine.record(stop - start)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "window.vcd"
        recording.write_vcd(text)
        write_file(path, text.read_bytes())


def hits(output: np.ndarray, labels: np.ndarray | None) -> int | None:
    """How many outputs name their label: by their largest value, or by being it."""
    if labels is None:
        return None
    values = output.reshape(len(output), -1)
    if values.shape[1] == CLASSES:
        return int((values.argmax(axis=1) == labels).sum())
    is_index = values.shape[1] == 1 and output.dtype in (np.int32, np.int64)
    return int((values[:, 0] == labels).sum()) if is_index else None
