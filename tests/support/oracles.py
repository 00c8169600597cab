"""The runtimes whose results are the truth, or a skipped test where they are not installed."""

import importlib.util

import numpy as np
import pytest

from sim.oracles import RUNTIMES, Answer, Question, ask


def answers_of(runtime: str, questions: list[Question]) -> list[Answer]:
    """What ``runtime`` gives, in one process as long as it lives."""
    if importlib.util.find_spec(RUNTIMES[runtime].module) is None:
        pytest.skip(f"{RUNTIMES[runtime].package} is not installed")
    return ask(runtime, questions)


def outputs_of(runtime: str,
               models: dict[str, tuple[bytes, list[np.ndarray]]]) -> dict[str, Answer]:
    """What ``runtime`` answers to each model's inputs ``[N, *shape]``, or why it refuses it."""
    answers = answers_of(runtime, [Question(*model) for model in models.values()])
    return dict(zip(models, answers, strict=True))
