"""Small models, operator by operator, as .tflite files."""

from collections.abc import Sequence

import numpy as np
import tflite
from write_tflite import WrittenModel, WrittenOperator, WrittenTensor

from compiler.options import table_name

TYPES = {"int8": tflite.TensorType.INT8, "uint8": tflite.TensorType.UINT8,
         "int32": tflite.TensorType.INT32, "int64": tflite.TensorType.INT64,
         "float16": tflite.TensorType.FLOAT16, "float32": tflite.TensorType.FLOAT32}


class OperatorModel:
    """Tensors are told by the numbers that the methods answer with.

    ``scale`` and ``zero_point`` are those of tensors that are not told otherwise.
    """

    def __init__(self, dtype: str = "int8", scale: float = 0.05, zero_point: int = -3):
        self.dtype, self.scale, self.zero_point = dtype, scale, zero_point
        self.tensors: list[WrittenTensor] = []
        self.operators: list[WrittenOperator] = []
        self.kinds: list[str] = []
        self.inputs: list[int] = []

    def tensor(self, shape: Sequence[int], data: bytes | None = None, dtype: str | None = None,
               scale: float | None = None, zero_point: int | None = None) -> int:
        """Any tensor."""
        dtype = dtype or self.dtype
        quantized = dtype in ("int8", "uint8")
        self.tensors.append(WrittenTensor(
            b"t%d" % len(self.tensors), tuple(shape), TYPES[dtype], data,
            scale=((self.scale if scale is None else scale),) if quantized else (),
            zero_point=((self.zero_point if zero_point is None else zero_point),)
            if quantized else ()))
        return len(self.tensors) - 1

    def input(self, shape: Sequence[int], **options) -> int:
        """An input of the model."""
        self.inputs.append(self.tensor(shape, **options))
        return self.inputs[-1]

    def constant(self, values, dtype: str = "int32", **options) -> int:
        """A constant tensor."""
        values = np.array(values, dtype)
        return self.tensor(values.shape, values.tobytes(), dtype, **options)

    def operator(self, kind: str, inputs: Sequence[int], outputs: Sequence[int],
                 **options) -> None:
        """An operator with the options of its schema's table."""
        table = table_name(kind)
        written = None
        if table is not None:
            fields = {"".join(map(str.capitalize, key.split("_"))): value
                      for key, value in options.items()}
            written = getattr(tflite.BuiltinOptions, table), table, fields
        if kind not in self.kinds:
            self.kinds.append(kind)
        self.operators.append(WrittenOperator(tuple(inputs), tuple(outputs),
                                              self.kinds.index(kind), written))

    def add(self, kind: str, inputs: Sequence[int], shape: Sequence[int], **options) -> int:
        """An operator with one new output, quantized like its first input."""
        first = self.tensors[inputs[0]]
        output = self.tensor(shape)
        self.tensors[output].scale = first.scale
        self.tensors[output].zero_point = first.zero_point
        self.operator(kind, inputs, (output,), **options)
        return output

    def model(self, *outputs: int) -> WrittenModel:
        """The model, ready to be written."""
        numbers = [getattr(tflite.BuiltinOperator, kind) for kind in self.kinds]
        codes = [(min(number, 127), number, None) for number in numbers]
        return WrittenModel(self.tensors, self.operators, codes, tuple(self.inputs), outputs)

    def file(self, *outputs: int) -> bytes:
        """The model as a file."""
        return bytes(self.model(*outputs))

    def random_inputs(self, images: int, seed: int = 0) -> list[np.ndarray]:
        """Inputs ``[images, *shape]`` of bytes, the extremes among them."""
        rng = np.random.default_rng(seed)
        found = []
        for index in self.inputs:
            values = rng.integers(0, 256, (images, *self.tensors[index].shape), np.uint8)
            found.append(values.view(self.dtype))
        return found
