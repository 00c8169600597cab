"""Operators at random that work value by value, on windows, or along axes."""

import math

import numpy as np
from growing import Growing
from random_products import activation, window


def pool(kind: str):
    def generate(g: Growing, x: int) -> int | None:
        if len(g.shape_of(x)) != 4 or not (found := window(g, g.shape_of(x)[1:3])):
            return None
        n, _, _, c = g.shape_of(x)
        y = g.activation((n, *found["sides"], c), like=x)
        g.operator(kind, [x], [y], padding=found["padding"], stride_h=found["strides"][0],
                   stride_w=found["strides"][1], filter_height=found["kernel"][0],
                   filter_width=found["kernel"][1], fused_activation_function=activation(g))
        return y
    return generate


def reduction(kind: str):
    """Over height and width, or over any axes."""
    def generate(g: Growing, x: int) -> int | None:
        shape = g.shape_of(x)
        axes = {1, 2} if len(shape) == 4 else {len(shape) - 1}
        if g.chance(0.4):
            axes = {g.between(0, len(shape) - 1), g.between(0, len(shape) - 1)}
        keep = g.chance(0.5)
        left = [1 if axis in axes else side for axis, side in enumerate(shape)
                if keep or axis not in axes]
        count = math.prod(shape[axis] for axis in axes)
        if not left:
            return None
        y = g.activation(left, g.scale_of(x) * (count ** 0.5 if kind == "SUM" else 1),
                         like=x if kind == "REDUCE_MAX" else None)
        g.operator(kind, [x, g.constant(sorted(axes))], [y], keep_dims=keep)
        return y
    return generate


def binary(kind: str, **options):
    """Of two tensors of one shape, of a tensor and a constant number or one to a channel."""
    def generate(g: Growing, x: int) -> int | None:
        shape = g.shape_of(x)
        others = [t for t in g.computed() if g.shape_of(t) == shape and (t != x or g.chance(0.1))]
        if kind == "PRELU":
            others = []
        if others and g.chance(0.8):
            other = g.pick(*others)
        else:
            sides = g.pick((1,), (shape[-1],))
            if kind == "PRELU":                  # TFLite wants all axes but the batch
                sides = (1,) * (len(shape) - 2) + (shape[-1],)
            other = g.weights(g.rng.integers(-128, 128, sides).astype(np.int8),
                              [g.some_scale(0.05)], zero_point=g.some_zero_point())
        scales = [g.scale_of(t) for t in (x, other)]
        if kind in ("MAXIMUM", "MINIMUM"):       # which compare integers, and nothing else
            y = g.activation(shape, like=x)
            for t in (x, other):
                g.tensors[t].scale, g.tensors[t].zero_point = (
                    g.tensors[y].scale, g.tensors[y].zero_point)
        else:
            y = g.activation(shape, 60 * math.prod(scales) if kind in ("MUL", "PRELU")
                             else max(scales))
        is_turned = g.chance(0.3) and kind in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")
        fused = {"fused_activation_function": activation(g)} if kind in ("ADD", "SUB", "MUL") \
            else {}
        g.operator(kind, [other, x] if is_turned else [x, other], [y], **fused, **options)
        return y
    return generate


def unary(kind: str, scale: float | None = None, zero_point: int | None = None,
          alike: bool = False):
    """Of one tensor, into one of any quantization, or of the one that the kind demands."""
    def generate(g: Growing, x: int) -> int | None:
        y = g.activation(g.shape_of(x), g.scale_of(x), scale=scale, zero_point=zero_point,
                         like=x if alike else None)
        g.operator(kind, [x], [y])
        return y
    return generate


def root(kind: str):
    """Of one tensor without anything below zero, of which there is no root."""
    def generate(g: Growing, x: int) -> int | None:
        return unary(kind)(g, x) if g.tensors[x].zero_point[0] == -128 else None
    return generate


def leaky_relu(g: Growing, x: int) -> int | None:
    y = g.activation(g.shape_of(x), g.scale_of(x))
    g.operator("LEAKY_RELU", [x], [y], alpha=g.pick(0.0, 0.01, 0.1, 0.3, 1.0))
    return y


def softmax(g: Growing, x: int) -> int | None:
    if len(g.shape_of(x)) not in (2, 4):
        return None
    y = g.activation(g.shape_of(x), scale=1 / 256, zero_point=-128)
    g.operator("SOFTMAX", [x], [y], beta=g.pick(1.0, 1.0, 0.5, 2.0))
    return y


def arg_max(g: Growing, x: int) -> int | None:
    shape = g.shape_of(x)
    if len(shape) < 2:
        return None
    axis = g.between(1, len(shape) - 1)
    y = g.tensor((*shape[:axis], *shape[axis + 1:]), dtype="int32")
    g.operator("ARG_MAX", [x, g.constant(axis)], [y], output_type=2)
    return y


def dequantize(g: Growing, x: int) -> int | None:
    y = g.floats(g.shape_of(x))
    g.operator("DEQUANTIZE", [x], [y])
    return y


GENERATORS = {
    **{kind: pool(kind) for kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D")},
    **{kind: reduction(kind) for kind in ("MEAN", "SUM", "REDUCE_MAX")},
    **{kind: binary(kind) for kind in ("ADD", "SUB", "MUL", "PRELU", "MAXIMUM", "MINIMUM")},
    **{kind: unary(kind) for kind in (
        "RELU", "RELU_N1_TO_1", "RELU_0_TO_1", "HARD_SWISH", "QUANTIZE", "EXP", "LOG", "ELU",
        "GELU", "ABS", "NEG")},
    **{kind: root(kind) for kind in ("SQRT", "RSQRT")},
    "RELU6": unary("RELU6", alike=True),         # TFLM does not rescale
    "LOGISTIC": unary("LOGISTIC", 1 / 256, -128),
    "TANH": unary("TANH", 1 / 128, 0),
    "LEAKY_RELU": leaky_relu,
    "SOFTMAX": softmax,
    "ARG_MAX": arg_max,
    "DEQUANTIZE": dequantize,
}
