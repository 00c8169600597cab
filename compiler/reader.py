"""Reads a ``.tflite`` file into a Graph and refuses whatever is not a well-formed model."""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from tflite.utils import BUILTIN_OPCODE2NAME

from compiler.errors import ModelError
from compiler.flatbuffer import Budget, StrictBytes, shown, tables, text, vector
from compiler.ir import Graph, Operator, Quantization, Tensor
from compiler.options import names_of, read_options

# Bounds for what a small FPGA could ever run; they keep the reading of a hostile file short. Float
# weights of 64 MiB are 16 MiB in int8, which is all that a flash chip with 24 address bits holds.
MAX_FILE_BYTES = 2**26
MAX_TENSOR_BYTES = 2**31 - 1
MAX_OPERATORS = 2_000
MAX_TENSORS = 5_000
MAX_RANK = 8

DTYPES = {
    "FLOAT16": "float16", "FLOAT32": "float32", "FLOAT64": "float64", "BOOL": "bool",
    "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64",
    "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64",
    "INT4": "int8",                              # of weights, which kernels unpack to int8
}

# What the flatbuffers library and the code on top of it raise on offsets that lead nowhere.
BROKEN = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError)


def read_model(path: str | Path) -> Graph:
    """The only subgraph of the model in ``path``; ModelError where the file is not well formed.

    Buffers become read-only arrays that share the file's bytes. What the engine can run is
    another question: see ``compiler.rules``.
    """
    path = Path(path)
    return parse_model(read_file(path), path)


def parse_model(data: bytes, path: Path) -> Graph:
    """The graph of a file's bytes; ``path`` is what errors and the graph name it by."""
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise ModelError(f"{path} is not a .tflite model: the identifier TFL3 is missing at byte 4")
    try:
        return read_graph(path.stem, StrictBytes(data))
    except ModelError as error:
        raise ModelError(f"{path} cannot be read: {error}") from None
    except BROKEN:
        raise ModelError(
            f"{path} is damaged or cut off: an offset leads outside of its {len(data)} bytes"
        ) from None


def read_file(path: Path) -> bytes:
    """The bytes of a regular file of bounded size."""
    try:
        if not path.is_file():
            raise ModelError(f"{path} is not a file")
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ModelError(f"{path} has {path.stat().st_size} bytes; at most {MAX_FILE_BYTES} "
                             "are accepted")
        return data
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path} cannot be read: {reason}") from None


def read_graph(name: str, data: StrictBytes) -> Graph:
    """The graph of a model in memory; raises BROKEN where the bytes make no sense."""
    budget = Budget(len(data))
    model = tflite.Model.GetRootAs(data, 0)
    if model.Version() != 3:
        raise ModelError(f"its schema version is {model.Version()}, and 3 is the one that is known")
    if model.SubgraphsLength() != 1:
        raise ModelError(
            f"it has {model.SubgraphsLength()} subgraphs, and exactly one is supported; "
            "convert it without control flow and with one signature"
        )
    subgraph = model.Subgraphs(0)
    buffers = tables(model, "Buffers", 2 * MAX_TENSORS, budget)
    tensors = tuple(
        read_tensor(index, tensor, buffers, data, budget)
        for index, tensor in enumerate(tables(subgraph, "Tensors", MAX_TENSORS, budget))
    )
    codes = [read_code(c, budget) for c in tables(model, "OperatorCodes", MAX_OPERATORS, budget)]
    operators = tuple(
        read_operator(index, operator, codes, tensors, budget)
        for index, operator in enumerate(tables(subgraph, "Operators", MAX_OPERATORS, budget))
    )
    inputs, outputs = vector(subgraph, "Inputs", budget), vector(subgraph, "Outputs", budget)
    check_indices("the graph", inputs + outputs, len(tensors))
    graph = Graph(name, tensors, operators, inputs, outputs)
    check_order(graph)
    return graph


def read_tensor(
    index: int, tensor: Any, buffers: list[Any], data: StrictBytes, budget: Budget
) -> Tensor:
    """One tensor, with its constant data where its buffer holds some."""
    name = text(tensor.Name(), budget)
    this = f"tensor {index} {shown(name)}"
    kind = names_of(tflite.TensorType).get(tensor.Type(), f"number {tensor.Type()}")
    if kind not in DTYPES:
        raise ModelError(f"{this} is of type {kind}; known are {', '.join(DTYPES)}; convert the "
                         "model with 8 bits")
    if tensor.IsVariable():
        raise ModelError(f"{this} is a variable, kept from one run to the next: not supported")
    if tensor.Sparsity() is not None:
        raise ModelError(f"{this} is stored sparse; convert the model without sparsity")
    shape = vector(tensor, "Shape", budget)
    size = math.prod(shape) * np.dtype(DTYPES[kind]).itemsize
    if len(shape) > MAX_RANK or min(shape, default=0) < 0 or size > MAX_TENSOR_BYTES:
        raise ModelError(
            f"{this} has the shape {list(shape[:MAX_RANK + 1])}; accepted are up to {MAX_RANK} "
            f"dimensions, none negative, {MAX_TENSOR_BYTES} bytes in all"
        )
    if not 0 <= tensor.Buffer() < max(1, len(buffers)):
        raise ModelError(f"{this} has buffer {tensor.Buffer()} of {len(buffers)}")
    raw = read_buffer(buffers[tensor.Buffer()], data) if tensor.Buffer() else None
    if kind == "INT4":
        size = (size + 1) // 2
        if raw is None:
            raise ModelError(f"{this} is computed in INT4, which is known of constants alone; "
                             "convert the model with activations of 8 bits")
    if raw is None and size == 0:                # a list of no axes, say
        raw = memoryview(b"")
    if raw is not None and len(raw) != size:
        raise ModelError(f"{this} of shape {list(shape)} and type {kind} needs {size} bytes, "
                         f"and its buffer has {len(raw)}")
    return Tensor(
        name=name,
        shape=shape,
        dtype=DTYPES[kind],
        quantization=read_quantization(this, tensor.Quantization(), shape, budget),
        data=None if raw is None else values(raw, kind, shape, budget),
    )


def values(raw: memoryview, kind: str, shape: tuple[int, ...], budget: Budget) -> np.ndarray:
    """The constant in a buffer of the right size: the file's own bytes, but for INT4."""
    if kind != "INT4":
        return np.frombuffer(raw, DTYPES[kind]).reshape(shape)
    count = math.prod(shape)                     # two to a byte, the first in the lower half
    budget.read_constant(count)
    packed = np.frombuffer(raw, np.uint8)
    halves = np.stack((packed & 15, packed >> 4), axis=1).reshape(-1)[:count].astype(np.int8)
    halves = ((halves ^ 8) - 8).reshape(shape)   # bit 3 is the sign
    halves.flags.writeable = False
    return halves


def read_buffer(buffer: Any, data: StrictBytes) -> memoryview | None:
    """The bytes of a buffer without a copy; None where it is empty, so the tensor is computed."""
    if buffer.Offset() > 1:                      # models over 2 GB keep data behind the flatbuffer
        start, size = buffer.Offset(), buffer.Size()
        if start + size > len(data):
            raise IndexError(f"buffer at {start} + {size} of {len(data)}")
        return memoryview(data)[start:start + size]
    if buffer.DataLength() == 0:
        return None
    return buffer.DataAsNumpy().data


def read_quantization(
    this: str, quantization: Any, shape: tuple[int, ...], budget: Budget
) -> Quantization | None:
    """Scales and zero points; None where there are no scales, as in float models."""
    if quantization is None or quantization.ScaleLength() == 0:
        return None
    scale = vector(quantization, "Scale", budget)
    zero_point = vector(quantization, "ZeroPoint", budget) or (0,) * len(scale)
    dimension = quantization.QuantizedDimension()
    if len(scale) != len(zero_point):
        raise ModelError(f"{this} has {len(scale)} scales and {len(zero_point)} zero points")
    if not all(math.isfinite(s) and s >= 0 for s in scale):
        bad = next(s for s in scale if not (math.isfinite(s) and s >= 0))
        raise ModelError(f"{this} has the scale {bad}; scales are finite and not negative")
    if len(scale) == 1:
        return Quantization(scale, zero_point)
    if len(shape) == 1:                          # seen: a bias that copied its weights' dimension 3
        dimension = 0
    if not 0 <= dimension < len(shape) or shape[dimension] != len(scale):
        raise ModelError(f"{this} of shape {list(shape)} has {len(scale)} scales "
                         f"for its dimension {dimension}")
    return Quantization(scale, zero_point, dimension)


def read_code(code: Any, budget: Budget) -> tuple[str, str]:
    """``(kind, custom name)`` of an operator code."""
    # The package's BuiltinCode() answers with the deprecated field for every code below 127, and
    # newer tools leave that field at 0: read the new one as it is stored, in slot 10.
    offset = code._tab.Offset(10)
    stored = struct.unpack_from("<i", code._tab.Bytes, code._tab.Pos + offset)[0] if offset else 0
    number = max(stored, code.DeprecatedBuiltinCode())
    if number not in BUILTIN_OPCODE2NAME:
        raise ModelError(f"operator code {number} is newer than the schema that is known here")
    return BUILTIN_OPCODE2NAME[number], text(code.CustomCode(), budget)


def read_operator(
    index: int, operator: Any, codes: list[tuple[str, str]], tensors: tuple[Tensor, ...],
    budget: Budget
) -> Operator:
    """One operator; a custom one is of kind CUSTOM, its name the option ``custom_code``."""
    if not 0 <= operator.OpcodeIndex() < len(codes):
        raise ModelError(f"operator {index} has code {operator.OpcodeIndex()} of {len(codes)}")
    kind, custom = codes[operator.OpcodeIndex()]
    inputs, outputs = vector(operator, "Inputs", budget), vector(operator, "Outputs", budget)
    this, present = f"operator {index} {kind}", tuple(i for i in inputs if i != -1)
    check_indices(this, present + outputs, len(tensors))
    for i in set(present):
        data = tensors[i].data
        budget.read_constant(0 if data is None else data.nbytes)
    try:
        options = read_options(operator, kind, budget)
    except ModelError as error:
        raise ModelError(f"{this} {error}") from None
    if kind == "CUSTOM":
        options["custom_code"] = custom
    return Operator(index, kind, inputs, outputs, options)


def check_indices(owner: str, indices: tuple[int, ...], tensors: int) -> None:
    """Every index is that of a tensor."""
    for index in indices:
        if not 0 <= index < tensors:
            raise ModelError(f"{owner} refers to tensor {index}, and there are {tensors}")


def check_order(graph: Graph) -> None:
    """Each tensor has one source, and operators read only what was computed before them."""
    if not graph.inputs or not graph.outputs:
        raise ModelError(f"the graph has {len(graph.inputs)} inputs and {len(graph.outputs)} "
                         "outputs; it needs at least one of each")
    known = {i for i, tensor in enumerate(graph.tensors) if tensor.data is not None}
    for index in graph.inputs:
        if index in known:
            raise ModelError(f"input tensor {index} {shown(graph.tensors[index].name)} "
                             "is a constant or listed twice")
        known.add(index)
    for op in graph.operators:
        for index in op.inputs:
            if index != -1 and index not in known:
                raise ModelError(
                    f"operator {op} reads tensor {index} {shown(graph.tensors[index].name)}, "
                    "which nothing before it computes")
        for index in op.outputs:
            if index in known:
                raise ModelError(f"operator {op} writes tensor {index} "
                                 f"{shown(graph.tensors[index].name)}, which already has a value")
            known.add(index)
    for index in graph.outputs:
        if index not in known:
            raise ModelError(f"output tensor {index} {shown(graph.tensors[index].name)} "
                             "is never computed")
