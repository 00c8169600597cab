"""``inspect --explain`` against LiteRT and TFLM, value by value."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from operator_models import OperatorModel
from oracles import answers_of, outputs_of
from small_models import dense

from compiler.__main__ import main
from compiler.errors import ModelError
from compiler.explain import explain
from compiler.explain.page import document
from compiler.explain.text import text
from compiler.inspection import inspect
from compiler.reader import read_model
from compiler.targets import DEFAULT, TARGETS
from compiler.verdict import examine
from sim.oracles import Question, with_outputs

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "models").glob("*.tflite"))
SHARED = ROOT.parent / "shared"
CONFORMANCE = sorted((SHARED / "conformance" / "data").glob("*.npz"))
MODELS = ["tflm/hello_world_int8", "tflm/micro_speech_quantized", "mlperf_tiny/kws_ref_model",
          "mlperf_tiny/str_ww_ref_model", "mnist/s0_mlp_784_512_100_10_tf1_uint8",
          "mnist/s1_flatten_dense10_qat_floatio", "mnist/s2_conv12_pool_dense10_uint8"]
BOARDS = ("icebreaker", "ulx3s-25f", "ulx3s-85f")
SENSELESS = {("sum_0", "litert")}                # LiteRT reads int8 as uint8 there


def inspected(path, profile="litert", board=DEFAULT.name):
    return inspect(examine(read_model(path), profile), TARGETS[board].engine)


def written(path, model: bytes):
    path.write_bytes(model)
    return path


def elements(shape, count, rng):
    """Places of a tensor: its ends, and some between."""
    return [tuple(0 for _ in shape), tuple(size - 1 for size in shape),
            *(tuple(rng.randrange(size) for size in shape) for _ in range(count - 2))]


def is_right(found, wanted) -> bool:
    """All ways lead to the runtime's value, and so the page says."""
    assert found.done.value == found.right == wanted
    assert found.engine is None or found.engine.value == wanted
    assert text(found).endswith("all ways agree")
    assert json.loads(json.dumps(document(found)))["value"] == wanted
    return found.engine is not None


# --- Every value that the runtimes compute

@pytest.mark.skipif(not CONFORMANCE, reason="../shared holds the models")
@pytest.mark.parametrize("profile, key", [("litert", "ref0"), ("tflm", "tflm0")])
def test_conformance(profile, key):
    """All kinds of operators, at the model's outputs."""
    rng, engines = random.Random(1), dict.fromkeys(BOARDS, 0)
    kinds: dict[str, int] = {}
    for path in CONFORMANCE:
        with np.load(path) as data:
            if key not in data.files or (path.stem, profile) in SENSELESS:
                continue
            inputs = [data[f"in{k}"] for k in range(sum(name.startswith("in")
                                                        for name in data.files))]
            wanted = data[key]
        board = rng.choice(BOARDS)
        found = inspected(SHARED / "conformance" / "models" / f"{path.stem}.tflite", profile,
                          board)
        graph = found.examined.graph
        if found.examined.findings:
            continue
        last = next(op for op in graph.operators if graph.outputs[0] in op.outputs)
        for element in elements(wanted.shape[1:], 3, rng):
            image = rng.randrange(len(wanted))
            page = explain(found, last.index, element, inputs, image)
            assert page.done.steps, path.stem
            engines[board] += is_right(page, wanted[image][element].item())
            kinds[last.kind] = kinds.get(last.kind, 0) + 1
    assert min(engines.values()) > 50 and len(kinds) > 20


def tensors_of(path, inputs, tensors):
    """What LiteRT's reference kernels make of one image, by tensor."""
    question = Question(with_outputs(path.read_bytes(), tensors), inputs)
    [answer] = answers_of("litert", [question])
    return {tensor: array[0] for tensor, array in zip(tensors, answer, strict=True)}


@pytest.mark.parametrize("path", [*SHIPPED, *(SHARED / "models" / f"{name}.tflite"
                                              for name in MODELS)], ids=lambda path: path.stem)
def test_every_layer_of_real_models(path):
    if not path.exists():
        pytest.skip("../shared holds the model")
    rng = random.Random(path.stem)
    found = inspected(path, board=rng.choice(BOARDS))
    graph = found.examined.graph
    shape, dtype = (getattr(graph.tensors[graph.inputs[0]], name) for name in ("shape", "dtype"))
    numbers = np.random.default_rng(3)
    inputs = [numbers.random((1, *shape), np.float32) if dtype == "float32" else
              numbers.integers(0, 256, (1, *shape), np.uint8).view(dtype)]
    truth = tensors_of(path, inputs, [story.op.outputs[0] for story in found.stories])
    on_engine = 0
    for story in found.stories:
        output = story.op.outputs[0]
        for element in elements(graph.tensors[output].shape, 3, rng):
            page = explain(found, story.op.index, element, inputs)
            wanted = truth[output].reshape(graph.tensors[output].shape)[element].item()
            on_engine += is_right(page, wanted)
    assert on_engine


LACKING = {"litert": {"elu"}, "tflm": {"relu_n1_to_1", "relu_0_to_1", "log", "gelu", "neg"}}


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_kinds_that_few_models_have(profile, tmp_path):
    """Operators of one and of two inputs, reductions and moved bytes; int8, odd scales."""
    models = {}
    for kind, options in [
            ("RELU", {}), ("RELU_N1_TO_1", {}), ("LEAKY_RELU", {"alpha": 0.3}), ("TANH", {}),
            ("LOGISTIC", {}), ("HARD_SWISH", {}), ("QUANTIZE", {}), ("LOG", {}), ("ELU", {}),
            ("GELU", {}), ("ABS", {}), ("NEG", {}), ("RELU_0_TO_1", {})]:
        m = OperatorModel(scale=0.043, zero_point=-7)
        shape = (2, 9)
        x = m.input(shape)
        fixed = {"TANH": (1 / 128, 0), "LOGISTIC": (1 / 256, -128)}.get(kind, (0.031, 11))
        y = m.tensor(shape, scale=fixed[0], zero_point=fixed[1])
        m.operator(kind, (x,), (y,), **options)
        models[kind.lower()] = (m.file(y), m.random_inputs(2))
    for kind in ("ADD", "SUB", "MUL"):
        m = OperatorModel(scale=0.043, zero_point=-7)
        x, other = m.input((2, 9)), m.input((2, 9), scale=0.07, zero_point=3)
        y = m.tensor((2, 9), scale=0.09, zero_point=5)
        m.operator(kind, (x, other), (y,))
        models[kind.lower()] = (m.file(y), m.random_inputs(2))
    for kind in ("MEAN", "SUM") if profile == "tflm" else ("MEAN",):
        m = OperatorModel(scale=0.043, zero_point=-7)
        x = m.input((1, 4, 5, 6))
        y = m.tensor((1, 4, 6), scale=0.03, zero_point=2)
        m.operator(kind, (x, m.constant([2])), (y,))
        models[kind.lower()] = (m.file(y), m.random_inputs(2))
    rng, explained = random.Random(2), set()
    for name, answer in outputs_of(profile, models).items():
        if isinstance(answer, str):
            continue
        file, inputs = models[name]
        found = inspected(written(tmp_path / f"{name}.tflite", file), profile)
        for element in elements(answer[0].shape[1:], 5, rng):
            page = explain(found, 0, element, inputs, 1)
            is_right(page, answer[0][1][element].item())
        explained.add(name)
    assert set(models) - explained == LACKING[profile]


def test_joined_inputs_of_other_scales(tmp_path):
    """CONCATENATION of uint8, which rescales what has not the output's scale and zero point."""
    m = OperatorModel("uint8", scale=0.05, zero_point=128)
    parts = [m.input((1, 2, 3, 2)), m.input((1, 2, 3, 2), scale=0.02, zero_point=7)]
    y = m.tensor((1, 2, 3, 4))
    m.operator("CONCATENATION", parts, (y,), axis=3)
    models = {"m": (m.file(y), m.random_inputs(3))}
    file, inputs = models["m"]
    [answer] = outputs_of("litert", models)["m"]
    found = inspected(written(tmp_path / "m.tflite", file))
    for element in np.ndindex(1, 2, 3, 4):
        page = explain(found, 0, element, inputs, 2)
        assert is_right(page, answer[2][element].item())
        at = [*element[:3], element[3] % 2]
        assert page.done.steps[0].formula == (
            f"input 1{at}, moved" if element[3] < 2 else f"input 2{at}, rescaled in float32")


@pytest.mark.parametrize("kind, shape, parameters, output, options, formula", [
    ("DEPTH_TO_SPACE", (1, 2, 3, 4), [], (1, 4, 6, 1), {"block_size": 2}, "x[0, 1, 1, 1], moved"),
    ("GATHER", (5, 3), [[2, 0]], (2, 3), {"axis": 0}, "input 1[0, 1], moved"),
    ("PADV2", (2, 2), [[[0, 3], [0, 0]]], (5, 2), {}, "filled in: outside of the input"),
    ("PAD", (2, 2), [[[0, 0], [2, 2]]], (2, 6), {}, "input 1[1, 1], moved"),
    ("SPLIT_V", (6, 2), [[3, 3], 0], (3, 2), {"num_splits": 2}, "input 1[1, 1], moved")])
def test_moved_bytes(kind, shape, parameters, output, options, formula, tmp_path):
    """The middle element, and all others."""
    m = OperatorModel()
    x = m.input(shape)
    inputs = [x, *map(m.constant, parameters)]
    if kind == "PADV2":
        inputs.append(m.constant(9, "int8"))
    outputs = [m.tensor(output) for _ in range(options.get("num_splits", 1))]
    m.operator(kind, inputs, outputs, **options)
    models = {kind: (m.file(*outputs), m.random_inputs(2))}
    answer = outputs_of("litert", models)[kind][0][1]
    file, given = models[kind]
    found = inspected(written(tmp_path / "m.tflite", file))
    pages = [explain(found, 0, at, given, 1) for at in np.ndindex(*answer.shape)]
    assert all(map(is_right, pages, answer.reshape(-1).tolist()))
    assert explain(found, 0).done.steps[0].formula == formula


# --- The page

def test_page_of_a_dense_layer(tmp_path, capsys):
    """Each number by hand: (x - Z1) * w for x = (37 k) mod 256 - 128."""
    path = written(tmp_path / "small.tflite", dense(3, 2, seed=6))
    graph = read_model(path)
    weights = graph.tensors[1].data[1].tolist()
    bias = int(graph.tensors[2].data[1])
    x = [-128, -91, -54]
    products = [(a + 3) * w for a, w in zip(x, weights, strict=True)]
    acc = sum(products) + bias
    s1 = s3 = float(np.float32(0.05))
    s2 = float(np.float32(0.01))
    m = s1 * s2 / s3
    scaled = round(acc * m)
    y = max(-128, min(127, scaled - 3))
    assert main(["inspect", str(path), "--explain", "--element", "0,1"]) == 0
    out = capsys.readouterr().out
    page = out[out.index("'out0'[0, 1]"):].splitlines()
    squeezed = [" ".join(line.split()) for line in page]
    assert squeezed[:14] == [
        "'out0'[0, 1] of operator 0 FULLY_CONNECTED, profile litert; value k of the input is "
        "(37 * k) mod 256, as its type counts from the least", "", "what it reads",
        *(f"x[0, {k}] = {x[k]} w[1, {k}] = {weights[k]} ({x[k]} - (-3)) * ({weights[k]} - 0) = "
          f"{products[k]}" for k in range(3)), "",
        "what TFLite computes",
        f"sum = sum of (x - Z1) * (w - Z2) = 3 products, Z1 = -3, Z2 = 0 = {sum(products)}",
        f"acc = sum + bias = {bracketed(sum(products))} + {bracketed(bias)} = {acc}",
        f"M = S1 * S2 / S3 = {s1!r} * {s2!r} / {s3!r} = {m!r}",
        f"product = acc * M, in float64 = {bracketed(acc)} * {m!r} = {acc * m!r}",
        f"scaled = round(product), ties away from zero = round({acc * m!r}) = {scaled}",
        f"y = clamp(scaled + Z3, low, high) = clamp({bracketed(scaled)} + (-3), -128, 127) = {y}"]
    raw = sum(a * w for a, w in zip(x, weights, strict=True))
    assert f"array = sum of x * w, where x outside of the image is Z1 = 3 weights that are not 0 " \
           f"= {raw}" in squeezed
    blind = clamped(round((raw + bias) * m) - 3)
    assert f"without the zero points: {blind}, {abs(blind - y)} away" in squeezed
    assert f"without any scale: {clamped(acc)}, {abs(clamped(acc) - y)} away" in squeezed
    assert squeezed[-1] == (f"result: {y}, which stands for S3 * (y - Z3) = {s3 * (y + 3):.9g}; "
                            "all ways agree")


def bracketed(value):
    return f"({value})" if value < 0 else str(value)


def clamped(value):
    return max(-128, min(127, value))


def test_double_rounding_is_shown_step_by_step(tmp_path):
    found = explain(inspected(written(tmp_path / "m.tflite", dense(9, 4)), "tflm"), 0, (0, 2))
    steps = {step.name: step.value for step in found.done.steps}
    high = (steps["acc"] * steps["multiplier"] + 2**30) >> 31
    assert steps["multiplier"] == 1374389504 and steps["high"] == high      # 0.01 = q / 2**37
    assert steps["scaled"] == (high + 2**5 - (high < 0)) >> 6
    assert steps["y"] == clamped(steps["scaled"] - 3)


@pytest.mark.parametrize("kind, low, high", [
    ("RELU", -128, 127), ("RELU_N1_TO_1", -128, -108), ("RELU_0_TO_1", -128, -108),
    ("QUANTIZE", -128, 127)])
def test_clamps_are_those_of_the_activation(kind, low, high, tmp_path):
    """Not the ends of what the input can reach, which is less here than the type holds."""
    m = OperatorModel(scale=0.01, zero_point=0)
    x, y = m.input((1, 1)), m.tensor((1, 1), scale=0.05, zero_point=-128)
    m.operator(kind, (x,), (y,))
    found = explain(inspected(written(tmp_path / "m.tflite", m.file(y))), 0, (0, 0),
                    [np.array([[[20]]], np.int8)])
    assert found.done.steps[-1].numbers == f"clamp(4 + (-128), {low}, {high})"
    assert found.agrees and found.right == -124


def test_json_and_inputs_of_ones_own(tmp_path, capsys):
    path = written(tmp_path / "m.tflite", dense(5, 3))
    x = np.arange(10, dtype=np.int8).reshape(2, 1, 5)
    np.save(tmp_path / "x.npy", x)
    assert main(["inspect", str(path), "--explain", "--inputs", str(tmp_path / "x.npy"), "--image",
                 "1", "--element", "0,2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["explanation"]
    assert found["inputs"] == "image 1 of the inputs given"
    assert [(term["x_at"], term["x"]) for term in found["read"]] == [
        ([0, k], 5 + k) for k in range(5)]
    assert found["agrees"] and found["value"] == found["tflite"]["value"] \
        == found["engine"]["value"]
    assert [one["what"] for one in found["wrong"]] == [
        "without the zero points", "without S3", "without Z3", "without any scale",
        "cut off instead of rounded"]


def test_padding_adds_nothing(tmp_path):
    m = OperatorModel(zero_point=5)
    x = m.input((1, 3, 3, 1))
    w = m.constant(np.arange(-4, 5).reshape(1, 3, 3, 1), "int8", scale=0.02, zero_point=0)
    y = m.tensor((1, 3, 3, 1), scale=0.03)
    m.operator("CONV_2D", (x, w), (y,), stride_w=1, stride_h=1, padding=0)
    found = explain(inspected(written(tmp_path / "m.tflite", m.file(y))), 0, (0, 0, 0, 0))
    assert [term.x_at for term in found.done.terms] == [
        (0, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 0), (0, 1, 1, 0)]
    assert "  5 taps are outside of the image, where x = Z1: they add nothing" in \
        text(found).splitlines()
    assert found.agrees and found.engine is not None


def test_a_disagreement_is_told(tmp_path, capsys, monkeypatch):
    from compiler.explain import engine
    path = written(tmp_path / "m.tflite", dense(5, 3))
    monkeypatch.setattr(engine, "rounded", lambda work, *rest: 17)
    assert main(["inspect", str(path), "--explain"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].endswith("; THE WAYS DISAGREE")


# --- What cannot be explained

def refused(capsys, *argv) -> tuple[int, str]:
    try:
        code = main(["inspect", *map(str, argv)])
    except SystemExit as error:
        code = error.code
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    return code, err.splitlines()[-1]


def test_wrong_questions(tmp_path, capsys):
    path = written(tmp_path / "m.tflite", dense(5, 3))
    np.save(tmp_path / "x.npy", np.zeros((2, 1, 5), np.int8))
    np.save(tmp_path / "wrong.npy", np.zeros((2, 1, 6), np.int8))
    usage = "python -m compiler: error: argument"
    assert refused(capsys, path, "--element", "0,1") == (
        2, f"{usage} --element: needs --explain")
    assert refused(capsys, path, "--inputs", tmp_path / "x.npy") == (
        2, f"{usage} --inputs: needs --explain")
    assert refused(capsys, path, "--explain", "--image", "1") == (
        2, f"{usage} --image: needs --inputs")
    assert refused(capsys, path, "--explain", "--element", "0,-1") == (
        2, "python -m compiler inspect: error: argument --element: must be whole numbers like "
        "0,3,5, not '0,-1'")
    assert refused(capsys, path, "--layer", "x") == (
        2, "python -m compiler inspect: error: argument --layer: must be a whole number from 0 on, "
        "not 'x'")
    assert refused(capsys, path, "--explain", "--element", "0,3") == (
        3, "error: operator 0 FULLY_CONNECTED has no element [0, 3]; its output is of shape [1, 3]")
    assert refused(capsys, path, "--explain", "--layer", "7") == (
        3, "error: m has no operator 7 that computes something; there are 0")
    assert refused(capsys, path, "--layer", "7") == (
        3, "error: m has no operator 7 that computes something; there are 0")
    assert refused(capsys, path, "--explain", "--inputs", tmp_path / "x.npy", "--image", "2") == (
        3, f"error: {tmp_path / 'x.npy'} holds 2 inputs, so there is none of number 2; they are "
        "counted from 0")
    assert refused(capsys, path, "--explain", "--inputs", tmp_path / "wrong.npy") == (
        3, f"error: {tmp_path / 'wrong.npy'} must hold int8 [N, 1, 5] for input 'in', not int8 "
        "[2, 1, 6]")
    assert refused(capsys, tmp_path / "none.tflite") == (
        3, f"error: {tmp_path / 'none.tflite'} is not a file")


@pytest.mark.skipif(not CONFORMANCE, reason="../shared holds the models")
def test_floats_are_not_explained():
    found = inspected(SHARED / "models" / "mnist" / "s2_conv12_pool_dense10_float.tflite")
    with pytest.raises(ModelError) as caught:
        explain(found)
    assert str(caught.value) == (
        "operator 0 RESHAPE computes with float32 in tensor 'serving_default_input:0', and only "
        "8-bit integers are explained; quantize the model first")


def test_refused_operator(tmp_path):
    m = OperatorModel()
    x = m.input((1, 4))
    y = m.add("FLOOR_MOD", (x, x), (1, 4))
    found = inspected(written(tmp_path / "m.tflite", m.file(y)))
    with pytest.raises(ModelError, match="^there is nothing to explain: operator 0 FLOOR_MOD: the "
                       "operator must be one that this engine has, which are "):
        explain(found)
