import gzip
from pathlib import Path

import numpy as np
import pytest
from oracles import answers_of

from compiler.errors import ModelError
from compiler.golden import Golden
from compiler.golden.accumulate import PASS, Requantizer, float_type
from compiler.ir import Graph, Operator, Quantization, Tensor
from compiler.numerics import DoubleRounding, Float64Rounding
from compiler.reader import read_model
from sim.oracles import Question, with_outputs

SHARED = Path(__file__).resolve().parents[3] / "shared"
CONFORMANCE = sorted((SHARED / "conformance" / "data").glob("*.npz"))
MODELS = sorted(p for p in (SHARED / "models").rglob("*.npz") if "mnist10k" not in p.name)
MNIST = sorted((SHARED / "models" / "mnist").glob("*.mnist10k.npz"))
IMAGES = SHARED / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"

absent = pytest.mark.skipif(not CONFORMANCE, reason="the shared folder is not there")

# Models that are not for this engine: float, or with operators without a golden model.
FLOAT = {"kws_ref_model_float32", "pretrainedResnet", "s0_mlp_784_512_100_10_float",
         "s2_conv12_pool_dense10_dyn", "s2_conv12_pool_dense10_float", "s3_torch_float_nchw"}
# LiteRT's SUM reads int8 as uint8 (../shared/conformance/README.md): TFLM's is right.
KEYS = {"litert": "ref", "tflm": "tflm"}
WRONG = {("sum_0", "ref"): "tflm"}


def cases():
    """(name, profile) of every stored answer."""
    for path in CONFORMANCE:
        with np.load(path) as data:
            for profile, key in (("litert", "ref0"), ("tflm", "tflm0")):
                if key in data.files:
                    yield path.stem, profile


def compare(graph, data, profile, key):
    inputs = [data[f"in{i}"] for i in range(len(graph.inputs))]
    outputs = Golden(graph, profile).run(inputs)
    assert len(outputs) == len([name for name in data.files if name.startswith(key)])
    for position, output in enumerate(outputs):
        expected = data[f"{key}{position}"]
        assert output.dtype == expected.dtype and output.shape == expected.shape
        assert np.array_equal(output, expected), f"output {position}"


# --- Equal to the runtimes

@absent
@pytest.mark.parametrize("name, profile", list(cases()))
def test_conformance(name, profile):
    graph = read_model(SHARED / "conformance" / "models" / f"{name}.tflite")
    with np.load(SHARED / "conformance" / "data" / f"{name}.npz") as data:
        key = KEYS[profile]
        compare(graph, data, profile, WRONG.get((name, key), key))


@absent
@pytest.mark.parametrize("path", [p for p in MODELS if p.stem not in FLOAT], ids=lambda p: p.stem)
def test_real_models(path):
    with np.load(path) as data:
        compare(read_model(path.with_suffix(".tflite")), data, "litert", "ref")


def mnist(tensor, count):
    """The first test images as ``tensor`` holds them."""
    with gzip.open(IMAGES) as file:
        pixels = np.frombuffer(file.read(16 + 784 * count), np.uint8, offset=16)
    real = pixels.astype(np.float32) / np.float32(255)
    if tensor.dtype != "float32":
        info = np.iinfo(tensor.dtype)
        real = np.round(real / np.float32(tensor.scale)) + tensor.zero_point
        real = np.clip(real, info.min, info.max)
    return real.astype(tensor.dtype).reshape(count, *tensor.shape)


def check_mnist(path, count):
    graph = read_model(path.with_name(path.name.replace(".mnist10k.npz", ".tflite")))
    images = mnist(graph.tensors[graph.inputs[0]], count)
    output = Golden(graph).run([images])[0]
    with np.load(path) as data:
        expected = data["ref"][:count]
    assert np.array_equal(output.reshape(expected.shape), expected)


QUANTIZED_MNIST = [p for p in MNIST if p.name.removesuffix(".mnist10k.npz") not in FLOAT]


@absent
@pytest.mark.parametrize("path", QUANTIZED_MNIST, ids=lambda p: p.stem)
def test_mnist(path):
    check_mnist(path, 300)


@absent
@pytest.mark.slow
@pytest.mark.parametrize("path", QUANTIZED_MNIST, ids=lambda p: p.stem)
def test_all_of_mnist(path):
    check_mnist(path, 10_000)


@absent
@pytest.mark.parametrize("name", [
    "mlperf_tiny/kws_ref_model", "mlperf_tiny/pretrainedResnet_quant", "mlperf_tiny/ad01_int8",
    "mnist/s2_conv12_pool_dense10_uint8", "others/coral_mobilenet_v1_0.25_128_quant_uint8",
])
def test_every_tensor_of_litert(name):
    path = SHARED / "models" / f"{name}.tflite"
    graph = read_model(path)
    tensor = graph.tensors[graph.inputs[0]]
    info = np.iinfo(tensor.dtype)
    images = np.random.default_rng(1).integers(
        info.min, info.max, (2, *tensor.shape), endpoint=True, dtype=tensor.dtype)
    made = [index for op in graph.operators for index in op.outputs]
    answer, = answers_of("litert", [Question(with_outputs(path.read_bytes(), made), [images])])
    computed = Golden(graph).tensors([images])
    assert list(computed) == [*graph.inputs, *made]
    for index, values in zip(made, answer, strict=True):
        assert np.array_equal(values, computed[index]), graph.tensors[index].name


@absent
@pytest.mark.parametrize("name", [
    "tflm/person_detect",                        # which LiteRT refuses
    "mlperf_tiny/kws_ref_model", "mlperf_tiny/ad01_int8", "mlperf_tiny/str_ww_ref_model",
])
def test_tflm(name):
    path = SHARED / "models" / f"{name}.tflite"
    graph = read_model(path)
    shape = graph.tensors[graph.inputs[0]].shape
    images = np.random.default_rng(1).integers(-128, 128, (4, *shape), dtype=np.int8)
    answer, = answers_of("tflm", [Question(path.read_bytes(), [images])])
    assert np.array_equal(Golden(graph, "tflm").run([images])[0], answer[0])


# --- How it runs

def int8(name, shape, scale=0.5, zero_point=0, data=None):
    return Tensor(name, shape, "int8", Quantization((scale,), (zero_point,)), data)


def two_relus():
    tensors = (int8("x", (2, 3)), int8("y", (2, 3)), int8("z", (2, 3), 0.25))
    operators = (Operator(0, "RELU", (0,), (1,)), Operator(1, "RELU", (1,), (2,)))
    return Graph("m", tensors, operators, (0,), (2,))


def test_outputs_alone_or_every_tensor():
    graph = two_relus()
    x = np.arange(-9, 9, dtype=np.int8).reshape(3, 2, 3)
    y, z = np.maximum(x, 0), np.maximum(x, 0) * 2
    assert [output.tolist() for output in Golden(graph).run([x])] == [z.tolist()]
    kept = Golden(graph).tensors([x])
    assert {index: values.tolist() for index, values in kept.items()} == {
        0: x.tolist(), 1: y.tolist(), 2: z.tolist()}


def test_images_are_taken_a_block_at_a_time(monkeypatch):
    monkeypatch.setattr("compiler.golden.engine.BLOCK_BYTES", 40)         # two images of 18 bytes
    model = Golden(two_relus())
    assert model.block == 2
    x = np.arange(-60, 60, dtype=np.int8).reshape(20, 2, 3)[:7]
    assert np.array_equal(model.run([x])[0], np.maximum(x, 0) * 2)


def test_no_images_give_no_outputs():
    output = Golden(two_relus()).run([np.empty((0, 2, 3), np.int8)])[0]
    assert output.shape == (0, 2, 3) and output.dtype == np.int8


def test_outputs_may_be_inputs_and_used_again():
    graph = two_relus()
    graph = Graph("m", graph.tensors, graph.operators, (0,), (0, 1, 2))
    x = np.full((1, 2, 3), 5, np.int8)
    assert [output.reshape(-1)[0] for output in Golden(graph).run([x])] == [5, 5, 10]


@pytest.mark.parametrize("inputs, message", [
    ([], "the model has 1 inputs, and 0 were given"),
    ([np.zeros((4, 3, 2), np.int8)],
     "input 0 must be of shape ['N', 2, 3] and type int8, not [4, 3, 2] and int8"),
    ([np.zeros((4, 2, 3), np.uint8)],
     "input 0 must be of shape ['N', 2, 3] and type int8, not [4, 2, 3] and uint8"),
])
def test_wrong_inputs(inputs, message):
    with pytest.raises(ModelError) as caught:
        Golden(two_relus()).run(inputs)
    assert str(caught.value) == message


def test_different_numbers_of_images():
    tensors = (int8("x", (4,)), int8("y", (4,)), int8("z", (4,)))
    op = Operator(0, "ADD", (0, 1), (2,), {"fused_activation_function": "NONE"})
    graph = Graph("m", tensors, (op,), (0, 1), (2,))
    with pytest.raises(ModelError) as caught:
        Golden(graph).run([np.zeros((3, 4), np.int8), np.zeros((2, 4), np.int8)])
    assert str(caught.value) == "input 1 has 2 images, and input 0 has 3"


def test_unknown_profile():
    with pytest.raises(ValueError) as caught:
        Golden(two_relus(), "xnnpack")
    assert str(caught.value) == "Profile must be one of litert, tflm, not 'xnnpack'"


def test_softmax_of_many_equal_values_where_litert_aborts():
    tensors = (int8("x", (4095,)), int8("y", (4095,), 1 / 256, -128))
    graph = Graph("m", tensors, (Operator(0, "SOFTMAX", (0,), (1,), {"beta": 1.0}),), (0,), (1,))
    x = np.zeros((1, 4095), np.int8)
    assert (Golden(graph).run([x])[0] == -128).all()
    x[0, 7] = 127
    output = Golden(graph).run([x])[0][0]
    assert output[7] == 127 and np.delete(output, 7).max() == -128


def test_constants_are_shared_by_all_images():
    shape = np.array([[1, 2], [3, 4]], np.int8)
    tensors = (int8("x", (2, 2)), int8("c", (2, 2), data=shape), int8("z", (2, 2)))
    op = Operator(0, "MAXIMUM", (0, 1), (2,), {})
    x = np.array([[[0, 9], [9, 0]], [[9, 0], [0, 9]]], np.int8)
    output = Golden(Graph("m", tensors, (op,), (0,), (2,))).run([x])[0]
    assert np.array_equal(output, np.maximum(x, shape))


# --- Exactness of the floating point

RULES = {
    "right shifts": [DoubleRounding(2**30 + 7919 * k, -(k % 5) - 1, -3, -100, 90)
                     for k in range(37)],
    "one shift": [DoubleRounding(2**31 - 1 - k, -9, 5, -128, 127) for k in range(12)],
    "ties": [DoubleRounding(2**30, -3, 0, -128, 127)],
    "left shifts": [DoubleRounding(2**30 + k, k - 2, 4, -128, 127) for k in range(5)],
    "zero": [DoubleRounding(0, 0, 4, -128, 127)],
    "float": [Float64Rounding(0.001 * (k + 1), -7, -128, 127) for k in range(9)],
    "float ties": [Float64Rounding(0.5, 0, -128, 127), Float64Rounding(0.25, 0, -128, 127)],
    "unsigned": [Float64Rounding(0.3, 1, 0, 255)],
}


@pytest.mark.parametrize("name", RULES)
def test_requantizer_equals_its_rules(name):
    rules = RULES[name]
    draw = np.random.default_rng(1)
    rows = 2 * PASS // len(rules) + 11           # two passes and a bit
    sums = draw.integers(-3000, 3000, (rows, len(rules)))
    sums[:9] = draw.integers(-(2**29), 2**29, (9, len(rules)))
    bias = draw.integers(-500, 500, len(rules)).astype(np.int32)
    dtype = "uint8" if rules[-1].high == 255 else "int8"
    found = Requantizer(rules, bias, dtype)(sums.astype(np.float64))
    for channel, rule in enumerate(rules):
        expected = rule(sums[:, channel] + int(bias[channel]))
        assert np.array_equal(found[:, channel], expected), channel


def test_the_float_type_follows_the_weights():
    source = int8("x", (1, 4), 0.5, -128)        # so x - zero_point is up to 255
    just = np.full((1, 1 + (2**24 - 1) // (255 * 127)), 127)
    assert float_type(just[:, 1:], source) is np.float32
    assert float_type(just, source) is np.float64
