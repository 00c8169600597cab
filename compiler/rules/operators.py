"""Rules for an operator's own options, scales and types."""

import math
from collections.abc import Iterator

import numpy as np

from compiler.finding import Violation
from compiler.ir import Graph, Operator
from compiler.requantize import is_legacy
from compiler.resize import has_small_weights
from compiler.verify import activations

FUSED = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


def known_activation(graph: Graph, op: Operator) -> Iterator[Violation]:
    """A fused activation must be NONE, RELU, RELU6 or RELU_N1_TO_1.

    Put the activation behind the operator as one of its own.
    """
    activation = op.options.get("fused_activation_function", "NONE")
    if activation not in FUSED:
        yield None, activation


def equal_quantization(graph: Graph, op: Operator) -> Iterator[Violation]:
    """Input and output must have one scale and zero point.

    Quantize the model again with a converter that keeps them equal, as TFLite demands.
    """
    if op.kind == "CONCATENATION" and is_legacy(graph, op):
        return                                   # its kernel rescales
    first, *others = (op.inputs[position] for position in activations(op))
    if op.kind == "PADV2":
        others.append(op.inputs[2])
    source = graph.tensors[first]
    for side, indices in (("in", others), ("out", op.outputs)):
        for index in indices:
            other = graph.tensors[index]
            if (source.scale, source.zero_point) != (other.scale, other.zero_point):
                yield index, (f"{source.scale:g} and {source.zero_point} in, "
                              f"{other.scale:g} and {other.zero_point} {side}")


def no_activation(graph: Graph, op: Operator) -> Iterator[Violation]:
    """CONCATENATION and L2_NORMALIZATION must have no fused activation.

    Put the activation behind the operator as one of its own.
    """
    activation = op.options["fused_activation_function"]
    if activation != "NONE":
        yield None, activation


def one_convention(graph: Graph, op: Operator) -> Iterator[Violation]:
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR must not have both align_corners and
    half_pixel_centers.

    Convert the model again, with one of them.
    """
    if op.options["align_corners"] and op.options["half_pixel_centers"]:
        yield None, "both"


def small_weights(graph: Graph, op: Operator) -> Iterator[Violation]:
    """RESIZE_BILINEAR must weigh pixels by at most 12 bits, as it does when it resizes by powers of
    two up to 32, or int8 along one axis.

    Resize by a power of two, or use RESIZE_NEAREST_NEIGHBOR.
    """
    before, after = (graph.tensors[index].shape[1:3] for index in (op.inputs[0], op.outputs[0]))
    if not has_small_weights(op.options, before, after, is_legacy(graph, op)):
        yield op.outputs[0], f"{before[0]} x {before[1]} to {after[0]} x {after[1]}"


def softmax_output(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The output of SOFTMAX must have the scale 1/256 and the smallest zero point, and its beta
    must be above 0.

    Quantize the model again, TFLite's specification fixes both.
    """
    output = graph.tensors[op.outputs[0]]
    if output.scale != 1 / 256 or output.zero_point != int(np.iinfo(output.dtype).min):
        yield op.outputs[0], f"{output.scale:g} and {output.zero_point}"
    beta = op.options["beta"]
    if not (math.isfinite(beta) and beta > 0):
        yield None, f"beta {beta}"


def short_softmax(graph: Graph, op: Operator) -> Iterator[Violation]:
    """SOFTMAX must be over at most 4095 values, for TFLite sums them in 12 integer bits.

    Leave the SOFTMAX out and take the largest input.
    """
    values = graph.tensors[op.inputs[0]].shape[-1]
    if values > 4095:
        yield op.inputs[0], f"{values} values"


def bounded_slope(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The slope of LEAKY_RELU must be a number, and below 2**16 when multiplied with the input
    scale over the output scale.

    Train with a smaller slope.
    """
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    slope = op.options["alpha"]                  # which may be infinite, or no number
    if not abs(slope) * source.scale / output.scale < 1 << 16:
        yield None, f"{slope:g}"


def fixed_output(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The output of LOGISTIC must have the scale 1/256 and the smallest zero point, that of TANH
    and of L2_NORMALIZATION 1/128 and the zero point in the middle.

    Quantize the model again, TFLite's specification fixes both.
    """
    output = graph.tensors[op.outputs[0]]
    low = int(np.iinfo(output.dtype).min)
    fixed = (1 / 256, low) if op.kind == "LOGISTIC" else (1 / 128, low + 128)
    if (output.scale, output.zero_point) != fixed:
        yield op.outputs[0], f"{output.scale:g} and {output.zero_point}"


def bounded_hard_swish(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The input scale of HARD_SWISH must be between 2^-20 and 128 times the output scale.

    Calibrate the model again, a scale is wrong.
    """
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if not 2**-20 * output.scale < source.scale < 128 * output.scale:
        yield op.outputs[0], f"{source.scale:g} in and {output.scale:g} out"


def bounded_inverse_root(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The multiplier of RSQRT, 1 over the output scale and the root of the input scale, must be
    below 2**20.

    Calibrate the model again, a scale is wrong.
    """
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    multiplier = 1 / (math.sqrt(source.scale) * output.scale)
    if multiplier >= 1 << 20:
        yield op.outputs[0], f"{multiplier:g}"


def signed(graph: Graph, op: Operator) -> Iterator[Violation]:
    """ABS, BATCH_MATMUL, ELU, EXP, LOG, NEG, RSQRT and SQRT must be of int8, for TFLite has none
    of uint8.

    Convert the model again, with a current converter.
    """
    if graph.tensors[op.inputs[0]].dtype != "int8":
        yield op.inputs[0], graph.tensors[op.inputs[0]].dtype
