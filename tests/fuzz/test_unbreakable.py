"""Whatever the bytes: a tape, or a clean refusal, within two seconds and a gigabyte."""

import json
import os
import random
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hostile import HOSTILE, hostile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutation import mutated, places, twisted
from random_models import random_model
from reading import attempt, check_refusal
from within_limits import SECONDS

from compiler.errors import ModelError
from compiler.reader import read_model

HERE, ROOT = Path(__file__).parent, Path(__file__).resolve().parents[2]
CORPUS = sorted((HERE / "corpus").glob("*"))      # what broke us, and nobody could have written
SEEDS = 60

few = settings(max_examples=800, deadline=None, derandomize=True,
               suppress_health_check=list(HealthCheck))
many = settings(few, max_examples=20_000, derandomize=False)


@cache
def seed_file(seed: int):
    """A right model, and where its numbers are."""
    data = bytes(random_model(seed))
    return data, places(data)


def check_mutated(seed, rng):
    data, found = seed_file(seed)
    attempt(mutated(data, found, rng), rng.randrange(4))


def check_twisted(seed, rng):
    model = random_model(seed, wild=0.2)
    attempt(bytes(model), rng.randrange(4))
    attempt(bytes(twisted(model, rng)), rng.randrange(4))


EACH = st.integers(0, SEEDS - 1), st.integers(0, 2**32).map(random.Random)


@few
@given(*EACH)
def test_changed_numbers(seed, rng):
    check_mutated(seed, rng)


@few
@given(*EACH)
def test_wrong_models(seed, rng):
    check_twisted(seed, rng)


@pytest.mark.slow
@many
@given(*EACH)
def test_many_changed_numbers(seed, rng):
    check_mutated(seed, rng)


@pytest.mark.slow
@many
@given(*EACH)
def test_many_wrong_models(seed, rng):
    check_twisted(seed, rng)


@few
@given(st.binary(max_size=200))
def test_any_bytes(data):
    attempt(data)
    attempt(data[:4] + b"TFL3" + data[4:])


def test_mutations_reach_every_stage():
    """Or else the tests above would try nothing but the reader's first lines."""
    outcomes = [attempt(mutated(*seed_file(seed % SEEDS), random.Random(seed)))
                for seed in range(1000)]
    refusals = [text for text in outcomes if text]
    assert sum("damaged or cut off" in text for text in refusals) > 100
    assert sum("m.tflite cannot be read" in text for text in refusals) > 100
    assert sum("m cannot run" in text for text in refusals) > 50
    assert outcomes.count(None) > 50


# --- Within limits

@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """What became of every hostile file, and of every file that was once found to break us."""
    folder = tmp_path_factory.mktemp("hostile")
    for name in HOSTILE:
        (folder / name).write_bytes(hostile(name))
    for path in CORPUS:
        (folder / path.name).write_bytes(path.read_bytes())
    done = subprocess.run(
        [sys.executable, "-W", "error", HERE / "within_limits.py", folder], text=True,
        capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_two_seconds_and_a_gigabyte(measured):
    assert len(measured) == 2 * (len(HOSTILE) + len(CORPUS))
    assert max(found["seconds"] for found in measured) < SECONDS
    for found in measured:
        check_refusal(found["said"])


PASSES = ("{} needs more than 256 passes of the engine, or 16777216 bytes of weights on the tape, "
          "all before it counted; use a smaller batch, fewer groups, smaller strides, or an engine "
          "whose weight rings hold the layer")
REFUSED = {
    "1,999 operators": "the model has 1999 operators for the engine, and at most 256 layers are "
                       "accepted; use a smaller model",
    "2,001 operators": "FILE cannot be read: it has 2001 operators, and at most 2000 are accepted",
    "5,001 tensors": "FILE cannot be read: it has 5001 tensors, and at most 5000 are accepted",
    "8,193 channels": "the model's layers have 8193 output channels, and at most 8192 are "
                      "accepted; use a smaller model",
    "50,000 images": PASSES.format("operator 0 CONV_2D"),
    "10,000 tiles, each with all weights": PASSES.format("operator 0 CONV_2D"),
    "60 MB of weights": "operator 0 FULLY_CONNECTED: its weights [1000, 60000] take 60000000 bytes "
                        "of tape in words of 4, and at most 16777216 are accepted; use a smaller "
                        "layer",
    "weights over 64 MiB": "FILE has 67109408 bytes; at most 67108864 are accepted",
    "40 times 10 MB of weights": "FILE cannot be read: its operators read more than 67108864 bytes "
                                 "of constants, those that they share counted each time",
    "entries over and over": "FILE cannot be read: it declares more entries than its bytes can "
                             "hold",
    "a million entries": "a million entries cannot run: operator 0 RELU: an operator must have the "
                         "inputs and outputs that its kind demands; found inputs [0, 0, 0, "
                         "0, 0, 0, 0, 0, ...] and outputs [1]; convert the model again, its file "
                         "is damaged",
    "a million axes": "a million axes cannot run: operator 0 MEAN: the output's shape must be the "
                      "one that the inputs and options give; found axes [7, 7, 7, 7, 7, 7, 7, "
                      "7, ...] of an input of [1, 2, 2, 1]; convert the model with fixed shapes",
    "250 inputs and outputs": "compiled",
    "8,192 channels, each with its scale": "compiled",
    "16 MB of weights": "compiled",
    "1,000 rows to stripe": "compiled",
}


@pytest.mark.parametrize("name", REFUSED)
def test_bounds(measured, name):
    said, = (found["said"] for found in measured
             if found["file"] == name and found["board"] == "icebreaker")
    assert said == REFUSED[name]


# --- What is no file of bytes at all

def refusal(path):
    with pytest.raises(ModelError) as caught:
        read_model(path)
    return str(caught.value).replace(str(path), "FILE")


def test_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")                 # reading it would never end
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path, tmp_path / "absent", tmp_path / "pipe", tmp_path / "loop",
                 tmp_path / "nu\0l", Path("/dev/zero")):
        assert refusal(path) == "FILE is not a file"
    assert refusal(tmp_path / ("x" * 300)) == "FILE cannot be read: File name too long"


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")
    path = tmp_path / "m.tflite"
    path.write_bytes(b"")
    assert refusal(path) == "FILE is not a .tflite model: the identifier TFL3 is missing at byte 4"
    monkeypatch.setattr(Path, "open", denied)
    assert refusal(path) == "FILE cannot be read: Permission denied"
