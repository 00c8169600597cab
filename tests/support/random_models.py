"""Random models of one to four operators, as ``.tflite`` files."""

from collections.abc import Sequence

import numpy as np
from growing import LARGEST_TENSOR, Growing
from random_operators import GENERATORS, LAST
from write_tflite import WrittenModel

MOST_OPERATORS = 4


def random_model(seed: int, kinds: Sequence[str] = tuple(GENERATORS),
                 wild: float = 0.0) -> WrittenModel:
    """The model of ``seed``; it begins with one of ``kinds``, each in its turn."""
    rng = np.random.default_rng(seed)
    while True:
        g = Growing(rng, ties=bool(rng.random() < 0.5), wild=wild)
        tip: int | None = first_input(g)
        wanted = kinds[seed % len(kinds)]
        for position in range(g.between(1, MOST_OPERATORS)):
            kind = wanted if position == 0 else g.pick(*kinds)
            source = tip if g.chance(0.7) else g.pick(*g.computed())
            made = GENERATORS[kind](g, source)
            if made is None:
                if position == 0:
                    break
                continue
            tip = made
            if kind in LAST:
                return g.model()
        if g.operators:
            return g.model()


def first_input(g: Growing) -> int:
    """A computed tensor to begin with; sometimes quantized from floats."""
    shape = g.pick(
        (g.pick(1, 1, 1, 2), g.between(1, 12), g.between(1, 12), g.pick(1, 2, 3, 4, 5, 8, 17)),
        (g.pick(1, 1, 2, 3), g.between(1, 100)),
        (1, g.between(1, 6), g.between(1, 20)))
    assert np.prod(shape) * 2 <= 2 * LARGEST_TENSOR * 3
    x = g.activation(shape)
    if g.chance(0.1):
        f = g.input(g.floats(shape))
        g.operate("QUANTIZE", [f], [x])
        return x
    return g.input(x)
