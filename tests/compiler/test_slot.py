"""Slots: header and tape, and the names of engines."""

import hashlib
import zlib
from dataclasses import replace

import pytest
from small_models import dense

from compiler.errors import ModelError
from compiler.program import compile_model
from compiler.size import PARTS, engines, fit, store_of, with_room
from compiler.slot import Header, engine_hash, slot_image
from compiler.targets import TARGETS
from hw.config import HEADER_BYTES, SLOT_HEADER, TAPE_OFFSET
from sim.design import graph_of


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "dense.tflite"
    path.write_bytes(dense(24, 10))
    return compile_model(graph_of(path), TARGETS["icebreaker"].engine)


def test_slot(program):
    """Each field where docs/protocol.md has it."""
    image = slot_image(program, 0x12345678)
    assert image[:6] == b"SYST\x01" + bytes((len(program.layers) - 1,))
    assert image[6:8] == b"\0\0"
    numbers = [int.from_bytes(image[at:at + 4], "little") for at in (8, 12, 16, 20)]
    assert numbers == [len(program.tape) // program.config.tape_bytes - 1, 24, 10, 0x12345678]
    assert image[24:32] == engine_hash(program.config)
    assert image[32:64] == hashlib.sha256(image[:32] + program.tape).digest()
    assert image[HEADER_BYTES:TAPE_OFFSET] == b"\xff" * (TAPE_OFFSET - HEADER_BYTES)
    assert image[TAPE_OFFSET:] == program.tape
    assert Header.parse(image[:HEADER_BYTES]).pack() == image[:HEADER_BYTES]


def test_tape_ends_with_its_crc(program):
    assert int.from_bytes(program.tape[-4:], "little") == zlib.crc32(program.tape[:-4])


@pytest.mark.parametrize("spoil, message", (
    (lambda header: header[:-1], "a model's header must be 64 bytes that begin with SYST"),
    (lambda header: b"X" + header[1:], "a model's header must be 64 bytes that begin with SYST"),
    (lambda header: header[:4] + b"\x09" + header[5:],
     "a model's header must be of format 1, not 9"),
))
def test_refuses(program, spoil, message):
    assert SLOT_HEADER.size == HEADER_BYTES == 64
    with pytest.raises(ModelError) as refusal:
        Header.parse(spoil(slot_image(program, 0)[:HEADER_BYTES]))
    assert str(refusal.value) == message


def test_engines_have_names_of_their_own():
    for target in TARGETS.values():
        found = list(engines(target))
        assert len({engine_hash(config) for config in found}) == len(found) == len(set(found))


def test_fit_leaves_out_what_is_not_needed(tmp_path):
    """... and whatever it chooses is one of those that a host looks for."""
    path = tmp_path / "dense.tflite"
    path.write_bytes(dense(3072, 32, 10))
    for target in TARGETS.values():
        program = fit(graph_of(path), target, "litert")
        config = program.config
        assert config in set(engines(target))
        assert config.scratchpad_bytes == 4096
        assert not any(getattr(config, part) for part in PARTS)
        assert config.multiplier_width <= target.engine.multiplier_width
        whole = replace(config, multiplier_width=30,
                        scratchpad_bytes=target.engine.scratchpad_bytes,
                        **{part: getattr(target.engine, part) for part in PARTS})
        assert whole in map(target.engine_for, target.stores)


@pytest.mark.parametrize("hidden, words, in_flash", [(64, 256, False), (90, 16, False),
                                                     (300, 256, True)])
def test_a_store_with_an_engine_of_its_own(hidden, words, in_flash, tmp_path):
    """Where the weight rings leave more block RAM to the tape, which still may not be enough."""
    path, target = tmp_path / "dense.tflite", TARGETS["ulx3s-85f"]
    path.write_bytes(dense(3072, hidden, 10))
    program = fit(graph_of(path), target, "litert")
    assert program.config.weight_words == words
    assert program.config in set(engines(target))
    store = store_of(program, target)
    assert store.has_room(program.tape) and bool(store.flash_dq) == in_flash


def test_rings_that_are_too_short(program):
    def compiled(engine):
        if engine != target.engine:
            raise ModelError("rings")
        return large
    target, large = TARGETS["ulx3s-85f"], replace(program, tape=bytes((1 << 18) + 1))
    assert with_room(target, compiled) is large
    assert not target.stores[0].has_room(large.tape) and target.stores[1].has_room(large.tape)
