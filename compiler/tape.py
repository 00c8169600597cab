"""The tape: layers as the bytes that the engine's tape reader takes."""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from compiler.jumps import pack_jumps
from compiler.layers import Layer, Record, ceil_div, check_fields
from hw.config import EngineConfig, Packet
from hw.fields import HEADER, RECORD, Fields, layer_fields

CRC_BYTES = 4
LONGEST_PACKET = 1 << HEADER["beats"].width      # beats


def packet_words(config: EngineConfig) -> int:
    """Words of weights in the longest packet: a packet ends with a whole word."""
    return LONGEST_PACKET // (config.rows // config.tape_rows)


def packed(fields: Fields, values: dict[str, int]) -> bytes:
    """What a packet holds of ``values``."""
    return fields.pack(values).to_bytes(ceil_div(fields.width, 8), "little")


def beats_of(data: bytes, config: EngineConfig) -> bytes:
    """``data`` filled up to whole beats."""
    return data + bytes(-len(data) % config.tape_bytes)


def packets(kind: Packet, content: bytes, config: EngineConfig) -> Iterator[bytes]:
    """``content``, whole beats, behind as many headers as it needs."""
    step = packet_words(config) * config.rows * config.lanes if kind == Packet.WEIGHTS \
        else LONGEST_PACKET * config.tape_bytes
    for first in range(0, len(content), step):
        part = content[first:first + step]
        header = packed(HEADER, {"kind": kind, "beats": len(part) // config.tape_bytes - 1})
        yield beats_of(header, config) + part


def record_bytes(record: Record, config: EngineConfig) -> bytes:
    """One requantizer record."""
    shift = max(0, record.shift - config.shift_min)
    return packed(RECORD, {
        "bias": record.bias, "multiplier": record.multiplier,
        "offset": record.offset, "offset_negative": record.offset_negative,
        "shift_low": shift & 3, "shift_high": shift >> 2})


def records_bytes(records: Sequence[Record], config: EngineConfig) -> bytes:
    """Several, those that come together in whole beats."""
    each = [record_bytes(record, config) for record in records]
    together = config.records_together
    return b"".join(beats_of(b"".join(each[first:first + together]), config)
                    for first in range(0, len(each), together))


def table_bytes(table: np.ndarray, config: EngineConfig) -> bytes:
    """One entry a beat, in its first byte."""
    beats = np.zeros((256, config.tape_bytes), np.int8)
    beats[:, 0] = table
    return beats.tobytes()


def layer_packets(layer: Layer, config: EngineConfig) -> Iterator[bytes]:
    """The packets of one layer.

    What can be taken ahead of the layer stands before its configuration, at which the tape waits
    for the layer before it: the jumps, the records and the weights of the first group.
    """
    groups = [records_bytes(group, config) for group in layer.records]
    weights = [b""] * len(groups)
    if layer.weights is not None:
        weights = [group.tobytes() for group in layer.weights]
        groups += [b""] * (len(weights) - len(groups))

    fields = check_fields(layer, config)
    ahead = config.weight_words * config.rows * config.lanes
    yield from packets(Packet.JUMPS, pack_jumps(fields, config), config)
    yield from packets(Packet.RECORDS, groups[0], config)
    yield from packets(Packet.WEIGHTS, weights[0][:ahead], config)
    if layer.table is not None:
        yield from packets(Packet.TABLE, table_bytes(layer.table, config), config)
    content = packed(layer_fields(config), fields)
    yield from packets(Packet.LAYER, beats_of(content, config), config)
    yield from packets(Packet.WEIGHTS, weights[0][ahead:], config)
    for records, words in zip(groups[1:], weights[1:], strict=True):
        yield from packets(Packet.RECORDS, records, config)
        yield from packets(Packet.WEIGHTS, words, config)


def check_beats(config: EngineConfig) -> int:
    """Beats of the content of the packet that ends a tape."""
    return ceil_div(CRC_BYTES, config.tape_bytes)


def write_tape(layers: Sequence[Layer], config: EngineConfig) -> bytes:
    """The whole tape: one inference, and in the last four bytes the CRC-32 of all before them."""
    content = bytes(check_beats(config) * config.tape_bytes)
    tape = b"".join([*(packet for layer in layers for packet in layer_packets(layer, config)),
                     *packets(Packet.CHECK, content, config)])[:-CRC_BYTES]
    return tape + zlib.crc32(tape).to_bytes(CRC_BYTES, "little")
