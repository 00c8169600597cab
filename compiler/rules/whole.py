"""Rules for a model as a whole, and for what an operator is at all."""

from collections.abc import Iterator

from compiler.finding import Violation
from compiler.flatbuffer import shown
from compiler.ir import Graph, Operator
from compiler.kinds import BYTES
from compiler.verify import activations


def quantized_model(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The model must be quantized.

    Quantize it: python -m compiler quantize MODEL.tflite --calibration X.npy --out
    MODEL_int8.tflite.
    """
    yield from ()


def static_model(graph: Graph, op: Operator) -> Iterator[Violation]:
    """Activations must be quantized, not the weights alone.

    Quantize them too: python -m compiler quantize MODEL.tflite --calibration X.npy --out
    MODEL_int8.tflite.
    """
    yield from ()


def supported_operator(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The operator must be one that this engine has, which are ABS, ADD, ARG_MAX, AVERAGE_POOL_2D,
    BATCH_MATMUL, BROADCAST_TO, CONCATENATION, CONV_2D, DEPTHWISE_CONV_2D, DEPTH_TO_SPACE,
    DEQUANTIZE, ELU, EXP, EXPAND_DIMS, FULLY_CONNECTED, GATHER, GELU, HARD_SWISH, L2_NORMALIZATION,
    LEAKY_RELU, LOG, LOGISTIC, MAXIMUM, MAX_POOL_2D, MEAN, MINIMUM, MIRROR_PAD, MUL, NEG, PACK, PAD,
    PADV2, PRELU, QUANTIZE, REDUCE_MAX, RELU, RELU6, RELU_0_TO_1, RELU_N1_TO_1, RESHAPE,
    RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR, RSQRT, SLICE, SOFTMAX, SPACE_TO_DEPTH, SPLIT, SPLIT_V,
    SQRT, SQUEEZE, STRIDED_SLICE, SUB, SUM, TANH, TRANSPOSE, TRANSPOSE_CONV and UNPACK.

    Replace it by these, or cut the model before it.
    """
    custom = op.options.get("custom_code")
    yield None, op.kind if custom is None else f"the custom operator {shown(custom)}"


def integer_activations(graph: Graph, op: Operator) -> Iterator[Violation]:
    """Activations must be int8 or uint8, but for the float32 side of QUANTIZE and DEQUANTIZE and
    the integers that ARG_MAX gives.

    Quantize the whole model with 8-bit activations (supported_ops TFLITE_BUILTINS_INT8).
    """
    before = (*BYTES, "float32") if op.kind == "QUANTIZE" else BYTES
    after = {"DEQUANTIZE": ("float32",), "ARG_MAX": ("int32", "int64")}.get(op.kind, BYTES)
    inputs = [op.inputs[position] for position in activations(op)]
    for index, allowed in (*((index, before) for index in inputs),
                           *((index, after) for index in op.outputs)):
        if graph.tensors[index].dtype not in allowed:
            yield index, graph.tensors[index].dtype


def float_at_the_edge(graph: Graph, op: Operator) -> Iterator[Violation]:
    """QUANTIZE of float32 must read a model input, and DEQUANTIZE must write a model output.

    Quantize the part between them as well.
    """
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if source.dtype == "float32" and op.inputs[0] not in graph.inputs:
        yield op.inputs[0], "a tensor inside of the model"
    if output.dtype == "float32" and op.outputs[0] not in graph.outputs:
        yield op.outputs[0], "a tensor inside of the model"
