"""Operators that move bytes, random ones, against LiteRT and TFLM, on the golden model and the RTL.

Each stands between two others, so that it is the engine that moves: a LEAKY_RELU makes what is
moved, another one reads what came of it, and there are outputs in front of and behind the move.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from equal import SEVERAL, equal_to_runtime
from operator_models import OperatorModel

from compiler.errors import ModelError
from compiler.program import compile_model
from compiler.targets import DEFAULT, TARGETS
from hw.config import EngineConfig

CASES = 4                                        # of each kind


def any_shape(rng, most: int = 7) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(1, most, rng.integers(1, 5)))


# Each makes an operator in a model: (inputs, shapes of the outputs, options).

def concatenation(m, rng, moved):
    first = any_shape(rng)
    axis = int(rng.integers(len(first)))
    shapes = [first[:axis] + (int(rng.integers(1, 6)),) + first[axis + 1:]
              for _ in range(rng.integers(1, 4))]
    whole = first[:axis] + (sum(s[axis] for s in shapes),) + first[axis + 1:]
    return [moved(s) for s in shapes], [whole], {"axis": axis - len(first) * int(rng.integers(2))}


def pack(m, rng, moved):
    one, count = any_shape(rng), int(rng.integers(1, 4))
    axis = int(rng.integers(len(one) + 1))
    return ([moved(one) for _ in range(count)], [one[:axis] + (count,) + one[axis:]],
            {"axis": axis, "values_count": count})


def split(m, rng, moved):
    s, count = list(any_shape(rng)), int(rng.integers(1, 4))
    axis = int(rng.integers(len(s)))
    parts = [tuple(s)] * count
    s[axis] *= count
    return [m.constant(axis), moved(s)], parts, {"num_splits": count}


def split_v(m, rng, moved):
    s = any_shape(rng)
    axis, sizes = int(rng.integers(len(s))), rng.integers(1, 5, rng.integers(1, 4)).tolist()
    parts = [s[:axis] + (size,) + s[axis + 1:] for size in sizes]
    whole = s[:axis] + (sum(sizes),) + s[axis + 1:]
    sizes[0] = -1 if rng.integers(2) else sizes[0]
    return ([moved(whole), m.constant(sizes), m.constant(axis)], parts,
            {"num_splits": len(sizes)})


def unpack(m, rng, moved):
    s = any_shape(rng, 5)
    axis = int(rng.integers(len(s)))
    return ([moved(s)], [s[:axis] + s[axis + 1:]] * s[axis], {"axis": axis, "num": s[axis]})


def slice_(m, rng, moved):
    s = any_shape(rng)
    begin = [int(rng.integers(n)) for n in s]
    size = [int(rng.integers(1, n - b + 1)) for n, b in zip(s, begin, strict=True)]
    given = [-1 if b + c == n and rng.integers(2) else c
             for n, b, c in zip(s, begin, size, strict=True)]
    return [moved(s), m.constant(begin), m.constant(given)], [tuple(size)], {}


def strided_slice(m, rng, moved):
    """Whatever numpy takes, with random masks; the ones that give nothing are drawn again."""
    while True:
        s = any_shape(rng)
        begin, end = (rng.integers(-8, 9, len(s)).tolist() for _ in range(2))
        strides = rng.choice([-3, -2, -1, 1, 1, 2, 3], len(s)).tolist()
        masks = {name: int(rng.integers(1 << len(s))) for name in ("begin_mask", "end_mask")}
        shrink = int(rng.integers(1 << len(s))) & int(rng.integers(1 << len(s)))
        index = []
        for axis, n in enumerate(s):
            if shrink >> axis & 1:
                begin[axis], end[axis] = int(rng.integers(n)), 0
                strides[axis] = 1
                end[axis] = begin[axis] + 1
                index.append(0 if masks["begin_mask"] >> axis & 1 else begin[axis])
            else:
                index.append(slice(None if masks["begin_mask"] >> axis & 1 else begin[axis],
                                   None if masks["end_mask"] >> axis & 1 else end[axis],
                                   strides[axis]))
        found = np.zeros(s)[tuple(index)].shape
        if 0 not in found:
            return ([moved(s), m.constant(begin), m.constant(end), m.constant(strides)], [found],
                    masks | {"shrink_axis_mask": shrink})


def transpose(m, rng, moved):
    s = any_shape(rng)
    order = rng.permutation(len(s)).tolist()
    return [moved(s), m.constant(order)], [tuple(s[axis] for axis in order)], {}


def edges(rng, s, most):
    return [[int(rng.integers(0, min(most, n - 1) + 1)) for _ in range(2)] for n in s]


def padded(s, around):
    return tuple(n + sum(pair) for n, pair in zip(s, around, strict=True))


def pad(m, rng, moved):
    s = any_shape(rng)
    around = edges(rng, [99] * len(s), 2)
    return [moved(s), m.constant(around)], [padded(s, around)], {}


def padv2(m, rng, moved):
    inputs, shapes, options = pad(m, rng, moved)
    return [*inputs, m.constant(int(rng.integers(-128, 128)), "int8")], shapes, options


def mirror_pad(m, rng, moved):
    s = any_shape(rng)
    mode = int(rng.integers(2))
    around = edges(rng, [n + mode for n in s], 3)
    return [moved(s), m.constant(around)], [padded(s, around)], {"mode": mode}


def gather(m, rng, moved):
    s = any_shape(rng)
    axis = int(rng.integers(len(s)))
    indices = rng.integers(0, s[axis], rng.integers(1, 5, rng.integers(1, 3)))
    return ([moved(s), m.constant(indices)],
            [s[:axis] + indices.shape + s[axis + 1:]], {"axis": axis})


def resize_nearest_neighbor(m, rng, moved):
    n, h, w, c = (1, *(int(k) for k in rng.integers(1, 7, 3)))
    size = [h * 2, w * 3] if rng.integers(2) else rng.integers(1, 14, 2).tolist()
    align, half = [(False, False), (True, False), (False, True)][rng.integers(3)]
    return ([moved((n, h, w, c)), m.constant(size)], [(n, *size, c)],
            {"align_corners": align, "half_pixel_centers": half})


def space_to_depth(m, rng, moved):
    h, w, c, b = (int(k) for k in rng.integers(1, 4, 4))
    return [moved((1, h * b, w * b, c))], [(1, h, w, c * b * b)], {"block_size": b}


def depth_to_space(m, rng, moved):
    h, w, c, b = (int(k) for k in rng.integers(1, 4, 4))
    return [moved((1, h, w, c * b * b))], [(1, h * b, w * b, c)], {"block_size": b}


KINDS: dict[str, Callable] = {
    "CONCATENATION": concatenation, "PACK": pack, "SPLIT": split, "SPLIT_V": split_v,
    "UNPACK": unpack, "SLICE": slice_, "STRIDED_SLICE": strided_slice, "TRANSPOSE": transpose,
    "PAD": pad, "PADV2": padv2, "MIRROR_PAD": mirror_pad, "GATHER": gather,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor, "SPACE_TO_DEPTH": space_to_depth,
    "DEPTH_TO_SPACE": depth_to_space,
}


def models(seed: int, cases: int = CASES) -> Iterator[tuple[str, bytes, list[np.ndarray]]]:
    for kind, make in KINDS.items():
        for case in range(cases):
            rng = np.random.default_rng([seed, case, *kind.encode()])
            m = OperatorModel()
            outputs = []

            def moved(shape, m=m, rng=rng, outputs=outputs):
                """A tensor to be moved: an input, or one that is made, or one that is read on."""
                x = m.input(shape)
                if rng.integers(2):
                    x = m.add("LEAKY_RELU", [x], shape, alpha=0.5)
                    if rng.integers(2):
                        outputs.append(m.add("RELU", [x], shape))
                return x
            inputs, shapes, options = make(m, rng, moved)
            parts = [m.tensor(shape) for shape in shapes]
            m.operator(kind, inputs, parts, **options)
            for k, part in enumerate(parts):
                if k == 0 and rng.integers(2):
                    part = m.add("LEAKY_RELU", [part], shapes[k], alpha=0.25)
                outputs.append(part)
            yield f"{kind}_{case}", m.file(*outputs), m.random_inputs(2, seed)


@pytest.mark.parametrize("profile", ["litert", "tflm"])
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow)
                                       for seed in range(2, 12))])
def test_random_moves(profile, seed, tmp_path):
    cases = {name: (file, inputs) for name, file, inputs in models(seed)}
    assert equal_to_runtime(profile, cases, tmp_path) == []


ENGINES = {
    "1x1x1": EngineConfig(rows=1, columns=1, lanes=1, tape_rows=1, scratchpad_bytes=1 << 12),
    "3x2x3": EngineConfig(rows=3, columns=2, lanes=3, tape_rows=3, scratchpad_bytes=1 << 12),
    "several": SEVERAL, "without padding": replace(DEFAULT.engine, padding=False),
    "ulx3s-85f": TARGETS["ulx3s-85f"].engine,
}


@pytest.mark.parametrize("engine", [*list(ENGINES)[:-1],
                                    pytest.param("ulx3s-85f", marks=pytest.mark.slow)])
def test_other_engines(engine, tmp_path):
    cases = {name: (file, inputs) for name, file, inputs in models(seed=0, cases=1)}
    assert equal_to_runtime("litert", cases, tmp_path, ENGINES[engine]) == []


def one(kind: str, shapes, inputs, options) -> tuple[bytes, list[np.ndarray]]:
    """A single operator of one input; ``inputs`` are its parameters."""
    m = OperatorModel()
    x = m.input(shapes[0])
    y = m.add(kind, [x, *(m.constant(values) for values in inputs)], shapes[1], **options)
    return m.file(y), m.random_inputs(2)


def sliced(masks, begin, end, strides, shape) -> tuple[bytes, list[np.ndarray]]:
    return one("STRIDED_SLICE", [(3, 4, 5, 2), shape], [begin, end, strides], masks)


LARGE = {
    "six axes": one("TRANSPOSE", [(2, 3, 2, 3, 2, 3), (3, 3, 2, 2, 3, 2)], [[5, 3, 0, 2, 1, 4]],
                    {}),
    "six axes turned round": one("TRANSPOSE", [(2, 2, 3, 2, 2, 3), (3, 2, 2, 3, 2, 2)],
                                 [[5, 4, 3, 2, 1, 0]], {}),
    "long": one("TRANSPOSE", [(1, 3, 2500), (1, 2500, 3)], [[0, 2, 1]], {}),
    "long and odd": one("STRIDED_SLICE", [(4099, 2), (2050, 2)], [[4098, 1], [-9999, -9], [-2, -1]],
                        {"end_mask": 1, "shrink_axis_mask": 0}),
    "photo": one("RESIZE_NEAREST_NEIGHBOR", [(1, 24, 24, 3), (1, 48, 96, 3)], [[48, 96]], {}),
    "ellipsis": sliced({"ellipsis_mask": 1}, [0, 1], [0, 2], [1, 1], (3, 4, 5, 1)),
    "ellipsis inside": sliced({"ellipsis_mask": 2, "shrink_axis_mask": 1}, [1, 0, -1], [2, 0, -3],
                              [1, 1, -1], (4, 5, 2)),
    "new axes": sliced({"new_axis_mask": 5}, [0, 1, 0, 1], [0, 3, 0, 9], [1, 1, 1, 2],
                       (1, 2, 1, 2, 5, 2)),
    "all masks": sliced({"new_axis_mask": 1, "ellipsis_mask": 4, "shrink_axis_mask": 8,
                         "begin_mask": 2, "end_mask": 18}, [0, 9, 0, 2, 1], [0, 0, 0, 3, 0],
                        [1, 2, 1, 1, 1], (1, 2, 4, 1)),
    "the first of an axis": sliced({"begin_mask": 2, "shrink_axis_mask": 2}, [0, 3, 0, 0],
                                   [3, 4, 5, 2], [1, 1, 1, 1], (3, 5, 2)),
    "from the beginning on": sliced({"offset": True}, [0, 1, 2, 0], [2, 2, 3, 1], [1, 1, 1, 1],
                                    (2, 2, 3, 1)),
}


def test_large_and_rare(tmp_path):
    assert equal_to_runtime("litert", LARGE, tmp_path) == []


def test_concatenation_of_uint8_rescales(tmp_path):
    """The legacy kernel converts inputs of another scale than the output's, in float32."""
    cases = {}
    for k, (scale, zero_point) in enumerate([(0.05, 125), (0.031, 0), (0.1, 255), (0.0007, 90)]):
        m = OperatorModel("uint8", 0.05, 125)
        x, z = m.input((1, 64, 2)), m.input((1, 64, 4), scale=scale, zero_point=zero_point)
        made = m.add("RELU", [z], (1, 64, 4))
        cases[f"m{k}"] = m.file(
            m.add("CONCATENATION", [x, made, x], (1, 64, 8), axis=2), made), m.random_inputs(3)
    assert equal_to_runtime("litert", cases, tmp_path) == []


def test_too_many_copies(tmp_path):
    indices = np.random.default_rng(0).permutation(3000).tolist()
    file, _ = one("GATHER", [(3000,), (3000,)], [indices], {})
    (tmp_path / "m.tflite").write_bytes(file)
    with pytest.raises(ModelError) as error:
        compile_model(tmp_path / "m.tflite", DEFAULT.engine)
    assert str(error.value) == (
        "operator 0 GATHER needs more than 256 copies on the engine; give it regular indices or "
        "fewer dimensions")
