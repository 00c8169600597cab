"""``python -m boards``: what needs no board, and what is refused."""

import json
import os
import stat

import numpy as np
import pytest
import serial.tools.list_ports
from small_models import dense

from boards import doctor
from boards.__main__ import main
from boards.boards import BOARDS
from boards.build import shortage
from boards.ports import candidates
from boards.stream import from_pictures
from sim.design import graph_of
from sim.run import MODEL


def refused(capsys, code, *argv):
    """The error's text, its usage left out."""
    try:
        found = main([str(word) for word in argv])
    except SystemExit as end:
        found = end.code
    out, err = capsys.readouterr()
    assert (found, out) == (code, ""), err
    return err.rstrip("\n").rpartition("\n")[2]


class Port:
    """A serial port as pyserial lists them."""

    def __init__(self, device, vid=None, pid=None, location=None):
        self.device, self.vid, self.pid, self.location = device, vid, pid, location
        self.description = "a port"


@pytest.fixture
def plug(monkeypatch):
    def plug(*ports):
        monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: list(ports))
    plug()
    return plug


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "dense.tflite"
    path.write_bytes(dense(24, 10))
    return path


def test_list(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(BOARDS)
    assert lines[0] == "icebreaker  iCEBreaker (iCE40UP5K): 16 MACs at 24 MHz, tape in flash, 8 " \
                       "bits a cycle"
    assert main(["list", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == list(BOARDS)


def test_doctor(capsys, plug):
    plug(Port("/dev/ttyUSB1", 0x0403, 0x6010, "1-2:1.1"))
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["packages"]["numpy"] == np.__version__
    assert found["ports"][0].startswith("/dev/ttyUSB1: a port, may be icebreaker or hx8k")
    plug()
    text = doctor.text(doctor.examine())
    assert "port         none found" in text.splitlines()
    assert "next         make bitstream BOARD=icebreaker" in text.splitlines()


def test_doctor_without_a_board(plug, tmp_path, monkeypatch):
    """A port of nobody, and a programmer that programs none of these boards, are not enough."""
    monkeypatch.setenv("PATH", str(tmp_path))
    tool(tmp_path, "dfu-util", "")
    plug(Port("/dev/ttyS0"))
    monkeypatch.setattr(doctor, "tool_version", lambda name: "1")
    assert doctor.examine()["next"] == [
        "make bitstream BOARD=icebreaker",
        "apt install openfpgaloader   # or brew; nothing can program a board yet",
        "python -m sim board   # no port is known as a board's; this simulates one"]
    plug(Port("/dev/ttyUSB1", 0x0403, 0x6010, "1-2:1.1"))
    tool(tmp_path, "iceprog", "")
    assert doctor.examine()["next"] == ["make bitstream BOARD=icebreaker", "make flash"]


def test_port_of_the_second_channel(plug):
    """Of an FTDI chip with two channels, the second one is the board's line."""
    plug(Port("/dev/ttyUSB0", 0x0403, 0x6010, "1-2:1.0"), Port("/dev/ttyUSB3", 1, 2, "1-3"),
         Port("/dev/ttyUSB1", 0x0403, 0x6010, "1-2:1.1"))
    assert candidates(BOARDS["icebreaker"]) == ["/dev/ttyUSB1"]


def test_port_is_never_guessed(capsys, plug, model):
    assert refused(capsys, 5, "selftest", model) \
        == "error: no iCEBreaker (iCE40UP5K) is plugged in (no port has the USB id 0403:6010); " \
           "if it is, name its port with --port"
    plug(Port("/dev/ttyUSB0", 0x0403, 0x6010, "1-2"), Port("/dev/ttyUSB1", 0x0403, 0x6010, "1-3"))
    assert refused(capsys, 5, "selftest", model) \
        == "error: 2 ports may be the board's, /dev/ttyUSB0, /dev/ttyUSB1; choose one with --port"
    assert refused(capsys, 5, "selftest", model, "--board", "upduino") \
        == "error: UPduino v3 (iCE40UP5K), UART on its header has no USB port of its own; name " \
           "the adapter's with --port"
    assert refused(capsys, 5, "selftest", model, "--port", "/dev/none") \
        == "error: the port /dev/none cannot be opened: No such file or directory"


def test_wrong_usage(capsys, model):
    assert refused(capsys, 2, "build", "--board", "foo") \
        == "python -m boards build: error: argument --board: must be one of " \
           f"{', '.join(BOARDS)}, not 'foo'"
    for argv, text in (
            (("build", "--clock", "7"), "python -m boards: error: argument --clock: must be one of "
             "12, 18, 24, 30, 36 on icebreaker, not 7"),
            (("stream", "--limit", "0"), "python -m boards stream: error: argument --limit: must "
             "be a whole number from 1 on, not '0'"),
            (("stream", "--silence", "nan"), "python -m boards stream: error: argument --silence: "
             "must be a number of seconds up to 3600, not 'nan'"),
            (("stream", "--outputs", "y.txt"), "python -m boards stream: error: argument "
             "--outputs: must end in .npy or .npz, not 'y.txt'")):
        assert refused(capsys, 2, *argv) == text
    assert refused(capsys, 5, "selftest", model, "--port", "/dev/null") \
        == "error: the port /dev/null cannot be opened: it is no serial port"
    assert refused(capsys, 5, "selftest", model, "--port", "") \
        == "error: the port '' cannot be opened: No such file or directory"
    assert refused(capsys, 3, "build", "missing.tflite") \
        == "error: missing.tflite is not a file"


def test_pictures(capsys, plug, tmp_path):
    pytest.importorskip("PIL")
    wrong = tmp_path / "wrong.pgm"
    for content in (b"no picture", b"P5 xx 28 255\n" + bytes(784), b"P5 28 28 0\n" + bytes(784),
                    b"P5 28 28 255\n" + bytes(700), b"P3 1 1 255\na b c\n"):
        wrong.write_bytes(content)
        assert refused(capsys, 3, "stream", "--pictures", wrong) \
            == f"error: {wrong} cannot be read: it is no picture"
    wrong.write_bytes(b"P5 100000 100000 255\n")
    assert refused(capsys, 3, "stream", "--pictures", wrong) \
        == f"error: {wrong} cannot be read: it has too many pixels"
    assert refused(capsys, 3, "stream", "--pictures", tmp_path / "none.png") \
        == f"error: {tmp_path}/none.png cannot be read: No such file or directory"


def test_pictures_of_16_bits(tmp_path):
    """They come to the same as those of 8 bits."""
    image = pytest.importorskip("PIL.Image")
    graph, shades = graph_of(MODEL), np.arange(784).reshape(28, 28) % 256
    narrow, wide = shades.astype(np.uint8), (shades * 257).astype(np.uint16)
    image.fromarray(narrow).save(tmp_path / "8.png")
    for name in ("16.png", "16.pgm"):
        image.fromarray(wide).save(tmp_path / name)
        inputs = from_pictures(graph, [tmp_path / "8.png", tmp_path / name]).inputs[0]
        assert np.array_equal(inputs[0], inputs[1])


def test_files_that_are_used(capsys, tmp_path, model):
    """Nothing is written over what is read."""
    inputs, slot = tmp_path / "x.npy", tmp_path / "slot.bin"
    np.save(inputs, np.zeros((1, 1, 24), np.int8))
    slot.write_bytes(model.read_bytes())
    text = "error: {} cannot be written: the command uses it already; name another file"
    assert refused(capsys, 3, "stream", model, "--inputs", inputs, "--outputs", inputs) \
        == text.format(inputs)
    assert refused(capsys, 3, "build", slot, "--out", tmp_path) == text.format(slot)


def tool(folder, name, script):
    """An executable that the test's PATH finds."""
    path = folder / name
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path


@pytest.fixture
def build(tmp_path):
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(
        {"board": "icebreaker", "bitstream": "icebreaker.bin", "slot_address": 1 << 20}))
    return folder


def test_flash(capfd, tmp_path, build, monkeypatch):
    """The slot goes first, so that a board that starts finds its model."""
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    options = ("flash", "--out", str(build))
    assert refused(capfd, 4, *options) \
        == "error: neither openFPGALoader nor iceprog is installed; get openFPGALoader with apt " \
           "install openfpgaloader, brew install openfpgaloader, or from " \
           "https://github.com/YosysHQ/oss-cad-suite-build"
    tool(tools, "iceprog", 'echo iceprog "$@"\n')
    assert main(list(options)) == 0
    assert capfd.readouterr().out == f"iceprog -o 1048576 {build}/slot.bin\n" \
                                     f"iceprog {build}/icebreaker.bin\n"
    tool(tools, "openFPGALoader", 'echo loader "$@"\n')
    assert main(list(options)) == 0
    assert capfd.readouterr().out \
        == f"loader -b ice40_generic -f -o 1048576 {build}/slot.bin\n" \
           f"loader -b ice40_generic -f {build}/icebreaker.bin\n"
    for name, written in (
            ("ulx3s-85f", f"loader -b ulx3s -f -o 1048576 {build}/slot.bin\n"
             f"loader -b ulx3s -f {build}/icebreaker.bin\n"),
            ("orangecrab", f"loader -b orangecrab {build}/icebreaker.bin\n")):
        manifest = (build / "manifest.json").read_text()
        (build / "manifest.json").write_text(manifest.replace("\"icebreaker\"", f'"{name}"'))
        assert main([*options, "--board", name]) == 0
        out, err = capfd.readouterr()
        assert out == written
        assert err == ("" if name == "ulx3s-85f" else
                       "the bitstream is on the board, whose programmer writes no models: put the "
                       "model there with python -m boards load MODEL --board orangecrab --port "
                       "PORT\n")
        (build / "manifest.json").write_text(manifest)
    tool(tools, "openFPGALoader", "exit 1\n")
    assert refused(capfd, 4, *options) \
        == "error: openFPGALoader failed; is the board plugged in, and may you open it?"
    assert refused(capfd, 3, *options, "--board", "hx8k") \
        == f"error: {build} holds a build for icebreaker, not hx8k"
    assert refused(capfd, 3, "flash", "--out", tmp_path / "none") \
        == f"error: {tmp_path}/none holds no build; make one with python -m boards build " \
           "--board icebreaker"
    for manifest in ("[]", '{"board": "icebreaker"}', "{", '{"format": 2, "layers": []}'):
        (build / "manifest.json").write_text(manifest)
        assert refused(capfd, 3, *options) \
            == f"error: {build} holds no build; make one with python -m boards build " \
               "--board icebreaker"
    assert os.environ["PATH"] == str(tools)


def test_shortage():
    """nextpnr's own count, of what there is too little of."""
    log = "Info: \t         ICESTORM_LC:    8033/   7680   104%\n" \
          "Info: \t        ICESTORM_RAM:      31/     32    96%\n" \
          "ERROR: Failed to expand region (0, 0) |_> (33, 33) of 8032 ICESTORM_LCs\n"
    assert shortage(log) == "it takes 8,033 of 7,680 ICESTORM_LC"
    assert shortage("ERROR: no BELs remaining.\n") == "no BELs remaining"
