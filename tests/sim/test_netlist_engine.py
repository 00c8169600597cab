"""What ``--engine netlist`` refuses. (The netlists themselves: tests/netlist; a whole board's is
simulated by `python -m sim run --engine netlist` after a build, which takes minutes.)"""

import json

import numpy as np
import pytest

from sim.__main__ import main
from sim.run import MODEL


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
