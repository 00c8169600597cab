"""Writes small .tflite files, right ones and wrong ones, for the tests of the reader."""

from dataclasses import dataclass, field

import flatbuffers
import tflite

ADD, RELU, CONV_2D, CUSTOM = 0, 19, 3, 32


@dataclass
class WrittenTensor:
    """A tensor of the file; ``data`` is its buffer, None for buffer 0."""

    name: bytes = b"x"
    shape: tuple[int, ...] = (1, 4)
    type: int = 9                                # INT8
    data: bytes | None = None
    buffer: int | None = None
    scale: tuple[float, ...] = (0.5,)
    zero_point: tuple[int, ...] = (3,)
    dimension: int = 0
    variable: bool = False


@dataclass
class WrittenOperator:
    """An operator; ``options`` is ``(table number, table name, {field: value})``."""

    inputs: tuple[int, ...] = (0,)
    outputs: tuple[int, ...] = (1,)
    code: int = 0
    options: tuple[int, str, dict[str, float | tuple[int, ...]]] | None = None


@dataclass
class WrittenModel:
    """One RELU from tensor 0 to tensor 1, unless said otherwise."""

    tensors: list[WrittenTensor] = field(
        default_factory=lambda: [WrittenTensor(b"in"), WrittenTensor(b"out")])
    operators: list[WrittenOperator] = field(default_factory=lambda: [WrittenOperator()])
    codes: list[tuple[int, int, bytes | None]] = field(
        default_factory=lambda: [(RELU, RELU, None)])       # deprecated and new field, custom name
    inputs: tuple[int, ...] = (0,)
    outputs: tuple[int, ...] = (1,)
    version: int = 3
    subgraphs: int = 1
    identifier: bytes = b"TFL3"

    def __bytes__(self) -> bytes:
        return Writer(self).write()


class Writer:
    """Writes one model with the flatbuffers library, from the leaves to the root."""

    def __init__(self, model: WrittenModel):
        self.model = model
        self.builder = flatbuffers.Builder(1024)
        self.buffers: list[bytes] = [b""]

    def write(self) -> bytes:
        b, model = self.builder, self.model
        tensors = self.vector([self.tensor(t) for t in model.tensors])
        codes = self.vector([self.code(*code) for code in model.codes])
        # One table per different operator: the same one a thousand times is a file's right.
        written: dict[int, int] = {}
        operators = self.vector([
            written.setdefault(id(op), written.get(id(op)) or self.operator(op))
            for op in model.operators
        ])
        inputs, outputs = self.int32(model.inputs), self.int32(model.outputs)
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors)
        tflite.SubGraphAddInputs(b, inputs)
        tflite.SubGraphAddOutputs(b, outputs)
        tflite.SubGraphAddOperators(b, operators)
        subgraph = tflite.SubGraphEnd(b)
        subgraphs = self.vector([subgraph] * model.subgraphs)
        buffers = self.vector([self.buffer(data) for data in self.buffers])
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, model.version)
        tflite.ModelAddOperatorCodes(b, codes)
        tflite.ModelAddSubgraphs(b, subgraphs)
        tflite.ModelAddBuffers(b, buffers)
        b.Finish(tflite.ModelEnd(b), file_identifier=model.identifier)
        return bytes(b.Output())

    def vector(self, offsets: list[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return self.builder.EndVector()

    def int32(self, values: tuple[int, ...]) -> int:
        self.builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self.builder.PrependInt32(value)
        return self.builder.EndVector()

    def buffer(self, data: bytes) -> int:
        offset = self.builder.CreateByteVector(data)
        tflite.BufferStart(self.builder)
        tflite.BufferAddData(self.builder, offset)
        return tflite.BufferEnd(self.builder)

    def code(self, deprecated: int, new: int, custom: bytes | None) -> int:
        name = None if custom is None else self.builder.CreateString(custom)
        tflite.OperatorCodeStart(self.builder)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(self.builder, deprecated)
        tflite.OperatorCodeAddBuiltinCode(self.builder, new)
        if name is not None:
            tflite.OperatorCodeAddCustomCode(self.builder, name)
        return tflite.OperatorCodeEnd(self.builder)

    def tensor(self, tensor: WrittenTensor) -> int:
        b = self.builder
        buffer = tensor.buffer
        if buffer is None:
            buffer = 0
            if tensor.data is not None:
                buffer = len(self.buffers)
                self.buffers.append(tensor.data)
        name, shape = b.CreateString(tensor.name), self.int32(tensor.shape)
        b.StartVector(4, len(tensor.scale), 4)
        for scale in reversed(tensor.scale):
            b.PrependFloat32(scale)
        scales = b.EndVector()
        b.StartVector(8, len(tensor.zero_point), 8)
        for zero_point in reversed(tensor.zero_point):
            b.PrependInt64(zero_point)
        zero_points = b.EndVector()
        tflite.QuantizationParametersStart(b)
        tflite.QuantizationParametersAddScale(b, scales)
        tflite.QuantizationParametersAddZeroPoint(b, zero_points)
        tflite.QuantizationParametersAddQuantizedDimension(b, tensor.dimension)
        quantization = tflite.QuantizationParametersEnd(b)
        tflite.TensorStart(b)
        tflite.TensorAddName(b, name)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, tensor.type)
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddQuantization(b, quantization)
        tflite.TensorAddIsVariable(b, tensor.variable)
        return tflite.TensorEnd(b)

    def operator(self, op: WrittenOperator) -> int:
        b = self.builder
        inputs, outputs = self.int32(op.inputs), self.int32(op.outputs)
        if op.options is not None:
            _, name, fields = op.options
            stored = {key: self.int32(value) if isinstance(value, tuple) else value
                      for key, value in fields.items()}
            getattr(tflite, f"{name}Start")(b)
            for key, value in stored.items():
                getattr(tflite, f"{name}Add{key}")(b, value)
            options = getattr(tflite, f"{name}End")(b)
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, op.code)
        tflite.OperatorAddInputs(b, inputs)
        tflite.OperatorAddOutputs(b, outputs)
        if op.options is not None:
            tflite.OperatorAddBuiltinOptionsType(b, op.options[0])
            tflite.OperatorAddBuiltinOptions(b, options)
        return tflite.OperatorEnd(b)
