"""The int8 model of a float one, by ``ai-edge-quantizer``."""

import warnings

import numpy as np

from compiler.errors import ModelError
from compiler.quantize.fills import with_finite_fills
from compiler.quantize.ranges import Ranges
from compiler.quantize.source import FloatModel
from compiler.quantize.stand_ins import with_stand_ins, without_stand_ins


def int8_model(model: FloatModel, found: Ranges) -> bytes:
    """``model`` in int8, inputs and outputs as well: weights by channel, activations by range."""
    from ai_edge_quantizer.quantizer import Quantizer

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
        raise ModelError(f"ai-edge-quantizer cannot quantize {model.path}: "
                         f"{' '.join(str(error).split())}") from error
    assert made.quantized_model is not None
    return without_stand_ins(model, bytes(made.quantized_model))
