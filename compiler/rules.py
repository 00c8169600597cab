"""What this engine supports, rule by rule: the docstring of each is what its users read.

The first paragraph is the rule, the second the remedy; ``findings`` applies them all.
"""

import math
import shlex
from collections.abc import Iterator

import numpy as np

from compiler.binary import BINARY_KINDS, add_rule
from compiler.finding import Finding, Rule, Violation, apply, refuse, sentences
from compiler.flatbuffer import shown
from compiler.ir import Graph, Operator
from compiler.kinds import DOT_PRODUCTS, POOLS, REDUCTIONS, RESHAPES
from compiler.moves import MOVES
from compiler.requantize import bias_of, is_legacy, source_of, weight_scales, weight_zero_point
from compiler.resize import has_small_weights
from compiler.verify import ARITY, activations, verify

ACTIVATIONS = ("int8", "uint8")
FUSED = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
SUPPORTED = tuple(sorted(ARITY))
PAIRS = (*BINARY_KINDS, "BATCH_MATMUL")          # where either input may be constant
SIGNED = ("ABS", "ELU", "EXP", "LOG", "NEG", "RSQRT", "SQRT")     # of which TFLite has no uint8
# Between float and integer: their float side is at the edge of the model, on the host.
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


def check(graph: Graph) -> None:
    """ModelError that names every reason why ``graph`` cannot run."""
    refuse(graph.name, findings(graph))


def findings(graph: Graph) -> list[Finding]:
    """All findings of ``graph``, the model as a whole first, then operator by operator."""
    whole = model_findings(graph)
    found = list(whole)
    structure = verify(graph)
    broken = {finding.operator for finding in structure}
    for op in graph.operators:
        if op.kind not in SUPPORTED:
            found += apply(supported_operator, graph, op)
        elif op.index in broken:
            found += [finding for finding in structure if finding.operator == op.index]
        elif not whole:
            wrong_type = apply(integer_activations, graph, op)
            found += wrong_type
            if not wrong_type:
                for kinds, rule in RULES:
                    if op.kind in kinds:
                        found += apply(rule, graph, op)
    return found


def model_findings(graph: Graph) -> list[Finding]:
    """One finding in place of one per operator, where no operator computes in 8 bits."""
    computing = [op for op in graph.operators if op.kind not in CONVERSIONS]
    types = {graph.tensors[op.outputs[0]].dtype for op in computing if op.outputs}
    if not types or types & set(ACTIVATIONS):
        return []
    if types & {"int16", "float16"}:
        rule, found = integer_activations, f"{', '.join(sorted(types))} activations"
    elif "float32" in types:
        dynamic = any(
            graph.tensors[index].dtype in ACTIVATIONS and graph.tensors[index].data is not None
            for op in computing if op.kind in DOT_PRODUCTS for index in op.inputs[1:2]
        )
        rule = static_model if dynamic else quantized_model
        found = "int8 weights with float32 activations (dynamic range quantization)" \
            if dynamic else "a float model, with float32 weights and activations"
    else:
        return []
    text, remedy = sentences(rule)
    for file in ("MODEL.tflite", "MODEL_int8.tflite"):
        remedy = remedy.replace(file, shlex.quote(file.replace("MODEL", graph.name)))
    return [Finding(None, "", "", found, text, remedy)]


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
    before = (*ACTIVATIONS, "float32") if op.kind == "QUANTIZE" else ACTIVATIONS
    after = {"DEQUANTIZE": ("float32",), "ARG_MAX": ("int32", "int64")}.get(op.kind, ACTIVATIONS)
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


def constant_parameters(graph: Graph, op: Operator) -> Iterator[Violation]:
    """Weights, biases, axes, paddings, sizes and indices must be constant.

    Export the model with its variables frozen and its shapes fixed.
    """
    for position, index in enumerate(op.inputs):
        if position not in activations(op) and index != -1 and graph.tensors[index].data is None:
            yield index, "a tensor computed at run time"


def computed_input(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The inputs that an operator works on must be computed, not constant.

    Fold constants before the conversion.
    """
    for position in activations(op):
        if graph.tensors[op.inputs[position]].data is not None:
            yield op.inputs[position], "a constant"


def one_computed_input(graph: Graph, op: Operator) -> Iterator[Violation]:
    """One of two inputs must be computed, not constant.

    Fold constants before the conversion.
    """
    if all(graph.tensors[index].data is not None for index in op.inputs):
        yield None, "two constants"


def computed_above_slopes(graph: Graph, op: Operator) -> Iterator[Violation]:
    """What PRELU works on must be computed, or one number, whatever its slopes are.

    Fold constants before the conversion.
    """
    data, slopes = (graph.tensors[index].data for index in op.inputs)
    if data is not None and data.size != 1 and slopes is None:
        yield op.inputs[0], f"a constant of {data.size:,} numbers"


def one_constant_factor(graph: Graph, op: Operator) -> Iterator[Violation]:
    """One factor of BATCH_MATMUL must be constant and the other computed, for the weights are on
    the tape.

    Replace it by FULLY_CONNECTED with constant weights, or cut the model before it.
    """
    constants = [index for index in op.inputs if graph.tensors[index].data is not None]
    if len(constants) != 1:
        yield None, f"{('none', 'one', 'two')[len(constants)]} of its factors constant"


def symmetric_weights(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The zero point of CONV_2D's int8 weights must be 0, for TFLite runs no other.

    Quantize the weights symmetrically, as TFLite's specification demands.
    """
    weights = graph.tensors[op.inputs[1]]
    assert weights.quantization is not None
    if weights.dtype == "int8" and any(weights.quantization.zero_point):
        points = weights.quantization.zero_point
        yield op.inputs[1], f"{points[0] if len(points) == 1 else 'several zero points'}"


def plain_weights(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The weights of FULLY_CONNECTED must be in the default format.

    Convert the model without shuffled weights.
    """
    if op.options["weights_format"] != "DEFAULT":
        yield op.inputs[1], op.options["weights_format"]


def narrow_accumulators(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The sum of products and bias must fit 32 bits for every input.

    Train with smaller biases, or split the layer.
    """
    source, weights = graph.tensors[source_of(op)], graph.tensors[op.inputs[1]]
    if weights.data is None:
        return
    info = np.iinfo(source.dtype)
    largest = max(source.zero_point - int(info.min), int(info.max) - source.zero_point)
    channel = 3 if op.kind == "DEPTHWISE_CONV_2D" else 0
    taps = tuple(axis for axis in range(len(weights.shape)) if axis != channel)
    centred = np.abs(weights.data.astype(np.int16) - weight_zero_point(graph, op))
    sums = centred.sum(axis=taps, dtype=np.int64) * largest
    bias = bias_of(op)
    added = None if bias is None else graph.tensors[bias].data
    if added is not None:
        sums = sums + np.abs(added.astype(np.int64).reshape(-1))
    if int(sums.max()) >= 2**31:
        yield op.inputs[1], f"up to {int(sums.max())} in channel {int(sums.argmax())}"


def bounded_multipliers(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The multiplier, input scale times weight scale over output scale, must be below 2**16.

    Calibrate the model again, a scale is wrong.
    """
    source, output = graph.tensors[source_of(op)], graph.tensors[op.outputs[0]]
    scales: tuple[float, ...] = (1.0,)
    if op.kind in DOT_PRODUCTS:
        weights = graph.tensors[op.inputs[1]]
        axis = 3 if op.kind == "DEPTHWISE_CONV_2D" else 0
        scales = weight_scales(weights, weights.shape[axis])
    multiplier = max(scales) * source.scale / output.scale
    if multiplier >= 1 << 16:
        yield op.outputs[0], f"{multiplier:g}"


def bounded_products(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The product of the input scales over the output scale must be below 2**16, and for PRELU the
    first input's too.

    Calibrate the model again, a scale is wrong.
    """
    (first, second), output = (graph.tensors[index].scale for index in op.inputs), \
        graph.tensors[op.outputs[0]].scale
    ratios = (first * second / output, first / output)
    multiplier = max(ratios) if op.kind == "PRELU" else ratios[0]
    if multiplier >= 1 << 16:
        yield op.outputs[0], f"{multiplier:g}"


def bounded_sum(graph: Graph, op: Operator) -> Iterator[Violation]:
    """The output scale of ADD and SUB must be above twice the larger input scale over 2**20.

    Calibrate the model again, a scale is wrong.
    """
    if add_rule(graph, op).output.shift > 0:
        yield op.outputs[0], f"the scale {graph.tensors[op.outputs[0]].scale:g}"


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
    """The input scale of HARD_SWISH must be below 128 times the output scale.

    Calibrate the model again, a scale is wrong.
    """
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if source.scale >= 128 * output.scale:
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


RULES: tuple[tuple[tuple[str, ...], Rule], ...] = (
    (CONVERSIONS, float_at_the_edge),
    ((*DOT_PRODUCTS, *REDUCTIONS, "ARG_MAX", "RESIZE_BILINEAR", *MOVES, *RESHAPES),
     constant_parameters),
    (tuple(kind for kind in SUPPORTED if kind not in PAIRS), computed_input),
    (BINARY_KINDS, one_computed_input),
    (("PRELU",), computed_above_slopes),
    (("BATCH_MATMUL",), one_constant_factor),
    (("CONV_2D",), symmetric_weights),
    (("FULLY_CONNECTED",), plain_weights),
    (DOT_PRODUCTS, narrow_accumulators),
    ((*DOT_PRODUCTS, "MEAN", "SUM", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU",
      "ABS"), bounded_multipliers),
    (("MUL", "PRELU", "BATCH_MATMUL"), bounded_products),
    (("ADD", "SUB"), bounded_sum),
    ((*DOT_PRODUCTS, *POOLS, "ADD", "SUB", "MUL"), known_activation),
    ((*POOLS, *RESHAPES, *MOVES, "REDUCE_MAX", "RESIZE_BILINEAR"), equal_quantization),
    (("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), one_convention),
    (("RESIZE_BILINEAR",), small_weights),
    (("CONCATENATION", "L2_NORMALIZATION"), no_activation),
    (("SOFTMAX",), softmax_output),
    (("SOFTMAX",), short_softmax),
    (("LEAKY_RELU",), bounded_slope),
    (("LOGISTIC", "TANH", "L2_NORMALIZATION"), fixed_output),
    (("HARD_SWISH",), bounded_hard_swish),
    (("RSQRT",), bounded_inverse_root),
    ((*SIGNED, "BATCH_MATMUL"), signed),
)
