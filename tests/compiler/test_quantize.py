import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from equal import equal_to_runtime
from float_models import litert, network, random
from operator_models import OperatorModel
from write_tflite import CUSTOM, WrittenModel, WrittenOperator, WrittenTensor

from compiler import __main__ as command_line
from compiler.golden import Golden
from compiler.quantize import job
from compiler.quantize.file import load, pack
from compiler.reader import read_model
from sim.data import load as load_images

pytest.importorskip("ai_edge_quantizer", reason="the extra `quantize` is not installed")

SHARED = Path(__file__).resolve().parents[3] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared folder is not there")
IMAGES = random(40, 1, 8, 8, 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """With the network as net.tflite, inputs for it as x.npy; the messages have short names."""
    monkeypatch.chdir(tmp_path)
    Path("net.tflite").write_bytes(network())
    np.save("x.npy", IMAGES)
    return tmp_path


def run(capsys, *argv) -> tuple[int, str, str]:
    try:
        code = command_line.main(["quantize", *map(str, argv)])
    except SystemExit as error:
        code = error.code
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def quantized(capsys, model="net.tflite", calibration="x.npy", out="int8.tflite", *more) -> dict:
    """The report; the answer to a command that works."""
    code, answer, _ = run(capsys, model, "--calibration", calibration, "--out", out, "--json",
                          *more)
    assert code == 0
    return json.loads(answer)


# --- The int8 model

def single(kind, shape, output, *constants, order=None, **options):
    """One operator, and a dense layer behind it so that it is not the last. ``order`` says which
    of the input (0) and the constants (1 and up) are its operands."""
    model = OperatorModel("float32")
    operands = [model.input(shape), *(model.constant(c, c.dtype.name) for c in constants)]
    x = model.add(kind, [operands[k] for k in order or range(len(operands))], output, **options)
    rows = int(np.prod(output[:-1]))
    return model.file(model.add("FULLY_CONNECTED", [
        x, model.constant(random(4, output[-1]), "float32"), -1], (rows, 4)))


def whole(*values):
    """Sizes, axes and the like."""
    return np.array(values, np.int32)


IMAGE, ROW = (1, 4, 4, 8), (1, 8)
STRIDE = {"stride_w": 1, "stride_h": 1}
AROUND = whole([0, 0], [1, 1], [1, 1], [0, 0])
POOL = {"stride_w": 2, "stride_h": 2, "filter_width": 2, "filter_height": 2}
OPERATORS = {
    "CONV_2D": single("CONV_2D", IMAGE, (1, 4, 4, 6), random(6, 3, 3, 8), random(6), **STRIDE,
                      fused_activation_function=1),
    "DEPTHWISE_CONV_2D": single("DEPTHWISE_CONV_2D", IMAGE, IMAGE, random(1, 3, 3, 8), random(8),
                                **STRIDE, depth_multiplier=1, fused_activation_function=3),
    "FULLY_CONNECTED": single("FULLY_CONNECTED", ROW, (1, 6), random(6, 8), random(6)),
    "BATCH_MATMUL": single("BATCH_MATMUL", ROW, (1, 6), random(8, 6)),
    "AVERAGE_POOL_2D": single("AVERAGE_POOL_2D", IMAGE, (1, 2, 2, 8), **POOL),
    "MAX_POOL_2D": single("MAX_POOL_2D", IMAGE, (1, 2, 2, 8), **POOL),
    "MEAN": single("MEAN", IMAGE, ROW, whole(1, 2)),
    "ADD": single("ADD", IMAGE, IMAGE, random(8)),
    "SUB": single("SUB", IMAGE, IMAGE, random(8)),
    "MUL": single("MUL", IMAGE, IMAGE, random(8)),
    "TRANSPOSE_CONV": single("TRANSPOSE_CONV", IMAGE, (1, 8, 8, 6), whole(1, 8, 8, 6),
                             random(6, 3, 3, 8), order=[1, 2, 0], stride_w=2, stride_h=2),
    "PAD": single("PAD", IMAGE, (1, 6, 6, 8), AROUND),
    "PADV2": single("PADV2", IMAGE, (1, 6, 6, 8), AROUND, np.array(0.5, np.float32)),
    "MIRROR_PAD": single("MIRROR_PAD", IMAGE, (1, 6, 6, 8), AROUND),
    "TRANSPOSE": single("TRANSPOSE", IMAGE, (1, 8, 4, 4), whole(0, 3, 1, 2)),
    "CONCATENATION": single("CONCATENATION", IMAGE, (1, 4, 4, 16), order=[0, 0], axis=3),
    "STRIDED_SLICE": single("STRIDED_SLICE", IMAGE, (1, 2, 2, 8), whole(0, 1, 1, 0),
                            whole(1, 3, 3, 8), whole(1, 1, 1, 1)),
    "RESIZE_NEAREST_NEIGHBOR": single("RESIZE_NEAREST_NEIGHBOR", IMAGE, (1, 8, 8, 8), whole(8, 8)),
    "SPACE_TO_DEPTH": single("SPACE_TO_DEPTH", IMAGE, (1, 2, 2, 32), block_size=2),
    "RESHAPE": single("RESHAPE", IMAGE, (1, 128), whole(1, 128)),
    "RELU": single("RELU", ROW, ROW),
    "LOGISTIC": single("LOGISTIC", ROW, ROW),
    "TANH": single("TANH", ROW, ROW),
    "HARD_SWISH": single("HARD_SWISH", ROW, ROW),
    # These the quantizer does not know.
    "RELU6": single("RELU6", ROW, ROW),
    "RELU_N1_TO_1": single("RELU_N1_TO_1", ROW, ROW),
    "RELU_0_TO_1": single("RELU_0_TO_1", ROW, ROW),
    "ABS": single("ABS", ROW, ROW),
    "LEAKY_RELU": single("LEAKY_RELU", ROW, ROW, alpha=0.1),
    "PRELU": single("PRELU", IMAGE, IMAGE, np.abs(random(1, 1, 8))),
    "EXP": single("EXP", ROW, ROW),
    "REDUCE_MAX": single("REDUCE_MAX", IMAGE, ROW, whole(1, 2)),
    "MINIMUM": single("MINIMUM", ROW, ROW, np.full((1, 1), 0.5, np.float32)),
    "DEPTH_TO_SPACE": single("DEPTH_TO_SPACE", IMAGE, (1, 8, 8, 2), block_size=2),
    "SQUEEZE": single("SQUEEZE", (1, 1, 1, 8), (8,)),
    "EXPAND_DIMS": single("EXPAND_DIMS", ROW, (1, 1, 8), whole(1)[0]),
}

UNKNOWN_TO_TFLM = ["RELU_N1_TO_1", "RELU_0_TO_1", "EXP"]        # of int8


@pytest.fixture(scope="module")
def operators(tmp_path_factory):
    """Every operator in int8, with inputs in int8."""
    folder = tmp_path_factory.mktemp("operators")
    made = {}
    for name, content in OPERATORS.items():
        (folder / "m.tflite").write_bytes(content)
        shape = read_model(folder / "m.tflite").tensors[0].shape
        np.save(folder / "x.npy", random(20, *shape))
        arguments = [folder / "m.tflite", "--calibration", folder / "x.npy",
                     "--out", folder / f"{name}.tflite"]
        assert command_line.main(["quantize", *map(str, arguments)]) == 0
        inputs = np.random.default_rng(0).integers(-128, 128, (20, *shape), np.int8)
        made[name] = (folder / f"{name}.tflite").read_bytes(), [inputs]
    return made


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_are_int8_throughout(operators, tmp_path, name):
    (tmp_path / "m.tflite").write_bytes(operators[name][0])
    graph = read_model(tmp_path / "m.tflite")
    kinds = [op.kind for op in graph.operators if op.kind != "QUANTIZE"]
    assert kinds == [name, "FULLY_CONNECTED"]
    assert {tensor.dtype for tensor in graph.tensors if tensor.data is None} == {"int8"}


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_operators_are_bit_exact(operators, tmp_path, profile):
    refused = equal_to_runtime(profile, operators, tmp_path)
    assert refused == ([] if profile == "litert" else UNKNOWN_TO_TFLM)


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_a_network_is_bit_exact(folder, capsys, profile):
    report = quantized(capsys)
    assert report["check"] == {"board": "icebreaker", "fits": True, "reasons": []}
    inputs = np.random.default_rng(0).integers(-128, 128, (20, 1, 8, 8, 3), np.int8)
    models = {"net": (Path("int8.tflite").read_bytes(), [inputs])}
    assert equal_to_runtime(profile, models, folder) == []


def test_weights_are_quantized_by_channel(folder, capsys):
    quantized(capsys)
    graph = read_model("int8.tflite")
    scales = {op.kind: len(graph.tensors[op.inputs[1]].quantization.scale)
              for op in graph.operators if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D",
                                                       "FULLY_CONNECTED")}
    assert scales == {"CONV_2D": 6, "DEPTHWISE_CONV_2D": 6, "FULLY_CONNECTED": 5}


@pytest.mark.parametrize("stored", ["float16", "int8"])
def test_weights_may_be_stored_in_fewer_bits(folder, capsys, stored):
    quantized(capsys)
    Path("small.tflite").write_bytes(network(stored))
    quantized(capsys, "small.tflite", "x.npy", "other.tflite")
    ours, theirs = read_model("int8.tflite"), read_model("other.tflite")
    assert [op.kind for op in theirs.operators] == [op.kind for op in ours.operators]
    for one, other in zip(ours.operators, theirs.operators, strict=True):
        for first, second in zip(one.inputs, other.inputs, strict=True):
            first, second = ours.tensors[first], theirs.tensors[second]
            assert (first.shape, first.quantization) == (second.shape, second.quantization)
            assert first.data is None or np.array_equal(first.data, second.data)


@pytest.mark.parametrize("kind, options", [("SOFTMAX", {"beta": 1.0}), ("L2_NORMALIZATION", {})])
def test_what_the_host_does_behind_the_last_layer(folder, capsys, kind, options):
    model = OperatorModel("float32")
    x = model.add("FULLY_CONNECTED", [model.input((1, 8)), model.constant(random(4, 8), "float32"),
                                      -1], (1, 4))
    Path("m.tflite").write_bytes(model.file(model.add(kind, [x], (1, 4), **options)))
    np.save("x.npy", random(20, 1, 8))
    assert quantized(capsys, "m.tflite")["check"]["fits"]
    inputs = np.random.default_rng(0).integers(-128, 128, (20, 1, 8), np.int8)
    models = {"m": (Path("int8.tflite").read_bytes(), [inputs])}
    assert equal_to_runtime("litert", models, folder) == []


def test_padding_with_infinity(folder, capsys):
    """As PyTorch's max pooling has it; the second is around lower values, of the same constant."""
    model = OperatorModel("float32")
    fill = model.constant(np.array(-np.inf), "float32")
    around, x = model.constant(AROUND), model.input(IMAGE)
    for _ in range(2):
        x = model.add("PADV2", [x, around, fill], (1, 6, 6, 8))
        x = model.add("MAX_POOL_2D", [x], IMAGE, stride_w=1, stride_h=1, filter_width=3,
                      filter_height=3, padding=1)
        x = model.add("SUB", [x, model.constant(np.full(8, 9), "float32")], IMAGE)
    Path("m.tflite").write_bytes(model.file(x))
    np.save("x.npy", random(20, *IMAGE))
    report = quantized(capsys, "m.tflite")
    assert report["check"]["fits"] and report["outputs"][0]["largest_error"] < 0.2
    assert all(row["low"] > -20 and row["sqnr_db"] > 30 for row in report["tensors"])
    inputs = np.random.default_rng(0).integers(-128, 128, (20, *IMAGE), np.int8)
    models = {"m": (Path("int8.tflite").read_bytes(), [inputs])}
    assert equal_to_runtime("litert", models, folder) == []


def test_several_inputs_and_an_arg_max(folder, capsys):
    model = OperatorModel("float32")
    total = model.add("ADD", [model.input((1, 6)), model.input((1, 6))], (1, 6))
    best = model.add("ARG_MAX", [total, model.constant(np.array(1, np.int32))], (1,), output_type=2)
    model.tensors[best].type = 2                 # INT32
    Path("two.tflite").write_bytes(model.file(best))
    np.savez("two.npz", in0=random(30, 1, 6), in1=random(30, 1, 6) / 2)
    report = quantized(capsys, "two.tflite", "two.npz")
    assert [op.kind for op in read_model("int8.tflite").operators] == ["ADD", "ARG_MAX"]
    assert report["check"]["fits"]
    same = report["outputs"][0]["same"]
    with np.load("two.npz") as inputs:
        wanted = (inputs["in0"] + inputs["in1"]).argmax(axis=-1)
        scales = [read_model("int8.tflite").tensors[index] for index in (0, 1)]
        got = Golden(read_model("int8.tflite")).run([
            np.clip(np.round(inputs[f"in{k}"] / tensor.scale) + tensor.zero_point, -128, 127)
            .astype(np.int8) for k, tensor in enumerate(scales)])[0]
    assert same == int((wanted == got).sum()) > 25


def test_old_files_that_have_but_the_old_operator_codes(folder, capsys):
    old = load(network(), "old")
    for code in old.operatorCodes:
        code.deprecatedBuiltinCode, code.builtinCode = code.builtinCode, 0
    quantized(capsys)
    Path("old.tflite").write_bytes(pack(old))
    quantized(capsys, "old.tflite", "x.npy", "other.tflite")
    assert Path("old.tflite").read_bytes() != network()
    assert len(Path("other.tflite").read_bytes()) == len(Path("int8.tflite").read_bytes())


# --- The report

def test_figures_are_those_of_the_runtime(folder, capsys):
    labels = np.arange(40) % 5
    np.save("y.npy", labels)
    report = quantized(capsys, "net.tflite", "x.npy", "int8.tflite", "--labels", "y.npy")
    tensor = read_model("int8.tflite").tensors[0]
    inputs = np.clip(np.round(IMAGES / np.float32(tensor.scale)) + tensor.zero_point, -128, 127)
    ours = litert(network(), IMAGES)
    theirs = litert(Path("int8.tflite").read_bytes(), inputs.astype(np.int8))
    theirs = (theirs.astype(np.float64) + 128) / 256
    assert report["accuracy"] == {"float": int((ours.argmax(-1)[:, 0] == labels).sum()),
                                  "int8": int((theirs.argmax(-1)[:, 0] == labels).sum())}
    output, = report["outputs"]
    assert output["same"] == int((ours.argmax(-1) == theirs.argmax(-1)).sum())
    assert output["largest_error"] == pytest.approx(np.abs(ours - theirs).max(), rel=1e-4)
    assert output["mean_error"] == pytest.approx(np.abs(ours - theirs).mean(), rel=1e-4)
    assert report["measured"] == {"data": "x.npy", "inputs": 40}


def test_the_tensors_that_lose_most_come_first(folder, capsys):
    rows = quantized(capsys)["tensors"]
    assert [row["sqnr_db"] for row in rows] == sorted(row["sqnr_db"] for row in rows)
    assert {row["kind"] for row in rows} == {
        "input", "CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MAX_POOL_2D", "MEAN", "FULLY_CONNECTED",
        "SOFTMAX"}
    image = next(row for row in rows if row["kind"] == "input")
    assert (image["operator"], image["low"], image["high"]) == (
        None, float(IMAGES.min()), float(IMAGES.max()))
    # Of the input, which is rounded and nothing else, the loss can be worked out here.
    tensor = read_model("int8.tflite").tensors[0]
    rounded = tensor.scale * np.clip(np.round(IMAGES / np.float32(tensor.scale)),
                                     -128 - tensor.zero_point, 127 - tensor.zero_point)
    noise, signal = (np.square(array, dtype=np.float64).reshape(40, -1).sum(axis=1)
                     for array in (IMAGES - rounded, IMAGES))
    known = -10 * np.log10((noise / signal).mean())
    assert image["sqnr_db"] == image["own_sqnr_db"] == pytest.approx(known, abs=0.01)


def test_a_tensor_of_too_wide_a_range_is_named(folder, capsys):
    outlier = IMAGES.copy()
    outlier[0, 0, 0, 0, 0] = 1000
    np.save("x.npy", outlier)
    rows = quantized(capsys)["tensors"]
    image = next(row for row in rows if row["kind"] == "input")
    assert image["high"] == 1000
    assert min(row["own_sqnr_db"] for row in rows) == image["own_sqnr_db"] < 5


def test_text(folder, capsys):
    np.save("y.npy", np.zeros((40, 1), np.int64))
    code, out, err = run(capsys, "net.tflite", "--calibration", "x.npy", "--out", "int8.tflite",
                         "--limit", 30, "--labels", "y.npy")
    assert code == 0
    lines = out.splitlines()
    size = Path("int8.tflite").stat().st_size
    assert lines[:2] == [
        "model       net.tflite: 7 operators",
        f"written     int8.tflite: {size:,} bytes, int8, calibrated on 30 inputs of x.npy"]
    assert lines[2].startswith("accuracy    ") and lines[2].endswith(" of 40 inputs of x.npy")
    assert lines[-1] == ("board       icebreaker: fits; python -m compiler check int8.tflite "
                         "--board icebreaker tells how fast")


def test_a_model_that_the_engine_does_not_take(folder, capsys):
    model = OperatorModel("float32")
    size = 1 << 17                               # as much as the scratchpad, for input and output
    Path("m.tflite").write_bytes(model.file(model.add("RELU", [model.input((1, size))],
                                                      (1, size))))
    np.save("x.npy", random(2, 1, size))
    report = quantized(capsys, "m.tflite")
    assert not report["check"]["fits"]
    assert ["scratchpad" in reason["text"] for reason in report["check"]["reasons"]] == [True]


# --- What is refused

@pytest.mark.parametrize("stored", ["float32", "float16", "int8"])
@pytest.mark.parametrize("command", ["check", "inspect", "build"])
def test_refusals_name_a_command_that_works(folder, capsys, command, stored):
    Path("my net.tflite").write_bytes(network(stored))
    command_line.main([command, "my net.tflite", *(["--out", "."] if command == "build" else [])])
    said = "".join(capsys.readouterr())
    remedy = said[said.index("python -m compiler quantize "):].splitlines()[0]
    assert remedy == ("python -m compiler quantize 'my net.tflite' --calibration X.npy --out "
                      "'my net_int8.tflite'")
    Path("x.npy").rename("X.npy")
    assert run(capsys, *shlex.split(remedy)[4:])[0] == 0
    assert command_line.main(["check", "my net_int8.tflite"]) == 0


REFUSED = {
    "no model": (["absent.tflite"], 3, "absent.tflite is not a file"),
    "no calibration data": (
        ["--calibration", "absent.npy"], 3, "absent.npy is not a file"),
    "another shape": (
        ["--calibration", "shape.npy"], 3,
        "shape.npy must hold float32 [N, 1, 8, 8, 3] for input 't0', not float32 [40, 8, 8, 3]"),
    "another type": (
        ["--calibration", "type.npy"], 3,
        "type.npy must hold float32 [N, 1, 8, 8, 3] for input 't0', not float64 [40, 1, 8, 8, 3]"),
    "no inputs": (
        ["--calibration", "none.npy"], 3, "none.npy holds no inputs: its first dimension is 0"),
    "infinite": (
        ["--calibration", "infinite.npy"], 3,
        "infinite.npy holds values that are infinite or not numbers (NaN), which no int8 stands "
        "for"),
    "another image": (
        ["--calibration", "images.idx"], 3,
        "images.idx holds images of 2 x 2 pixels, and the model takes [1, 8, 8, 3]"),
    "no IDX file": (
        ["--calibration", "net.tflite"], 3,
        "net.tflite is not an IDX file of 3 dimensions: it begins with {head} instead of "
        "00 00 08 03"),
    "too few labels": (
        ["--labels", "few.npy"], 3,
        "few.npy must hold 40 whole numbers, the class of each input, not int64 [7]"),
    "labels that are no numbers of classes": (
        ["--labels", "large.npy"], 3,
        "large.npy holds the label 5, and the model knows 5 classes, from 0 on"),
    "over the model": (
        ["--out", "net.tflite"], 3,
        "net.tflite cannot be written: the command uses it already; name another file"),
    "into a folder": (
        ["--out", "folder.tflite"], 3, "folder.tflite cannot be written: it is a folder"),
    "into no folder": (
        ["--out", "absent/int8.tflite"], 3,
        "absent/int8.tflite cannot be written: absent is not a folder"),
    "another ending": (
        ["--out", "int8.bin"], 2,
        "python -m compiler quantize: error: argument --out: must end in .tflite, not 'int8.bin'"),
    "quantized": (
        ["int8.tflite"], 3,
        "int8.tflite is quantized already: operator 0 RELU makes int8, tensor 't1'; only models "
        "that compute in float32 can be quantized, and python -m compiler check tells what runs "
        "this one"),
    "whole numbers": (
        ["whole.tflite"], 3,
        "whole.tflite takes int32 as its input 't0'; only models whose inputs are float32 can be "
        "quantized"),
    "infinity inside": (
        ["exp.tflite", "--calibration", "exp.npy"], 3,
        "tensor 't1' of exp.tflite is inf on input 1, and no int8 stands for that; take such "
        "inputs out of the calibration data"),
    "labels for two outputs": (
        ["two.tflite", "--calibration", "exp.npy", "--labels", "few.npy"], 3,
        "--labels needs a model with one output, of one value for each class, and the model's "
        "outputs are 't1' [1, 4], 't2' [1, 4]"),
}


@pytest.fixture
def wrong(folder):
    """Models and data that are not right."""
    np.save("shape.npy", IMAGES[:, 0])
    np.save("type.npy", IMAGES.astype(np.float64))
    np.save("none.npy", IMAGES[:0])
    np.save("infinite.npy", np.full_like(IMAGES, np.inf))
    np.save("few.npy", np.zeros(7, np.int64))
    np.save("large.npy", np.arange(40) % 6)
    np.save("exp.npy", np.array([[[1, 2, 3, 4]], [[1, 2, 3, 100]]], np.float32))
    header = bytes((0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2))
    Path("images.idx").write_bytes(header + b"1234")
    Path("folder.tflite").mkdir()
    int8 = OperatorModel()
    Path("int8.tflite").write_bytes(int8.file(int8.add("RELU", [int8.input((1, 4))], (1, 4))))
    whole = OperatorModel("float32")
    row = whole.input((1, 4), dtype="int32")
    Path("whole.tflite").write_bytes(whole.file(whole.add("RELU", [row], (1, 4))))
    exp = OperatorModel("float32")
    row = exp.input((1, 4))
    first, second = (exp.add(kind, [row], (1, 4)) for kind in ("EXP", "RELU"))
    Path("exp.tflite").write_bytes(exp.file(first))
    Path("two.tflite").write_bytes(exp.file(first, second))
    return folder


@pytest.mark.parametrize("case", REFUSED)
def test_refused(wrong, capsys, case):
    changes, code, message = REFUSED[case]
    model = "net.tflite" if changes[0].startswith("--") else changes[0]
    arguments = {"--calibration": "x.npy", "--out": "new.tflite"}
    changes = changes if model == "net.tflite" else changes[1:]
    arguments |= dict(zip(changes[::2], changes[1::2], strict=True))
    before = {path: path.read_bytes() for path in wrong.iterdir() if path.is_file()}
    found = run(capsys, model, *(word for pair in arguments.items() for word in pair))
    head = network()[:4].hex(" ")
    wanted = message.format(head=head) if code == 2 else f"error: {message.format(head=head)}"
    assert (found[0], found[1], found[2].splitlines()[-1]) == (code, "", wanted)
    assert {path: path.read_bytes() for path in wrong.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("kind, message", (
    ("SQUARE", "ai-edge-quantizer cannot quantize m.tflite: operator 1 SQUARE makes an output, and "
               "it knows none in int8; end the model before it"),
    ("ELU", "operator 1 ELU cannot be quantized: LiteRT's reference kernels, which the result is "
            "measured with, lack it; put another in its place")))
def test_operators_without_int8(kind, message, folder, capsys):
    model = OperatorModel("float32")
    row = model.add("LOGISTIC", [model.input((1, 8))], (1, 8))
    Path("m.tflite").write_bytes(model.file(model.add(kind, [row], (1, 8))))
    np.save("x.npy", random(10, 1, 8))
    assert run(capsys, "m.tflite", "--calibration", "x.npy", "--out", "int8.tflite") == (
        3, "", f"error: {message}\n")
    assert not Path("int8.tflite").exists()


def test_tensors_that_do_not_fit(folder, capsys):
    model = OperatorModel("float32")
    Path("m.tflite").write_bytes(model.file(model.add(
        "FULLY_CONNECTED", [model.input((1, 8)), model.constant(random(4, 7), "float32"), -1],
        (1, 4))))
    np.save("x.npy", random(10, 1, 8))
    assert run(capsys, "m.tflite", "--calibration", "x.npy", "--out", "int8.tflite") == (
        3, "", "error: m.tflite cannot run: operator 0 FULLY_CONNECTED: the output's shape must be "
        "the one that the inputs and options give; found an input of [1, 8] for weights [4, 7]; "
        "convert the model with fixed shapes\n")
    assert not Path("int8.tflite").exists()


def test_scales_out_of_bounds(folder, capsys):
    np.save("x.npy", np.where(IMAGES > 0, 1e30, 0).astype(np.float32))
    code, out, err = run(capsys, "net.tflite", "--calibration", "x.npy", "--out", "int8.tflite")
    assert (code, out) == (3, "")
    assert err.startswith("error: net.tflite in int8 cannot run, for ")
    assert ("  operator 3 MAX_POOL_2D, tensor 't7': 8-bit tensors must have scales of 2**-28 to "
            "2**28, weights also smaller ones, and zero points that fit their type; one of each, "
            "except for weights along their output channels; found the scale ") in err
    assert not Path("int8.tflite").exists()


def test_a_softmax_of_nothing(folder, capsys):
    model = OperatorModel("float32")
    Path("m.tflite").write_bytes(model.file(model.add("SOFTMAX", [model.input((1, 8))], (1, 8),
                                                      beta=0.0)))
    np.save("x.npy", random(10, 1, 8))
    assert run(capsys, "m.tflite", "--calibration", "x.npy", "--out", "int8.tflite") == (
        3, "", "error: m.tflite in int8 cannot run: operator 0 SOFTMAX: the output of SOFTMAX must "
        "have the scale 1/256 and the smallest zero point, and its beta must be above 0; found "
        "beta 0.0; quantize the model again, TFLite's specification fixes both\n")


def test_what_litert_cannot_run(folder, capsys):
    float32 = {"type": 0, "scale": (), "zero_point": ()}
    Path("m.tflite").write_bytes(bytes(WrittenModel(
        [WrittenTensor(b"in", **float32), WrittenTensor(b"out", **float32)],
        [WrittenOperator()], [(CUSTOM, CUSTOM, b"Post")])))
    np.save("x.npy", random(10, 1, 4))
    code, out, err = run(capsys, "m.tflite", "--calibration", "x.npy", "--out", "int8.tflite")
    assert (code, out) == (3, "")
    assert err.startswith("error: LiteRT cannot run m.tflite: Encountered unresolved custom op: "
                          "Post.") and err.count("\n") == 1
    assert not Path("int8.tflite").exists()


def test_what_the_quantizer_cannot_do(folder, capsys, monkeypatch):
    from ai_edge_quantizer.quantizer import Quantizer

    def quantize(*arguments, **options):
        raise KeyError("no such\nthing")
    monkeypatch.setattr(Quantizer, "quantize", quantize)
    assert run(capsys, "net.tflite", "--calibration", "x.npy", "--out", "int8.tflite") == (
        3, "", "error: ai-edge-quantizer cannot quantize net.tflite: 'no such\\nthing'\n")
    assert not Path("int8.tflite").exists()


def test_missing_packages(folder, capsys, monkeypatch):
    monkeypatch.setattr(job, "find_spec", lambda module: None if "quantizer" in module else module)
    assert run(capsys, "net.tflite", "--calibration", "x.npy", "--out", "int8.tflite") == (
        4, "", "error: ai-edge-quantizer must be installed to quantize, and is not; "
        "pip install '.[quantize]' does it\n")
    monkeypatch.setattr(job, "find_spec", lambda module: None)
    assert run(capsys, "net.tflite", "--calibration", "x.npy", "--out", "int8.tflite") == (
        4, "", "error: ai-edge-litert and ai-edge-quantizer must be installed to quantize, and are "
        "not; pip install '.[quantize]' does it\n")


# --- Real models

@needs_shared
@pytest.mark.parametrize("name, shape", [
    ("mlperf_tiny/kws_ref_model_float32", (1, 49, 10, 1)),
    ("mlperf_tiny/pretrainedResnet", (1, 32, 32, 3)),
    ("mnist/s0_mlp_784_512_100_10_float", (1, 784)),
    ("mnist/s2_conv12_pool_dense10_dyn", (1, 28, 28)),
])
def test_real_models_are_bit_exact(folder, capsys, name, shape):
    np.save("x.npy", np.abs(random(10, *shape)))
    assert quantized(capsys, SHARED / f"models/{name}.tflite")["check"]["fits"]
    inputs = np.random.default_rng(0).integers(-128, 128, (5, *shape), np.int8)
    models = {"m": (Path("int8.tflite").read_bytes(), [inputs])}
    assert equal_to_runtime("litert", models, folder, config=None) == []


@needs_shared
def test_mnist_stays_accurate(folder, capsys):
    data = load_images(SHARED / "data/mnist")
    np.save("test.npy", data.images[:2000, None].astype(np.float32) / np.float32(255))
    np.save("labels.npy", data.labels[:2000])
    name = SHARED / "models/mnist/s2_conv12_pool_dense10_float"
    report = quantized(
        capsys, name.with_suffix(".tflite"), SHARED / "data/mnist/train-images-idx3-ubyte.gz",
        "int8.tflite", "--limit", "200", "--test", "test.npy", "--labels", "labels.npy")
    with np.load(name.with_suffix(".mnist10k.npz")) as known:
        right = (known["ref"][:2000].reshape(2000, 10).argmax(-1) == data.labels[:2000]).sum()
    assert report["accuracy"]["float"] == right
    assert abs(report["accuracy"]["int8"] - right) < 5
    assert report["outputs"][0]["same"] > 1990
