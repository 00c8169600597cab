"""The arithmetic of one value in steps, each with its formula and its numbers."""

from dataclasses import dataclass, field
from fractions import Fraction

from compiler.numerics import (
    AverageRounding,
    DoubleRounding,
    Float64Rounding,
    Staircase,
    quantize_multiplier,
)


@dataclass(frozen=True)
class Step:
    """``name = formula = numbers = value``."""

    name: str
    formula: str
    numbers: str
    value: int | float


@dataclass(frozen=True)
class Term:
    """One product of a sum, or one value that was read; ``w`` is None where there is none."""

    x_at: tuple[int, ...]                        # empty: outside of the image
    x: int | float
    w_at: tuple[int, ...] = ()
    w: int | None = None


@dataclass
class Work:
    """What was read, what was done with it, and what came out."""

    terms: list[Term] = field(default_factory=list)
    outside: list[Term] = field(default_factory=list)        # of the image: there x is Z1
    steps: list[Step] = field(default_factory=list)
    acc: int | None = None                       # what the rounding begins with
    value: int | float = 0
    note: str = ""

    def step(self, name: str, formula: str, numbers: str, value: int | float) -> int | float:
        """Adds a step; its value."""
        self.steps.append(Step(name, formula, numbers, value))
        return value

    def whole(self, name: str, formula: str, numbers: str, value: int) -> int:
        """Adds a step whose value is a whole number."""
        self.steps.append(Step(name, formula, numbers, value))
        return value


def signed(value: int) -> str:
    """A number behind an operator: in brackets where it is negative."""
    return f"({value})" if value < 0 else str(value)


def clamp(value: int, low: int, high: int) -> int:
    """The nearest number in the range."""
    return max(low, min(high, value))


def round_away(value: float) -> int:
    """The nearest whole number, ties away from zero, as C's ``round``."""
    whole = int(abs(Fraction(value)) + Fraction(1, 2))
    return -whole if value < 0 else whole


def double_rounding(work: Work, acc: int, multiplier: int, shift: int, name: str = "acc") -> int:
    """TFLite's MultiplyByQuantizedMultiplier: a doubling product and a shift, each rounded."""
    left, right = max(shift, 0), max(-shift, 0)
    shifted = acc << left
    if left:
        shifted = ((shifted + 2**31) & (2**32 - 1)) - 2**31
        work.step("left", f"{name} << shift", f"{signed(acc)} << {left}", shifted)
        name = "left"
    high = work.whole("high", f"({name} * multiplier + 2**30) >> 31",
                      f"({signed(shifted)} * {multiplier} + 2**30) >> 31",
                      (shifted * multiplier + 2**30) >> 31)
    if not right:
        return high
    half, away = 2**(right - 1), int(high < 0)
    return work.whole("scaled", "(high + 2**(-shift - 1) - (high < 0)) >> -shift",
                      f"({signed(high)} + {half} - {away}) >> {right}",
                      (high + half - away) >> right)


def finish(work: Work, scaled: int, zero_point: int, low: int, high: int) -> int:
    """Zero point and clamp."""
    y = clamp(scaled + zero_point, low, high)
    work.step("y", "clamp(scaled + Z3, low, high)",
              f"clamp({signed(scaled)} + {signed(zero_point)}, {low}, {high})", y)
    work.value = y
    return y


def requantize(work: Work, acc: int, rule: Staircase) -> int:
    """From a sum to the output, by the kernel's own rule."""
    work.acc = acc
    if isinstance(rule, AverageRounding):
        return average(work, acc, rule)
    if isinstance(rule, Float64Rounding):
        multiplier, shift = quantize_multiplier(rule.scale)
        product = work.step("product", "acc * M, in float64", f"{signed(acc)} * {rule.scale!r}",
                            float(acc) * rule.scale)
        work.note = (f"LiteRT rounds this operator once, in float64; TensorFlow Lite Micro uses "
                     f"the multiplier {multiplier} and the shift {shift}")
        scaled = work.whole("scaled", "round(product), ties away from zero",
                            f"round({product!r})", round_away(product))
        return finish(work, scaled, rule.zero_point, rule.low, rule.high)
    assert isinstance(rule, DoubleRounding)
    work.step("multiplier", "round(M * 2**(31 - shift)), from 2**30 up to 2**31",
              f"shift {rule.shift}", rule.multiplier)
    scaled = double_rounding(work, acc, rule.multiplier, rule.shift)
    return finish(work, scaled, rule.zero_point, rule.low, rule.high)


def average(work: Work, total: int, rule: AverageRounding) -> int:
    """A sum divided by the number of its values, as C divides."""
    half = rule.count // 2
    if total > 0 or rule.ties_up:
        scaled = work.whole("average", f"(sum + {half}) // n",
                            f"({signed(total)} + {half}) // {rule.count}",
                            (total + half) // rule.count)
    else:
        scaled = work.whole("average", f"-(({half} - sum) // n)",
                            f"-(({half} - {signed(total)}) // {rule.count})",
                            -((half - total) // rule.count))
    work.value = clamp(scaled, rule.low, rule.high)
    work.step("y", "clamp(average, low, high)", f"clamp({scaled}, {rule.low}, {rule.high})",
              work.value)
    return int(work.value)
