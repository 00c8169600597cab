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
    x = g.entered(g.activation((1, count), scale=0.1, zero_point=0))
    g.operator("SOFTMAX", [x], [g.activation((1, count), scale=1 / 256, zero_point=-128)], beta=1.0)
    return bytes(g.grown())


def tied() -> bytes:
    """Two dense layers; the first gives 2.25 and -2.5, the second the same times four.

    TFLM rounds 2.25 twice, to 2.5 and to 3; XNNPACK rounds -2.5 to even, the others away from zero.
    """
    g = Growing(np.random.default_rng(1))
    last = g.entered(g.activation((1, 2), scale=1.0, zero_point=0))
    for scale, weight, bias in ((4.0, 0, [9, -10]), (1.0, 1, [0, 0])):
        y = g.activation((1, 2), scale=scale, zero_point=0)
        w = g.weights(weight * np.eye(2, dtype=np.int8), [1.0])
        b = g.weights(np.array(bias, np.int32), [g.scale_of(last)])
        g.operator("FULLY_CONNECTED", [last, w, b], [y])
        last = y
    return bytes(g.grown())


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
    zeros = np.zeros((1, 1, 600), np.int8)
    right, fatal = dense(12, 9), equal_logits(600)
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
    code, out, err = compare(capsys, *files(tied(), np.zeros((2, 1, 2), np.int8)), "--json")
    found = json.loads(out)
    assert code == 0 and found["agrees"]
    beside = {(c["runtime"], c["profile"]): c for c in found["comparisons"]}
    assert [c["values_that_differ"] for c in beside.values()] == [0, 2, 2, 4, 2, 0]
    assert found["matches"] == {"litert": ["litert"], "tflm": ["tflm"]}
    assert {c["largest_difference"] for c in beside.values()} == {0, 4}
    first = {pair: c["first_difference"] and c["first_difference"]["text"]
             for pair, c in beside.items()}
    there = "operator 0 FULLY_CONNECTED, tensor 't1', image 0, pixel (0, 0), channel "
    assert first == {
        ("litert", "litert"): None, ("tflm", "tflm"): None,
        ("litert", "tflm"): there + "0: wanted 2, got 3",
        ("tflm", "litert"): there + "0: wanted 3, got 2",
        ("xnnpack", "litert"): there + "1: wanted -2, got -3",
        ("xnnpack", "tflm"): there + "0: wanted 2, got 3"}


def test_disagreement(capsys, files, monkeypatch):
    """An error of ours: exit code 1, and the place where it begins."""
    computed = Golden.computed
    monkeypatch.setattr(Golden, "computed", lambda self, inputs, wanted: spoilt(
        computed(self, inputs, wanted), self.graph.outputs[0]))
    code, out, err = compare(capsys, *files(dense(12, 5), np.zeros((1, 1, 12), np.int8)))
    assert code == 1
    assert out.count("differs in 1 of 1 image, 5 values, by ") == 6
    assert out.endswith("profile litert equals, byte for byte: none of them\n"
                        "profile tflm equals, byte for byte: none of them\n")


def spoilt(found, key):
    """The tensors, with another value in every place of one."""
    found[key] = found[key] ^ 1
    return found


def test_a_model_that_the_references_abort_on(capsys, files):
    """XNNPACK computes it in floats; but it is not the truth of any profile."""
    code, out, err = compare(capsys, *files(equal_logits(600), np.zeros((1, 1, 600), np.int8)))
    assert code == 1
    for runtime in (LITERT, TFLM):
        assert f"{runtime}\n  does not run this model: it died with SIGABRT" in out
    assert "profile litert equals, byte for byte: LiteRT as it comes (XNNPACK)\n" in out


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
