"""Dense layers whose weights take an operator's place, against LiteRT and TFLM."""

from pathlib import Path

import numpy as np
import pytest
from equal import equal_to_runtime, on_rtl
from operator_models import OperatorModel

from compiler.program import compile_model
from compiler.reader import read_model
from compiler.targets import DEFAULT
from sim.data import load, quantize_input

SHARED = Path(__file__).resolve().parents[3] / "shared"
TORCH = SHARED / "models" / "mnist" / "s3_torch_pt2e_perchannel_nchw.tflite"


def dense(m: OperatorModel, x: int, channels: int) -> int:
    rng = np.random.default_rng(5)
    rows, depth = m.tensors[x].shape
    weights = m.constant(rng.integers(-127, 128, (channels, depth)), "int8", scale=0.01,
                         zero_point=0)
    bias = m.constant(rng.integers(-3000, 3000, channels))
    return m.add("FULLY_CONNECTED", [x, weights, bias], (rows, channels))


def flattened(batch: int, order: list[int], read_again: bool = False):
    """An image transposed, flattened, and read by a dense layer."""
    m = OperatorModel()
    shape = (batch, 3, 4, 5)
    x = m.add("RELU", [m.input(shape)], shape)
    y = m.add("TRANSPOSE", [x, m.constant(order)], [shape[axis] for axis in order])
    y = m.add("RESHAPE", [y, m.constant([batch, 60])], (batch, 60))
    return m, [dense(m, y, 7), *([m.add("RELU", [y], (batch, 60))] if read_again else [])]


def blocks():
    m = OperatorModel()
    x = m.add("RELU", [m.input((1, 4, 6, 2))], (1, 4, 6, 2))
    y = m.add("SPACE_TO_DEPTH", [x], (1, 2, 3, 8), block_size=2)
    y = m.add("TRANSPOSE", [y, m.constant([0, 3, 1, 2])], (1, 8, 2, 3))
    return m, [dense(m, m.add("RESHAPE", [y, m.constant([1, 48])], (1, 48)), 5)]


# Models, and the operators that are left of them on the engine.
MODELS = {
    "torch": (flattened(1, [0, 3, 1, 2]), ["RELU", "FULLY_CONNECTED"]),
    "batch": (flattened(2, [0, 2, 1, 3]), ["RELU", "FULLY_CONNECTED"]),
    "batch mixed": (flattened(2, [1, 0, 2, 3]), ["RELU", "TRANSPOSE", "RESHAPE",
                                                 "FULLY_CONNECTED"]),
    "read again": (flattened(1, [0, 3, 1, 2], True), ["RELU", "TRANSPOSE", "RESHAPE",
                                                      "FULLY_CONNECTED", "RELU"]),
    "nothing moved": (flattened(1, [0, 1, 2, 3]), ["RELU", "TRANSPOSE", "RESHAPE",
                                                   "FULLY_CONNECTED"]),
    "blocks": (blocks(), ["RELU", "FULLY_CONNECTED"]),
}


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_dense_layers(profile, tmp_path):
    cases = {}
    for name, ((m, outputs), left) in MODELS.items():
        cases[name] = m.file(*outputs), m.random_inputs(3)
        (tmp_path / "m.tflite").write_bytes(cases[name][0])
        program = compile_model(read_model(tmp_path / "m.tflite"), DEFAULT.engine, profile)
        assert [op.kind for op in program.partition.device.operators] == left, name
    assert equal_to_runtime(profile, cases, tmp_path) == []


@pytest.mark.skipif(not TORCH.exists(), reason="../shared holds the model")
@pytest.mark.parametrize("images", [3, pytest.param(300, marks=pytest.mark.slow)])
def test_torch_export(images):
    program = compile_model(TORCH, DEFAULT.engine)
    assert "TRANSPOSE" not in [op.kind for op in program.partition.device.operators]
    digits = load(str(SHARED / "data" / "mnist")).images[:images]
    x = quantize_input(digits, program.graph.tensors[program.graph.inputs[0]])
    found = on_rtl(program, [x])[0].reshape(images, -1)
    with np.load(TORCH.with_suffix(".mnist10k.npz")) as data:
        assert np.array_equal(found, data["ref"][:images])
