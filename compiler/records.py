"""The requantizer's records of a layer: equal to TFLite's rounding, or a refusal."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from compiler.errors import ModelError
from compiler.ir import Operator
from compiler.layers import Record
from compiler.numerics import Staircase
from compiler.slopes import Widths
from compiler.staircase import StaircaseError, fit
from hw.config import EngineConfig
from hw.fields import RECORD

INT8 = (-128, 127)
# The operators of a model, which compiler/size.py and ``check`` look at again for every board.
REMEMBERED = 512


class LongOffset(Exception):
    """An offset that a record has no room for; the text completes "operator 3 ADD: ..."."""


def widths_of(config: EngineConfig, shift_max: int) -> Widths:
    """The engine's requantizer as compiler/staircase.py wants it described.

    The search has the output's zero point inside the offset, the hardware adds it later: so the
    search may use wider offsets, and `hardware_record` takes the zero point out again.
    """
    return Widths(config.digit_width, config.multiplier_width, config.shift_min, shift_max,
                  RECORD["offset"].width + 10)


def too_extreme(op: Operator, error: Exception) -> ModelError:
    """The refusal of an operator that no record serves, for what ``error`` says."""
    return ModelError(f"operator {op}: {error}; give the layer's tensors less extreme scales")


def hardware_record(record: Record, zero_point: int) -> Record:
    """``record`` with the zero point taken out of its offsets, or LongOffset."""
    offsets = [offset - (zero_point << record.shift)
               for offset in (record.offset, record.offset_negative)]
    width = RECORD["offset"].width
    if max(abs(offset) for offset in offsets) >= 1 << (width - 1):
        raise LongOffset(f"needs a rounding offset of {max(offsets, key=abs)}, and the requantizer "
                         f"holds {width} bits")
    return Record(record.bias, record.multiplier, record.shift, *offsets)


def fit_records(op: Operator, rules: Sequence[Staircase], bias: np.ndarray, acc_min: np.ndarray,
                acc_max: np.ndarray, config: EngineConfig,
                shared: bool = False) -> tuple[dict[str, int], tuple[Record, ...]]:
    """Fields and records that make the requantizer equal to ``rules``; arrays are ``[channels]``.

    The range is that of the sum with its bias. A record is ``shared`` by all channels, or the
    requantizer needs two steps to fetch the next one.
    """
    def found(shift_max: int) -> tuple[int, tuple[Record, ...]]:
        return solved(tuple(rules), *(tuple(array.tolist()) for array in (bias, acc_min, acc_max)),
                      widths_of(config, shift_max), 1 if shared else 2)
    try:
        try:
            digits, records = found(config.shift_max)
        except LongOffset as error:              # the largest shifts are exact, but offsets long
            try:
                digits, records = found(config.shift_max - 4)
            except (LongOffset, StaircaseError):
                raise error from None
    except (LongOffset, StaircaseError) as error:
        raise too_extreme(op, error) from None
    return {"steps": digits - 1, "low": rules[0].low, "high": rules[0].high,
            "zero_point": rules[0].zero_point}, records


@lru_cache(REMEMBERED)
def solved(rules: tuple[Staircase, ...], bias: tuple[int, ...], acc_min: tuple[int, ...],
           acc_max: tuple[int, ...], widths: Widths,
           least_digits: int) -> tuple[int, tuple[Record, ...]]:
    """Digits and records; what is solved for one engine serves all with the same ``widths``."""
    digits, channels = fit(rules, acc_min, acc_max, widths, least_digits)
    return digits, tuple(
        hardware_record(Record(b, c.multiplier, c.shift, c.offset, c.offset_negative),
                        rules[0].zero_point)
        for b, c in zip(bias, channels, strict=True))


def check_sums(op: Operator, weight: int, config: EngineConfig) -> None:
    """ModelError where bytes times weights of this sum may be too much for the array."""
    worst = weight * 128
    if worst >= 1 << (config.acc_width - 1):
        raise ModelError(
            f"operator {op}: sums reach {worst}, beyond accumulators of {config.acc_width} bits; "
            "use an engine with a larger acc_width")


def dot_product_records(op: Operator, rules: Sequence[Staircase], weights: np.ndarray,
                        bias: np.ndarray | int, zero_point: int, config: EngineConfig
                        ) -> tuple[dict[str, int], tuple[Record, ...]]:
    """Fields and records for sums of ``(x - zero point) * w``, of weights ``[channels, ...]``.

    They serve any part of the taps as well, whose sums are in the same range.
    """
    w = weights.reshape(len(weights), -1)
    above, below = (part(w, 0).sum(axis=1, dtype=np.int64) for part in (np.maximum, np.minimum))
    check_sums(op, int((above - below).max()), config)
    added = np.zeros(len(w), np.int64) + bias
    least, most = (x - zero_point for x in INT8)
    return fit_records(op, rules, added, least * above + most * below + added,
                       most * above + least * below + added, config)


def without_zero_point(records: Sequence[Record], weights: np.ndarray,
                       zero_point: int) -> list[Record]:
    """``records`` for sums of ``x * weight``: the input's zero point is in the bias."""
    sums = weights.reshape(len(weights), -1).sum(axis=1, dtype=np.int64)
    return [Record(r.bias - zero_point * total, r.multiplier, r.shift, r.offset, r.offset_negative)
            for r, total in zip(records, sums.tolist(), strict=True)]


def grouped(records: Sequence[Record], group_channels: int,
            rows: int) -> tuple[tuple[Record, ...], ...]:
    """A group's channels on the first rows of the array, nothing on the others."""
    return tuple(
        tuple(records[first:first + group_channels])
        + (Record(),) * (rows - len(records[first:first + group_channels]))
        for first in range(0, len(records), group_channels))
