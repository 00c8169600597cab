"""What this engine supports, rule by rule: the docstring of each is what its users read.

The first paragraph is the rule, the second the remedy; ``findings`` applies them all.
"""

import shlex

from compiler.binary import BINARY_KINDS
from compiler.finding import Finding, Rule, apply, refuse, sentences
from compiler.ir import Graph
from compiler.kinds import BYTES, DOT_PRODUCTS, POOLS, REDUCTIONS, RESHAPES
from compiler.moves import MOVES
from compiler.rules.inputs import (
    computed_above_slopes,
    computed_input,
    constant_parameters,
    one_computed_input,
    one_constant_factor,
)
from compiler.rules.operators import (
    bounded_hard_swish,
    bounded_inverse_root,
    bounded_slope,
    equal_quantization,
    fixed_output,
    known_activation,
    no_activation,
    one_convention,
    short_softmax,
    signed,
    small_weights,
    softmax_output,
)
from compiler.rules.sums import (
    bounded_multipliers,
    bounded_products,
    bounded_sum,
    narrow_accumulators,
    plain_weights,
    symmetric_weights,
)
from compiler.rules.whole import (
    float_at_the_edge,
    integer_activations,
    quantized_model,
    static_model,
    supported_operator,
)
from compiler.verify import ARITY, verify

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
    if not types or types & set(BYTES):
        return []
    if types & {"int16", "float16"}:
        rule, found = integer_activations, f"{', '.join(sorted(types))} activations"
    elif "float32" in types:
        dynamic = any(
            graph.tensors[index].dtype in BYTES and graph.tensors[index].data is not None
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
