"""Small models for the tests of whole boards."""

import numpy as np
from write_tflite import WrittenModel, WrittenOperator, WrittenTensor

FULLY_CONNECTED, FULLY_CONNECTED_OPTIONS = 9, 8
INT8, INT32 = 9, 2


def dense(*sizes: int, seed: int = 0) -> bytes:
    """Dense layers of random weights, as a .tflite file: ``sizes`` are those of input, layers."""
    rng = np.random.default_rng(seed)
    tensors = [WrittenTensor(b"in", (1, sizes[0]), INT8, scale=(0.05,), zero_point=(-3,))]
    operators = []
    for layer, (inputs, outputs) in enumerate(zip(sizes, sizes[1:], strict=False)):
        weights = rng.integers(-127, 128, (outputs, inputs), np.int8)
        bias = rng.integers(-2000, 2000, outputs, np.int32)
        first = len(tensors)
        tensors += [
            WrittenTensor(b"weights%d" % layer, (outputs, inputs), INT8, weights.tobytes(),
                          scale=(0.01,), zero_point=(0,)),
            WrittenTensor(b"bias%d" % layer, (outputs,), INT32, bias.tobytes(),
                          scale=(0.0005,), zero_point=(0,)),
            WrittenTensor(b"out%d" % layer, (1, outputs), INT8, scale=(0.05,), zero_point=(-3,)),
        ]
        operators.append(WrittenOperator((first - 1, first, first + 1), (first + 2,), 0,
                                         (FULLY_CONNECTED_OPTIONS, "FullyConnectedOptions", {})))
    return bytes(WrittenModel(tensors, operators, [(FULLY_CONNECTED, FULLY_CONNECTED, None)],
                              (0,), (len(tensors) - 1,)))
