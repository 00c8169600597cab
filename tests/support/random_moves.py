"""Operators at random that move bytes, or take other ones of them."""

import math

import numpy as np
from growing import LARGEST_TENSOR, Growing


def pad(kind: str):
    """Height and width, or whatever two axes come last but one."""
    def generate(g: Growing, x: int) -> int | None:
        shape = g.shape_of(x)
        if len(shape) < 2:
            return None
        edges = np.zeros((len(shape), 2), np.int32)
        first = max(0, len(shape) - 3)
        edges[first:first + 2] = g.rng.integers(0, 3, (2, 2))
        if kind == "MIRROR_PAD":
            edges = np.minimum(edges, np.array(shape)[:, None] - 1)
        output = [side + int(sum(pair)) for side, pair in zip(shape, edges, strict=True)]
        if math.prod(output) > LARGEST_TENSOR:
            return None
        y = g.activation(output, like=x)
        inputs = [x, g.constant(edges)]
        if kind == "PADV2":
            source = g.tensors[x]
            inputs.append(g.weights(np.array([g.between(-128, 127)], np.int8), source.scale,
                                    zero_point=source.zero_point[0]))
        g.operator(kind, inputs, [y], **({"mode": g.pick(0, 1)} if kind == "MIRROR_PAD" else {}))
        return y
    return generate


def reshape(g: Growing, x: int) -> int | None:
    n, *rest = g.shape_of(x)
    size = math.prod(rest)
    divisor = g.pick(*(d for d in range(1, size + 1) if size % d == 0))
    shape = g.pick((n, size), (n, divisor, 1, size // divisor), (n, size // divisor, divisor))
    y = g.activation(shape, like=x)
    g.operator("RESHAPE", [x, g.constant(shape)], [y], new_shape=shape)
    return y


def squeeze(g: Growing, x: int) -> int | None:
    shape = g.shape_of(x)
    axes = [axis for axis in range(1, len(shape)) if shape[axis] == 1]
    if not axes or len(shape) < 3:
        return None
    axis = g.pick(*axes)
    y = g.activation(shape[:axis] + shape[axis + 1:], like=x)
    g.operator("SQUEEZE", [x], [y], squeeze_dims=(axis,))
    return y


def expand_dims(g: Growing, x: int) -> int | None:
    shape = g.shape_of(x)
    if len(shape) > 3:
        return None
    axis = g.between(1, len(shape))
    y = g.activation((*shape[:axis], 1, *shape[axis:]), like=x)
    g.operator("EXPAND_DIMS", [x, g.constant(axis)], [y])
    return y


def transpose(g: Growing, x: int) -> int | None:
    shape = g.shape_of(x)
    order = g.rng.permutation(len(shape)).tolist()
    y = g.activation([shape[axis] for axis in order], like=x)
    g.operator("TRANSPOSE", [x, g.constant(order)], [y])
    return y


def concatenation(g: Growing, x: int) -> int | None:
    """With another tensor of the same quantization, or with itself."""
    shape = g.shape_of(x)
    axis = g.between(0, len(shape) - 1)
    others = [t for t in g.computed()
              if g.tensors[t].scale == g.tensors[x].scale
              and g.tensors[t].zero_point == g.tensors[x].zero_point
              and len(g.shape_of(t)) == len(shape)
              and all(a == b for k, (a, b) in enumerate(zip(g.shape_of(t), shape, strict=True))
                      if k != axis)]
    parts = [x, g.pick(*others)]
    sides = [*shape[:axis], sum(g.shape_of(t)[axis] for t in parts), *shape[axis + 1:]]
    if math.prod(sides) > LARGEST_TENSOR:
        return None
    y = g.activation(sides, like=x)
    g.operator("CONCATENATION", parts, [y], axis=axis)
    return y


def some_slice(g: Growing, x: int) -> int | None:
    shape = g.shape_of(x)
    begin = [g.between(0, side - 1) for side in shape]
    size = [g.between(1, side - first) for side, first in zip(shape, begin, strict=True)]
    y = g.activation(size, like=x)
    g.operator("SLICE", [x, g.constant(begin), g.constant(size)], [y])
    return y


def strided_slice(g: Growing, x: int) -> int | None:
    """Forwards, from the batch's first to its last; here and there to the end."""
    shape = g.shape_of(x)
    begin = [0, *(g.between(0, side - 1) for side in shape[1:])]
    end = [shape[0], *(g.between(first + 1, side)
                       for side, first in zip(shape[1:], begin[1:], strict=True))]
    strides = [1, *(g.pick(1, 1, 2, 3) for _ in shape[1:])]
    mask = sum(1 << axis for axis in range(len(shape)) if g.chance(0.2))
    last = [side if mask >> axis & 1 else stop
            for axis, (side, stop) in enumerate(zip(shape, end, strict=True))]
    sides = [-(-(stop - first) // stride)
             for first, stop, stride in zip(begin, last, strides, strict=True)]
    y = g.activation(sides, like=x)
    g.operator("STRIDED_SLICE", [x, g.constant(begin), g.constant(end), g.constant(strides)], [y],
               end_mask=mask)
    return y


def split(g: Growing, x: int) -> int | None:
    shape = g.shape_of(x)
    axis = g.between(0, len(shape) - 1)
    divisors = [count for count in (2, 3, 4) if shape[axis] % count == 0]
    if not divisors:
        return None
    count = g.pick(*divisors)
    sides = [*shape[:axis], shape[axis] // count, *shape[axis + 1:]]
    outputs = [g.activation(sides, like=x) for _ in range(count)]
    g.operator("SPLIT", [g.constant(axis), x], outputs, num_splits=count)
    return outputs[0]


def pack(g: Growing, x: int) -> int | None:
    shape = g.shape_of(x)
    others = [t for t in g.computed() if g.shape_of(t) == shape
              and g.tensors[t].scale == g.tensors[x].scale
              and g.tensors[t].zero_point == g.tensors[x].zero_point]
    axis, parts = g.between(0, len(shape)), [x, g.pick(*others)]
    if len(shape) > 3 or 2 * math.prod(shape) > LARGEST_TENSOR:
        return None
    y = g.activation((*shape[:axis], 2, *shape[axis:]), like=x)
    g.operator("PACK", parts, [y], axis=axis, values_count=2)
    return y


def unpack(g: Growing, x: int) -> int | None:
    shape = g.shape_of(x)
    axis = g.between(0, len(shape) - 1)
    if shape[axis] > 4 or len(shape) < 3:
        return None
    outputs = [g.activation(shape[:axis] + shape[axis + 1:], like=x) for _ in range(shape[axis])]
    g.operator("UNPACK", [x], outputs, axis=axis, num=len(outputs))
    return outputs[0]


def resize(kind: str):
    def generate(g: Growing, x: int) -> int | None:
        if len(g.shape_of(x)) != 4:
            return None
        n, _, _, c = g.shape_of(x)
        sides = (g.between(1, 9), g.between(1, 9))
        if n * math.prod(sides) * c > LARGEST_TENSOR:
            return None
        y = g.activation((n, *sides, c), like=x)
        corners, centers = g.pick((False, False), (True, False), (False, True))
        g.operator(kind, [x, g.constant(sides)], [y], align_corners=corners,
                   half_pixel_centers=centers)
        return y
    return generate


GENERATORS = {
    **{kind: pad(kind) for kind in ("PAD", "PADV2", "MIRROR_PAD")},
    "RESHAPE": reshape,
    "SQUEEZE": squeeze,
    "EXPAND_DIMS": expand_dims,
    "TRANSPOSE": transpose,
    "CONCATENATION": concatenation,
    "SLICE": some_slice,
    "STRIDED_SLICE": strided_slice,
    "SPLIT": split,
    "PACK": pack,
    "UNPACK": unpack,
    **{kind: resize(kind) for kind in ("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR")},
}
