"""Rules for which inputs the model computes, and which are constant."""

from collections.abc import Iterator

from compiler.finding import Violation
from compiler.ir import Graph, Operator
from compiler.verify import activations


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
