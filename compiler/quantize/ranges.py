"""Which values every tensor of a float model takes."""

from collections.abc import Sequence

import numpy as np

from compiler.errors import DataError
from compiler.flatbuffer import shown
from compiler.progress import progress
from compiler.quantize.fills import infinite
from compiler.quantize.runner import Runner
from compiler.quantize.source import FloatModel

Ranges = dict[int, tuple[float, float]]


def ranges(model: FloatModel, inputs: Sequence[np.ndarray]) -> Ranges:
    """The least and the largest value of every activation, over all of the inputs ``[N, *shape]``.

    The quantizer's own calibration averages over the images instead, which cuts off what few of
    them reach.
    """
    runner = Runner(str(model.path), model.content)
    found: Ranges = {}
    padded = {op.outputs[0] for op in infinite(model.graph)}
    with progress("calibration", len(inputs[0])) as bar:
        for number, image in enumerate(zip(*inputs, strict=True)):
            runner.run(image)
            for index in model.activations:
                values = runner.tensor(index)
                if index in padded:
                    values = values[np.isfinite(values)]
                low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
                if not np.isfinite(values).all():
                    raise DataError(
                        f"tensor {shown(model.graph.tensors[index].name)} of {model.path} is "
                        f"{values[~np.isfinite(values)][0]} on input {number}, and no int8 stands "
                        f"for that; take such inputs out of the calibration data")
                before = found.get(index, (low, high))
                found[index] = min(low, before[0]), max(high, before[1])
            bar.update()
    return found
