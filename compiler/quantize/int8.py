"""The int8 model of a float one, by ``ai-edge-quantizer``."""

import warnings

import numpy as np

from compiler.errors import ModelError
from compiler.floats import FUNCTIONS
from compiler.quantize.fills import with_finite_fills
from compiler.quantize.ranges import Ranges
from compiler.quantize.source import FloatModel
from compiler.quantize.stand_ins import STAND_INS, with_stand_ins, without_stand_ins
from compiler.unary import LACKING


def int8_model(model: FloatModel, found: Ranges) -> bytes:
    """``model`` in int8, inputs and outputs as well: weights by channel, activations by range."""
    from ai_edge_quantizer.quantizer import Quantizer

    for op in model.graph.operators:
        if op.kind in LACKING["litert"]:
            raise ModelError(
                f"operator {op} cannot be quantized: LiteRT's reference kernels, which the result "
                "is measured with, lack it; put another in its place")
    model = with_finite_fills(model, found)
    statistics = {}
    for index, bounds in found.items():
        tensor = model.graph.tensors[index]
        low, high = (np.full((1,) * len(tensor.shape), bound, np.float32) for bound in bounds)
        statistics[tensor.name] = {"min": low, "max": high}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantizer = Quantizer(with_stand_ins(model))
            quantizer.add_static_config(".*", "*", 8, 8)
            # TFLite's kernel has one scale for the factors of this one.
            quantizer.add_static_config(".*", "BATCH_MATMUL", 8, 8, "TENSORWISE")
            made = quantizer.quantize(statistics, enable_progress_bar=False,
                                      enable_progress_report=False)
    except Exception as error:                   # whatever it meets that it was not written for
        raise ModelError(f"ai-edge-quantizer cannot quantize {model.path}: {reason(model, error)}"
                         ) from error
    assert made.quantized_model is not None
    return without_stand_ins(model, bytes(made.quantized_model))


def reason(model: FloatModel, error: Exception) -> str:
    """Why the quantizer failed, which cannot leave an output in float32 as it does what it does not
    know."""
    for op in model.graph.operators:
        if op.kind in FUNCTIONS and op.kind not in STAND_INS \
                and set(op.outputs) & set(model.graph.outputs):
            return (f"operator {op} makes an output, and it knows none in int8; end the model "
                    "before it")
    return " ".join(str(error).split())
