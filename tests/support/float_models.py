"""Float models, for the tests of their quantization."""

import numpy as np
from operator_models import OperatorModel


def random(*shape: int) -> np.ndarray:
    """Normally distributed numbers, the same for a shape."""
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


def litert(content: bytes, images: np.ndarray) -> np.ndarray:
    """What LiteRT answers to images ``[N, *shape]``."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(model_content=content,
                              experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    answers = []
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return np.array(answers)


def network(stored: str = "float32") -> bytes:
    """Images [1, 8, 8, 3] to 5 classes: convolution, depthwise and residual, pooling, mean, dense,
    softmax. Its weights are multiples of 1/64, up to 127/64, stored in float32, float16 or int8."""
    model = OperatorModel("float32")

    def weights(*shape: int) -> int:
        steps = np.random.default_rng(shape).integers(-127, 128, shape)
        steps.reshape(-1)[0] = 127
        if stored == "int8":
            return model.constant(steps, "int8", scale=1 / 64, zero_point=0)
        index = model.constant(steps / 64, stored)
        return index if stored == "float32" else model.add("DEQUANTIZE", [index], shape)

    def bias(size: int) -> int:
        return model.constant(random(size), "float32")

    image = model.input((1, 8, 8, 3))
    x = model.add("CONV_2D", [image, weights(6, 3, 3, 3), bias(6)], (1, 8, 8, 6), stride_w=1,
                  stride_h=1, fused_activation_function=1)
    y = model.add("DEPTHWISE_CONV_2D", [x, weights(1, 3, 3, 6), bias(6)], (1, 8, 8, 6), stride_w=1,
                  stride_h=1, depth_multiplier=1)
    x = model.add("ADD", [x, y], (1, 8, 8, 6), fused_activation_function=1)
    x = model.add("MAX_POOL_2D", [x], (1, 4, 4, 6), stride_w=2, stride_h=2, filter_width=2,
                  filter_height=2)
    x = model.add("MEAN", [x, model.constant([1, 2])], (1, 6))
    x = model.add("FULLY_CONNECTED", [x, weights(5, 6), bias(5)], (1, 5))
    return model.file(model.add("SOFTMAX", [x], (1, 5), beta=0.1))
