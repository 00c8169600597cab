"""The frames of the link (docs/protocol.md): what the host writes on the line, and reads off it."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from cobs import cobs

from ..system import INFO
from .receive import VERSION, Type

DATA_BYTES = 512               # of input that the host puts into one frame
LONGEST = 2048                 # bytes between two zeros, more than any frame has
CRC_BYTES = 4


@dataclass(frozen=True)
class Frame:
    """A frame; ``sequence`` is a byte."""

    type: Type
    sequence: int = 0
    payload: bytes = b""


class Damaged(Exception):
    """Bytes that are no frame."""


def encode(frame: Frame) -> bytes:
    """The frame's bytes on the line, the zero that ends it included."""
    head = struct.pack("<BBH", VERSION << 4 | frame.type, frame.sequence, len(frame.payload))
    body = head + frame.payload
    return cobs.encode(body + struct.pack("<I", zlib.crc32(body))) + b"\0"


def decode(data: bytes) -> Frame:
    """The frame in the bytes between two zeros; Damaged where it is none, or not whole."""
    try:
        body = cobs.decode(data)
    except cobs.DecodeError as error:
        raise Damaged(str(error)) from None
    if len(body) < 8 or zlib.crc32(body[:-CRC_BYTES]) != int.from_bytes(body[-CRC_BYTES:],
                                                                      "little"):
        raise Damaged("wrong CRC")
    kind, sequence, length = struct.unpack_from("<BBH", body)
    payload = body[4:-CRC_BYTES]
    if kind >> 4 != VERSION or kind & 15 not in Type.__members__.values() \
            or length != len(payload):
        raise Damaged("wrong header")
    return Frame(Type(kind & 15), sequence, payload)


class Decoder:
    """Frames out of bytes that come in any pieces. ``damaged`` counts what was none."""

    def __init__(self) -> None:
        self.damaged = 0
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole with ``data``."""
        self._rest += data
        *pieces, rest = self._rest.split(b"\0")
        if len(rest) > LONGEST:                  # noise without an end
            self.damaged += 1
            rest = bytearray()
        self._rest = rest
        for piece in pieces:
            if piece:
                try:
                    yield decode(bytes(piece))
                except Damaged:
                    self.damaged += 1


STATUS = struct.Struct("<BBH")
RESULT = struct.Struct("<BBHHII")


@dataclass(frozen=True)
class Status:
    """What WELCOME, ACK, RESULT and NAK begin with. ``second``: flags, part or reason."""

    expected: int
    second: int
    taken: int

    @classmethod
    def parse(cls, frame: Frame) -> "Status":
        """Damaged where the frame is too short for it."""
        if len(frame.payload) < STATUS.size:
            raise Damaged("too short")
        return cls(*STATUS.unpack_from(frame.payload))


@dataclass(frozen=True)
class Result:
    """A part of an image's output."""

    part: int
    image: int                 # modulo 2^16
    crc: int
    cycles: int
    data: bytes

    @classmethod
    def parse(cls, frame: Frame) -> "Result":
        """Damaged where the frame is too short for it."""
        if len(frame.payload) < RESULT.size:
            raise Damaged("too short")
        _, part, _, image, crc, cycles = RESULT.unpack_from(frame.payload)
        return cls(part, image, crc, cycles, frame.payload[RESULT.size:])


@dataclass(frozen=True)
class Info:
    """What the bitstream tells of itself. Addresses and sizes in bytes."""

    version: int
    board: int
    window: int
    store: int
    slot_bytes: int
    clock_hz: int
    engine: bytes
    build: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Info":
        """Of its 32 bytes."""
        version, board, window, store, slot_big, slot_small, *rest = INFO.unpack(data)
        return cls(version, board, window, store << 16, (slot_big << 16) + (slot_small << 10),
                   *rest)


@dataclass(frozen=True)
class Welcome:
    """Who is there. ``header`` are the 64 bytes of its model's header."""

    expected: int
    flags: int
    taken: int
    info: Info
    header: bytes

    PRESENT, SOUND, FINE, IN_MEMORY, SLOT_1, STOPPED = (1 << bit for bit in range(6))

    @classmethod
    def parse(cls, frame: Frame) -> "Welcome":
        """Damaged where it is of another length."""
        if len(frame.payload) != STATUS.size + 96:
            raise Damaged("of another length")
        return cls(*STATUS.unpack_from(frame.payload), Info.parse(frame.payload[4:36]),
                   frame.payload[36:])

    def has(self, flag: int) -> bool:
        """Whether a flag is set."""
        return bool(self.flags & flag)
