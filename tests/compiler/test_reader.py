import os
import random
from pathlib import Path

import numpy as np
import pytest
from write_tflite import ADD, CONV_2D, CUSTOM, WrittenModel, WrittenOperator, WrittenTensor

from compiler.errors import ModelError
from compiler.ir import Graph, Operator, Quantization, Tensor
from compiler.reader import read_model

SHARED = Path(__file__).resolve().parents[3] / "shared"
MODELS = sorted(SHARED.rglob("*.tflite"))


def read(tmp_path: Path, model: WrittenModel | bytes) -> Graph:
    path = tmp_path / "m.tflite"
    path.write_bytes(bytes(model))
    return read_model(path)


def refusal(tmp_path: Path, model: WrittenModel | bytes) -> str:
    with pytest.raises(ModelError) as caught:
        read(tmp_path, model)
    return str(caught.value).replace(str(tmp_path / "m.tflite"), "FILE")


# --- What is read

def test_a_small_model(tmp_path):
    model = WrittenModel(
        tensors=[
            WrittenTensor(b"image", (1, 4, 4, 1)),
            WrittenTensor("gewicht_µ".encode(), (2, 1, 1, 1), 9, b"\x05\xfb", scale=(0.5, 0.25),
                          zero_point=(0, 0)),
            WrittenTensor(b"bias", (2,), 2, b"\1\0\0\0\xff\xff\xff\xff", scale=(), zero_point=()),
            WrittenTensor(b"out", (1, 2, 2, 2), 9, scale=(2.0,), zero_point=(-128,)),
        ],
        operators=[WrittenOperator((0, 1, 2), (3,), 0, (1, "Conv2DOptions", {
            "Padding": 1, "StrideW": 2, "StrideH": 2, "FusedActivationFunction": 3,
        }))],
        codes=[(CONV_2D, CONV_2D, None)], inputs=(0,), outputs=(3,),
    )
    graph = read(tmp_path, model)
    assert graph.name == "m"
    assert graph.tensors == (
        Tensor("image", (1, 4, 4, 1), "int8", Quantization((0.5,), (3,))),
        Tensor("gewicht_µ", (2, 1, 1, 1), "int8", Quantization((0.5, 0.25), (0, 0))),
        Tensor("bias", (2,), "int32"),
        Tensor("out", (1, 2, 2, 2), "int8", Quantization((2.0,), (-128,))),
    )
    assert graph.operators == (Operator(0, "CONV_2D", (0, 1, 2), (3,), {
        "padding": "VALID", "stride_w": 2, "stride_h": 2, "fused_activation_function": "RELU6",
        "dilation_w_factor": 1, "dilation_h_factor": 1, "quantized_bias_type": "FLOAT32",
    }),)
    assert (graph.inputs, graph.outputs) == ((0,), (3,))
    weights, bias = graph.tensors[1].data, graph.tensors[2].data
    assert weights is not None and weights.shape == (2, 1, 1, 1) and weights.dtype == np.int8
    assert bias is not None and bias.tolist() == [1, -1]
    with pytest.raises(ValueError, match="read-only"):
        weights[0] = 1


@pytest.mark.parametrize("deprecated, new, kind", [
    (19, 0, "RELU"),                             # written before the new field
    (0, 114, "QUANTIZE"),                        # by tools that leave the old one alone
    (0, 19, "RELU"),
    (114, 114, "QUANTIZE"),
    (127, 150, "GELU"),                          # 127 stands for all that the old one cannot hold
])
def test_the_larger_operator_code_counts(tmp_path, deprecated, new, kind):
    graph = read(tmp_path, WrittenModel(codes=[(deprecated, new, None)]))
    assert graph.operators[0].kind == kind


def test_options_that_are_left_out_have_the_schemas_defaults(tmp_path):
    graph = read(tmp_path, WrittenModel(codes=[(ADD, ADD, None)]))
    assert graph.operators[0].options == {
        "fused_activation_function": "NONE", "pot_scale_int16": True,
    }


def test_vectors_in_options_become_tuples(tmp_path):
    graph = read(tmp_path, WrittenModel(codes=[(43, 43, None)]))
    assert graph.operators[0].kind == "SQUEEZE"
    assert graph.operators[0].options == {"squeeze_dims": ()}


def test_a_custom_operator_keeps_its_name(tmp_path):
    graph = read(tmp_path, WrittenModel(codes=[(CUSTOM, CUSTOM, b"Post")]))
    assert graph.operators[0].kind == "CUSTOM"
    assert graph.operators[0].options == {"custom_code": "Post"}


def test_optional_inputs_scalars_and_empty_constants(tmp_path):
    model = WrittenModel(
        tensors=[WrittenTensor(b"in", ()), WrittenTensor(b"out", ()),
                 WrittenTensor(b"none", (0,), 2, scale=(), zero_point=())],
        operators=[WrittenOperator((0, -1, 2), (1,))],
    )
    graph = read(tmp_path, model)
    assert graph.tensors[0].shape == ()
    assert graph.tensors[2].data is not None and graph.tensors[2].data.shape == (0,)
    assert graph.operators[0].inputs == (0, -1, 2)


def test_scales_of_a_vector_ignore_the_dimension_copied_from_the_weights(tmp_path):
    model = WrittenModel()
    model.tensors[1] = WrittenTensor(b"out", (2,), scale=(1, 2), zero_point=(0, 0), dimension=3)
    assert read(tmp_path, model).tensors[1].quantization == Quantization((1.0, 2.0), (0, 0), 0)


# --- What is refused

def tensor(**fields):
    return WrittenModel(tensors=[WrittenTensor(b"in"), WrittenTensor(**{"name": b"t"} | fields)])


def operator(**fields):
    return WrittenModel(operators=[WrittenOperator(**fields)])


READ = "FILE cannot be read: "
REFUSED = {
    "identifier": (
        WrittenModel(identifier=b"ABCD"),
        "FILE is not a .tflite model: the identifier TFL3 is missing at byte 4"),
    "version": (
        WrittenModel(version=2),
        READ + "its schema version is 2, and 3 is the one that is known"),
    "no subgraph": (
        WrittenModel(subgraphs=0),
        READ + "it has 0 subgraphs, and exactly one is supported; "
        "convert it without control flow and with one signature"),
    "two subgraphs": (
        WrittenModel(subgraphs=2),
        READ + "it has 2 subgraphs, and exactly one is supported; "
        "convert it without control flow and with one signature"),
    "type": (
        tensor(type=13),
        READ + "tensor 1 't' is of type RESOURCE; known are FLOAT16, FLOAT32, FLOAT64, BOOL, INT8, "
        "INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, INT4; convert the model with 8 bits"),
    "computed in four bits": (
        tensor(type=17),
        READ + "tensor 1 't' is computed in INT4, which is known of constants alone; convert the "
        "model with activations of 8 bits"),
    "short buffer of four bits": (
        tensor(type=17, shape=(1, 5), data=b"\0\0"),
        READ + "tensor 1 't' of shape [1, 5] and type INT4 needs 3 bytes, and its buffer has 2"),
    "unknown type": (
        tensor(type=99),
        READ + "tensor 1 't' is of type number 99; known are FLOAT16, FLOAT32, FLOAT64, BOOL, "
        "INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, INT4; convert the model with 8 "
        "bits"),
    "variable": (
        tensor(variable=True),
        READ + "tensor 1 't' is a variable, kept from one run to the next: not supported"),
    "negative dimension": (
        tensor(shape=(1, -4)),
        READ + "tensor 1 't' has the shape [1, -4]; accepted are up to 8 dimensions, none "
        "negative, 2147483647 bytes in all"),
    "huge shape": (
        tensor(shape=(65536, 65536)),
        READ + "tensor 1 't' has the shape [65536, 65536]; accepted are up to 8 dimensions, none "
        "negative, 2147483647 bytes in all"),
    "rank": (
        tensor(shape=(1,) * 12),
        READ + "tensor 1 't' has the shape [1, 1, 1, 1, 1, 1, 1, 1, 1]; accepted are up to 8 "
        "dimensions, none negative, 2147483647 bytes in all"),
    "short buffer": (
        tensor(data=b"\0\0\0"),
        READ + "tensor 1 't' of shape [1, 4] and type INT8 needs 4 bytes, and its buffer has 3"),
    "buffer index": (
        tensor(buffer=7),
        READ + "tensor 1 't' has buffer 7 of 1"),
    "scales and zero points": (
        tensor(scale=(1, 2, 3, 4), zero_point=(0, 0)),
        READ + "tensor 1 't' has 4 scales and 2 zero points"),
    "negative scale": (
        tensor(scale=(-0.5,)),
        READ + "tensor 1 't' has the scale -0.5; scales are finite and not negative"),
    "scale that is no number": (
        tensor(scale=(float("nan"),)),
        READ + "tensor 1 't' has the scale nan; scales are finite and not negative"),
    "scales for another shape": (
        tensor(scale=(1, 2, 3), zero_point=(0, 0, 0), dimension=1),
        READ + "tensor 1 't' of shape [1, 4] has 3 scales for its dimension 1"),
    "quantized dimension": (
        tensor(scale=(1, 2, 3), zero_point=(0, 0, 0), dimension=-3),
        READ + "tensor 1 't' of shape [1, 4] has 3 scales for its dimension -3"),
    "name": (
        tensor(name=b"caf\xe9"),
        READ + "the name b'caf\\xe9' is not UTF-8"),
    "name with control characters": (
        tensor(name=b"a\nb\x1b[2J", type=13, data=b""),
        READ + "tensor 1 'a\\nb\\x1b[2J' is of type RESOURCE; known are FLOAT16, FLOAT32, FLOAT64, "
        "BOOL, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, INT4; convert the model "
        "with 8 bits"),
    "operator code": (
        WrittenModel(codes=[(127, 9999, None)]),
        READ + "operator code 9999 is newer than the schema that is known here"),
    "operator code index": (
        operator(code=1),
        READ + "operator 0 has code 1 of 1"),
    "tensor index": (
        operator(inputs=(5,)),
        READ + "operator 0 RELU refers to tensor 5, and there are 2"),
    "negative tensor index": (
        operator(outputs=(-1,)),
        READ + "operator 0 RELU refers to tensor -1, and there are 2"),
    "graph output index": (
        WrittenModel(outputs=(9,)),
        READ + "the graph refers to tensor 9, and there are 2"),
    "no inputs": (
        WrittenModel(inputs=()),
        READ + "the graph has 0 inputs and 1 outputs; it needs at least one of each"),
    "input twice": (
        WrittenModel(inputs=(0, 0)),
        READ + "input tensor 0 'in' is a constant or listed twice"),
    "cycle": (
        WrittenModel(tensors=[WrittenTensor(name) for name in (b"in", b"a", b"b")],
                     operators=[WrittenOperator((2,), (1,)), WrittenOperator((1,), (2,))],
                     outputs=(2,)),
        READ + "operator 0 RELU reads tensor 2 'b', which nothing before it computes"),
    "written twice": (
        WrittenModel(operators=[WrittenOperator(), WrittenOperator()]),
        READ + "operator 1 RELU writes tensor 1 'out', which already has a value"),
    "constant written": (
        tensor(data=b"\0\0\0\0"),
        READ + "operator 0 RELU writes tensor 1 't', which already has a value"),
    "output never computed": (
        WrittenModel(operators=[]),
        READ + "output tensor 1 'out' is never computed"),
    "wrong options": (
        WrittenModel(codes=[(CONV_2D, CONV_2D, None)],
                     operators=[WrittenOperator(options=(8, "FullyConnectedOptions", {}))]),
        READ + "operator 0 CONV_2D has FullyConnectedOptions instead of Conv2DOptions"),
    "unknown options": (
        operator(options=(200, "AddOptions", {})),
        READ + "operator 0 RELU has options of type 200, which the schema does not know"),
    "unknown enum": (
        WrittenModel(codes=[(ADD, ADD, None)], operators=[
            WrittenOperator(options=(11, "AddOptions", {"FusedActivationFunction": 77}))]),
        READ + "operator 0 ADD has fused_activation_function 77, which the schema does not know"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path, case):
    model, message = REFUSED[case]
    assert refusal(tmp_path, model) == message


def test_many_operators_in_one_table_are_refused_early(tmp_path):
    model = WrittenModel(operators=[WrittenOperator()] * 2_001)
    assert refusal(tmp_path, model) == (
        READ + "it has 2001 operators, and at most 2000 are accepted")


def test_one_vector_seen_from_many_tables_is_refused_early(tmp_path):
    # 1,500 operators that share 100,000 inputs would be 150 million entries.
    model = WrittenModel(operators=[WrittenOperator(inputs=(0,) * 100_000)] * 1_500)
    assert refusal(tmp_path, model) == (
        READ + "it declares more entries than its bytes can hold")


def test_what_is_not_a_file(tmp_path):
    with pytest.raises(ModelError) as caught:
        read_model(tmp_path / "absent.tflite")
    assert str(caught.value) == f"{tmp_path / 'absent.tflite'} is not a file"
    with pytest.raises(ModelError) as caught:
        read_model(tmp_path)
    assert str(caught.value) == f"{tmp_path} is not a file"
    os.mkfifo(tmp_path / "pipe")                 # reading it would never end
    with pytest.raises(ModelError) as caught:
        read_model(tmp_path / "pipe")
    assert str(caught.value) == f"{tmp_path / 'pipe'} is not a file"


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "huge.tflite"
    with path.open("wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(ModelError) as caught:
        read_model(path)
    assert str(caught.value) == f"{path} has 67108865 bytes; at most 67108864 are accepted"


# --- Damaged files

def sample() -> bytes:
    """A model with weights, scales per channel and options, 900 bytes."""
    return bytes(WrittenModel(
        tensors=[
            WrittenTensor(b"image", (1, 4, 4, 1)),
            WrittenTensor(b"weights", (2, 1, 1, 1), 9, b"\x05\xfb", scale=(0.5, 0.25),
                          zero_point=(0, 0)),
            WrittenTensor(b"bias", (2,), 2, bytes(8), scale=(), zero_point=()),
            WrittenTensor(b"middle", (1, 2, 2, 2)),
            WrittenTensor(b"out", (1, 2, 2, 2)),
        ],
        operators=[
            WrittenOperator((0, 1, 2), (3,), 0, (1, "Conv2DOptions", {
                "Padding": 1, "StrideW": 2, "StrideH": 2, "FusedActivationFunction": 3})),
            WrittenOperator((3, 3), (4,), 1, (11, "AddOptions", {"FusedActivationFunction": 1})),
        ],
        codes=[(CONV_2D, CONV_2D, None), (ADD, ADD, None)], inputs=(0,), outputs=(4,),
    ))


def test_every_truncation_is_refused_or_read(tmp_path):
    whole = sample()
    damaged = 0
    for size in range(len(whole)):
        try:
            read(tmp_path, whole[:size])
        except ModelError as error:
            assert "\n" not in str(error)
            damaged += 1
    assert damaged >= len(whole) - 3             # the last bytes are padding


def test_a_cut_off_file_is_named_as_such(tmp_path):
    assert refusal(tmp_path, sample()[:700]) == (
        "FILE is damaged or cut off: an offset leads outside of its 700 bytes")


def test_random_damage_is_refused_or_read(tmp_path):
    draw = random.Random(1)
    wholes = [sample(), *(path.read_bytes() for path in MODELS if path.stat().st_size < 3000)]
    outcomes = {"read": 0, "refused": 0}
    for _ in range(3000):
        data = bytearray(draw.choice(wholes))
        for _ in range(draw.choice((1, 1, 2, 5, 20))):
            place = draw.randrange(len(data))
            if draw.random() < 0.5:
                data[place] ^= 1 << draw.randrange(8)
            else:
                data[place] = draw.choice((0, 127, 128, 255))
        try:
            assert isinstance(read(tmp_path, bytes(data)), Graph)
            outcomes["read"] += 1
        except ModelError as error:
            assert "\n" not in str(error)
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 500


# --- Real files

@pytest.mark.skipif(not MODELS, reason="the folder of shared models is not there")
def test_real_files():
    kinds = set()
    for path in MODELS:
        graph = read_model(path)
        kinds.update(op.kind for op in graph.operators)
        for tensor in graph.tensors:
            assert tensor.data is None or not tensor.data.flags.writeable
    assert {"CONV_2D", "QUANTIZE", "DEQUANTIZE", "ELU", "SHAPE", "TRANSPOSE_CONV"} <= kinds
