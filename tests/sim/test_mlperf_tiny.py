"""MLPerf Tiny's models: every tensor against LiteRT, and on the RTL of the boards' engines."""

from pathlib import Path

import numpy as np
import pytest
from equal import on_rtl, same
from oracles import answers_of

from compiler.errors import ModelError
from compiler.golden import Golden
from compiler.program import prepare
from compiler.reader import read_model
from compiler.size import fit
from compiler.targets import TARGETS
from sim.oracles import Question, with_outputs

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "models" / "mlperf_tiny"
MODELS = ("kws_ref_model", "pretrainedResnet_quant", "vww_96_int8", "ad01_int8",
          "str_ww_ref_model")
BOARDS = ("icebreaker", "ulx3s-25f", "ulx3s-85f")

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the shared folder is not there")


def random_inputs(graph, images):
    found = []
    for tensor in (graph.tensors[index] for index in graph.inputs):
        info = np.iinfo(tensor.dtype)
        found.append(np.random.default_rng(images).integers(
            info.min, info.max, (images, *tensor.shape), tensor.dtype, endpoint=True))
    return found


@pytest.mark.parametrize("profile", ["litert", "tflm"])
@pytest.mark.parametrize("images", [2, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", MODELS)
def test_every_tensor(name, images, profile):
    """The golden model's, of random inputs."""
    path = FOLDER / f"{name}.tflite"
    graph = read_model(path)
    made = [index for op in graph.operators for index in op.outputs]
    inputs = random_inputs(graph, images)
    [answer] = answers_of(profile, [Question(with_outputs(path.read_bytes(), made), inputs)])
    computed = Golden(graph, profile).tensors(inputs)
    assert not isinstance(answer, str), answer
    for index, values in zip(made, answer, strict=True):
        assert np.array_equal(values, computed[index]), graph.tensors[index].name


@pytest.mark.parametrize("profile", ["litert", "tflm"])
@pytest.mark.parametrize("images", [1, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", MODELS)
def test_on_boards(name, board, images, profile):
    """The RTL, with the cycles that were predicted, where the scratchpad holds the model."""
    graph = read_model(FOLDER / f"{name}.tflite")
    try:
        program = fit(prepare(graph), TARGETS[board], profile)
    except ModelError as error:
        assert "bytes of scratchpad" in str(error)
        pytest.skip(str(error))
    inputs = random_inputs(graph, images)
    same(on_rtl(program, inputs), Golden(graph, profile).run(inputs), name)
