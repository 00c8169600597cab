import dataclasses

import pytest
from amaranth.hdl import Value

import hw.fields
from hw.config import EngineConfig, Mode, Packet
from hw.fields import jump_fields, layer_fields
from hw.layouts import HEADER, RECORD, jump_layout, layer_layout

REFUSALS = [
    (dict(rows=0), "rows must be a positive integer, not 0"),
    (dict(rows=2.0), "rows must be a positive integer, not 2.0"),
    (dict(columns=-1), "columns must be a positive integer, not -1"),
    (dict(lanes="4"), "lanes must be a positive integer, not '4'"),
    (dict(tape_rows=0), "tape_rows must be a positive integer, not 0"),
    (dict(rows=4, tape_rows=3), "tape_rows must divide rows=4, not 3"),
    (dict(rows=4, tape_rows=8), "tape_rows must divide rows=4, not 8"),
    (dict(scratchpad_bytes=3000), "scratchpad_bytes must be a power of two of at least 16, "
                                  "not 3000"),
    (dict(scratchpad_bytes=8), "scratchpad_bytes must be a power of two of at least 16, not 8"),
    (dict(scratchpad_bytes=0), "scratchpad_bytes must be a power of two of at least 16, not 0"),
    (dict(columns=3, scratchpad_bytes=32),
     "scratchpad_bytes must be a power of two of at least 64, not 32"),
    (dict(results=100), "results must be a power of two of at least 4, not 100"),
    (dict(rows=2, tape_rows=2, columns=4, lanes=3, results=8),
     "results must be a power of two of at least 12, not 8"),
    (dict(rows=8, columns=4, lanes=1, results=16),
     "results must be a power of two of at least 32, not 16"),
    (dict(weight_words=511), "weight_words must be a power of two of at least 2, not 511"),
    (dict(columns=4, weight_words=4), "weight_words must be a power of two of at least 8, not 4"),
    (dict(channel_records=12), "channel_records must be a power of two of at least 8, not 12"),
    (dict(rows=1, tape_rows=1, channel_records=2),
     "channel_records must be a power of two of at least 4, not 2"),
    (dict(acc_width=23), "acc_width must be from 24 to 32 bits, not 23"),
    (dict(acc_width=33), "acc_width must be from 24 to 32 bits, not 33"),
    (dict(multiplier_width=15), "multiplier_width must be from 16 to 32 bits, not 15"),
    (dict(multiplier_width=33), "multiplier_width must be from 16 to 32 bits, not 33"),
    (dict(digit_width=4), "digit_width must be 8 or 10 bits, not 4"),
    (dict(rows_together=3), "rows_together must divide rows=4, not 3"),
    (dict(requantizers=3), "requantizers must divide rows=4 and the scratchpad's word of 4 bytes, "
                           "not 3"),
    (dict(rows=8, requantizers=8), "requantizers must divide rows=8 and the scratchpad's word of "
                                   "4 bytes, not 8"),
    (dict(requantizers=2), "requantizers must be 1 without whole_sums and write_port, not 2"),
    (dict(requantizers=4, whole_sums=True, write_port=True, channel_records=8),
     "channel_records must be a power of two of at least 16, not 8"),
]


@pytest.mark.parametrize("parameters, message", REFUSALS)
def test_refusals(parameters, message):
    with pytest.raises(ValueError) as refusal:
        EngineConfig(**parameters)
    assert str(refusal.value) == message


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EngineConfig().rows = 8


# Worked out by hand from the docstrings.
PROPERTIES = [
    (dict(),
     dict(word_bytes=4, banks=4, macs=16, tape_bytes=16, addr_width=17, tile_results=4,
          header_beats=1, record_beats=1, tile_spacing=7, array_latency=7, shift_max=25)),
    (dict(rows=1, columns=1, lanes=1, tape_rows=1, scratchpad_bytes=4, weight_words=2,
          channel_records=4, results=1, shift_min=8),
     dict(word_bytes=1, banks=1, macs=1, tape_bytes=1, addr_width=2, tile_results=1,
          header_beats=3, record_beats=16, tile_spacing=1, shift_max=23)),
    (dict(rows=3, columns=2, lanes=3, tape_rows=3, scratchpad_bytes=1 << 15, weight_words=4),
     dict(word_bytes=6, banks=8, macs=18, tape_bytes=9, addr_width=15, tile_results=6,
          header_beats=1, record_beats=2, tile_spacing=9, array_latency=7)),
    (dict(rows=4, columns=4, lanes=1, tape_rows=2),
     dict(word_bytes=4, banks=4, macs=16, tape_bytes=2, addr_width=17, tile_results=16,
          header_beats=2, record_beats=8, tile_spacing=22)),
    (dict(rows=2, columns=3, lanes=5, tape_rows=1, results=16),
     dict(word_bytes=15, banks=16, macs=30, tape_bytes=5, tile_results=15, header_beats=1,
          record_beats=4, tile_spacing=9)),
]


@pytest.mark.parametrize("parameters, wanted", PROPERTIES)
def test_properties(parameters, wanted):
    config = EngineConfig(**parameters)
    assert {name: getattr(config, name) for name in wanted} == wanted


@pytest.mark.parametrize("parameters", [parameters for parameters, _ in PROPERTIES])
def test_layer_layout(parameters):
    config = EngineConfig(**parameters)
    layout = layer_layout(config)
    beat = 8 * config.tape_bytes
    assert (config.layer_beats - 1) * beat < layout.size <= config.layer_beats * beat

    # The compiler writes fields that the hardware reads back, so every extreme must survive:
    top = config.scratchpad_bytes - 1
    fields = {"mode": Mode.ADD, "steps": 3, "low": -128, "high": 127, "zero_point": -128,
              "groups": config.scratchpad_bytes // config.word_bytes,
              "row_bytes": top, "height": 1023, "last_columns": config.columns - 1,
              "channels": max(config.rows, config.word_bytes) - 1}
    read = layout.const(fields)
    assert {name: read[name] for name in fields} == fields
    values = dict.fromkeys(layer_fields(config), 0) | fields
    assert layer_fields(config).pack(values) == read.as_bits()


@pytest.mark.parametrize("padding", (False, True))
@pytest.mark.parametrize("parameters", [parameters for parameters, _ in PROPERTIES])
def test_jump_layout(parameters, padding):
    config = EngineConfig(**parameters, padding=padding)
    layout, top = jump_layout(config), config.scratchpad_bytes - 1
    beat = 8 * config.tape_bytes
    assert (config.jump_beats - 1) * beat < layout.size <= config.jump_beats * beat
    jump = {"read": {"addr": top} | ({"x": -top, "y": -1024} if padding else {}),
            "write": {"addr": top}}
    read = layout.const(jump)
    assert {name: {field: read[name][field] for field in jump[name]} for name in jump} == jump
    assert jump_fields(config).pack(jump) == read.as_bits()


def test_tape_layouts():
    assert (HEADER.size, RECORD.size) == (24, 128)
    header = Value.cast(HEADER.const({"kind": Packet.WEIGHTS, "beats": 0x1234})).value
    assert header.to_bytes(3, "little") == bytes([2, 0x34, 0x12])
    assert header == hw.fields.HEADER.pack({"kind": Packet.WEIGHTS, "beats": 0x1234})
    # Words of 32 bits, each in a memory of its own: the shift has two bits in each of two.
    values = {"bias": -2, "multiplier": 0xfedcba98, "offset": -1, "shift_low": 1,
              "offset_negative": 5, "shift_high": 2}
    record = Value.cast(RECORD.const(values)).value
    assert record == hw.fields.RECORD.pack(values)
    assert record.to_bytes(16, "little").hex() == "feffffff" "98badcfe" "ffffff7f" "05000080"
