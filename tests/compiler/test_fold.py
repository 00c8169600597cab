from pathlib import Path

import numpy as np
import pytest

from compiler.fold import drop_unused, fold_constants, fuse_pads, simplified
from compiler.ir import Graph, Operator, Quantization, Tensor
from compiler.reader import read_model

MODELS = Path(__file__).parents[3] / "shared" / "models"
Q = Quantization((0.5,), (-7,))


def constant(name, values, dtype="int32"):
    data = np.array(values, dtype)
    return Tensor(name, data.shape, dtype, None, data)


def computed(name, shape, quantization=Q):
    return Tensor(name, shape, "int8", quantization)


def shared(path):
    if not (MODELS / path).exists():
        pytest.skip(f"{path} is not in ../shared/models")
    return read_model(MODELS / path)


def keras_reshape():
    """Flatten of a batch of unknown size, as Keras writes it."""
    tensors = (
        computed("image", (1, 4, 4, 2)),
        Tensor("shape", (4,), "int32"),
        constant("begin", [0]), constant("end", [1]), constant("strides", [1]),
        Tensor("batch", (), "int32"),
        constant("size", 32),
        Tensor("pair", (2,), "int32"),
        computed("flat", (1, 32)),
    )
    operators = (
        Operator(0, "SHAPE", (0,), (1,), {"out_type": "INT32"}),
        Operator(1, "STRIDED_SLICE", (1, 2, 3, 4), (5,), {
            "begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0,
            "shrink_axis_mask": 1}),
        Operator(2, "PACK", (5, 6), (7,), {"values_count": 2, "axis": 0}),
        Operator(3, "RESHAPE", (0, 7), (8,), {}),
    )
    return Graph("keras", tensors, operators, (0,), (8,))


def fold(graph):
    """All passes."""
    return drop_unused(fuse_pads(simplified(graph)))


def test_folds_computed_shapes():
    folded = fold(keras_reshape())
    assert [op.index for op in folded.operators] == [3]
    shape = folded.tensors[7]
    assert shape.data.tolist() == [1, 32] and shape.dtype == "int32"
    assert not shape.data.flags.writeable
    assert folded.inputs == (0,) and folded.outputs == (8,)


def test_keeps_what_is_an_output():
    graph = keras_reshape()
    graph = Graph("g", graph.tensors, graph.operators, (0,), (7,))
    assert [op.kind for op in fold(graph).operators] == ["PACK"]


def test_folds_reshape_of_a_constant():
    tensors = (constant("a", [[1, 2], [3, 4]]), constant("to", [4]), Tensor("b", (4,), "int32"),
               computed("x", (1, 4)), computed("y", (1, 4)))
    operators = (Operator(0, "RESHAPE", (0, 1), (2,), {}), Operator(1, "FOO", (3, 2), (4,), {}))
    folded = fold_constants(Graph("g", tensors, operators, (3,), (4,)))
    assert [op.kind for op in folded.operators] == ["FOO"]
    assert folded.tensors[2].data.tolist() == [1, 2, 3, 4]


SCATTERED = np.random.default_rng(4).integers(0, 4, 20_000).tolist()


@pytest.mark.parametrize("kind, options, inputs, output", [
    ("PACK", {"axis": 0, "values_count": 2}, [[1], [1, 2]], (2,)),
    ("PACK", {"axis": 7, "values_count": 2}, [[1], [2]], (2,)),
    ("RESHAPE", {}, [[1, 2, 3], [2]], (2,)),
    ("STRIDED_SLICE", {}, [[1, 2], 0, 1, 1], (1,)),                  # bounds are vectors
    ("STRIDED_SLICE", {}, [[1, 2], [0], [1], [0]], (1,)),            # and strides go somewhere
    ("STRIDED_SLICE", {}, [[1, 2], [0, 0], [1, 1], [1, 1]], (1,)),
    ("STRIDED_SLICE", {}, [[1, 2], [0], [1, 1], [1]], (1,)),
    ("SHAPE", {}, [], (1,)),
    ("GATHER", {"axis": 0}, [[1, 2, 3, 0], SCATTERED], (len(SCATTERED),)),      # endless pieces
])
def test_leaves_what_makes_no_sense(kind, options, inputs, output):
    tensors = (computed("x", (1, 4)), Tensor("y", output, "int32"), computed("z", (1, 4)),
               *(constant(f"c{position}", values) for position, values in enumerate(inputs)))
    operators = (Operator(0, kind, tuple(range(3, len(tensors))), (1,), options),
                 Operator(1, "FOO", (0, 1), (2,)))
    graph = Graph("g", tensors, operators, (0,), (2,))
    assert fold_constants(graph) == graph


def test_leaves_what_changes_the_type():
    tensors = (computed("x", (1, 4)), Tensor("y", (2,), "int8"), computed("z", (1, 4)),
               constant("a", [300, 2]), constant("to", [2]))
    operators = (Operator(0, "RESHAPE", (3, 4), (1,), {}), Operator(1, "FOO", (0, 1), (2,)))
    graph = Graph("g", tensors, operators, (0,), (2,))
    assert fold_constants(graph) == graph


@pytest.mark.parametrize("begin, end, strides, options, expected", [
    ([1], [3], [1], {}, [11, 12]),
    ([0], [0], [1], {"begin_mask": 1, "end_mask": 1}, [10, 11, 12, 13]),
    ([-2], [9], [1], {}, [12, 13]),
    ([3], [-9], [-2], {"end_mask": 1}, [13, 11]),
    ([0], [0], [-1], {"begin_mask": 1, "end_mask": 1}, [13, 12, 11, 10]),
    ([-1], [0], [1], {"shrink_axis_mask": 1}, 13),
    ([2], [1], [1], {}, []),
    ([0, 1], [0, 2], [1, 1], {"new_axis_mask": 1}, [[11]]),
    ([0, 0, 1], [0, 0, 3], [1, 1, 1], {"new_axis_mask": 1, "ellipsis_mask": 2}, [[11, 12]]),
    ([4], [0], [1], {"shrink_axis_mask": 1}, None),
    ([0], [0], [0], {}, None),
])
def test_folds_strided_slice(begin, end, strides, options, expected):
    tensors = (constant("a", range(10, 14)), constant("begin", begin), constant("end", end),
               constant("strides", strides), Tensor("b", (1,), "int32"), computed("x", (1, 4)),
               computed("y", (1, 4)))
    operators = (Operator(0, "STRIDED_SLICE", (0, 1, 2, 3), (4,), options),
                 Operator(1, "FOO", (5, 4), (6,), {}))
    found = fold_constants(Graph("g", tensors, operators, (5,), (6,))).tensors[4].data
    assert found is expected if expected is None else found.tolist() == expected


def test_folds_what_is_moved():
    tensors = (constant("a", [[1, 2], [3, 4]]), constant("order", [1, 0]),
               Tensor("b", (2, 2), "int32"), Tensor("c", (4, 2), "int32"), computed("x", (1, 4)),
               computed("y", (1, 4)))
    operators = (Operator(0, "TRANSPOSE", (0, 1), (2,), {}),
                 Operator(1, "CONCATENATION", (0, 2), (3,), {"axis": 0}),
                 Operator(2, "FOO", (4, 3), (5,), {}))
    folded = fold(Graph("g", tensors, operators, (4,), (5,)))
    assert [op.kind for op in folded.operators] == ["FOO"]
    assert folded.tensors[3].data.tolist() == [[1, 2], [3, 4], [1, 3], [2, 4]]


def test_constants_that_double_over_and_over():
    """Sixty joins of a tensor with itself are left alone when they become too large."""
    tensors = [constant("t0", [[1, 2, 3, 4]])]
    operators = []
    for k in range(60):
        tensors.append(Tensor(f"t{k + 1}", (2**(k + 1), 4), "int32"))
        operators.append(Operator(k, "CONCATENATION", (k, k), (k + 1,), {"axis": 0}))
    tensors += [computed("x", (1, 4)), computed("y", (1, 4))]
    operators.append(Operator(60, "FOO", (61, 60), (62,), {}))
    graph = Graph("g", tuple(tensors), tuple(operators), (61,), (62,))
    assert 2**20 < max(t.data.size for t in fold_constants(graph).tensors if t.data is not None) \
        <= 2**24


def test_drops_unused():
    tensors = tuple(computed(f"t{i}", (1, 2)) for i in range(4))
    operators = (Operator(0, "RELU", (0,), (1,)), Operator(1, "RELU", (1,), (2,)),
                 Operator(2, "RELU", (0,), (3,)))
    kept = drop_unused(Graph("g", tensors, operators, (0,), (3,)))
    assert [op.index for op in kept.operators] == [2]


def padded(pads=((0, 0), (1, 2), (3, 0), (0, 0)), padding="VALID", quantization=Q, outputs=(3,),
           kinds=("CONV_2D",)):
    """PAD, then its readers."""
    (n, top, left, c) = pads
    image = (1 + sum(n), 6 + sum(top), 6 + sum(left), 2 + sum(c))
    tensors = (computed("x", (1, 6, 6, 2)), constant("pads", pads),
               computed("padded", image, quantization),
               *(computed(f"y{i}", (1, 7, 7, 2)) for i in range(len(kinds))),
               Tensor("w", (2, 3, 3, 2), "int8", Q, np.ones((2, 3, 3, 2), np.int8)))
    operators = (Operator(0, "PAD", (0, 1), (2,)),
                 *(Operator(1 + i, kind, (2, len(tensors) - 1), (3 + i,), {
                     "padding": padding, "stride_h": 1, "stride_w": 1})
                   for i, kind in enumerate(kinds)))
    return Graph("g", tensors, operators, (0,), outputs)


@pytest.mark.parametrize("kinds", [
    ("CONV_2D",), ("DEPTHWISE_CONV_2D",), ("CONV_2D", "DEPTHWISE_CONV_2D")])
def test_fuses_pad(kinds):
    fused = fuse_pads(padded(kinds=kinds))
    assert [op.kind for op in fused.operators] == list(kinds)
    for op in fused.operators:
        assert op.inputs[0] == 0 and op.options["padding"] == "VALID"
        assert [op.options[f"pad_{side}"] for side in ("top", "bottom", "left", "right")] \
            == [1, 2, 3, 0]


def test_fuses_two_pads_in_a_row():
    graph = padded()
    first = computed("first", (1, 7, 6, 2))
    tensors = (*graph.tensors, first, constant("pads", [[0, 0], [1, 0], [0, 0], [0, 0]]))
    at = len(graph.tensors)
    pad, conv = graph.operators
    operators = (Operator(7, "PAD", (0, at + 1), (at,)), Operator(8, "PAD", (at, 1), (2,)), conv)
    fused = fuse_pads(Graph("g", tensors, operators, (0,), (3,)))
    assert [op.kind for op in fused.operators] == ["CONV_2D"]
    assert fused.operators[0].inputs[0] == 0 and fused.operators[0].options["pad_top"] == 2


@pytest.mark.parametrize("change", [
    {"padding": "SAME"},
    {"pads": ((0, 0), (1, 1), (1, 1), (0, 1))},
    {"pads": ((1, 0), (1, 1), (1, 1), (0, 0))},
    {"pads": ((0, 0), (-1, 1), (1, 1), (0, 0))},
    {"quantization": Quantization((0.5,), (-8,))},
    {"outputs": (3, 2)},
    {"kinds": ("CONV_2D", "MAX_POOL_2D")},
])
def test_leaves_other_pads(change):
    graph = padded(**change)
    assert fuse_pads(graph) == graph


def test_keras_model():
    folded = fold(shared("others/acemyzoe_mnist_conv_floatio.tflite"))
    assert [op.kind for op in folded.operators] == [
        "QUANTIZE", "RESHAPE", "CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED",
        "DEQUANTIZE"]
    reshape = folded.operators[1]
    assert folded.tensors[reshape.inputs[1]].data.tolist() == [1, 28, 28, 1]


def test_torch_model():
    folded = fold(shared("mnist/s3_torch_pt2e_perchannel_nchw.tflite"))
    assert "PAD" not in [op.kind for op in folded.operators]
    conv = next(op for op in folded.operators if op.kind == "CONV_2D")
    assert [conv.options[f"pad_{side}"] for side in ("top", "bottom", "left", "right")] \
        == [1, 1, 1, 1]
    image, output = (folded.tensors[index].shape for index in (conv.inputs[0], conv.outputs[0]))
    assert image == (1, 28, 28, 12) and output[1:3] == ((28 + 2 - 3) // 2 + 1,) * 2
