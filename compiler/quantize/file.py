""".tflite files as trees of objects that can be changed, by LiteRT's own accessors."""

from typing import Any

import numpy as np
from tflite.utils import BUILTIN_OPCODE2NAME

from compiler.errors import ModelError
from compiler.reader import BROKEN


def load(content: bytes, name: str) -> Any:
    """The ``ModelT`` of a file that ``compiler.reader`` accepts; ``name`` is for its owner."""
    from ai_edge_litert.schema_py_generated import Model, ModelT

    try:
        model = ModelT.InitFromObj(Model.GetRootAs(content, 0))
    except BROKEN:                               # in parts that the compiler does not read
        raise ModelError(f"{name} is damaged: its signatures or options make no sense") from None
    for buffer in model.buffers:
        if buffer.offset > 1:                    # large ones may lie behind the flatbuffer
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    for code in model.operatorCodes:             # old files have but the old field
        code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
    return model


def pack(model: Any) -> bytes:
    """The file of a ``ModelT``."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def code(file: Any, kind: str) -> int:
    """The index of the operator code ``kind``, which is added where it is missing."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator, OperatorCodeT

    number = getattr(BuiltinOperator, kind)
    for index, stored in enumerate(file.operatorCodes):
        if stored.builtinCode == number:
            return index
    added = OperatorCodeT()
    added.builtinCode, added.deprecatedBuiltinCode, added.version = number, min(number, 127), 1
    file.operatorCodes.append(added)
    return len(file.operatorCodes) - 1


def kind_of(file: Any, stored: Any) -> str:
    """The schema's name of an operator's code."""
    return BUILTIN_OPCODE2NAME[file.operatorCodes[stored.opcodeIndex].builtinCode]


def constant(file: Any, name: str, values: tuple[int, ...]) -> int:
    """The index of a new int32 vector."""
    from ai_edge_litert.schema_py_generated import BufferT, TensorT, TensorType

    buffer, tensor = BufferT(), TensorT()
    buffer.data = np.frombuffer(np.array(values, np.int32).tobytes(), np.uint8)
    tensor.name, tensor.shape = name.encode(), np.array([len(values)], np.int32)
    tensor.type, tensor.buffer = TensorType.INT32, len(file.buffers)
    file.buffers.append(buffer)
    file.subgraphs[0].tensors.append(tensor)
    return len(file.subgraphs[0].tensors) - 1
