"""Dense layers and matrix products against LiteRT and TFLM, on the golden model and on the RTL.

The first image is the input's zero point throughout: a dense layer's accumulators are then its
biases, which lie on the rounding ties and beside them.
"""

import numpy as np
import pytest
from equal import equal_to_runtime
from operator_models import OperatorModel

from hw.config import EngineConfig

Models = dict[str, tuple[bytes, list[np.ndarray]]]

# Of input, weights and output. Powers of two put accumulators on ties; with the last ones, products
# of scales in float32 and in float64 round apart.
SCALES = ((0.04, 0.006, 0.35), (2**-4, 2**-7, 2**-2),
          (0.05748589336872101, 0.016696948558092117, 0.0019196780631318688))

# Shapes of input and weights, the weights' zero point and range, data type. 4,500 products are more
# than a loop counts.
DENSE = [
    ((1, 300), (20, 300), 0, (-127, 127), "int8"), ((5, 17), (9, 17), 0, (-128, -126), "int8"),
    ((1, 64), (24, 64), 11, (-128, 127), "int8"), ((3, 40), (10, 40), -128, (-128, 127), "int8"),
    ((1, 64), (24, 64), 128, (0, 255), "uint8"), ((4, 33), (10, 33), 77, (0, 255), "uint8"),
    ((2, 3, 12), (6, 12), 0, (0, 255), "uint8"), ((1100, 4), (3, 4), 0, (-127, 127), "int8"),
    ((1, 4500), (3, 4500), 0, (-60, 60), "int8"), ((2, 4500), (3, 4500), -97, (-128, -90), "int8"),
]


def dense(case: int, scales: tuple[float, float, float]) -> tuple[bytes, list[np.ndarray]]:
    shape, (channels, depth), zero_point, bounds, dtype = DENSE[case]
    rng, middle = np.random.default_rng(case), 128 if dtype == "uint8" else 0
    x_scale, w_scale, y_scale = scales
    model = OperatorModel(dtype, x_scale, middle - 7)
    x = model.input(shape)
    w = model.constant(rng.integers(*bounds, (channels, depth), endpoint=True), dtype,
                       scale=w_scale, zero_point=zero_point)
    ties = (rng.integers(-90, 90, channels) + 0.5) * y_scale / (x_scale * w_scale)
    bias = model.constant(np.floor(ties) + rng.integers(-1, 2, channels))
    rows = int(np.prod(shape)) // depth
    y = model.tensor((rows, channels), scale=y_scale, zero_point=middle + 4)
    model.operator("FULLY_CONNECTED", [x, w, bias], [y], fused_activation_function=case % 2)
    inputs = model.random_inputs(2, case)
    inputs[0][0] = model.zero_point
    return model.file(y), inputs


def dense_models(dtypes: tuple[str, ...]) -> Models:
    return {f"dense_{case}_{k}": dense(case, scales) for case in range(len(DENSE))
            for k, scales in enumerate(SCALES[:2]) if DENSE[case][-1] in dtypes}


# Shapes of the factors, which are turned, and which one is constant.
PRODUCTS = [
    ((1, 6, 20), (1, 20, 9), (0, 0), 1), ((3, 6, 20), (20, 9), (0, 0), 1),
    ((3, 6, 20), (3, 9, 20), (0, 1), 1), ((2, 1, 6, 5), (1, 3, 5, 4), (0, 0), 1),
    ((6, 5), (2, 5, 4), (0, 0), 1), ((6, 130), (130, 4), (0, 0), 1),
    ((2, 5, 6), (2, 5, 7), (1, 0), 1), ((5, 6), (7, 5), (1, 1), 1),
    ((3, 6, 5), (3, 5, 4), (0, 0), 0), ((6, 5), (2, 4, 5), (0, 1), 0),
    ((2, 5, 6), (2, 5, 4), (1, 0), 0), ((5, 6), (4, 5), (1, 1), 0),
    ((1, 64, 1), (1, 1, 48), (0, 0), 1),
]


def product(case: int, scales: tuple[float, float, float]) -> tuple[bytes, list[np.ndarray]]:
    *shapes, turned, constant = PRODUCTS[case]
    rng, model, factors = np.random.default_rng(case), OperatorModel(), []
    points = (-3, 9)
    for k, shape in enumerate(shapes):
        if k == constant:
            factors.append(model.constant(rng.integers(-128, 128, shape), "int8",
                                          scale=scales[1], zero_point=points[k]))
        else:
            factors.append(model.input(shape, scale=scales[0], zero_point=points[k]))
    first, second = shapes
    out = (*np.broadcast_shapes(first[:-2], second[:-2]), first[-1 if turned[0] else -2],
           second[-2 if turned[1] else -1])
    y = model.tensor(out, scale=scales[2], zero_point=5)
    model.operator("BATCH_MATMUL", factors, [y], adj_x=turned[0], adj_y=turned[1])
    return model.file(y), model.random_inputs(3, case)


def products() -> Models:
    return {f"product_{case}_{k}": product(case, scales) for case in range(len(PRODUCTS))
            for k, scales in enumerate(SCALES)}


@pytest.mark.parametrize("profile, dtypes", [("litert", ("int8", "uint8")), ("tflm", ("int8",))])
def test_dense(profile, dtypes, tmp_path):
    assert equal_to_runtime(profile, dense_models(dtypes), tmp_path) == []


@pytest.mark.parametrize("profile", ["litert", "tflm"])
def test_products(profile, tmp_path):
    assert equal_to_runtime(profile, products(), tmp_path, images=3) == []


def test_another_array(tmp_path):
    config = EngineConfig(rows=3, columns=2, lanes=3, tape_rows=3)
    assert equal_to_runtime("litert", products() | dense_models(("int8", "uint8")), tmp_path,
                            config=config) == []
