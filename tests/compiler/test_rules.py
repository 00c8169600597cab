from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.fold import simplified
from compiler.ir import Graph, Operator, Quantization, Tensor
from compiler.reader import read_model
from compiler.rules import SUPPORTED, check, findings, supported_operator

SHARED = Path(__file__).resolve().parents[3] / "shared"
CONFORMANCE = sorted((SHARED / "conformance" / "models").glob("*.tflite"))
MODELS = sorted((SHARED / "models").rglob("*.tflite"))


def int8(name, shape, scale=0.5, zero_point=0, data=None):
    return Tensor(name, shape, "int8", Quantization((scale,), (zero_point,)), data)


def constant(name, values):
    return Tensor(name, np.shape(values), "int32", None, np.array(values, np.int32))


CONV = {"padding": "SAME", "stride_h": 1, "stride_w": 1, "dilation_h_factor": 1,
        "dilation_w_factor": 1, "fused_activation_function": "RELU"}
POOL = {"padding": "VALID", "stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2,
        "fused_activation_function": "NONE"}

IMAGE = int8("x", (1, 4, 4, 8))
EACH = {name: 0 for name in ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask",
                             "shrink_axis_mask")}

# For each kind of operator one that is right: options, inputs, output.
RIGHT = {
    "CONCATENATION": ({"axis": -1, "fused_activation_function": "NONE"},
                      [int8("x", (1, 4)), int8("z", (1, 3))], int8("y", (1, 7))),
    "SPLIT": ({"num_splits": 1}, [constant("axis", 1), int8("x", (1, 4))], int8("y", (1, 4))),
    "SPLIT_V": ({"num_splits": 1}, [int8("x", (1, 4)), constant("sizes", [-1]),
                                    constant("axis", 1)], int8("y", (1, 4))),
    "SLICE": ({}, [int8("x", (2, 4)), constant("begin", [0, 1]), constant("size", [1, -1])],
              int8("y", (1, 3))),
    "STRIDED_SLICE": (EACH, [int8("x", (2, 4)), constant("begin", [1, 0]), constant("end", [2, 4]),
                             constant("strides", [1, 2])], int8("y", (1, 2))),
    "PACK": ({"axis": 1, "values_count": 2}, [int8("x", (1, 4)), int8("z", (1, 4))],
             int8("y", (1, 2, 4))),
    "UNPACK": ({"axis": 0, "num": 1}, [int8("x", (1, 4))], int8("y", (4,))),
    "BROADCAST_TO": ({}, [int8("x", (1, 4)), constant("shape", [3, 2, 4])],
                     int8("y", (3, 2, 4))),
    "TRANSPOSE": ({}, [int8("x", (1, 4)), constant("order", [1, 0])], int8("y", (4, 1))),
    "PADV2": ({}, [int8("x", (1, 4)), constant("p", [[0, 0], [1, 2]]),
                   int8("fill", (), data=np.array(7, np.int8))], int8("y", (1, 7))),
    "MIRROR_PAD": ({"mode": 0}, [int8("x", (1, 4)), constant("p", [[0, 0], [1, 2]])],
                   int8("y", (1, 7))),
    "GATHER": ({"axis": 1, "batch_dims": 0}, [int8("x", (1, 4)), constant("i", [[3, 0]])],
               int8("y", (1, 1, 2))),
    "RESIZE_NEAREST_NEIGHBOR": ({"align_corners": False, "half_pixel_centers": False},
                                [IMAGE, constant("size", [8, 3])], int8("y", (1, 8, 3, 8))),
    "RESIZE_BILINEAR": ({"align_corners": False, "half_pixel_centers": True},
                        [IMAGE, constant("size", [8, 2])], int8("y", (1, 8, 2, 8))),
    "SPACE_TO_DEPTH": ({"block_size": 2}, [IMAGE], int8("y", (1, 2, 2, 32))),
    "DEPTH_TO_SPACE": ({"block_size": 2}, [IMAGE], int8("y", (1, 8, 8, 2))),
    "CONV_2D": (CONV, [int8("x", (1, 4, 4, 2)),
                       int8("w", (3, 3, 3, 2), data=np.ones((3, 3, 3, 2), np.int8)),
                       constant("b", [1, 2, 3])], int8("y", (1, 4, 4, 3))),
    "DEPTHWISE_CONV_2D": (CONV, [int8("x", (1, 4, 4, 2)),
                                 int8("w", (1, 3, 3, 4), data=np.ones((1, 3, 3, 4), np.int8)),
                                 constant("b", [1, 2, 3, 4])], int8("y", (1, 4, 4, 4))),
    "TRANSPOSE_CONV": ({"padding": "SAME", "stride_h": 2, "stride_w": 2,
                        "fused_activation_function": "NONE"},
                       [constant("shape", [1, 8, 8, 3]),
                        int8("w", (3, 3, 3, 2), data=np.ones((3, 3, 3, 2), np.int8)),
                        int8("x", (1, 4, 4, 2)), constant("b", [1, 2, 3])],
                       int8("y", (1, 8, 8, 3))),
    "FULLY_CONNECTED": ({"fused_activation_function": "NONE", "weights_format": "DEFAULT",
                         "keep_num_dims": False},
                        [int8("x", (1, 2, 3)), int8("w", (4, 6), data=np.ones((4, 6), np.int8)),
                         constant("b", [1, 2, 3, 4])], int8("y", (1, 4))),
    "MAX_POOL_2D": (POOL, [int8("x", (1, 4, 4, 2))], int8("y", (1, 2, 2, 2))),
    "AVERAGE_POOL_2D": (POOL, [int8("x", (1, 4, 4, 2))], int8("y", (1, 2, 2, 2))),
    "ADD": ({"fused_activation_function": "NONE"},
            [int8("x", (1, 4, 4, 2)), int8("z", (1, 1, 1, 2))], int8("y", (1, 4, 4, 2))),
    "SUM": ({"keep_dims": True}, [int8("x", (1, 4, 4, 2)), constant("axes", [3])],
            int8("y", (1, 4, 4, 1))),
    "REDUCE_MAX": ({"keep_dims": False}, [int8("x", (1, 4, 4, 2)), constant("axes", [-1])],
                   int8("y", (1, 4, 4))),
    "ARG_MAX": ({"output_type": "INT32"}, [int8("x", (1, 4)), constant("axis", [1])],
                Tensor("y", (1,), "int32")),
    "SUB": ({"fused_activation_function": "RELU"},
            [int8("x", (1, 4, 4, 2)), int8("z", (2,), data=np.ones(2, np.int8))],
            int8("y", (1, 4, 4, 2))),
    "MUL": ({"fused_activation_function": "NONE"},
            [int8("x", (1, 4, 4, 2)), int8("z", (4, 1, 2))], int8("y", (1, 4, 4, 2))),
    "PRELU": ({}, [int8("x", (1, 4, 4, 2)), int8("z", (1, 1, 2), data=np.ones((1, 1, 2), np.int8))],
              int8("y", (1, 4, 4, 2))),
    "MAXIMUM": ({}, [int8("x", (1, 4)), int8("z", (1, 4))], int8("y", (1, 4))),
    "MINIMUM": ({}, [int8("x", (), data=np.ones((), np.int8)), int8("z", (1, 4))],
                int8("y", (1, 4))),
    "BATCH_MATMUL": ({"adj_x": False, "adj_y": True},
                     [int8("x", (3, 5, 4)), int8("z", (1, 2, 4), data=np.ones((1, 2, 4), np.int8))],
                     int8("y", (3, 5, 2))),
    "MEAN": ({"keep_dims": False}, [int8("x", (1, 4, 4, 2)), constant("axes", [1, 2])],
             int8("y", (1, 2))),
    "RESHAPE": ({"new_shape": ()}, [int8("x", (1, 4, 4, 2))], int8("y", (1, 32))),
    "SQUEEZE": ({"squeeze_dims": ()}, [int8("x", (1, 1, 4))], int8("y", (1, 4))),
    "EXPAND_DIMS": ({}, [int8("x", (1, 4)), constant("axis", 1)], int8("y", (1, 1, 4))),
    "PAD": ({}, [int8("x", (1, 4)), constant("p", [[0, 0], [1, 2]])], int8("y", (1, 7))),
    "RELU": ({}, [int8("x", (1, 4))], int8("y", (1, 4))),
    "RELU6": ({}, [int8("x", (1, 4))], int8("y", (1, 4))),
    "RELU_N1_TO_1": ({}, [int8("x", (1, 4))], int8("y", (1, 4))),
    "LEAKY_RELU": ({"alpha": 0.3}, [int8("x", (1, 4))], int8("y", (1, 4))),
    "LOGISTIC": ({}, [int8("x", (1, 4))], int8("y", (1, 4), 1 / 256, -128)),
    "TANH": ({}, [int8("x", (1, 4))], int8("y", (1, 4), 1 / 128, 0)),
    "HARD_SWISH": ({}, [int8("x", (1, 4))], int8("y", (1, 4))),
    "L2_NORMALIZATION": ({"fused_activation_function": "NONE"}, [int8("x", (1, 4))],
                         int8("y", (1, 4), 1 / 128, 0)),
    **{kind: ({}, [int8("x", (1, 4))], int8("y", (1, 4)))
       for kind in ("EXP", "LOG", "ELU", "GELU", "ABS", "NEG", "SQRT", "RSQRT", "RELU_0_TO_1")},
    "SOFTMAX": ({"beta": 1.0}, [int8("x", (1, 4))], int8("y", (1, 4), 1 / 256, -128)),
    "QUANTIZE": ({}, [Tensor("x", (1, 4), "float32")], int8("y", (1, 4))),
    "DEQUANTIZE": ({}, [int8("x", (1, 4))], Tensor("y", (1, 4), "float32")),
}


def graph_of(kind, options=None, **changes):
    """The right graph of ``kind``; ``changes`` maps a tensor's name to fields to replace."""
    right, inputs, output = RIGHT[kind]
    tensors = [replace(t, **changes.get(t.name, {})) for t in (*inputs, output)]
    last = len(tensors) - 1
    op = Operator(0, kind, tuple(range(last)), (last,), {**right, **(options or {})})
    computed = tuple(i for i in range(last) if tensors[i].data is None)
    return Graph("m", tuple(tensors), (op,), computed or (0,), (last,))


def text(graph):
    return [str(finding) for finding in findings(graph)]


@pytest.mark.parametrize("kind", RIGHT)
def test_right_operators_have_no_findings(kind):
    assert text(graph_of(kind)) == []
    check(graph_of(kind))


def test_every_supported_operator_is_tried_and_named():
    assert tuple(sorted(RIGHT)) == SUPPORTED
    listed = ", ".join(SUPPORTED[:-1]) + " and " + SUPPORTED[-1]
    assert listed in " ".join(supported_operator.__doc__.split())


def per_channel(count, dimension=0):
    return {"quantization": Quantization((0.5,) * count, (0,) * count, dimension)}


DAMAGED = "; convert the model again, its file is damaged"
FIXED = "; convert the model with fixed shapes"
SCALES = ("8-bit tensors must have scales of 2**-28 to 2**28, weights also smaller ones, and zero "
          "points that fit their type; one of each, except for weights along their output "
          "channels; found {}; quantize the model again with a converter that writes scales")
INTEGER = ("activations must be int8 or uint8, but for the float32 side of QUANTIZE and "
           "DEQUANTIZE and the integers that ARG_MAX gives; found {}; quantize the whole model "
           "with 8-bit activations (supported_ops TFLITE_BUILTINS_INT8)")
QUANTIZED = ("the model must be quantized; found a float model, with float32 weights and "
             "activations; quantize it: python -m compiler quantize m.tflite --calibration X.npy "
             "--out m_int8.tflite")
SHAPE = "the output's shape must be the one that the inputs and options give; found "
FLOAT = {"dtype": "float32", "quantization": None}

WRONG = [
    # What no TFLite model may have
    (graph_of("RELU", y={"shape": (1, 5)}),
     "operator 0 RELU, tensor 'y': " + SHAPE + "[1, 5] instead of [1, 4]" + FIXED),
    (graph_of("CONV_2D", y={"shape": (1, 4, 3, 3)}),
     "operator 0 CONV_2D, tensor 'y': " + SHAPE + "[1, 4, 3, 3] instead of [1, 4, 4, 3]" + FIXED),
    (graph_of("CONV_2D", x={"shape": (1, 4, 4, 3)}),
     "operator 0 CONV_2D: " + SHAPE + "weights [3, 3, 3, 2] for 3 input channels" + FIXED),
    (graph_of("CONV_2D", {"padding": "VALID", "dilation_h_factor": 3}),
     "operator 0 CONV_2D: " + SHAPE + "a window of [3, 3] on an image of [4, 4]" + FIXED),
    (graph_of("CONV_2D", b={"shape": (2,), "data": np.zeros(2, np.int32)}),
     "operator 0 CONV_2D: " + SHAPE + "a bias of [2] for 3 output channels" + FIXED),
    (graph_of("DEPTHWISE_CONV_2D", x={"shape": (1, 4, 4, 3)}),
     "operator 0 DEPTHWISE_CONV_2D: " + SHAPE + "weights [1, 3, 3, 4] for 3 input channels"
     + FIXED),
    (graph_of("TRANSPOSE_CONV", x={"shape": (1, 4, 4, 3)}),
     "operator 0 TRANSPOSE_CONV: " + SHAPE + "weights [3, 3, 3, 2] for 3 input channels" + FIXED),
    (graph_of("TRANSPOSE_CONV", {"stride_h": 3}),
     "operator 0 TRANSPOSE_CONV: " + SHAPE + "an output of [1, 8, 8, 3] for an input of "
     "[1, 4, 4, 2] and weights [3, 3, 3, 2]" + FIXED),
    (graph_of("TRANSPOSE_CONV", shape={"shape": (3,), "data": np.array([1, 8, 8], np.int32)}),
     "operator 0 TRANSPOSE_CONV: " + SHAPE + "an output of [1, 8, 8] for an input of "
     "[1, 4, 4, 2] and weights [3, 3, 3, 2]" + FIXED),
    (graph_of("TRANSPOSE_CONV", b={"shape": (2,), "data": np.zeros(2, np.int32)}),
     "operator 0 TRANSPOSE_CONV: " + SHAPE + "a bias of [2] for 3 output channels" + FIXED),
    (graph_of("TRANSPOSE_CONV", shape={"dtype": "float32"}),
     "operator 0 TRANSPOSE_CONV, tensor 'shape': tensors of one operator must have types that "
     "belong together; found float32 where indices belong" + DAMAGED),
    (graph_of("FULLY_CONNECTED", x={"shape": (1, 5)}),
     "operator 0 FULLY_CONNECTED: " + SHAPE + "an input of [1, 5] for weights [4, 6]" + FIXED),
    (graph_of("FULLY_CONNECTED", y={"shape": (4, 1)}),
     "operator 0 FULLY_CONNECTED, tensor 'y': " + SHAPE + "[4, 1] instead of [1, 4]" + FIXED),
    (graph_of("ADD", z={"shape": (1, 1, 1, 3)}),
     "operator 0 ADD: " + SHAPE + "inputs of [1, 4, 4, 2] and [1, 1, 1, 3]" + FIXED),
    (graph_of("BATCH_MATMUL", {"adj_y": False}),
     "operator 0 BATCH_MATMUL: " + SHAPE + "factors of [3, 5, 4] and [1, 2, 4]" + FIXED),
    (graph_of("BATCH_MATMUL", z={"shape": (2, 2, 4), "data": np.ones((2, 2, 4), np.int8)}),
     "operator 0 BATCH_MATMUL: " + SHAPE + "factors of [3, 5, 4] and [2, 2, 4]" + FIXED),
    (graph_of("BATCH_MATMUL", z={"shape": (4,), "data": np.ones(4, np.int8)}),
     "operator 0 BATCH_MATMUL: " + SHAPE + "factors of [3, 5, 4] and [4]" + FIXED),
    (graph_of("BATCH_MATMUL", y={"shape": (3, 2, 5)}),
     "operator 0 BATCH_MATMUL, tensor 'y': " + SHAPE + "[3, 2, 5] instead of [3, 5, 2]" + FIXED),
    (graph_of("MUL", z={"shape": (3, 1, 2)}),
     "operator 0 MUL: " + SHAPE + "inputs of [1, 4, 4, 2] and [3, 1, 2]" + FIXED),
    (graph_of("RESHAPE", y={"shape": (1, 31)}),
     "operator 0 RESHAPE: " + SHAPE + "32 values in and 31 out" + FIXED),
    (graph_of("PAD", p={"shape": (2,), "data": np.zeros(2, np.int32)}),
     "operator 0 PAD: " + SHAPE + "paddings of shape [2] for an input of [1, 4]" + FIXED),
    *((graph_of(kind, options, **changes), f"operator 0 {kind}: {SHAPE}{found}{FIXED}")
      for kind, options, changes, found in [
        ("CONCATENATION", {"axis": 2}, {}, "axis 2 of 2"),
        ("CONCATENATION", {}, {"z": {"shape": (2, 3)}}, "axis 1 of [[1, 4], [2, 3]]"),
        ("CONCATENATION", {}, {"z": {"shape": (3,)}}, "axis 1 of [[1, 4], [3]]"),
        ("SPLIT", {"num_splits": 2}, {}, "2 parts of axis 1 of [1, 4] in 1 outputs"),
        ("SPLIT", {}, {"axis": {"shape": (2,), "data": np.array([0, 1], np.int32)}},
         "[0, 1] where one number belongs"),
        ("SPLIT_V", {}, {"sizes": {"data": np.array([3], np.int32)}},
         "parts [3] of axis 1 of [1, 4] in 1 outputs"),
        ("SPLIT_V", {}, {"sizes": {"shape": (2,), "data": np.array([-1, -1], np.int32)}},
         "parts [-1, -1] of axis 1 of [1, 4] in 1 outputs"),
        ("SLICE", {}, {"begin": {"data": np.array([0, 5], np.int32)}},
         "begin [0, 5] and size [1, -1] of [2, 4]"),
        ("SLICE", {}, {"size": {"data": np.array([1, 2**31 - 1], np.int32)}},
         "begin [0, 1] and size [1, 2147483647] of [2, 4]"),
        ("SLICE", {}, {"size": {"shape": (1,), "data": np.array([1], np.int32)}},
         "begin [0, 1] and size [1] of [2, 4]"),
        ("STRIDED_SLICE", {}, {"strides": {"data": np.array([1, 0], np.int32)}},
         "begin [1, 0], end [2, 4] and strides [1, 0] of [2, 4]"),
        ("STRIDED_SLICE", {"shrink_axis_mask": 1}, {"begin": {"data": np.array([2, 0], np.int32)}},
         "begin [2, 0], end [2, 4] and strides [1, 2] of [2, 4]"),
        ("PACK", {"values_count": 3}, {}, "3 values of [[1, 4], [1, 4]]"),
        ("PACK", {}, {"z": {"shape": (1, 5)}}, "2 values of [[1, 4], [1, 5]]"),
        ("UNPACK", {"axis": 1}, {}, "1 parts of axis 1 of [1, 4] in 1 outputs"),
        ("BROADCAST_TO", {}, {"shape": {"data": np.array([3, 2, 5], np.int32)}},
         "the shape [3, 2, 5] for [1, 4]"),
        ("BROADCAST_TO", {}, {"shape": {"data": np.array([3, -1, 4], np.int32)}},
         "the shape [3, -1, 4] for [1, 4]"),
        ("TRANSPOSE", {}, {"order": {"data": np.array([1, 1], np.int32)}},
         "the order [1, 1] of [1, 4]"),
        ("PAD", {}, {"p": {"data": np.array([[0, 0], [-1, 2]], np.int32)}},
         "paddings of [[0, 0], [-1, 2]]"),
        ("PADV2", {}, {"fill": {"shape": (2,), "data": np.zeros(2, np.int8)}},
         "[0, 0] where one number belongs"),
        ("MIRROR_PAD", {}, {"p": {"data": np.array([[0, 0], [0, 4]], np.int32)}},
         "paddings of [[0, 0], [0, 4]] that reflect [1, 4]"),
        ("MIRROR_PAD", {"mode": 1}, {"p": {"data": np.array([[0, 2], [0, 4]], np.int32)}},
         "paddings of [[0, 2], [0, 4]] that reflect [1, 4]"),
        ("GATHER", {}, {"i": {"data": np.array([[3, -1]], np.int32)}}, "indices from -1 to 3 of 4"),
        ("GATHER", {"batch_dims": 1}, {}, "batch_dims 1, and 0 is supported"),
        ("RESIZE_NEAREST_NEIGHBOR", {}, {"size": {"data": np.array([0, 3], np.int32)}},
         "the size [0, 3] of [1, 4, 4, 8]"),
        ("RESIZE_BILINEAR", {}, {"size": {"data": np.array([8, -3], np.int32)}},
         "the size [8, -3]"),
        ("RESIZE_BILINEAR", {}, {"size": {"shape": (1,), "data": np.array([8], np.int32)}},
         "a size of shape [1] for an input of [1, 4, 4, 8]"),
        ("SPACE_TO_DEPTH", {"block_size": 3}, {}, "blocks of 3 in [1, 4, 4, 8]"),
        ("DEPTH_TO_SPACE", {"block_size": 0}, {}, "blocks of 0 in [1, 4, 4, 8]"),
      ]),
    (graph_of("UNPACK", {"axis": 2}), "operator 0 UNPACK: " + SHAPE + "axis 2 of 2" + FIXED),
    (graph_of("CONCATENATION", z={"dtype": "uint8"}),
     "operator 0 CONCATENATION, tensor 'z': tensors of one operator must have types that belong "
     "together; found uint8 beside int8" + DAMAGED),
    (graph_of("PADV2", fill={"dtype": "uint8", "data": np.array(7, np.uint8)}),
     "operator 0 PADV2, tensor 'fill': tensors of one operator must have types that belong "
     "together; found uint8 beside int8" + DAMAGED),
    (graph_of("TRANSPOSE", order={"dtype": "float32"}),
     "operator 0 TRANSPOSE, tensor 'order': tensors of one operator must have types that belong "
     "together; found float32 where indices belong" + DAMAGED),
    (graph_of("MEAN", axes={"data": np.array([1, 4], np.int32)}),
     "operator 0 MEAN: " + SHAPE + "axes [1, 4] of an input of [1, 4, 4, 2]" + FIXED),
    (graph_of("ARG_MAX", axis={"data": np.array([2], np.int32)}),
     "operator 0 ARG_MAX: " + SHAPE + "axes [2] of an input of [1, 4]" + FIXED),
    (graph_of("ARG_MAX", y={"shape": (4,)}),
     "operator 0 ARG_MAX, tensor 'y': " + SHAPE + "[4] instead of [1]" + FIXED),
    (graph_of("MAX_POOL_2D", {"stride_h": 0}),
     "operator 0 MAX_POOL_2D: strides, dilations and windows must be at least 1; found stride_h 0"
     + DAMAGED),
    (graph_of("TRANSPOSE_CONV", {"stride_h": 0}),
     "operator 0 TRANSPOSE_CONV: strides, dilations and windows must be at least 1; found stride_h "
     "0" + DAMAGED),
    (graph_of("MAX_POOL_2D", x={"shape": (4, 4, 2)}),
     "operator 0 MAX_POOL_2D, tensor 'x': every dimension of an activation must be at least 1, and "
     "images must have four; found the shape [4, 4, 2]" + FIXED),
    (graph_of("RELU", x={"shape": (1, 0)}),
     "operator 0 RELU, tensor 'x': every dimension of an activation must be at least 1, and "
     "images must have four; found the shape [1, 0]" + FIXED),
    (graph_of("RELU", y={"dtype": "uint8"}),
     "operator 0 RELU, tensor 'y': tensors of one operator must have types that belong together; "
     "found uint8 out of int8" + DAMAGED),
    (graph_of("CONV_2D", w={"dtype": "uint8"}),
     "operator 0 CONV_2D, tensor 'w': tensors of one operator must have types that belong "
     "together; found uint8 weights for int8 activations" + DAMAGED),
    (graph_of("CONV_2D", b={"dtype": "int64"}),
     "operator 0 CONV_2D, tensor 'b': tensors of one operator must have types that belong "
     "together; found a bias of type int64" + DAMAGED),
    (graph_of("ADD", z={"dtype": "uint8"}),
     "operator 0 ADD, tensor 'z': tensors of one operator must have types that belong together; "
     "found uint8 beside int8" + DAMAGED),
    (graph_of("MEAN", axes={"dtype": "float32"}),
     "operator 0 MEAN, tensor 'axes': tensors of one operator must have types that belong "
     "together; found float32 where indices belong" + DAMAGED),
    (graph_of("RELU", y={"quantization": None}),
     "operator 0 RELU, tensor 'y': " + SCALES.format("no scale")),
    (graph_of("RELU", y={"quantization": Quantization((0.0,), (0,))}),
     "operator 0 RELU, tensor 'y': " + SCALES.format("the scale 0")),
    (graph_of("RELU", y={"quantization": Quantization((2.0**-29,), (0,))}),
     "operator 0 RELU, tensor 'y': " + SCALES.format("the scale 1.86265e-09")),
    (graph_of("CONV_2D", w={"quantization": Quantization((3e38,), (0,))}),
     "operator 0 CONV_2D, tensor 'w': " + SCALES.format("the scale 3e+38")),
    (graph_of("RELU", y={"quantization": Quantization((0.5,), (128,))}),
     "operator 0 RELU, tensor 'y': " + SCALES.format("zero points from 128 to 128")),
    (graph_of("RELU", y=per_channel(4, 1)),
     "operator 0 RELU, tensor 'y': " + SCALES.format("4 scales")),
    (graph_of("CONV_2D", w=per_channel(2, 3)),
     "operator 0 CONV_2D, tensor 'w': " + SCALES.format("scales along dimension 3")),
    # What this engine does not support
    (graph_of("RELU", x=FLOAT, y=FLOAT), QUANTIZED),
    (graph_of("CONV_2D", x=FLOAT, y=FLOAT, b={"dtype": "float32"}),
     "activations must be quantized, not the weights alone; found int8 weights with float32 "
     "activations (dynamic range quantization); quantize them too: python -m compiler quantize "
     "m.tflite --calibration X.npy --out m_int8.tflite"),
    (graph_of("RELU", x={"dtype": "int16"}, y={"dtype": "int16"}),
     INTEGER.format("int16 activations")),
    (graph_of("QUANTIZE", x={"dtype": "int32"}),
     "operator 0 QUANTIZE, tensor 'x': " + INTEGER.format("int32")),
    (graph_of("CONV_2D", w={"data": None}),
     "operator 0 CONV_2D, tensor 'w': weights, biases, axes, paddings, sizes and indices must be "
     "constant; found a tensor computed at run time; export the model with its variables frozen "
     "and its shapes fixed"),
    (graph_of("RELU", x={"data": np.zeros((1, 4), np.int8)}),
     "operator 0 RELU, tensor 'x': the inputs that an operator works on must be computed, not "
     "constant; found a constant; fold constants before the conversion"),
    (graph_of("CONV_2D", w={"quantization": Quantization((0.5,), (3,))}),
     "operator 0 CONV_2D, tensor 'w': the zero point of CONV_2D's int8 weights must be 0, for "
     "TFLite runs no other; found 3; quantize the weights symmetrically, as TFLite's specification "
     "demands"),
    (graph_of("SUB", x={"data": np.zeros((1, 4, 4, 2), np.int8)}),
     "operator 0 SUB: one of two inputs must be computed, not constant; found two constants; fold "
     "constants before the conversion"),
    (graph_of("PRELU", x={"data": np.zeros((1, 4), np.int8)}, z={"data": None}),
     "operator 0 PRELU, tensor 'x': what PRELU works on must be computed, or one number, whatever "
     "its slopes are; found a constant of 4 numbers; fold constants before the conversion"),
    (graph_of("BATCH_MATMUL", z={"data": None}),
     "operator 0 BATCH_MATMUL: one factor of BATCH_MATMUL must be constant and the other computed, "
     "for the weights are on the tape; found none of its factors constant; replace it by "
     "FULLY_CONNECTED with constant weights, or cut the model before it"),
    (graph_of("BATCH_MATMUL", x={"data": np.zeros((3, 5, 4), np.int8)}),
     "operator 0 BATCH_MATMUL: one factor of BATCH_MATMUL must be constant and the other computed, "
     "for the weights are on the tape; found two of its factors constant; replace it by "
     "FULLY_CONNECTED with constant weights, or cut the model before it"),
    (graph_of("PRELU", z={"quantization": Quantization((0.25,), (0,))},
              y={"quantization": Quantization((2.0**-17,), (0,))}),
     "operator 0 PRELU, tensor 'y': the product of the input scales over the output scale must be "
     "below 2**16, and for PRELU the first input's too; found 65536; calibrate the model again, a "
     "scale is wrong"),
    (graph_of("MUL", y={"quantization": Quantization((2.0**-18,), (0,))}),
     "operator 0 MUL, tensor 'y': the product of the input scales over the output scale must be "
     "below 2**16, and for PRELU the first input's too; found 65536; calibrate the model again, a "
     "scale is wrong"),
    (graph_of("FULLY_CONNECTED", {"weights_format": "SHUFFLED4x16INT8"}),
     "operator 0 FULLY_CONNECTED, tensor 'w': the weights of FULLY_CONNECTED must be in the "
     "default format; found SHUFFLED4x16INT8; convert the model without shuffled weights"),
    (graph_of("CONV_2D", b={"data": np.array([0, 2**31 - 1, 0], np.int32)}),
     "operator 0 CONV_2D, tensor 'w': the sum of products and bias must fit 32 bits for every "
     "input; found up to 2147485951 in channel 1; train with smaller biases, or split the layer"),
    (graph_of("RELU", y={"quantization": Quantization((1e-6,), (0,))}),
     "operator 0 RELU, tensor 'y': the multiplier, input scale times weight scale over output "
     "scale, must be below 2**16; found 500000; calibrate the model again, a scale is wrong"),
    (graph_of("ADD", y={"quantization": Quantization((1e-7,), (0,))}),
     "operator 0 ADD, tensor 'y': the output scale of ADD and SUB must be above twice the larger "
     "input scale over 2**20; found the scale 1e-07; calibrate the model again, a scale is wrong"),
    (graph_of("ADD", {"fused_activation_function": "TANH"}),
     "operator 0 ADD: a fused activation must be NONE, RELU, RELU6 or RELU_N1_TO_1; found TANH; "
     "put the activation behind the operator as one of its own"),
    (graph_of("AVERAGE_POOL_2D", y={"quantization": Quantization((0.25,), (3,))}),
     "operator 0 AVERAGE_POOL_2D, tensor 'y': input and output must have one scale and zero point; "
     "found 0.5 and 0 in, 0.25 and 3 out; quantize the model again with a converter that keeps "
     "them equal, as TFLite demands"),
    (graph_of("CONCATENATION", z={"quantization": Quantization((0.25,), (3,))}),
     "operator 0 CONCATENATION, tensor 'z': input and output must have one scale and zero point; "
     "found 0.5 and 0 in, 0.25 and 3 in; quantize the model again with a converter that keeps "
     "them equal, as TFLite demands"),
    (graph_of("PADV2", fill={"quantization": Quantization((0.25,), (0,))}),
     "operator 0 PADV2, tensor 'fill': input and output must have one scale and zero point; "
     "found 0.5 and 0 in, 0.25 and 0 in; quantize the model again with a converter that keeps "
     "them equal, as TFLite demands"),
    (graph_of("CONCATENATION", {"fused_activation_function": "RELU"}),
     "operator 0 CONCATENATION: CONCATENATION and L2_NORMALIZATION must have no fused activation; "
     "found RELU; put the activation behind the operator as one of its own"),
    (graph_of("RESIZE_NEAREST_NEIGHBOR", {"align_corners": True, "half_pixel_centers": True}),
     "operator 0 RESIZE_NEAREST_NEIGHBOR: RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR must not "
     "have both align_corners and half_pixel_centers; found both; convert the model again, with "
     "one of them"),
    (graph_of("TRANSPOSE", order={"data": None}),
     "operator 0 TRANSPOSE, tensor 'order': weights, biases, axes, paddings, sizes and indices "
     "must be constant; found a tensor computed at run time; export the model with its variables "
     "frozen and its shapes fixed"),
    (graph_of("CONCATENATION", z={"data": np.zeros((1, 3), np.int8)}),
     "operator 0 CONCATENATION, tensor 'z': the inputs that an operator works on must be "
     "computed, not constant; found a constant; fold constants before the conversion"),
    (graph_of("SOFTMAX", y={"quantization": Quantization((0.5,), (0,))}),
     "operator 0 SOFTMAX, tensor 'y': the output of SOFTMAX must have the scale 1/256 and the "
     "smallest zero point, and its beta must be above 0; found 0.5 and 0; quantize the model "
     "again, TFLite's specification fixes both"),
    (graph_of("SOFTMAX", {"beta": float("nan")}),
     "operator 0 SOFTMAX: the output of SOFTMAX must have the scale 1/256 and the "
     "smallest zero point, and its beta must be above 0; found beta nan; quantize the model "
     "again, TFLite's specification fixes both"),
    (graph_of("SOFTMAX", x={"shape": (1, 4096)}, y={"shape": (1, 4096)}),
     "operator 0 SOFTMAX, tensor 'x': SOFTMAX must be over at most 4095 values, for TFLite sums "
     "them in 12 integer bits; found 4096 values; leave the SOFTMAX out and take the largest "
     "input"),
    (graph_of("LEAKY_RELU", {"alpha": float("inf")}),
     "operator 0 LEAKY_RELU: the slope of LEAKY_RELU must be a number, and below 2**16 when "
     "multiplied with the input scale over the output scale; found inf; train with a smaller "
     "slope"),
    (graph_of("LEAKY_RELU", {"alpha": float("nan")}),
     "operator 0 LEAKY_RELU: the slope of LEAKY_RELU must be a number, and below 2**16 when "
     "multiplied with the input scale over the output scale; found nan; train with a smaller "
     "slope"),
    (graph_of("TANH", y={"quantization": Quantization((1 / 256,), (0,))}),
     "operator 0 TANH, tensor 'y': the output of LOGISTIC must have the scale 1/256 and the "
     "smallest zero point, that of TANH and of L2_NORMALIZATION 1/128 and the zero point in the "
     "middle; found 0.00390625 and 0; quantize the model again, TFLite's specification fixes both"),
    (graph_of("HARD_SWISH", y={"quantization": Quantization((0.003,), (0,))}),
     "operator 0 HARD_SWISH, tensor 'y': the input scale of HARD_SWISH must be between 2^-20 "
     "and 128 times the output scale; found 0.5 in and 0.003 out; calibrate the model again, a "
     "scale is wrong"),
    (graph_of("EXP", x={"dtype": "uint8"}, y={"dtype": "uint8"}),
     "operator 0 EXP, tensor 'x': ABS, BATCH_MATMUL, ELU, EXP, LOG, NEG, RSQRT and SQRT must be of "
     "int8, for TFLite has none of uint8; found uint8; convert the model again, with a current "
     "converter"),
    (graph_of("RSQRT", y={"quantization": Quantization((2.0**-20,), (0,))}),
     "operator 0 RSQRT, tensor 'y': the multiplier of RSQRT, 1 over the output scale and the root "
     "of the input scale, must be below 2**20; found 1.48291e+06; calibrate the model again, a "
     "scale is wrong"),
    (graph_of("REDUCE_MAX", y={"quantization": Quantization((0.25,), (3,))}),
     "operator 0 REDUCE_MAX, tensor 'y': input and output must have one scale and zero point; "
     "found 0.5 and 0 in, 0.25 and 3 out; quantize the model again with a converter that keeps "
     "them equal, as TFLite demands"),
]


@pytest.mark.parametrize("graph, message", WRONG)
def test_wrong_operators(graph, message):
    assert text(graph) == [message]
    with pytest.raises(ModelError) as caught:
        check(graph)
    assert str(caught.value) == f"m cannot run: {message}"


def test_the_number_of_inputs():
    graph = graph_of("RELU")
    graph = replace(graph, operators=(replace(graph.operators[0], inputs=(0, 0)),))
    assert text(graph) == [
        "operator 0 RELU: an operator must have the inputs and outputs that its kind demands; "
        "found inputs [0, 0] and outputs [1]" + DAMAGED]


def test_float_inside_of_a_model():
    tensors = (int8("x", (1, 4)), Tensor("f", (1, 4), "float32"), int8("y", (1, 4)),
               int8("z", (1, 4)))
    operators = (Operator(0, "DEQUANTIZE", (0,), (1,)), Operator(1, "QUANTIZE", (1,), (2,)),
                 Operator(2, "RELU", (2,), (3,)))
    rule = ("QUANTIZE of float32 must read a model input, and DEQUANTIZE must write a model "
            "output; found a tensor inside of the model; quantize the part between them as well")
    assert text(Graph("m", tensors, operators, (0,), (3,))) == [
        f"operator 0 DEQUANTIZE, tensor 'f': {rule}", f"operator 1 QUANTIZE, tensor 'f': {rule}"]


UNSUPPORTED = (f"the operator must be one that this engine has, which are "
               f"{', '.join(SUPPORTED[:-1])} and {SUPPORTED[-1]}; found {{}}; replace it by these, "
               "or cut the model before it")


CUSTOM = "the custom operator 'Post'"


def test_all_findings_are_named_at_once():
    tensors = tuple(int8(f"t{k}", (1, 4)) for k in range(4))
    operators = (Operator(0, "SIN", (0,), (1,)), Operator(1, "RELU", (1, 1), (2,)),
                 Operator(2, "CUSTOM", (2,), (3,), {"custom_code": "Post"}))
    graph = Graph("m", tensors, operators, (0,), (3,))
    with pytest.raises(ModelError) as caught:
        check(graph)
    assert str(caught.value) == (
        "m cannot run, for 3 reasons:\n"
        f"  operator 0 SIN: {UNSUPPORTED.format('SIN')}\n"
        "  operator 1 RELU: an operator must have the inputs and outputs that its kind demands; "
        f"found inputs [1, 1] and outputs [2]{DAMAGED}\n"
        f"  operator 2 CUSTOM: {UNSUPPORTED.format(CUSTOM)}"
    )


# --- Real files

def kinds_found(path):
    return {finding.kind for finding in findings(read_model(path))}


@pytest.mark.skipif(not CONFORMANCE, reason="the folder of conformance cases is not there")
def test_conformance_models_of_supported_operators_pass():
    passed = 0
    for path in CONFORMANCE:
        graph = simplified(read_model(path))
        if all(op.kind in SUPPORTED for op in graph.operators):
            if path.stem.startswith("int8_asymw_") and findings(graph):
                assert {f.found.lstrip("-").isdigit() for f in findings(graph)} == {True}
            else:
                assert text(graph) == [], path.stem
                passed += 1
        else:
            assert kinds_found(path), path.stem
    assert passed > 100


@pytest.mark.skipif(not MODELS, reason="the folder of shared models is not there")
def test_real_models():
    refused = {path.stem: [f.rule for f in findings(read_model(path))] for path in MODELS}
    first = {name: rules[0] for name, rules in refused.items() if rules}
    floats = {name for name, rule in first.items() if rule == "the model must be quantized"}
    dynamic = {name for name, rule in first.items()
               if rule == "activations must be quantized, not the weights alone"}
    assert floats == {"pretrainedResnet", "s0_mlp_784_512_100_10_float",
                      "s2_conv12_pool_dense10_float", "s3_torch_float_nchw"}
    assert dynamic == {"kws_ref_model_float32", "s2_conv12_pool_dense10_dyn"}
    # Shapes that are computed, before they are folded.
    assert set(first) - floats - dynamic == {"acemyzoe_mnist_conv_floatio"}
