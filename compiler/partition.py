"""What the host computes before and after the device, which holds nothing but int8 tensors."""

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace

from compiler.errors import ModelError
from compiler.finding import Reasons
from compiler.flatbuffer import shown
from compiler.ir import Graph, Operator
from compiler.kinds import BYTES, RESHAPES
from compiler.legacy import to_int8
from compiler.moves import MOVES

# The host alone has these, so they must be the last.
HOST_ONLY = ("DEQUANTIZE", "SOFTMAX", "ARG_MAX", "L2_NORMALIZATION")
# What costs the host nothing; to the device, TRANSPOSE costs a lot.
FREE_ON_HOST = (*RESHAPES, "TRANSPOSE")
# What may still follow the host's, or a QUANTIZE between int8 and uint8, on the way to an output.
FOLLOWERS = (*HOST_ONLY, *FREE_ON_HOST, "QUANTIZE")


@dataclass(frozen=True)
class Partition:
    """Three graphs in a row; tensors keep their indices from the whole graph.

    ``prologue`` maps the graph's inputs to the device's inputs, ``epilogue`` the device's outputs
    to the graph's outputs; either may have no operators, and then passes its inputs on. The
    device's tensors are int8 throughout. Where the host's side of a device input or output is
    uint8 (legacy models), ``flip_inputs`` or ``flip_outputs`` is True at its position, and the
    host flips the top bit of every byte on the way: ``compiler.legacy.flip``.
    """

    prologue: Graph
    device: Graph
    epilogue: Graph
    flip_inputs: tuple[bool, ...]
    flip_outputs: tuple[bool, ...]


def partition(graph: Graph) -> Partition:
    """Splits ``graph``; ModelError where an operator that the host must run is not at an edge."""
    entered = set(graph.inputs)
    first = _prologue(graph, entered)
    begun = {op.index for op in first}
    rest = [op for op in graph.operators if op.index not in begun]
    last = _epilogue(graph, rest)
    ended = {op.index for op in last}
    middle = [op for op in rest if op.index not in ended]
    reasons = Reasons()
    for op in middle:
        with reasons.of(op):
            _refuse_host_work(graph, op, middle)
    reasons.refuse(graph.name)

    made, computed = _outputs(first), _outputs(middle)
    wanted = _unique([index for op in last for index in op.inputs] + list(graph.outputs))
    # A tensor that the device only passes on goes through it all the same: one way for all.
    given = {index for index in entered | made if graph.tensors[index].dtype in BYTES}
    outputs = tuple(index for index in wanted if index in computed | given)
    for index in wanted:
        if index in entered - given:
            tensor = graph.tensors[index]
            raise ModelError(
                f"tensor {shown(tensor.name)} is an input of {tensor.dtype} that is put out as it "
                "is, and only int8 and uint8 pass through the engine; take it out of the outputs")
    read = _unique([index for op in middle for index in op.inputs] + list(outputs))
    known = (entered | made) - computed
    inputs = tuple(index for index in read if index in known)

    device = replace(graph, operators=tuple(middle), inputs=inputs, outputs=outputs)
    return Partition(
        prologue=replace(graph, operators=tuple(first), outputs=inputs),
        device=to_int8(device),
        epilogue=replace(graph, operators=tuple(last), inputs=outputs),
        flip_inputs=tuple(graph.tensors[index].dtype == "uint8" for index in inputs),
        flip_outputs=tuple(graph.tensors[index].dtype == "uint8" for index in outputs),
    )


def _prologue(graph: Graph, entered: Set[int]) -> list[Operator]:
    """What the host does with inputs: quantize them; and reorder those that nothing else reads."""
    readers = Counter(index for op in graph.operators for index in set(op.inputs))
    host = {index for index in entered if graph.tensors[index].dtype in BYTES}
    first: list[Operator] = []
    for op in graph.operators:
        if _quantizes_input(graph, op, entered) or (
                op.kind in FREE_ON_HOST and op.inputs[0] in host
                and readers[op.inputs[0]] == 1 and op.inputs[0] not in graph.outputs):
            first.append(op)
            host |= set(op.outputs)
    needed: set[int] = set()                     # a view alone is no work for anybody
    for op in reversed(first):
        if op.kind not in RESHAPES or op.outputs[0] in needed:
            needed |= set(op.inputs)
    return [op for op in first if op.kind not in RESHAPES or op.outputs[0] in needed]


def _quantizes_input(graph: Graph, op: Operator, entered: Set[int]) -> bool:
    """QUANTIZE of one of the inputs ``entered``, from float32, or from uint8 to int8."""
    if op.kind != "QUANTIZE" or op.inputs[0] not in entered:
        return False
    source, output = (graph.tensors[index].dtype for index in (op.inputs[0], op.outputs[0]))
    return output in BYTES and (source == "float32" or (source, output) == ("uint8", "int8"))


def _epilogue(graph: Graph, operators: Sequence[Operator]) -> list[Operator]:
    """The operators from the first of the host's on, where only such follow it, or moves of what
    the host has made."""
    behind: set[int] = set()                     # tensors that hang on the host
    for op in operators:
        if op.kind in HOST_ONLY or behind & set(op.inputs):
            behind |= set(op.outputs)
    followers = {op.index for op in operators if op.kind in FOLLOWERS
                 or (op.kind in MOVES and behind & set(op.inputs))}
    stopped: set[int] = set()                    # tensors that the device reads
    for op in reversed(operators):
        if op.index not in followers or stopped & set(op.outputs):
            stopped |= set(op.inputs)
    last: list[Operator] = []
    ended: set[int] = set()                      # tensors that the host computes
    for op in operators:
        free = op.index in followers and not stopped & set(op.outputs)
        if free and (_starts(graph, op) or ended & set(op.inputs)):
            last.append(op)
            ended |= set(op.outputs)
    return last


def _starts(graph: Graph, op: Operator) -> bool:
    """Whether the epilogue can start here: a view or a rescaling alone is work for the device."""
    if op.kind == "QUANTIZE":
        return {graph.tensors[index].dtype for index in (*op.inputs, *op.outputs)} == set(BYTES)
    return op.kind in (*HOST_ONLY, "TRANSPOSE")


def _refuse_host_work(graph: Graph, op: Operator, middle: Sequence[Operator]) -> None:
    source = graph.tensors[op.inputs[0]]
    if op.kind == "QUANTIZE" and source.dtype not in BYTES:
        raise ModelError(
            f"operator {op} reads {source.dtype} from tensor {shown(source.name)}, "
            f"which is not a model input; quantize the part before it as well")
    if op.kind in HOST_ONLY:
        reader = next((other for other in middle if set(op.outputs) & set(other.inputs)), None)
        assert reader is not None
        raise ModelError(
            f"operator {op} runs on the host, behind the last layer, but operator {reader} reads "
            f"its result; end the model at operator {op.index}, or take it out")


def _outputs(operators: Iterable[Operator]) -> set[int]:
    return {index for op in operators for index in op.outputs}


def _unique(indices: Iterable[int]) -> list[int]:
    return [index for index in dict.fromkeys(indices) if index >= 0]
