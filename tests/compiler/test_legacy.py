from pathlib import Path

import numpy as np
import pytest

from compiler.golden import Golden
from compiler.ir import Graph, Operator, Quantization, Tensor
from compiler.legacy import flip, to_int8
from compiler.reader import read_model

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance"


def test_flip():
    q = np.array([0, 1, 127, 128, 255], np.uint8)
    assert flip(q).tolist() == [-128, -127, -1, 0, 127]
    assert flip(q).dtype == np.int8 and (flip(flip(q)) == q).all()
    assert flip(np.zeros((2, 3), np.int8)).tolist() == [[128] * 3] * 2


def test_tensors():
    weights = np.array([[0, 128, 255]], np.uint8)
    tensors = (
        Tensor("x", (1, 3), "uint8", Quantization((0.5,), (10,))),
        Tensor("w", (1, 3), "uint8", Quantization((0.25,), (130,)), weights),
        Tensor("b", (1,), "int32", Quantization((0.125,), (0,)), np.array([7], np.int32)),
        Tensor("y", (1, 1), "uint8", Quantization((1.0,), (0,))),
        Tensor("z", (1, 1), "float32"),
    )
    operators = (Operator(0, "FULLY_CONNECTED", (0, 1, 2), (3,), {"keep_num_dims": False}),
                 Operator(1, "DEQUANTIZE", (3,), (4,)))
    graph = to_int8(Graph("g", tensors, operators, (0,), (4,)))
    assert [t.dtype for t in graph.tensors] == ["int8", "int8", "int32", "int8", "float32"]
    assert [graph.tensors[index].zero_point for index in (0, 1, 2, 3)] == [-118, 2, 0, -128]
    assert graph.tensors[1].data.tolist() == [[-128, 0, 127]]
    assert graph.tensors[1].scale == 0.25 and not graph.tensors[1].data.flags.writeable
    assert graph.tensors[2] is tensors[2] and weights.tolist() == [[0, 128, 255]]
    assert graph.operators[0].options == {"keep_num_dims": False, "legacy_uint8": True}


def test_int8_stays():
    tensors = (Tensor("x", (1, 3), "int8", Quantization((0.5,), (10,))),
               Tensor("y", (1, 3), "int8", Quantization((0.5,), (10,))))
    graph = Graph("g", tensors, (Operator(0, "RELU", (0,), (1,)),), (0,), (1,))
    assert to_int8(graph) == graph


@pytest.mark.parametrize("name", ["add", "concat", "fc_0", "fc_1", "fc_2", "logistic", "maxpool",
                                  "mul", "reshape_fc", "softmax"])
def test_same_results(name):
    file = CONFORMANCE / "models" / f"legacy_uint8_{name}.tflite"
    if not file.exists():
        pytest.skip(f"{file.name} is not in ../shared/conformance")
    graph = to_int8(read_model(file))
    vectors = np.load(CONFORMANCE / "data" / f"{file.stem}.npz")
    inputs = [flip(vectors[f"in{index}"]) for index in range(len(graph.inputs))]
    assert (flip(Golden(graph).run(inputs)[0]) == vectors["ref0"]).all()
