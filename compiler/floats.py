"""TFLite's operators of one float32: each step rounded as its kernels round it.

C's float functions are taken to round correctly, which float64 and then float32 does.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from compiler.errors import ModelError
from compiler.ir import Operator
from compiler.numerics import PROFILES

# Of float32: what the runtime has no kernel for, so that there is no truth.
LACKING = {
    "litert": ("CEIL", "ELU", "ROUND"),
    "tflm": ("GELU", "SIGN", "RELU_0_TO_1", "RELU_N1_TO_1"),
}

Function = Callable[[np.ndarray], np.ndarray]    # of float32 to float32, value by value


def refuse_lacking(lacking: Mapping[str, Sequence[str]], op: Operator, profile: str) -> None:
    """ModelError where the profile's runtime lacks the kernel."""
    if op.kind in lacking[profile]:
        others = [f"the profile {name}" for name in PROFILES if op.kind not in lacking[name]]
        raise ModelError(f"operator {op} has no golden model in the profile {profile}; use "
                         f"{' or '.join(others)}")


def float_operator(op: Operator, profile: str) -> Function:
    """What an operator of float32 computes; ModelError where the profile has none."""
    refuse_lacking(LACKING, op, profile)
    return float_function(op.kind, op.options)


def float_function(kind: str, options: dict[str, Any]) -> Function:
    """What an operator computes of each float32; not a number where it has no answer."""
    function = FUNCTIONS[kind]
    if kind == "GELU" and options.get("approximate"):
        function = gelu_by_tanh
    if kind == "LEAKY_RELU":
        function = leaky(options["alpha"])

    def quiet(v: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return function(v.astype(np.float32)).astype(np.float32)

    return quiet


def rounded(function: Callable[[np.ndarray], np.ndarray]) -> Function:
    """A function of C's library: its result is the float32 nearest to the real one."""
    return lambda v: function(v.astype(np.float64)).astype(np.float32)


def logistic(v: np.ndarray) -> np.ndarray:
    """LOGISTIC: ``1 / (1 + exp(-v))``, and what it nearly is far from zero."""
    e = rounded(np.exp)
    near = np.float32(1) / (np.float32(1) + e(-v))
    return np.where(v > np.float32(16.619047), np.float32(1), np.where(v < -9, e(v), near))


def gelu(v: np.ndarray) -> np.ndarray:
    """GELU: ``v / 2 * erfc(-v / sqrt(2))``."""
    erfc = rounded(np.vectorize(math.erfc, otypes=[np.float64]))
    return np.float32(0.5) * v * erfc(v * np.float32(-math.sqrt(0.5)))


def gelu_by_tanh(v: np.ndarray) -> np.ndarray:
    """GELU with the option ``approximate``."""
    inner = np.float32(math.sqrt(2 / math.pi)) * (v + np.float32(0.044715) * v * v * v)
    return np.float32(0.5) * v * (np.float32(1) + rounded(np.tanh)(inner))


def hard_swish(v: np.ndarray) -> np.ndarray:
    """HARD_SWISH: ``v * relu6(v + 3) / 6``."""
    return v * np.clip(v + np.float32(3), 0, 6).astype(np.float32) / np.float32(6)


def leaky(alpha: float) -> Function:
    """LEAKY_RELU of one slope."""
    return lambda v: np.where(v > 0, v, v * np.float32(alpha))


FUNCTIONS: dict[str, Function] = {
    "ABS": np.abs,
    "CEIL": np.ceil,
    "COS": rounded(np.cos),
    "ELU": lambda v: np.where(v < 0, rounded(np.expm1)(v), v),
    "EXP": rounded(np.exp),
    "FLOOR": np.floor,
    "GELU": gelu,
    "HARD_SWISH": hard_swish,
    "LEAKY_RELU": leaky(0.0),
    "LOG": rounded(np.log),
    "LOGISTIC": logistic,
    "NEG": np.negative,
    "RELU": lambda v: np.maximum(v, 0),
    "RELU6": lambda v: np.clip(v, 0, 6),
    "RELU_0_TO_1": lambda v: np.clip(v, 0, 1),
    "RELU_N1_TO_1": lambda v: np.clip(v, -1, 1),
    "ROUND": np.rint,
    "RSQRT": lambda v: np.float32(1) / np.sqrt(v),
    "SIGN": np.sign,
    "SIN": rounded(np.sin),
    "SQRT": np.sqrt,
    "SQUARE": np.square,
    "TANH": rounded(np.tanh),
}
