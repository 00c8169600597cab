"""The predictor that leaves out what repeats, against itself following everything.

tests/sim/test_rtl.py holds its cycles against the simulated engine.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from compiler import cycles, tape_time
from compiler.program import compile_model
from compiler.targets import DEFAULT, TARGETS

MODELS = Path(__file__).parents[2] / "models"
SMALL = replace(DEFAULT.engine, columns=2, lanes=2, tape_rows=2, weight_words=16,
                channel_records=8, results=16)


@pytest.mark.parametrize("model", ["mnist_cnn_int8", "mnist_dense_qat_float_io"])
@pytest.mark.parametrize("board", ["icebreaker", "ulx3s-85f", None])
def test_what_repeats_is_followed_once(monkeypatch, model, board):
    target = TARGETS.get(board)
    program = compile_model(MODELS / f"{model}.tflite", target.engine if target else SMALL)
    cases = [(1, None, False), (4, None, False), (4, target, False), (3, target, True)]
    found = [cycles.predict(program, *case) for case in cases]
    monkeypatch.setattr(tape_time.Repeats, "found", lambda self, state, *counts: (0,) * len(counts))
    assert found == [cycles.predict(program, *case) for case in cases]
