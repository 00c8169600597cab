"""``sim compare``, and the runtimes that it asks."""

import json

import numpy as np
import pytest
from growing import Growing
from random_models import random_model
from small_models import dense

from compiler.golden import Golden
from compiler.reader import read_model
from sim import oracles
from sim.__main__ import main
from sim.oracles import Question, ask, with_outputs

pytest.importorskip("ai_edge_litert")
pytest.importorskip("tflite_micro")

X = np.random.default_rng(3).integers(-128, 128, (6, 1, 12), np.int8)
VALID = 1
LITERT = "LiteRT's reference kernels: ai-edge-litert {}".format(oracles.RUNTIMES["litert"].version)
XNNPACK = "LiteRT as it comes (XNNPACK): ai-edge-litert {}".format(
    oracles.RUNTIMES["xnnpack"].version)
TFLM = "TensorFlow Lite Micro: tflite-micro {}".format(oracles.RUNTIMES["tflm"].version)


def equal_logits(count: int) -> bytes:
    """A SOFTMAX over so many equal values that LiteRT's reference kernel aborts."""
    g = Growing(np.random.default_rng(0))
    x = g.input(g.activation((1, count), scale=0.1, zero_point=0))
    g.operate("SOFTMAX", [x], [g.activation((1, count), scale=1 / 256, zero_point=-128)], beta=1.0)
    return bytes(g.model())


def tied() -> bytes:
    """Two dense layers; in the first, channel 1 gives its bias, whose product is a tie: -2.5.

    LiteRT rounds it once, away from zero, and TFLM twice, to -2. XNNPACK rounds to even.
    """
    g = Growing(np.random.default_rng(1))
    x = g.input(g.activation((1, 4), scale=1.0, zero_point=0))
    last = x
    for width, bias in ((2, [0, -10]), (2, [0, 0])):
        depth = g.shape(last)[1]
        w = np.eye(width, depth, dtype=np.int8)
        if last == x:
            w[1] = 0
        y = g.activation((1, width), scale=4.0 if last == x else 1.0, zero_point=0)
        g.operate("FULLY_CONNECTED", [last, g.constant(w, [1.0], [0]),
                                      g.constant(np.array(bias, np.int32), [1.0], [0])], [y])
        last = y
    return bytes(g.model())


# --- The runtimes

def test_each_runtime_answers(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(dense(12, 9, 5))
    graph, seen = read_model(path), []
    for runtime, profile in (("litert", "litert"), ("tflm", "tflm")):
        answer, = ask(runtime, [Question(path.read_bytes(), [X])], seen.append)
        assert np.array_equal(answer[0], Golden(graph, profile).run([X])[0])
    assert sum(seen) == 12


def test_a_runtime_that_dies_goes_on_with_the_next_question():
    zeros = np.zeros((1, 1, 1000), np.int8)
    right, fatal = dense(12, 9), equal_logits(1000)
    answers = ask("litert", [Question(right, [X]), Question(fatal, [zeros]),
                             Question(right, [X[:2]]), Question(fatal, [zeros])])
    assert [len(answer[0]) if isinstance(answer, list) else answer.split(":")[0]
            for answer in answers] == [6, "it died with SIGABRT", 2, "it died with SIGABRT"]


def test_a_runtime_that_refuses():
    damaged = dense(12, 9)[:-200]
    answers = ask("tflm", [Question(damaged, [X]), Question(dense(12, 9), [X[..., :5]]),
                           Question(dense(12, 9), [X])])
    assert [isinstance(answer, str) for answer in answers] == [True, True, False]
    assert "dimension" in answers[1] and "\n" not in answers[1]


def test_every_tensor_as_an_output(tmp_path):
    path = tmp_path / "m.tflite"
    for seed in range(12):
        path.write_bytes(bytes(random_model(seed)))
        graph = read_model(path)
        made = [index for op in graph.operators for index in op.outputs]
        again = tmp_path / "again.tflite"
        again.write_bytes(with_outputs(path.read_bytes(), made))
        assert read_model(again).outputs == tuple(made)
        assert read_model(again).tensors == graph.tensors


# --- The command

@pytest.fixture
def files(tmp_path):
    """A model and its inputs."""
    def write(model, inputs=X):
        (tmp_path / "m.tflite").write_bytes(model)
        np.save(tmp_path / "x.npy", inputs)
        return [str(tmp_path / "m.tflite"), "--inputs", str(tmp_path / "x.npy")]
    return write


def compare(capsys, *argv):
    code = main(["compare", *argv])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_all_the_same(capsys, files):
    arguments = files(dense(12, 5))
    code, out, err = compare(capsys, *arguments, "--limit", "5")
    same = "  profile litert   equal: all of 5 images in every byte\n" \
           "  profile tflm     equal: all of 5 images in every byte\n"
    everyone = "LiteRT's reference kernels, LiteRT as it comes (XNNPACK), TensorFlow Lite Micro\n"
    assert (code, err, out) == (0, "", (
        f"model      m, 5 images of {arguments[2]}, 25 values\n\n{LITERT}\n{same}\n{XNNPACK}\n"
        f"{same}\n{TFLM}\n{same}\nprofile litert equals, byte for byte: {everyone}"
        f"profile tflm equals, byte for byte: {everyone}"))


def test_where_they_differ(capsys, files):
    code, out, err = compare(capsys, *files(tied(), np.zeros((2, 1, 4), np.int8)), "--json")
    found = json.loads(out)
    assert code == 0 and found["agrees"]
    beside = {(c["runtime"], c["profile"]): c for c in found["comparisons"]}
    assert [c["images_that_differ"] for c in beside.values()] == [0, 2, 2, 0, 2, 0]
    assert found["matches"] == {"litert": ["litert"], "tflm": ["xnnpack", "tflm"]}
    apart = beside["litert", "tflm"]
    assert apart["values_that_differ"] == 2 and apart["largest_difference"] == 4
    assert apart["first_difference"]["text"] == (
        "operator 0 FULLY_CONNECTED, tensor 't3', image 0, pixel (0, 0), channel 1: wanted -3, "
        "got -2")


def test_disagreement(capsys, files, monkeypatch):
    """An error of ours: exit code 1, and the place where it begins."""
    run = Golden.run
    monkeypatch.setattr(Golden, "run", lambda self, inputs, keep=False: spoilt(
        run(self, inputs, keep), self.graph.outputs[0] if keep else 0))
    code, out, err = compare(capsys, *files(dense(12, 5), np.zeros((1, 1, 12), np.int8)))
    assert code == 1
    assert out.count("differs in 1 of 1 image, 5 values, by ") == 6
    assert out.endswith("profile litert equals, byte for byte: none of them\n"
                        "profile tflm equals, byte for byte: none of them\n")


def spoilt(found, key):
    """The outputs, or all tensors, with another value in every place of one."""
    found[key] = found[key] ^ 1
    return found


def test_a_model_that_litert_aborts_on(capsys, files):
    code, out, err = compare(capsys, *files(equal_logits(1000), np.zeros((1, 1, 1000), np.int8)))
    assert code == 0
    assert f"{LITERT}\n  does not run this model: it died with SIGABRT" in out
    assert f"{TFLM}\n  profile litert   equal: all of 1 image in every byte\n" in out


def test_a_model_that_none_runs(capsys, files, monkeypatch):
    monkeypatch.setattr("sim.profiles.ask", lambda *_: ["no such operator"])
    code, out, err = compare(capsys, *files(dense(12, 5)))
    assert code == 1
    assert out.count("  does not run this model: no such operator\n") == 3


@pytest.mark.parametrize("module, message", [
    ("ai_edge_litert", "error: ai-edge-litert is not installed, which holds LiteRT's reference "
                       "kernels; install both references with python -m pip install -e "
                       "'.[oracle]'\n"),
    ("tflite_micro", "error: tflite-micro is not installed, which holds TensorFlow Lite Micro; "
                     "install both references with python -m pip install -e '.[oracle]'\n"),
])
def test_a_runtime_is_missing(capsys, files, monkeypatch, module, message):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == module else name)
    assert compare(capsys, *files(dense(12, 5))) == (4, "", message)


def test_wrong_models_and_inputs(capsys, files, tmp_path):
    model, _, inputs = files(dense(12, 5))
    assert compare(capsys, str(tmp_path / "no.tflite")) == (
        3, "", f"error: {tmp_path / 'no.tflite'} is not a file\n")
    assert compare(capsys, model, "--data", "sample")[::2] == (
        3, "error: input 'in' has the shape [1, 12], and MNIST images fit [1, 28, 28, 1], [1, "
           "784], [1, 28, 28] or [1, 1, 28, 28]; give this model's own inputs with --inputs "
           "X.npy\n")
