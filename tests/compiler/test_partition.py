from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.fold import drop_unused, fold_constants
from compiler.golden import Golden
from compiler.ir import Graph, Operator, Quantization, Tensor
from compiler.legacy import flip
from compiler.partition import partition
from compiler.reader import read_model

MODELS = Path(__file__).parents[3] / "shared" / "models"
F, I8, U8 = "float32", "int8", "uint8"


def chain(*steps):
    """A graph of operators in a row: dtype, kind, dtype, kind, ..., dtype."""
    tensors = tuple(Tensor(f"t{i}", (1, 4), dtype, Quantization((0.5,), (3,)))
                    for i, dtype in enumerate(steps[::2]))
    operators = tuple(Operator(i, kind, (i,), (i + 1,)) for i, kind in enumerate(steps[1::2]))
    return Graph("chain", tensors, operators, (0,), (len(tensors) - 1,))


def kinds(graph):
    return [op.kind for op in graph.operators]


@pytest.mark.parametrize("steps, prologue, epilogue", [
    ((I8, "RELU", I8), 0, 0),
    ((F, "QUANTIZE", I8, "RELU", I8, "DEQUANTIZE", F), 1, 1),
    ((U8, "QUANTIZE", I8, "RELU", I8, "QUANTIZE", U8), 1, 1),
    ((I8, "QUANTIZE", I8, "RELU", I8, "QUANTIZE", I8), 0, 0),
    ((I8, "RELU", I8, "SOFTMAX", I8, "QUANTIZE", I8, "DEQUANTIZE", F), 0, 3),
    ((I8, "RELU", I8, "RESHAPE", I8, "SOFTMAX", I8, "RESHAPE", I8), 0, 2),
    ((I8, "RELU", I8, "ARG_MAX", "int64"), 0, 1),
    ((I8, "RELU", I8, "QUANTIZE", U8, "RELU", U8), 0, 0),
    ((F, "QUANTIZE", I8, "DEQUANTIZE", F), 1, 1),
    ((I8, "SOFTMAX", I8), 0, 1),
    ((I8, "TRANSPOSE", I8, "RELU", I8, "TRANSPOSE", I8), 1, 1),
    ((F, "QUANTIZE", I8, "RESHAPE", I8, "TRANSPOSE", I8, "RELU", I8), 3, 0),
    ((I8, "TRANSPOSE", I8, "RESHAPE", I8, "RELU", I8, "RESHAPE", I8, "TRANSPOSE", I8, "RESHAPE",
      I8), 1, 2),
    ((I8, "RESHAPE", I8, "RELU", I8, "TRANSPOSE", I8, "RELU", I8), 0, 0),
    ((I8, "RELU", I8, "TRANSPOSE", I8, "SOFTMAX", I8), 0, 2),
    ((U8, "TRANSPOSE", U8, "RELU", U8, "L2_NORMALIZATION", U8), 1, 1),
])
def test_chains(steps, prologue, epilogue):
    graph = chain(*steps)
    parts = partition(graph)
    count = len(graph.operators)
    assert parts.prologue.operators == graph.operators[:prologue]
    assert parts.epilogue.operators == graph.operators[count - epilogue:]
    assert [op.index for op in parts.device.operators] == [*range(prologue, count - epilogue)]
    assert parts.prologue.inputs == (0,) and parts.prologue.outputs == (prologue,)
    assert parts.device.inputs == (prologue,) and parts.device.outputs == (count - epilogue,)
    assert parts.epilogue.inputs == (count - epilogue,) and parts.epilogue.outputs == (count,)


def test_reordered_inputs_that_are_read_as_they_are():
    """What the device needs as it came is transposed there, and not sent twice."""
    graph = chain(I8, "TRANSPOSE", I8, "RELU", I8)
    graph = Graph("g", graph.tensors, graph.operators, (0,), (2, 0))
    assert kinds(partition(graph).device) == ["TRANSPOSE", "RELU"]
    tensors = (*graph.tensors, Tensor("t3", (1, 4), I8, Quantization((0.5,), (3,))))
    operators = (*graph.operators, Operator(2, "RELU", (0,), (3,)))
    parts = partition(Graph("g", tensors, operators, (0,), (2, 3)))
    assert kinds(parts.device) == ["TRANSPOSE", "RELU", "RELU"] and parts.device.inputs == (0,)


def test_legacy_flips():
    parts = partition(chain(U8, "RELU", U8, "SOFTMAX", U8))
    assert parts.flip_inputs == (True,) and parts.flip_outputs == (True,)
    assert [t.dtype for t in parts.device.tensors] == ["int8"] * 3
    assert [t.dtype for t in parts.epilogue.tensors] == ["uint8"] * 3
    parts = partition(chain(U8, "QUANTIZE", I8, "RELU", I8))
    assert parts.flip_inputs == (False,) and parts.flip_outputs == (False,)


def test_output_inside():
    """A tensor that is both a graph output and read by the epilogue leaves the device once."""
    graph = chain(I8, "RELU", I8, "RELU", I8, "SOFTMAX", I8)
    graph = Graph("g", graph.tensors, graph.operators, (0,), (2, 3, 1, 0))
    parts = partition(graph)
    assert parts.device.outputs == (2, 1, 0) and parts.epilogue.outputs == (2, 3, 1, 0)
    assert parts.device.inputs == (0,)


def test_input_read_twice():
    """One uint8 input, quantized on the host and used as it is on the device."""
    tensors = tuple(Tensor(f"t{i}", (1, 4), dtype, Quantization((0.5,), (3,)))
                    for i, dtype in enumerate((U8, I8, I8, U8)))
    operators = (Operator(0, "QUANTIZE", (0,), (1,)), Operator(1, "RELU", (1,), (2,)),
                 Operator(2, "RELU", (0,), (3,)))
    parts = partition(Graph("g", tensors, operators, (0,), (2, 3)))
    assert parts.prologue.outputs == parts.device.inputs == (1, 0)
    assert parts.flip_inputs == (False, True) and parts.flip_outputs == (False, True)


def test_refuses_host_work_in_the_middle():
    with pytest.raises(ModelError, match=(
            r"^operator 1 SOFTMAX runs on the host, behind the last layer, but operator 2 RELU "
            r"reads its result; end the model at operator 1, or take it out$")):
        partition(chain(I8, "RELU", I8, "SOFTMAX", I8, "RELU", I8))
    with pytest.raises(ModelError, match=(
            r"^operator 0 DEQUANTIZE runs on the host, behind the last layer, but operator 1 "
            r"RESHAPE reads its result; end the model at operator 0, or take it out$")):
        partition(chain(I8, "DEQUANTIZE", F, "RESHAPE", F, "ELU", F))


def test_refuses_quantize_in_the_middle():
    with pytest.raises(ModelError, match=(
            r"^operator 1 QUANTIZE reads float32 from tensor 't1', which is not a model input; "
            r"quantize the part before it as well$")):
        partition(chain(F, "ELU", F, "QUANTIZE", I8))


@pytest.mark.parametrize("path, prologue, epilogue", [
    ("mlperf_tiny/ad01_int8", [], []),
    ("mlperf_tiny/kws_ref_model", [], ["SOFTMAX"]),
    ("mnist/s0_mlp_784_512_100_10_uint8", ["QUANTIZE"], ["SOFTMAX", "QUANTIZE"]),
    ("mnist/s0_mlp_784_512_100_10_tf1_uint8", [], ["SOFTMAX"]),
    ("mnist/s1_flatten_dense10_qat_floatio", ["QUANTIZE"], ["DEQUANTIZE"]),
    ("mnist/s2_conv12_pool_dense10_uint8", ["QUANTIZE"], ["QUANTIZE"]),
    ("others/acemyzoe_mnist_conv_floatio", ["QUANTIZE"], ["DEQUANTIZE"]),
    ("others/cfu_magic_wand_floatio", ["QUANTIZE"], ["SOFTMAX", "DEQUANTIZE"]),
    ("others/markusmeingast_mnist_uint8io", ["QUANTIZE"], ["SOFTMAX", "QUANTIZE"]),
])
def test_parts_compute_the_whole(path, prologue, epilogue):
    file = MODELS / f"{path}.tflite"
    if not file.exists():
        pytest.skip(f"{path} is not in ../shared/models")
    graph = drop_unused(fold_constants(read_model(file)))
    parts = partition(graph)
    assert kinds(parts.prologue) == prologue and kinds(parts.epilogue) == epilogue
    assert all(parts.device.tensors[index].dtype == "int8"
               for op in parts.device.operators for index in op.outputs)

    vectors = np.load(file.with_suffix(".npz"))
    values = Golden(parts.prologue).run([vectors["in0"]])
    values = [flip(x) if flipped else x
              for x, flipped in zip(values, parts.flip_inputs, strict=True)]
    values = Golden(parts.device).run(values)
    values = [flip(x) if flipped else x
              for x, flipped in zip(values, parts.flip_outputs, strict=True)]
    assert (Golden(parts.epilogue).run(values)[0] == vectors["ref0"]).all()


def test_refuses_floats_that_are_only_passed_on():
    graph = chain(F, "QUANTIZE", I8, "RELU", I8)
    with pytest.raises(ModelError) as error:
        partition(replace(graph, outputs=(2, 0)))
    assert str(error.value) == (
        "tensor 't0' is an input of float32 that is put out as it is, and only int8 and uint8 pass "
        "through the engine; take it out of the outputs")
