"""What keeps the compilation of any model, however hostile, within two seconds and a gigabyte."""

import math

from compiler.binary import BINARY_KINDS
from compiler.errors import ModelError
from compiler.ir import Graph, Operator
from compiler.kinds import DOT_PRODUCTS
from compiler.layers import Layer, ceil_div
from compiler.lower_binary import repeated
from hw.config import EngineConfig

# No board holds more: its slots count layers in a byte, and have room for at most 1 MiB.
MOST_LAYERS, MOST_CHANNELS, MOST_TAPE_BYTES = 1 << 8, 1 << 13, 1 << 24


def check_size(graph: Graph, config: EngineConfig) -> None:
    """ModelError where there is more to lower than any board could hold."""
    if len(graph.operators) > MOST_LAYERS:
        raise ModelError(f"the model has {len(graph.operators)} operators for the engine, and at "
                         f"most {MOST_LAYERS} layers are accepted; use a smaller model")
    channels = 0
    for op in graph.operators:
        shape, count, run = weights_like(graph, op)
        channels += count
        size = math.prod(shape) // run * ceil_div(run, config.word_bytes) * config.word_bytes
        if size > MOST_TAPE_BYTES:
            raise ModelError(
                f"operator {op}: its weights {list(shape)} take {size} bytes of tape in words of "
                f"{config.word_bytes}, and at most {MOST_TAPE_BYTES} are accepted; use a smaller "
                "layer")
    if channels > MOST_CHANNELS:
        raise ModelError(f"the model's layers have {channels} output channels, and at most "
                         f"{MOST_CHANNELS} are accepted; use a smaller model")


def weights_like(graph: Graph, op: Operator) -> tuple[tuple[int, ...], int, int]:
    """The shape of an operator's weights, how many output channels they have at the most, and how
    many of them lie side by side in a word at the least."""
    constants = [graph.tensors[index] for index in op.inputs
                 if index != -1 and graph.tensors[index].data is not None]
    if op.kind in DOT_PRODUCTS:
        shape = graph.tensors[op.inputs[1]].shape
        depthwise = op.kind == "DEPTHWISE_CONV_2D"
        return shape, shape[3 if depthwise else 0], 1 if depthwise else shape[-1]
    if op.kind == "BATCH_MATMUL" and constants:
        shape = constants[0].shape
        least = min(shape[-2:])
        return shape, math.prod(shape) // least, least
    if op.kind in BINARY_KINDS and constants and math.prod(constants[0].shape) > 1:
        shape = repeated(constants[0].shape, graph.tensors[op.outputs[0]].shape)
        return shape, math.prod(shape), 1
    return (), 0, 1


def fits_alone(graph: Graph, op: Operator, config: EngineConfig) -> bool:
    """Whether the scratchpad holds the operator's own tensors, if not the others beside them."""
    tensors = (graph.tensors[index] for index in {*op.inputs, *op.outputs} - {-1})
    return sum(math.prod(t.shape) for t in tensors if t.data is None) <= config.scratchpad_bytes


class Room:
    """What a tape may hold: layers, and bytes of weights."""

    def __init__(self) -> None:
        self.layers, self.weight_bytes = MOST_LAYERS, MOST_TAPE_BYTES

    @property
    def is_full(self) -> bool:
        """Whether more was taken than there was."""
        return self.layers < 0 or self.weight_bytes < 0

    def take(self, layer: Layer) -> Layer:
        """The layer, which takes its share; ModelError where that is too much."""
        self.layers -= 1
        self.weight_bytes -= 0 if layer.weights is None else layer.weights.nbytes
        if self.is_full:
            raise ModelError(
                f"operator {layer.name} needs more than {MOST_LAYERS} passes of the engine, or "
                f"{MOST_TAPE_BYTES} bytes of weights on the tape, all before it counted; use a "
                "smaller batch, fewer groups, smaller strides, or an engine whose weight rings "
                "hold the layer")
        return layer
