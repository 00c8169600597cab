"""The driver and the command line on simulated boards: what they would do on real ones."""

import json
import zlib
from dataclasses import replace

import numpy as np
import pytest
from plugged import BadLine, Shortened, designed, plugged_in
from small_models import dense

from boards.__main__ import main
from boards.driver import Driver
from boards.line import BoardError
from compiler.cycles import latencies
from compiler.golden import Golden
from compiler.targets import TARGETS
from hw.config import HEADER_BYTES, TAPE_OFFSET
from hw.link.receive import Type
from sim.board import SimulatedBoard

BOARDS = ("icebreaker", "upduino", "hx8k", "ulx3s-85f")
SIZES = (24, 16, 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Models ``first.tflite`` and ``second.tflite`` of one engine, and inputs for them."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("first", "second")):
        (folder / f"{name}.tflite").write_bytes(dense(*SIZES, seed=seed))
    inputs = np.random.default_rng(0).integers(-128, 128, (40, 1, SIZES[0])).astype(np.int8)
    np.save(folder / "inputs.npy", inputs)
    return folder


def board_of(name, model):
    found = designed(name, model)
    return found, SimulatedBoard(found.config, (found.image,))


def run(capsys, *argv):
    """``(exit code, stdout, stderr)`` of ``python -m boards``."""
    code = main([str(word) for word in argv])
    return code, *capsys.readouterr()


def refused(capsys, code, *argv):
    """The one line of an error."""
    found, out, err = run(capsys, *argv)
    assert (found, out) == (code, "") and err.count("\n") == 1, err
    return err.rstrip("\n")


@pytest.mark.parametrize("name, store", (*((name, 0) for name in BOARDS), ("ulx3s-25f", 1),
                                         ("ulx3s-45f", 1)))
def test_stream_and_selftest(capsys, monkeypatch, folder, name, store):
    """Every byte is the golden model's, and every cycle the prediction's, wherever the tape is."""
    model = folder / "first.tflite"
    monkeypatch.setitem(TARGETS, name, replace(TARGETS[name], stores=TARGETS[name].stores[store:]))
    found, board = board_of(name, model)
    predicted = latencies(found.program, found.target)
    with plugged_in(board) as line:
        options = (model, "--board", name, "--port", line.path, "--json")
        code, out, _ = run(capsys, "stream", *options, "--inputs", folder / "inputs.npy")
        report = json.loads(out)
        assert (code, report["equal_to_golden"], report["images"]) == (0, 40, 40)
        assert set(report["cycles_after_input"]) <= set(predicted)
        assert not any(report["link_errors"].values())
        code, out, _ = run(capsys, "selftest", *options)
        report = json.loads(out)
        assert (code, report["equal"], report["first_wrong_layer"]) == (0, 8, None)
        assert set(report["cycles_after_input"]) <= set(predicted)
        assert report["predicted_cycles"] == predicted
    assert not board.machine["broken"] and board.machine["verdict"]


def test_bad_line(folder):
    """A line that spoils a byte in 150: whatever comes back is right, and all of it comes."""
    model = folder / "first.tflite"
    found, board = board_of("icebreaker", model)
    bad = BadLine(board, 150)
    inputs = np.load(folder / "inputs.npy")
    wanted = Golden(found.program.partition.device, "litert").run([inputs])[0]
    with plugged_in(bad) as line, Driver(line.path, silence=2.0) as driver:
        answers = dict(driver.stream([x.tobytes() for x in inputs], SIZES[-1]))
    assert bad.faults > 10 and driver.errors.total > 0
    for index, answer in answers.items():
        assert answer.output == wanted[index].tobytes()
        assert answer.crc == zlib.crc32(inputs[index].tobytes())
    assert len(answers) == len(inputs)


@pytest.mark.parametrize("happens, says", (
    (lambda line, driver: driver.reset(),
     "the board has started afresh in the middle of a stream; is its supply good, and is nobody "
     "else using it?"),
    (lambda line, driver: line.unplug(), "the port PORT is gone; is the board still plugged in?")),
    ids=("started afresh", "unplugged"))
def test_broken_off(folder, happens, says):
    """A board to which something happens while images are on their way."""
    _, board = board_of("icebreaker", folder / "first.tflite")
    with plugged_in(board) as line, Driver(line.path) as driver:
        answers = driver.stream([bytes(SIZES[0])] * 1000, SIZES[-1])
        next(answers)
        happens(line, driver)
        with pytest.raises(BoardError) as refusal:
            list(answers)
    assert str(refusal.value) == says.replace("PORT", line.path)


@pytest.mark.parametrize("kind, size, least", (
    (Type.WELCOME, 40, "100"), (Type.ACK, 3, "4 or more"), (Type.RESULT, 13, "14 or more"),
    (Type.BYTES, 9, "256")))
def test_frames_of_another_length(capsys, folder, kind, size, least):
    """Whole frames of a board of another version."""
    first, inputs = folder / "first.tflite", ("--inputs", folder / "inputs.npy")
    _, board = board_of("icebreaker", first)
    with plugged_in(Shortened(board, kind, size)) as line:
        port = (first, "--port", line.path)
        command = ("load", *port) if kind == Type.BYTES else ("stream", *port, *inputs)
        assert refused(capsys, 5, *command) \
            == f"error: the board's {kind.name} has {size} bytes, and this version's {least}; " \
               "build its bitstream again with python -m boards build"


@pytest.mark.parametrize("name", ("icebreaker", "ulx3s-85f"))
def test_load(capsys, folder, name):
    first, second = folder / "first.tflite", folder / "second.tflite"
    found, board = board_of(name, first)
    with plugged_in(board) as line:
        port = ("--board", name, "--port", line.path)
        assert refused(capsys, 5, "stream", second, *port, "--inputs", folder / "inputs.npy") \
            == "error: the board holds another model than second.tflite, profile litert; load " \
               "it with python -m boards load"
        image = designed(name, second).image
        assert run(capsys, "load", second, *port)[:2] \
            == (0, f"{second} is on the board: {len(image):,} bytes, checked\n")
        code, out, _ = run(capsys, "stream", second, *port, "--inputs", folder / "inputs.npy",
                           "--json")
        assert (code, json.loads(out)["equal_to_golden"]) == (0, 40)
        # ... and back, into the slot that was left:
        code, out, _ = run(capsys, "load", first, *port, "--json")
        assert (code, json.loads(out)) == (0, {
            "board": name, "port": line.path, "model": "first",
            "image_bytes": len(designed(name, first).image)})
        assert run(capsys, "selftest", first, *port)[0] == 0
    assert not board.machine["broken"]


def test_load_that_is_interrupted(folder):
    """The old model stays in use, wherever the new one's writing ends."""
    first, second = folder / "first.tflite", folder / "second.tflite"
    image = designed("icebreaker", second).image
    _, board = board_of("icebreaker", first)

    class Stop(Exception):
        pass

    with plugged_in(board) as line, Driver(line.path) as driver:
        old = driver.hello().header
        for pieces in (0, 2, len(image) // 256 + 2):
            count = 0

            def stop(_, pieces=pieces):
                nonlocal count
                count += 1
                if count > pieces:
                    raise Stop
            with pytest.raises(Stop):
                driver.load(image, stop)
            welcome = driver.reset()
            assert welcome.header == old and welcome.has(welcome.FINE)
        assert driver.load(image).header == image[:HEADER_BYTES]


def test_selftest_names_the_wrong_layer(capsys, folder):
    """A weight of the second dense layer is wrong on the board, unknown to all CRCs of its tape."""
    model = folder / "first.tflite"
    found = designed("icebreaker", model)
    wrong = bytearray((folder / "first.tflite").read_bytes())
    right = np.random.default_rng(0)             # (as small_models.dense makes them)
    right.integers(-127, 128, (SIZES[1], SIZES[0]), np.int8)
    right.integers(-2000, 2000, SIZES[1], np.int32)
    weights = right.integers(-127, 128, (SIZES[2], SIZES[1]), np.int8).tobytes()
    place = wrong.index(weights)
    for index in range(0, len(weights), 3):
        wrong[place + index] = 1
    (folder / "wrong.tflite").write_bytes(wrong)
    other = designed("icebreaker", folder / "wrong.tflite")
    image = found.image[:TAPE_OFFSET] + other.image[TAPE_OFFSET:]
    board = SimulatedBoard(found.config, (image,))
    with plugged_in(board) as line:
        code, out, _ = run(capsys, "selftest", model, "--port", line.path, "--json")
    report = json.loads(out)
    assert code == 1 and report["equal"] == 0
    assert report["first_wrong_layer"] == found.program.layers[2].name == "1 FULLY_CONNECTED"
    assert board.machine["fault"]


def test_damaged_tape(capsys, folder):
    model = folder / "first.tflite"
    found = designed("icebreaker", model)
    image = bytearray(found.image)
    image[TAPE_OFFSET + 40] ^= 1
    board = SimulatedBoard(found.config, (bytes(image),))
    with plugged_in(board) as line:
        assert refused(capsys, 5, "selftest", model, "--port", line.path) \
            == "error: the board's model is damaged: its CRC is wrong; load it again with " \
               "python -m boards load"
        assert run(capsys, "load", model, "--port", line.path)[0] == 0
        assert run(capsys, "selftest", model, "--port", line.path)[0] == 0
    assert board.machine["verdict"] and not board.machine["fault"]


def test_no_model(capsys, folder):
    found = designed("icebreaker", folder / "first.tflite")
    with plugged_in(SimulatedBoard(found.config)) as line:
        assert refused(capsys, 5, "selftest", folder / "first.tflite", "--port", line.path) \
            == "error: the board holds no model; load one with python -m boards load"


def test_second_slot(capsys, folder):
    """A board whose first slot is empty starts from the second."""
    model = folder / "first.tflite"
    found = designed("icebreaker", model)
    board = SimulatedBoard(found.config, (b"", found.image))
    with plugged_in(board) as line:
        assert run(capsys, "selftest", model, "--port", line.path)[0] == 0


def test_wrong_board(capsys, folder):
    model = folder / "first.tflite"
    _, board = board_of("upduino", model)
    with plugged_in(board) as line:
        for command in ("selftest", "load"):
            assert refused(capsys, 5, command, model, "--port", line.path) \
                == f"error: the board on {line.path} is no iCEBreaker (iCE40UP5K); say which " \
                   "with --board"


def test_other_engine(capsys, folder):
    """A model that needs what the board's engine lacks is refused before anything is written."""
    (folder / "large.tflite").write_bytes(dense(3800, 300))
    _, board = board_of("icebreaker", folder / "first.tflite")
    with plugged_in(board) as line:
        message = refused(capsys, 3, "load", folder / "large.tflite", "--port", line.path)
    assert message == (
        "error: the activations need 4100 bytes of scratchpad, but there are 4096; step 1 holds "
        "4100 bytes (0 3800, 3 300); use a board with more memory or a smaller model")
