"""Layers of more values than the golden model takes at once, against LiteRT."""

from dataclasses import replace

from convolution_models import Case, file
from equal import equal_to_runtime
from operator_models import OperatorModel

SIDE = 96                                        # 96 * 96 * 64 > 2^19
ONE = Case("CONV_2D", (SIDE, SIDE, 4), (1, 1), 64)


def pooled(kind: str):
    m = OperatorModel()
    shape = (1, SIDE, SIDE, 64)
    y = m.add(kind, [m.input(shape)], (1, SIDE // 2, SIDE // 2, 64), padding=1, stride_h=2,
              stride_w=2, filter_height=2, filter_width=2)
    return m.file(y), m.random_inputs(2)


def test_large_images(tmp_path):
    cases = {
        "pointwise": file(ONE, 1),
        "conv": file(replace(ONE, image=(62, 62, 16), kernel=(3, 3), channels=8), 2),
        "depthwise": file(Case("DEPTHWISE_CONV_2D", (SIDE, SIDE, 64), (3, 3), 64, depth=1), 3),
        "max": pooled("MAX_POOL_2D"), "average": pooled("AVERAGE_POOL_2D"),
    }
    assert equal_to_runtime("litert", cases, tmp_path, None) == []
