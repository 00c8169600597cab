"""Asks TFLite's own runtimes what a model gives; each runs in a process of its own."""

import importlib.metadata
import importlib.util
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tflite

from compiler.errors import ToolError

OUTPUTS_SLOT = 8                                 # of SubGraph.outputs in its vtable
INSTALL = "install both references with python -m pip install -e '.[oracle]'"


@dataclass(frozen=True)
class Runtime:
    """Whose kernels; ``profile`` is ours that equals it, None where none does."""

    name: str
    title: str
    package: str
    module: str
    profile: str | None

    @property
    def version(self) -> str:
        """The installed package's."""
        return importlib.metadata.version(self.package)


RUNTIMES = {runtime.name: runtime for runtime in (
    Runtime("litert", "LiteRT's reference kernels", "ai-edge-litert", "ai_edge_litert", "litert"),
    Runtime("xnnpack", "LiteRT as it comes (XNNPACK)", "ai-edge-litert", "ai_edge_litert", None),
    Runtime("tflm", "TensorFlow Lite Micro", "tflite-micro", "tflite_micro", "tflm"),
)}


@dataclass(frozen=True)
class Question:
    """A model's bytes, and its inputs ``[N, *shape]``."""

    model: bytes
    inputs: Sequence[np.ndarray]


# The outputs ``[N, *shape]``; or in words why there are none.
Answer = list[np.ndarray] | str


def check_installed() -> None:
    """ToolError where one of the runtimes is missing."""
    for runtime in RUNTIMES.values():
        if importlib.util.find_spec(runtime.module) is None:
            raise ToolError(f"{runtime.package} is not installed, which holds {runtime.title}; "
                            f"{INSTALL}")


def ask(runtime: str, questions: Sequence[Question],
        progress: Callable[[int], object] = lambda images: None) -> list[Answer]:
    """An answer to each question; a runtime that dies of one goes on with the next.

    ``progress`` is told of images that are done.
    """
    answers: list[Answer] = []
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(position) for position in range(len(questions))]
        for folder, question in zip(folders, questions, strict=True):
            folder.mkdir()
            (folder / "model.tflite").write_bytes(question.model)
            np.savez(folder / "inputs.npz", **{
                f"in{position}": array for position, array in enumerate(question.inputs)})
        while len(answers) < len(questions):
            answers += _run(runtime, folders[len(answers):], progress)
    return answers


def _run(runtime: str, folders: Sequence[Path],
         progress: Callable[[int], object]) -> list[Answer]:
    """The answers of one process: all, or those up to the question that it died of."""
    with subprocess.Popen([sys.executable, "-m", "sim.runtimes", runtime, *map(str, folders)],
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        for _ in process.stdout:
            progress(1)
        trouble = process.stderr.read()
    answers: list[Answer] = []
    for folder in folders:
        if (folder / "outputs.npz").is_file():
            with np.load(folder / "outputs.npz") as stored:
                answers.append([stored[f"out{position}"] for position in range(len(stored.files))])
        elif (folder / "refusal.txt").is_file():
            answers.append(one_line((folder / "refusal.txt").read_text(), complaint(folder)))
        else:                                    # it was at work on this one
            code = process.returncode
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return [*answers, one_line(f"it died with {how}", complaint(folder) or trouble)]
    return answers


def complaint(folder: Path) -> str:
    """The last line that the runtime wrote about a question; empty where there is none."""
    try:
        written = (folder / "complaints.txt").read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return next((line for line in reversed(written.splitlines())
                 if line.strip() and not line.startswith("INFO:")), "")


def one_line(*sentences: str) -> str:
    """What was said, on one line of at most 200 characters."""
    line = ": ".join(" ".join(text.split()) for text in sentences if text.strip())
    return line if len(line) <= 200 else f"{line[:197]}..."


def with_outputs(model: bytes, tensors: Sequence[int]) -> bytes:
    """The model with ``tensors`` as its outputs: another list behind its end.

    The file names its lists by how far ahead they are, so it need not be written anew.
    """
    data = bytearray(model)
    data += bytes(-len(data) % 4)
    subgraph = tflite.Model.GetRootAs(model, 0).Subgraphs(0)._tab
    field = subgraph.Pos + subgraph.Offset(OUTPUTS_SLOT)
    struct.pack_into("<I", data, field, len(data) - field)
    return bytes(data + struct.pack(f"<I{len(tensors)}i", len(tensors), *tensors))
