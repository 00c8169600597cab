"""The runtimes whose results are the truth: LiteRT with its reference kernels, and TFLM."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("oracle.py")
RUNTIMES = {"litert": "ai_edge_litert", "tflm": "tflite_micro"}


def outputs_of(runtime: str, models: dict[str, tuple[bytes, list[np.ndarray]]],
               folder: Path) -> dict[str, list[np.ndarray] | str]:
    """What ``runtime`` answers to each model's inputs ``[N, *shape]``, or why it refuses it.

    One process runs them all, in ``folder``; where the runtime is not installed, the test is
    skipped.
    """
    if importlib.util.find_spec(RUNTIMES[runtime]) is None:
        pytest.skip(f"{RUNTIMES[runtime]} is not installed")
    folder = folder / runtime
    folder.mkdir()
    for name, (model, inputs) in models.items():
        (folder / f"{name}.tflite").write_bytes(model)
        np.savez(folder / f"{name}.in.npz", **{f"in{k}": x for k, x in enumerate(inputs)})
    subprocess.run([sys.executable, PROGRAM, runtime, folder], check=True, capture_output=True)
    found: dict[str, list[np.ndarray] | str] = {}
    for name in models:
        refusal = folder / f"{name}.txt"
        if refusal.exists():
            found[name] = refusal.read_text()
            continue
        with np.load(folder / f"{name}.out.npz") as answer:
            found[name] = [answer[f"o{k}"] for k in range(len(answer.files))]
    return found
