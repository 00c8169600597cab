"""What ``inspect`` says, against LiteRT's reading of the file and against exact fractions."""

import importlib.util
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from operator_models import OperatorModel
from small_models import dense

from compiler.__main__ import main
from compiler.inspection import document, inspect
from compiler.inspection_text import text
from compiler.reader import read_model
from compiler.targets import DEFAULT, TARGETS
from compiler.verdict import examine

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "models").glob("*.tflite"))
SHARED = ROOT.parent / "shared" / "models"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared holds the models")
INT32 = 2**31


def inspected(path, profile="litert", board=DEFAULT):
    return document(inspect(examine(read_model(path), profile), board.engine))


def written(path, model: bytes):
    path.write_bytes(model)
    return path


def by_role(operator, role):
    return next(tensor for tensor in operator["tensors"] if tensor["role"] == role)


def multiplier_and_shift(real: float) -> tuple[int, int]:
    """``real = q / 2**(31 - s)`` with q rounded to 31 bits, in exact fractions."""
    value, shift = Fraction(real), 0
    while value * 2**-shift >= 1:
        shift += 1
    while value * 2**-shift < Fraction(1, 2):
        shift -= 1
    multiplier = int(value * Fraction(2)**(31 - shift) + Fraction(1, 2))
    return (multiplier // 2, shift + 1) if multiplier == 2**31 else (multiplier, shift)


# --- Numbers

@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_scales_are_those_that_litert_reads(path):
    if importlib.util.find_spec("ai_edge_litert") is None:
        pytest.skip("ai_edge_litert is not installed")
    from ai_edge_litert.interpreter import Interpreter
    details = {tensor["index"]: tensor for tensor in
               Interpreter(str(path)).get_tensor_details()}
    for operator in inspected(path)["operators"]:
        for tensor in operator["tensors"]:
            known = details[tensor["tensor"]]
            assert tensor["name"] == known["name"]
            quantization = known["quantization_parameters"]
            assert (tensor["scale"] or []) == quantization["scales"].astype(float).tolist()
            assert (tensor["zero_point"] or []) == quantization["zero_points"].tolist()


@pytest.mark.parametrize("profile", ["litert", "tflm"])
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_multipliers_of_sums_of_products(path, profile):
    graph = read_model(path)
    checked = 0
    for operator in inspected(path, profile)["operators"]:
        if operator["kind"] not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            continue
        checked += 1
        (found,) = operator["multipliers"]
        s1, s3 = by_role(operator, "input")["scale"][0], by_role(operator, "output")["scale"][0]
        weights = by_role(operator, "weights")
        for s2, real, multiplier, shift in zip(weights["scale"], found["real"],
                                               found["multiplier"], found["shift"], strict=True):
            assert abs(Fraction(real) / (Fraction(s1) * Fraction(s2) / Fraction(s3)) - 1) < 2**-50
            if graph.tensors[0].dtype != "uint8":      # legacy: a product in float32
                assert (multiplier, shift) == multiplier_and_shift(real)

        # The range of the sum, from every weight by itself:
        data = graph.tensors[weights["tensor"]].data.astype(int)
        axis = 3 if operator["kind"] == "DEPTHWISE_CONV_2D" else 0
        low, high = (0, 255) if by_role(operator, "input")["type"] == "uint8" else (-128, 127)
        z1, z2 = by_role(operator, "input")["zero_point"][0], weights["zero_point"][0]
        bias = graph.tensors[by_role(operator, "bias")["tensor"]].data.tolist()
        for channel, b in enumerate(bias):
            w = [int(value) - z2 for value in data.take(channel, axis=axis).reshape(-1)]
            ends = [sorted(((low - z1) * value, (high - z1) * value)) for value in w]
            assert operator["accumulator"]["least"][channel] == sum(a for a, _ in ends) + b
            assert operator["accumulator"]["most"][channel] == sum(a for _, a in ends) + b
    assert checked


# The pairs are those that TensorFlow's own quantization_util_test.cc demands of QuantizeMultiplier.
@pytest.mark.parametrize("s1, s2, s3, multiplier, shift", [
    (0.5, 0.5, 1.0, 1073741824, -1), (0.5, 0.25, 1.0, 1073741824, -2),
    (0.5, 1.5, 1.0, 1610612736, 0), (0.5, 1.0, 1.0, 1073741824, 0),
    (1.0, 1.0, 1.0, 1073741824, 1), (0.5, 2.5, 1.0, 1342177280, 1),
    (1.0, 1.5, 1.0, 1610612736, 1), (0.5, 3.5, 1.0, 1879048192, 1), (1.0, 2.0, 1.0, 1073741824, 2)])
def test_documented_multipliers(tmp_path, s1, s2, s3, multiplier, shift):
    model = OperatorModel(scale=s1, zero_point=0)
    x = model.input((1, 2, 2, 1))
    w = model.constant(np.ones((1, 1, 1, 1)), "int8", scale=s2, zero_point=0)
    y = model.tensor((1, 2, 2, 1), scale=s3)
    model.operator("CONV_2D", (x, w), (y,), stride_w=1, stride_h=1)
    (operator,) = inspected(written(tmp_path / "m.tflite", model.file(y)))["operators"]
    (found,) = operator["multipliers"]
    assert (found["real"], found["multiplier"], found["shift"]) == (
        [s1 * s2 / s3], [multiplier], [shift])


@pytest.mark.parametrize("board", ["icebreaker", "ulx3s-85f"])
def test_the_requantizer_is_what_the_tape_carries(tmp_path, board):
    """Every record of the tape's layers is shown for its channel, and no other."""
    from compiler.program import compile_model
    for path in (written(tmp_path / "m.tflite", dense(20, 37, 5)),
                 ROOT / "models" / "mnist_residual_int8.tflite"):
        engine = TARGETS[board].engine
        program = compile_model(path, engine)
        found = inspected(path, board=TARGETS[board])["operators"]
        operators = {one["operator"]: one for one in found}
        for layer in program.layers:
            if layer.operator < 0 or layer.fields.get("table"):
                continue
            shown = {(record["channel"], record["m"], record["r0"], record["r1"], record["s"],
                      record["bias"])
                     for one in operators[layer.operator]["requantizer"]
                     for record in one["records"]}
            f = layer.fields
            for group, records in enumerate(layer.records):
                count = f["last_channels" if group == f["groups"] else "channels"] + 1
                for row, r in enumerate(records[:count]):
                    channel = None if f.get("shared_record") else group * (f["channels"] + 1) + row
                    assert (channel, r.multiplier, r.offset, r.offset_negative, r.shift,
                            r.bias) in shown


# --- What people see

def test_page_of_a_small_model(tmp_path, capsys):
    path = written(tmp_path / "small.tflite", dense(3, 2))
    assert main(["inspect", str(path), "--full"]) == 0
    out = capsys.readouterr().out
    (operator,) = inspected(path)["operators"]
    (found,) = operator["requantizer"]
    (one, two), (first, second) = found["records"], zip(
        operator["accumulator"]["least"], operator["accumulator"]["most"], strict=True)
    lines = out.splitlines()
    assert lines[0].startswith("small, profile litert; engine of 4 x 1 x 4, ")
    assert lines[2:15] == [
        "operator 0  FULLY_CONNECTED  runs on: array",
        "  input        'in' [1, 3] int8  S1 = 0.0500000007, Z1 = -3",
        "  weights      'weights0' [2, 3] int8  S2 = 0.00999999978, Z2 = 0",
        "  bias         'bias0' [2] int32  S = 0.000500000024, Z = 0",
        "  output       'out0' [1, 2] int8  S3 = 0.0500000007, Z3 = -3",
        "  M            = S1 * S2 / S3 = 0.00999999978",
        "  TFLite       multiplier 1374389504, shift -6 (rounded once, in float64; multiplier and "
        "shift are what TensorFlow Lite Micro uses)",
        f"  accumulator  {min(first[0], second[0]):,} to {max(first[1], second[1]):,}: 17 bits",
        "      channel   least   most",
        f"            0  {first[0]:>6}  {first[1]:>5}",
        f"            1  {second[0]:>6}  {second[1]:>5}",
        "  clamp        -128 to 127 (no activation)",
        f"  engine       m {one['m']}, r0 {one['r0']}, r1 {one['r1']}, s {one['s']}, bias "
        f"{min(one['bias'], two['bias'])} to {max(one['bias'], two['bias'])}; {found['digits']} "
        "digits, zero point -3, clamp -128 to 127"]
    assert [line.split() for line in lines[15:]] == [
        ["channel", "m", "r0", "r1", "s", "bias"],
        *([str(record[name]) for name in ("channel", "m", "r0", "r1", "s", "bias")]
          for record in (one, two))]


def test_one_operator_and_json(tmp_path, capsys):
    path = written(tmp_path / "small.tflite", dense(3, 4, 2))
    assert main(["inspect", str(path), "--layer", "1"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines()
            if line.startswith("operator")] == ["operator 1  FULLY_CONNECTED  runs on: array"]
    assert main(["inspect", str(path), "--json", "--profile", "tflm"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["model"], found["profile"], found["runs"]) == ("small", "tflm", True)
    assert [one["operator"] for one in found["operators"]] == [0, 1]
    assert found["operators"][0]["multipliers"][0]["rounding"] == (
        "rounded twice: doubling product, then shift")


def test_where_operators_run(tmp_path):
    model = OperatorModel()
    x = model.input((1, 4, 4, 2))
    pooled = model.add("MAX_POOL_2D", (x,), (1, 2, 2, 2), filter_width=2, filter_height=2,
                       stride_w=2, stride_h=2)
    same = model.add("RELU", (pooled,), (1, 2, 2, 2))
    total = model.add("ADD", (model.input((1, 2, 2, 2)), same), (1, 2, 2, 2))
    gate = model.tensor((1, 2, 2, 2), scale=1 / 256, zero_point=-128)
    model.operator("LOGISTIC", (total,), (gate,))
    gated = model.add("MUL", (total, gate), (1, 2, 2, 2))
    flat = model.add("RESHAPE", (gated, model.constant([1, 8])), (1, 8))
    y = model.tensor((1, 8), scale=1 / 256, zero_point=-128)
    model.operator("SOFTMAX", (flat,), (y,), beta=1.0)
    found = inspected(written(tmp_path / "m.tflite", model.file(y)))["operators"]
    assert [(one["kind"], one["runs_on"]) for one in found] == [
        ("MAX_POOL_2D", "vector unit"), ("RELU", "table unit"), ("ADD", "vector unit, adding"),
        ("LOGISTIC", "inside of operator 4's table"), ("MUL", "table unit"),
        ("RESHAPE", "view: the same bytes"), ("SOFTMAX", "host")]


# --- Models that are refused

@needs_shared
def test_float_model():
    found = inspected(SHARED / "mnist" / "s2_conv12_pool_dense10_float.tflite")
    assert not found["runs"]
    assert [one["text"] for one in found["refused"]] == [
        "the model must be quantized; found a float model, with float32 weights and activations; "
        "quantize it: python -m compiler quantize s2_conv12_pool_dense10_float.tflite "
        "--calibration X.npy --out s2_conv12_pool_dense10_float_int8.tflite"]
    conv = found["operators"][1]
    assert (conv["kind"], conv["multipliers"], conv["accumulator"]) == ("CONV_2D", [], None)
    assert by_role(conv, "weights") == {
        "role": "weights", "tensor": conv["tensors"][1]["tensor"],
        "name": "sequential_2/conv2d/Conv2D", "shape": [12, 3, 3, 1], "type": "float32",
        "constant": True, "scale": None, "zero_point": None, "quantized_dimension": None}


@needs_shared
def test_dynamic_range_model():
    found = inspected(SHARED / "mnist" / "s2_conv12_pool_dense10_dyn.tflite")
    assert [one["rule"] for one in found["refused"]] == [
        "activations must be quantized, not the weights alone"]
    assert any(tensor["type"] == "int8" and tensor["scale"]
               for one in found["operators"] for tensor in one["tensors"])


def test_unsupported_operator_among_others(tmp_path, capsys):
    model = OperatorModel()
    x = model.input((1, 4))
    y = model.add("FLOOR_MOD", (model.add("RELU", (x,), (1, 4)), x), (1, 4))
    path = written(tmp_path / "m.tflite", model.file(y))
    assert main(["inspect", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "operator 0  RELU  runs on: table unit" in lines
    assert "operator 1  FLOOR_MOD  runs on: nowhere" in lines
    assert lines[lines.index("operator 1  FLOOR_MOD  runs on: nowhere") + 1].startswith(
        "  refused      operator 1 FLOOR_MOD: the operator must be one that this engine has")


@needs_shared
@pytest.mark.parametrize("path", sorted(SHARED.rglob("*.tflite")), ids=lambda path: path.stem)
def test_every_model_has_a_story(path):
    found = inspect(examine(read_model(path), "tflm"), TARGETS["ulx3s-25f"].engine)
    assert text(found, full=True)
    assert json.dumps(document(found))
    assert len(found.stories) == len(found.examined.graph.operators)
