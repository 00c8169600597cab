"""What ``--engine netlist`` refuses. (The netlists themselves: tests/netlist; a whole board's is
simulated by `python -m sim run --engine netlist` after a build, which takes minutes.)"""

import json

import numpy as np
import pytest
from plugged import Shortened, designed
from small_models import dense

from hw.link.codec import Decoder
from hw.link.receive import Type
from sim.__main__ import main
from sim.board import SimulatedBoard
from sim.netlist.engine import NetlistEngine
from sim.run import ENGINES, MODEL


@pytest.mark.parametrize("board, manifest, slot, message", (
    ("icebreaker", None, b"", "{folder} holds no build; {remedy}"),
    ("icebreaker", {"board": "hx8k", "clock_hz": 1}, b"",
     "{folder} holds a build for hx8k, not icebreaker; {remedy}"),
    ("ulx3s-85f", {"board": "ulx3s-85f", "clock_hz": 60_000_000}, b"",
     "ulx3s-85f has no netlist that can be simulated: Yosys carries no models of the ECP5's "
     "memories and multipliers"),
    ("icebreaker", {"board": "icebreaker", "clock_hz": 24_000_000}, b"SYST",
     "{folder} holds another model than mnist_cnn_int8.tflite; {remedy}"),
))
def test_refuses(capsys, tmp_path, board, manifest, slot, message):
    if manifest:
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        (tmp_path / "slot.bin").write_bytes(slot)
    images = tmp_path / "x.npy"
    np.save(images, np.zeros((1, 1, 28, 28, 1), np.int8))
    code = main(["run", "--engine", "netlist", "--board", board, "--build", str(tmp_path),
                 "--inputs", str(images)])
    remedy = f"build it with python -m boards build {MODEL} --board {board}"
    assert (code, capsys.readouterr().err) \
        == (3, f"error: {message.format(folder=tmp_path, remedy=remedy)}\n")


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
