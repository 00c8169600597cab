"""The frames of the link (docs/protocol.md): what the host writes on the line, and reads off it."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from cobs import cobs

from ..config import HEADER_BYTES
from ..system import INFO, INFO_BYTES
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


class OtherLength(Exception):
    """A whole frame that does not hold what its type does; the text is one sentence for the user.
    """


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


def content(frame: Frame, least: int, most: int = LONGEST) -> bytes:
    """The frame's payload; OtherLength where that has fewer bytes than ``least``, or more than
    ``most``."""
    count = len(frame.payload)
    if not least <= count <= most:
        raise OtherLength(f"the board's {frame.type.name} has {count} bytes, and this version's "
                          f"{least}{' or more' if most > least else ''}; build its bitstream again "
                          "with python -m boards build")
    return frame.payload


@dataclass(frozen=True)
class Status:
    """What WELCOME, ACK, RESULT and NAK begin with. ``second``: flags, part or reason."""

    expected: int
    second: int
    taken: int

    @classmethod
    def parse(cls, frame: Frame) -> "Status":
        """OtherLength where the frame is too short for it."""
        return cls(*STATUS.unpack_from(content(frame, STATUS.size)))


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
        """OtherLength where the frame is too short for it."""
        found = content(frame, RESULT.size)
        _, part, _, image, crc, cycles = RESULT.unpack_from(found)
        return cls(part, image, crc, cycles, found[RESULT.size:])


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
        """OtherLength where it is of another length."""
        header = STATUS.size + INFO_BYTES
        found = content(frame, header + HEADER_BYTES, header + HEADER_BYTES)
        return cls(*STATUS.unpack_from(found), Info.parse(found[STATUS.size:header]),
                   found[header:])

    def has(self, flag: int) -> bool:
        """Whether a flag is set."""
        return bool(self.flags & flag)
