"""The float model of a file: what is to be quantized, with all of its constants in float32.

Weights may be stored in int8 (dynamic range quantization) or float16; they become float32 again, so
that one way leads from all of these files to int8.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from compiler.errors import ModelError
from compiler.finding import refuse
from compiler.flatbuffer import shown
from compiler.fold import drop_unused, fold_constants
from compiler.ir import Graph, Tensor
from compiler.quantize.file import load, pack
from compiler.reader import read_file, read_model
from compiler.verify import verify

STORED = ("int8", "uint8", "float16")            # how a float model's weights may be stored


@dataclass(frozen=True)
class FloatModel:
    """``content`` is a .tflite file of ``graph``: operators in its order, tensors by its indices,
    each with a name of its own, which ``graph`` has as well."""

    path: Path
    graph: Graph
    content: bytes

    @property
    def activations(self) -> tuple[int, ...]:
        """The tensors that are float32 and are not constant, in the order of their computation."""
        order = (*self.graph.inputs, *(i for op in self.graph.operators for i in op.outputs))
        return tuple(index for index in order if self.graph.tensors[index].dtype == "float32")


def float_model(path: Path) -> FloatModel:
    """The model in ``path``; ModelError where it is no float model, or not a sound one."""
    graph = drop_unused(fold_constants(without_dequantize(read_model(path))))
    check_float(path, graph)
    refuse(str(path), verify(graph))             # LiteRT would compute past the ends of tensors
    graph = with_own_names(with_float_weights(graph))
    return FloatModel(path, graph, packed(path, graph))


def without_dequantize(graph: Graph) -> Graph:
    """``graph`` with constants in float32 in place of DEQUANTIZE of constants."""
    tensors, kept = list(graph.tensors), []
    for op in graph.operators:
        source = graph.tensors[op.inputs[0]] if op.inputs else None
        if op.kind == "DEQUANTIZE" and source is not None and source.data is not None:
            tensors[op.outputs[0]] = replace(tensors[op.outputs[0]], data=dequantized(source))
        else:
            kept.append(op)
    return replace(graph, tensors=tuple(tensors), operators=tuple(kept))


def check_float(path: Path, graph: Graph) -> None:
    """ModelError for a model that is quantized already, or whose inputs are not float32."""
    for op in graph.operators:
        for index in op.outputs:
            tensor = graph.tensors[index]
            if tensor.dtype in ("int16", *STORED):
                raise ModelError(
                    f"{path} is quantized already: operator {op} makes {tensor.dtype}, tensor "
                    f"{shown(tensor.name)}; only models that compute in float32 can be quantized, "
                    f"and python -m compiler check tells what runs this one")
    for index in graph.inputs:
        tensor = graph.tensors[index]
        if tensor.dtype != "float32":
            raise ModelError(f"{path} takes {tensor.dtype} as its input {shown(tensor.name)}; only "
                             f"models whose inputs are float32 can be quantized")


def with_float_weights(graph: Graph) -> Graph:
    """``graph`` with every constant that a float32 operator reads in float32."""
    tensors = list(graph.tensors)
    for op in graph.operators:
        if "float32" not in {graph.tensors[index].dtype for index in op.outputs}:
            continue
        for index in op.inputs:
            tensor = graph.tensors[index]
            if index >= 0 and tensor.data is not None and tensor.dtype in STORED:
                tensors[index] = replace(tensor, dtype="float32", data=dequantized(tensor),
                                         quantization=None)
    return replace(graph, tensors=tuple(tensors))


def dequantized(tensor: Tensor) -> np.ndarray:
    """The real numbers of a constant, in float32."""
    assert tensor.data is not None
    data, quantization = tensor.data, tensor.quantization
    if quantization is None:
        return data.astype(np.float32)
    shape = [1] * data.ndim
    if len(quantization.scale) > 1:
        shape[quantization.quantized_dimension] = -1
    scale = np.array(quantization.scale).reshape(shape)
    zero_point = np.array(quantization.zero_point).reshape(shape)
    return (scale * (data - zero_point)).astype(np.float32)


def with_own_names(graph: Graph) -> Graph:
    """``graph`` with no name twice and none empty, for the quantizer knows tensors by their names.
    """
    taken: set[str] = set()
    tensors: list[Tensor] = []
    for index, tensor in enumerate(graph.tensors):
        name = tensor.name
        while not name or name in taken:
            name = f"{name or 'tensor'};{index}"
        taken.add(name)
        tensors.append(replace(tensor, name=name))
    return replace(graph, tensors=tuple(tensors))


def packed(path: Path, graph: Graph) -> bytes:
    """The file in ``path`` with ``graph`` in place of what it had."""
    model = load(read_file(path), str(path))
    subgraph = model.subgraphs[0]
    subgraph.operators = [subgraph.operators[op.index] for op in graph.operators]
    model.buffers = model.buffers[:1]            # by convention the empty one
    model.buffers[0].data = None
    model.metadata = model.metadataBuffer = None
    for stored, tensor in zip(subgraph.tensors, graph.tensors, strict=True):
        store(model, stored, tensor)
    return pack(model)


def store(model: Any, stored: Any, tensor: Tensor) -> None:
    """Makes a tensor of the file what it is in the graph."""
    from ai_edge_litert.schema_py_generated import BufferT, TensorType

    stored.name = tensor.name.encode()
    stored.shape, stored.shapeSignature = np.array(tensor.shape, np.int32), None
    stored.type = getattr(TensorType, tensor.dtype.upper())
    stored.quantization = None
    stored.buffer = 0
    if tensor.data is not None:
        stored.buffer = len(model.buffers)
        buffer = BufferT()
        buffer.data = np.frombuffer(tensor.data.tobytes(), np.uint8)
        model.buffers.append(buffer)
