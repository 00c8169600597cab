"""What an engine takes of a board's device, predicted from engines that were measured there.

``measured.json`` holds what Yosys and nextpnr made of some of the engines that
``compiler/size.py`` may choose; ``python -m bench.area`` writes it. The others follow from those
of the same device: logic cells grow about linearly with what differs, memories in whole blocks.
"""

import json
import math
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from compiler.size import PARTS
from compiler.targets import TARGETS
from hw.config import EngineConfig
from hw.fields import jump_fields

MEASURED = Path(__file__).with_name("measured.json")
KINDS = ("logic cells", "DSPs", "block RAMs", "SPRAMs")
# By compiler/size.py, and by the store:
CHOSEN = ("scratchpad_bytes", "multiplier_width", "weight_words", *PARTS)
BLOCK_BYTES = {"ice40": 512, "ecp5": 2048}


@dataclass(frozen=True)
class Measurement:
    """``used`` holds, for each kind that the device has, how many of how many are taken."""

    board: str
    family: str
    engine: dict[str, Any]                       # EngineConfig, by name
    slot_bytes: int
    netlist: str                                 # a hash of the design that was measured
    used: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def design(self) -> tuple[str, dict[str, Any], int]:
        """What was measured, whatever its netlist was at the time."""
        return self.board, self.engine, self.slot_bytes

    def is_like(self, engine: dict[str, Any]) -> bool:
        """Whether it tells something of ``engine``, which differs but in what is CHOSEN."""
        return self.engine | {name: engine[name] for name in CHOSEN} == engine


@dataclass(frozen=True)
class Estimate:
    """``error`` is the largest that was found by predicting each measured design from the
    others."""

    used: int
    of: int
    error: int
    designs: int                                 # that it comes from


@cache
def measurements() -> tuple[Measurement, ...]:
    """All of them; none where the file is not there."""
    if not MEASURED.exists():
        return ()
    return tuple(Measurement(**row) for row in json.loads(MEASURED.read_text())["designs"])


def of_board(board: str) -> list[Measurement]:
    """Those of the board, or where there are none, of one with the same device."""
    rows: dict[str, list[Measurement]] = {}
    for row in measurements():
        if row.board in TARGETS and TARGETS[row.board].device == TARGETS[board].device:
            rows.setdefault(row.board, []).append(row)
    return rows.get(board) or next(iter(rows.values()), [])


def estimate(board: str, engine: EngineConfig, slot_bytes: int) -> dict[str, Estimate]:
    """What ``engine`` takes, by kind; nothing where no such engines were measured on such a device.
    The tape is in a memory of ``slot_bytes``, or with 0 in flash: two circuits, as are weight rings
    in block RAM and in logic."""
    wanted = asdict(engine)
    rows = [row for row in of_board(board) if row.is_like(wanted)]
    same = [row for row in rows if row.engine["weight_words"] == engine.weight_words
            and bool(row.slot_bytes) == bool(slot_bytes)]
    if len(same) < 2:
        return {}
    wanted_row = Measurement(board, rows[0].family, wanted, slot_bytes, "")
    found = {}
    for kind in rows[0].used:
        errors = [abs(predicted(kind, rows[:index] + rows[index + 1:], row) - row.used[kind][0])
                  for index, row in enumerate(rows)]
        found[kind] = Estimate(predicted(kind, rows, wanted_row), rows[0].used[kind][1],
                               max(errors), len(rows))
    return found


def predicted(kind: str, rows: list[Measurement], wanted: Measurement) -> int:
    """How many of a kind ``wanted`` takes, by least squares over ``rows``."""
    counts = np.array([row.used[kind][0] for row in rows], float)
    if np.ptp(counts) == 0:
        return int(counts[0])
    features = {"logic cells": cell_features, "DSPs": dsp_features}.get(kind, block_features)
    known = np.array([features(row) for row in rows], float)
    centre = known.mean(axis=0)
    weights, *_ = np.linalg.lstsq(known - centre, counts - counts.mean(), rcond=1e-9)
    return round(float(counts.mean() + (np.array(features(wanted)) - centre) @ weights))


def cell_features(row: Measurement) -> list[float]:
    """What logic cells grow with: widths of addresses, of the multiplier, weight rings in logic,
    and what is left out."""
    return [math.log2(row.engine["scratchpad_bytes"]), row.engine["multiplier_width"],
            math.log2(row.engine["weight_words"]), *(row.engine[name] for name in PARTS),
            math.log2(row.slot_bytes or 1), not row.slot_bytes]


def dsp_features(row: Measurement) -> list[float]:
    """What takes hard multipliers, besides sums times multipliers: second operands, products."""
    return [row.engine["addition"], row.engine["multiplication"]]


def block_features(row: Measurement) -> list[float]:
    """What block RAMs grow with: those of the scratchpad's banks, of the tape, two bytes wide each,
    of weight rings that are not in logic, of the tables, of the jumps, 16 bits wide."""
    block, config = BLOCK_BYTES[row.family], EngineConfig(**row.engine)
    tape = [-(-config.tape_bytes // 2), -(-2 * row.slot_bytes // (config.tape_bytes * block))]
    return [config.banks * -(-config.scratchpad_bytes // (config.banks * block)),
            math.prod(tape), math.log2(config.weight_words), config.tables * config.requantizers,
            sum(-(-fields.width // 16) for fields in jump_fields(config).values())]
