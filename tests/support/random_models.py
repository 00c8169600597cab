"""Random models of one to four operators, as ``.tflite`` files.

To have another operator among them, add a generator to the table of its kind: a function that takes
the model and a computed int8 tensor, adds one operator that reads it, and returns the operator's
first output; None where it has no use for such a tensor.
"""

from collections.abc import Callable, Sequence

import numpy as np
import random_moves
import random_products
import random_values
from growing import Growing
from write_tflite import WrittenModel

GENERATORS: dict[str, Callable[[Growing, int], int | None]] = \
    random_products.GENERATORS | random_values.GENERATORS | random_moves.GENERATORS

# What only the host computes, behind all else.
LAST = ("SOFTMAX", "DEQUANTIZE", "ARG_MAX")
MOST_OPERATORS = 4


def random_model(seed: int, kinds: Sequence[str] = tuple(GENERATORS),
                 wild: float = 0.0) -> WrittenModel:
    """The model of ``seed``, of operators of ``kinds``: each is the first one in its turn."""
    rng = np.random.default_rng(seed)
    while True:
        g = Growing(rng, ties=bool(rng.random() < 0.5), wild=wild)
        tip = first_input(g)
        for position in range(g.between(1, MOST_OPERATORS)):
            kind = kinds[seed % len(kinds)] if position == 0 else g.pick(*kinds)
            made = GENERATORS[kind](g, tip if g.chance(0.7) else g.pick(*g.computed()))
            if made is None and position == 0:   # no use for this input: another one
                break
            if made is not None and kind in LAST:
                return g.grown()
            tip = tip if made is None else made
        else:
            return g.grown()


def first_input(g: Growing) -> int:
    """A computed tensor to begin with; sometimes quantized from floats."""
    x = g.activation(g.pick(
        (g.pick(1, 1, 1, 2), g.between(1, 12), g.between(1, 12), g.pick(1, 2, 3, 4, 5, 8, 17)),
        (g.pick(1, 1, 2, 3), g.between(1, 100)),
        (1, g.between(1, 6), g.between(1, 20))))
    if g.chance(0.1):
        g.operator("QUANTIZE", [g.entered(g.floats(g.shape_of(x)))], [x])
        return x
    return g.entered(x)
