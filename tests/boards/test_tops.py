"""Every board's top elaborates, the same wherever that happens."""

from pathlib import Path

import pytest
from small_models import dense

from boards.boards import BOARDS
from boards.build import named, rendered
from boards.pll import ecp5_setting, ice40_setting
from compiler.targets import TARGETS
from sim.design import design


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "dense.tflite"
    path.write_bytes(dense(24, 10))
    return path


def test_boards_are_the_compilers():
    assert list(BOARDS) == list(TARGETS)
    assert len({target.number for target in TARGETS.values()}) == len(TARGETS)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_top(board, model, tmp_path, monkeypatch):
    """... and under the same name in another folder."""
    found = named(board, design(board.target, model, "litert"))
    files = rendered(board, found)
    netlist = files["top.il"].decode()
    assert ("SB_PLL40" if board.family.name == "ice40" else "EHXPLLL") in netlist
    assert str(Path(__file__).parents[2]) not in netlist
    monkeypatch.chdir(tmp_path)
    assert named(board, design(board.target, model, "litert")) == found


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_pll_makes_every_clock(board):
    setting = ice40_setting if board.family.name == "ice40" else ecp5_setting
    for mhz in board.clocks_mhz:
        assert setting(board.clock_in[1], mhz * 1_000_000)


def test_pll_refuses():
    with pytest.raises(ValueError) as refusal:
        ice40_setting(12_000_000, 24_000_001)
    assert str(refusal.value) == "the PLL must make 24,000,001 Hz of 12,000,000 Hz exactly, " \
                                 "which it cannot"
