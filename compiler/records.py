"""The requantizer's records of a layer: equal to TFLite's rounding, or a refusal."""

from collections.abc import Sequence

import numpy as np

from compiler.errors import ModelError
from compiler.ir import Operator
from compiler.layers import Record
from compiler.numerics import Staircase
from compiler.staircase import StaircaseError, fit
from hw.config import EngineConfig
from hw.fields import RECORD

INT8 = (-128, 127)


class LongOffset(ModelError):
    """An offset that a record has no room for."""


class RequantizerWidths:
    """The engine's requantizer as compiler/staircase.py wants it described.

    The search has the output's zero point inside the offset, the hardware adds it later: so the
    search may use wider offsets, and `hardware_record` takes the zero point out again.
    """

    def __init__(self, config: EngineConfig, shift_max: int):
        self.digit_width      = config.digit_width
        self.multiplier_width = config.multiplier_width
        self.shift_min        = config.shift_min
        self.shift_max        = shift_max
        self.offset_width     = RECORD["offset"].width + 10


def hardware_record(op: Operator, record: Record, zero_point: int) -> Record:
    """``record`` with the zero point taken out of its offsets."""
    offsets = [offset - (zero_point << record.shift)
               for offset in (record.offset, record.offset_negative)]
    width = RECORD["offset"].width
    if max(abs(offset) for offset in offsets) >= 1 << (width - 1):
        raise LongOffset(f"operator {op.index} {op.kind}: needs a rounding offset of "
                         f"{max(offsets, key=abs)}, and the requantizer holds {width} bits; give "
                         "the layer's tensors less extreme scales")
    return Record(record.bias, record.multiplier, record.shift, *offsets)


def fit_records(op: Operator, rules: Sequence[Staircase], bias: np.ndarray, acc_min: np.ndarray,
                acc_max: np.ndarray, config: EngineConfig,
                shared: bool = False) -> tuple[dict[str, int], list[Record]]:
    """Fields and records that make the requantizer equal to ``rules``; arrays are ``[channels]``.

    The range is that of the sum with its bias. A record is ``shared`` by all channels, or the
    requantizer needs two steps to fetch the next one.
    """
    def records(shift_max: int) -> tuple[dict[str, int], list[Record]]:
        try:
            digits, channels = fit(rules, acc_min, acc_max, RequantizerWidths(config, shift_max),
                                   least_digits=1 if shared else 2)
        except StaircaseError as error:
            raise ModelError(f"operator {op.index} {op.kind}: {error}; "
                             "give the layer's tensors less extreme scales") from None
        zero_point = rules[0].zero_point
        fields = {"steps": digits - 1, "low": rules[0].low, "high": rules[0].high,
                  "zero_point": zero_point}
        return fields, [
            hardware_record(op, Record(int(b), c.multiplier, c.shift, c.offset,
                                       c.offset_negative), zero_point)
            for b, c in zip(bias, channels, strict=True)]
    try:
        return records(config.shift_max)
    except LongOffset as error:                  # the largest shifts are exact, but offsets long
        try:
            return records(config.shift_max - 4)
        except ModelError:
            raise error from None


def check_sums(op: Operator, weight: int, config: EngineConfig) -> None:
    """ModelError where bytes times weights of this sum may be too much for the array."""
    worst = weight * 128
    if worst >= 1 << (config.acc_width - 1):
        raise ModelError(
            f"operator {op.index} {op.kind}: sums reach {worst}, beyond accumulators of "
            f"{config.acc_width} bits; use an engine with a larger acc_width")


def dot_product_records(op: Operator, rules: Sequence[Staircase], weights: np.ndarray,
                        bias: np.ndarray | None, zero_point: int, config: EngineConfig
                        ) -> tuple[dict[str, int], list[Record]]:
    """Fields and records for sums of ``(x - zero point) * w``, of weights ``[channels, ...]``.

    They serve any part of the taps as well, whose sums are in the same range.
    """
    w = weights.reshape(len(weights), -1)
    above, below = (part(w, 0).sum(axis=1, dtype=np.int64) for part in (np.maximum, np.minimum))
    check_sums(op, int((above - below).max()), config)
    added = np.zeros(len(w), np.int64) if bias is None else bias.astype(np.int64).reshape(-1)
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
