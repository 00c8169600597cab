"""Operators that ``ai-edge-quantizer`` does not know, in the guise of some that it does."""

from compiler.quantize.file import code, constant, kind_of, load, pack
from compiler.quantize.source import FloatModel

# It would leave them in float32. It takes them for operators of the same operands that it quantizes
# as these must be.
STAND_INS = {
    **dict.fromkeys(("RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "EXP", "LOG", "ABS"),
                    "RELU"),
    "PRELU": "MUL", "MINIMUM": "MAXIMUM", "REDUCE_MAX": "REDUCE_MIN", "L2_NORMALIZATION": "TANH",
}
# For these it is a RESHAPE, with other operands: these, too, pass on the values of their input.
AS_RESHAPE = ("SQUEEZE", "EXPAND_DIMS", "DEPTH_TO_SPACE")


def with_stand_ins(model: FloatModel) -> bytes:
    """The float model as the quantizer gets it, which looks at its operators and never runs them.
    """
    file = load(model.content, str(model.path))
    subgraph = file.subgraphs[0]
    for op, stored in zip(model.graph.operators, subgraph.operators, strict=True):
        if op.kind in STAND_INS:
            stored.opcodeIndex = code(file, STAND_INS[op.kind])
        elif op.kind in AS_RESHAPE:
            shape = model.graph.tensors[op.outputs[0]].shape
            stored.opcodeIndex = code(file, "RESHAPE")
            stored.inputs = [op.inputs[0], constant(file, f"shape;{op.index}", shape)]
            stored.builtinOptionsType, stored.builtinOptions = 0, None
    return pack(file)


def without_stand_ins(model: FloatModel, content: bytes) -> bytes:
    """The quantizer's answer, with the operators that were meant in place of the stand-ins."""
    file = load(content, str(model.path))
    subgraph = file.subgraphs[0]
    place = {tensor.name: index for index, tensor in enumerate(subgraph.tensors)}
    before = load(model.content, str(model.path)).subgraphs[0]
    meant = {before.tensors[op.outputs[0]].name: (op, stored) for op, stored
             in zip(model.graph.operators, before.operators, strict=True)
             if op.kind in (*STAND_INS, *AS_RESHAPE)}
    came_from = {stored.outputs[0]: stored.inputs[0] for stored in subgraph.operators
                 if kind_of(file, stored) == "DEQUANTIZE"}
    for stored in subgraph.operators:
        name = subgraph.tensors[stored.outputs[0]].name
        if name in meant:
            op, original = meant[name]
            stored.opcodeIndex = code(file, op.kind)
            stored.builtinOptionsType = original.builtinOptionsType
            stored.builtinOptions = original.builtinOptions
            if op.kind in AS_RESHAPE:
                stored.inputs = [stored.inputs[0], *(place[before.tensors[index].name]
                                                     for index in op.inputs[1:])]
        elif kind_of(file, stored) == "ARG_MAX" and stored.inputs[0] in came_from:
            # The largest integer is where the largest real number is.
            stored.inputs = [came_from[stored.inputs[0]], *stored.inputs[1:]]
    read = {index for stored in subgraph.operators for index in stored.inputs}
    subgraph.operators = [stored for stored in subgraph.operators
                          if kind_of(file, stored) != "DEQUANTIZE"
                          or stored.outputs[0] in read | set(subgraph.outputs)]
    return pack(file)
