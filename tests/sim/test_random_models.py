"""Random models of one to four operators: golden model and RTL against LiteRT and TFLM."""

import numpy as np
import pytest
from equal import SEVERAL, WIDE, on_rtl, same
from oracles import outputs_of
from random_models import random_model

from compiler.errors import ModelError
from compiler.golden import Golden
from compiler.ir import Graph
from compiler.program import compile_model
from compiler.reader import parse_model
from compiler.targets import TARGETS

IMAGES = 3
SEEDS = [pytest.param(range(24), id="first")] + [
    pytest.param(range(first, first + 50), id=f"from {first}", marks=pytest.mark.slow)
    for first in range(24, 1024, 50)]
ENGINES = (TARGETS["icebreaker"].engine, SEVERAL, WIDE)


def inputs_for(graph: Graph, rng: np.random.Generator) -> list[np.ndarray]:
    """Random ones, then the least and the largest of each type."""
    found = []
    for tensor in (graph.tensors[index] for index in graph.inputs):
        shape = (IMAGES, *tensor.shape)
        if tensor.dtype == "float32":
            found.append(rng.uniform(-8, 8, shape).astype(np.float32))
            continue
        info = np.iinfo(tensor.dtype)
        found.append(rng.integers(info.min, info.max, shape, tensor.dtype, endpoint=True))
        found[-1][1:] = np.array([info.min, info.max]).reshape(-1, *[1] * len(tensor.shape))
    return found


@pytest.mark.parametrize("profile", ["litert", "tflm"])
@pytest.mark.parametrize("seeds", SEEDS)
def test_random_models(seeds, profile, tmp_path):
    models = {}
    for seed in seeds:
        file = bytes(random_model(seed))
        graph = parse_model(file, tmp_path / f"random_{seed}.tflite")
        models[f"random_{seed}"] = file, inputs_for(graph, np.random.default_rng(seed))
    ran = 0
    for seed, (name, answer) in zip(seeds, outputs_of(profile, models).items(), strict=True):
        file, inputs = models[name]
        graph = parse_model(file, tmp_path / f"{name}.tflite")
        # Some are no models for this runtime; and LiteRT's SUM reads int8 as uint8.
        wrong = profile == "litert" and any(op.kind == "SUM" for op in graph.operators)
        if isinstance(answer, str) or wrong:
            continue
        same(Golden(graph, profile).run(inputs), answer, f"{name}, golden model")
        try:
            program = compile_model(graph, ENGINES[seed % len(ENGINES)], profile)
        except ModelError:
            continue                             # tests/compiler/test_rules.py has the refusals
        same(on_rtl(program, inputs), answer, f"{name}, RTL")
        ran += 1
    assert ran >= len(seeds) // 2
