"""Models of several inputs and outputs, in every way in which outputs may lie in a graph."""

import json

import numpy as np
import pytest
from equal import equal_to_runtime
from operator_models import OperatorModel

from sim.__main__ import main


def add(m: OperatorModel, one: int, other: int, shape) -> int:
    return m.add("ADD", [one, other], shape)


def three_inputs():
    m = OperatorModel()
    a, b, c = m.input((1, 4, 3)), m.input((1, 4, 3), scale=0.02), m.input((12,), zero_point=9)
    sum_ = add(m, a, b, (1, 4, 3))
    flat = m.add("RESHAPE", [sum_, m.constant([12])], (12,))
    return m, [add(m, flat, c, (12,))]


def outputs_used_again():
    m = OperatorModel()
    x = m.input((1, 5, 4))
    one = m.add("RELU", [x], (1, 5, 4))
    two = m.add("LEAKY_RELU", [one], (1, 5, 4), alpha=0.3)
    three = add(m, one, two, (1, 5, 4))
    return m, [three, one, two]


def views():
    """A view of a view, what it is a view of, and a view of the input."""
    m = OperatorModel()
    x = m.input((1, 2, 6))
    y = m.add("RELU", [x], (1, 2, 6))
    flat = m.add("RESHAPE", [y, m.constant([12])], (12,))
    wide = m.add("RESHAPE", [flat, m.constant([3, 4])], (3, 4))
    of_input = m.add("RESHAPE", [x, m.constant([4, 3])], (4, 3))
    return m, [wide, y, of_input, flat]


def same_twice():
    m = OperatorModel()
    y = m.add("RELU", [m.input((1, 7))], (1, 7))
    return m, [y, y]


def input_is_output():
    m = OperatorModel()
    x, other = m.input((1, 7)), m.input((1, 3))
    return m, [other, m.add("RELU", [x], (1, 7)), x]


def unused_input():
    m = OperatorModel()
    _, x = m.input((2, 2)), m.input((1, 7))
    return m, [m.add("RELU", [x], (1, 7))]


def behind_the_device():
    """SOFTMAX on the host, of a tensor that is an output of the device, too."""
    m = OperatorModel()
    y = m.add("RELU", [m.input((1, 7))], (1, 7))
    z = m.tensor((1, 7), scale=1 / 256, zero_point=-128)
    m.operator("SOFTMAX", [y], [z], beta=1.0)
    real = m.tensor((1, 7), dtype="float32")
    m.operator("DEQUANTIZE", [y], [real])
    return m, [z, y, real, z]


MODELS = (three_inputs, outputs_used_again, views, same_twice, input_is_output, unused_input,
          behind_the_device)


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_outputs(profile, tmp_path):
    cases = {}
    for make in MODELS:
        model, outputs = make()
        cases[make.__name__] = model.file(*outputs), model.random_inputs(6)
    assert equal_to_runtime(profile, cases, tmp_path, images=6) == []


def test_command_line(capsys, tmp_path):
    model, outputs = outputs_used_again()
    (tmp_path / "m.tflite").write_bytes(model.file(*outputs))
    x = model.random_inputs(3)[0]
    np.savez(tmp_path / "x.npz", in0=x)
    relu = np.maximum(x, -3)
    for engine in ("golden", "rtl"):
        assert main(["run", str(tmp_path / "m.tflite"), "--inputs", str(tmp_path / "x.npz"),
                     "--outputs", str(tmp_path / "y.npz"), "--engine", engine, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["equal_images"] == 3
        with np.load(tmp_path / "y.npz") as y:
            assert sorted(y.files) == ["out0", "out1", "out2"]
            assert np.array_equal(y["out1"], relu) and np.array_equal(y["out2"], relu)


def test_command_line_of_several_inputs(capsys, tmp_path):
    model, outputs = three_inputs()
    path, given, found = (tmp_path / name for name in ("m.tflite", "x.npz", "y.npy"))
    path.write_bytes(model.file(*outputs))
    arguments = ["run", str(path), "--inputs", str(given), "--outputs", str(found)]
    a, b, c = model.random_inputs(3)

    np.savez(given, in0=a, in1=b)
    assert main(arguments) == 3
    assert capsys.readouterr().err == (
        f"error: {given} has no array in2; it must hold in0, in1, in2\n")
    np.savez(given, in0=a, in1=b, in2=c[:2])
    assert main(arguments) == 3
    assert capsys.readouterr().err == (
        f"error: {given}: in2 holds 2 inputs, and in0 holds 3\n")
    np.savez(given, in0=a, in1=b, in2=c)
    assert main(arguments) == 0
    assert np.load(found).shape == (3, 12)
    assert main(["run", str(path)]) == 3
    assert capsys.readouterr().err == (
        "error: the model has 3 inputs, and images are one; give all of them with --inputs X.npz\n")
