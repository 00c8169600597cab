"""What engines take, predicted from those that were measured."""

from dataclasses import asdict, replace

import pytest

from compiler import area
from compiler.area import Estimate, Measurement, estimate, measurements, of_board
from compiler.targets import DEFAULT, TARGETS

ENGINE = TARGETS["ulx3s-25f"].engine


def taken(engine, slot_bytes):
    """Of a made-up device: cells grow evenly, memories in blocks of 2 KiB for each bank."""
    banks = engine.banks
    cells = (1000 + 40 * engine.scratchpad_bytes.bit_length() + 30 * engine.multiplier_width
             + 200 * engine.addition + 300 * engine.multiplication + 100 * engine.padding)
    blocks = 11 + banks * -(-engine.scratchpad_bytes // (2048 * banks)) + slot_bytes // 2048
    return {"logic cells": (cells, 4000), "DSPs": (8, 28), "block RAMs": (blocks, 56)}


def measured(monkeypatch, board="ulx3s-25f"):
    rows = []
    for size, width, addition, multiplication, padding, slot in [
            (1 << 15, 30, True, True, True, 1 << 16), (1 << 12, 24, False, False, False, 1 << 15),
            (1 << 13, 26, True, False, False, 1 << 14), (1 << 14, 28, False, True, True, 1 << 15),
            (1 << 14, 24, True, False, True, 1 << 14), (1 << 15, 26, False, True, True, 1 << 13),
            (1 << 12, 30, False, True, False, 1 << 16), (1 << 13, 28, True, False, True, 1 << 15),
            (1 << 14, 30, False, False, False, 1 << 13), (1 << 13, 24, True, True, False, 1 << 15)]:
        engine = replace(ENGINE, scratchpad_bytes=size, multiplier_width=width, addition=addition,
                         multiplication=multiplication, padding=padding)
        rows.append(Measurement(board, "ecp5", asdict(engine), slot, "", taken(engine, slot)))
    monkeypatch.setattr(area, "measurements", lambda: tuple(rows))


def test_what_grows_evenly_is_predicted_exactly(monkeypatch):
    measured(monkeypatch)
    engine = replace(ENGINE, scratchpad_bytes=1 << 13, multiplier_width=24, addition=False,
                     multiplication=False, padding=True)
    assert estimate("ulx3s-25f", engine, 1 << 14) == {
        kind: Estimate(used, of, 0, 10) for kind, (used, of) in taken(engine, 1 << 14).items()}


def test_the_error_is_what_was_found_by_leaving_out(monkeypatch):
    measured(monkeypatch)
    rows = list(area.measurements())
    used = rows[3].used | {"logic cells": (rows[3].used["logic cells"][0] + 90, 4000)}
    rows[3] = replace(rows[3], used=used)
    monkeypatch.setattr(area, "measurements", lambda: tuple(rows))
    found = estimate("ulx3s-25f", ENGINE, 1 << 15)["logic cells"]
    errors = [abs(area.predicted("logic cells", rows[:k] + rows[k + 1:], row)
                  - row.used["logic cells"][0]) for k, row in enumerate(rows)]
    assert found.error == max(errors) >= 90


def test_a_board_with_the_same_device(monkeypatch):
    measured(monkeypatch)
    assert estimate("orangecrab", ENGINE, 1 << 15) == estimate("ulx3s-25f", ENGINE, 1 << 15) != {}


def test_other_engines_and_boards_tell_nothing(monkeypatch):
    measured(monkeypatch)
    assert estimate("ulx3s-85f", ENGINE, 1 << 15) == {}
    assert estimate("ulx3s-25f", ENGINE, 0) == {}            # no tape in flash was measured
    assert estimate("ulx3s-25f", replace(ENGINE, lanes=2 * ENGINE.lanes), 1 << 15) == {}
    assert estimate("ulx3s-25f", replace(ENGINE, weight_words=16), 1 << 15) == {}


@pytest.mark.parametrize("board", TARGETS)
def test_what_was_measured_is_predicted_within_its_error(board):
    """Of those boards' engines that the table holds."""
    target = TARGETS[board]
    known = [row for row in of_board(board) if row.is_like(asdict(target.engine))]
    if len(known) < 2:
        pytest.skip("this engine has not been measured: python -m bench.area")
    for row in known:
        found = estimate(board, type(target.engine)(**row.engine), row.slot_bytes)
        for kind, (used, of) in row.used.items():
            assert abs(found[kind].used - used) <= found[kind].error
            assert found[kind].of == of and found[kind].error <= max(1, of // 20)


def test_without_measurements(monkeypatch, tmp_path):
    monkeypatch.setattr(area, "MEASURED", tmp_path / "none.json")
    measurements.cache_clear()
    assert measurements() == () and estimate(DEFAULT.name, DEFAULT.engine, 1 << 20) == {}
    measurements.cache_clear()
