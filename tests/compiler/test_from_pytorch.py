"""docs/from-pytorch.md, word by word."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from equal import equal_to_runtime

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "from-pytorch.md"
NEEDED = ("torch", "litert_torch", "ai_edge_quantizer", "mlxtend")
missing = [module for module in NEEDED if find_spec(module) is None]


def run(folder, *arguments) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=folder, check=True, text=True,
                          stdout=subprocess.PIPE,
                          env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} of the extra `torch` is missing")
def test_the_page(tmp_path):
    blocks = re.findall(r"```(python)?\n(.*?)```", PAGE.read_text(), re.DOTALL)
    script, = (block for language, block in blocks if language)
    run(tmp_path, "-c", script)
    commands = [line for _, block in blocks for line in block.splitlines()
                if line.startswith("python -m ")]
    answers = {line.split()[3]: run(tmp_path, *line.split()[1:]) for line in commands}
    assert list(answers) == ["quantize", "check", "run"]

    accuracies = re.search(r"accuracy +([\d.]+)% in float32, ([\d.]+)% in int8",
                           answers["quantize"])
    assert accuracies is not None
    ours, theirs = map(float, accuracies.groups())
    assert ours > 90 and abs(ours - theirs) < 2
    assert "icebreaker: fits" in answers["check"]
    assert "20 of 20 images equal to the golden model in every byte" in answers["run"]

    inputs = np.random.default_rng(0).integers(-128, 128, (20, 1, 1, 28, 28), np.int8)
    models = {"net": ((tmp_path / "net_int8.tflite").read_bytes(), [inputs])}
    assert equal_to_runtime("litert", models, tmp_path) == []
