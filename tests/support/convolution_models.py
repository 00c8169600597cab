"""Models of one convolution, whose sums lie on the rounding ties of their channels and beside them.

The first image of each is the input's zero point throughout, so that the accumulators are the
biases.
"""

from dataclasses import dataclass

import numpy as np
from operator_models import OperatorModel

from compiler.shapes import window_size

IMAGES = 3


@dataclass(frozen=True)
class Case:
    """A convolution; ``depth`` are the input channels that an output channel sees."""

    kind: str
    image: tuple[int, int, int]
    kernel: tuple[int, int]
    channels: int
    depth: int | None = None
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: str = "SAME"
    batch: int = 1
    activation: str = "NONE"
    dtype: str = "int8"
    weights: tuple[int, int] = (-127, 127)
    zero_point: int = 0                          # of the weights
    power_of_two: bool = False                   # all scales: sums lie on ties
    output: tuple[int, int] | None = None        # height and width of TRANSPOSE_CONV's


def scales(case: Case, rng: np.random.Generator, taps: int) -> tuple[float, np.ndarray, float]:
    """Of input, weights and output, so that outputs are of all values."""
    count = case.channels if case.dtype == "int8" else 1
    if case.power_of_two:
        return 2**-4, 2.0**-rng.integers(5, 9, count), 2.0**(int(np.log2(taps)) // 2 - 3)
    return 0.043, rng.uniform(0.001, 0.012, count), 0.043 * 0.006 * taps**0.5 * 30


def file(case: Case, seed: int) -> tuple[bytes, list[np.ndarray]]:
    """The model, and inputs for it."""
    rng = np.random.default_rng(seed)
    is_depthwise, is_transposed = case.kind == "DEPTHWISE_CONV_2D", case.kind == "TRANSPOSE_CONV"
    depth = case.depth or case.image[2]
    shape = (1, *case.kernel, case.channels) if is_depthwise \
        else (case.channels, *case.kernel, depth)
    taps = depth * case.kernel[0] * case.kernel[1]
    x_scale, w_scale, y_scale = scales(case, rng, taps)
    x_zero = int(rng.integers(-128, 128)) + 128 * (case.dtype == "uint8")
    model = OperatorModel(case.dtype, x_scale, x_zero)
    x = model.input((case.batch, *case.image))
    w = model.constant(rng.integers(*case.weights, shape, endpoint=True), case.dtype)
    model.tensors[w].scale = tuple(w_scale)
    model.tensors[w].zero_point = (case.zero_point,) * len(w_scale)
    model.tensors[w].dimension = 3 if is_depthwise else 0
    # The accumulators nearest to k + 1/2 outputs, and those beside them:
    ties = (rng.integers(-90, 90, case.channels) + 0.5) * y_scale / (x_scale * w_scale)
    bias = model.constant(np.round(ties) + rng.integers(-1, 2, case.channels))
    sides = case.output or [
        window_size(case.image[axis], case.kernel[axis], case.stride[axis], case.dilation[axis],
                    case.padding) for axis in (0, 1)]
    y = model.tensor((case.batch, *sides, case.channels), scale=y_scale,
                     zero_point=int(rng.integers(-20, 20)) + 128 * (case.dtype == "uint8"))
    options = {"padding": int(case.padding == "VALID"), "stride_h": case.stride[0],
               "stride_w": case.stride[1]}
    if is_transposed:
        told = model.constant(model.tensors[y].shape)
        model.operator(case.kind, [told, w, x, bias], [y], **options)
    else:
        options |= {"dilation_h_factor": case.dilation[0], "dilation_w_factor": case.dilation[1],
                    "fused_activation_function":
                        {"NONE": 0, "RELU": 1, "RELU6": 3}[case.activation]}
        if is_depthwise:
            options["depth_multiplier"] = case.channels // case.image[2]
        model.operator(case.kind, [x, w, bias], [y], **options)
    inputs = model.random_inputs(IMAGES, seed)
    inputs[0][0] = x_zero
    return model.file(y), inputs
