"""The host's driver: the same for a board and for a simulated one."""

import os
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import serial

from compiler.errors import ModelError
from compiler.image import Header
from hw.config import HEADER_BYTES, MAGIC, TAPE_OFFSET
from hw.link.codec import (
    DATA_BYTES,
    Decoder,
    Frame,
    Result,
    Status,
    Welcome,
    encode,
)
from hw.link.receive import Reason, Type

BAUD = 1_000_000
SILENCE = 2.0                  # seconds without a byte, after which a frame counts as lost
ATTEMPTS = 5                   # silences in a row, after which nobody is there
PATIENCE = 12                  # ... for somebody who has answered before: the line may be bad
PIECE, SECTOR = 256, 4096      # bytes that are read or programmed, and erased, at a time


class BoardError(Exception):
    """The board or the link has failed; the text says how, in one sentence."""


@dataclass
class Errors:
    """What went wrong on the line, and was put right."""

    damaged: int = 0           # frames to the host
    refused: int = 0           # frames to the board
    silences: int = 0
    lost_results: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.damaged + self.refused + self.silences + self.lost_results


@dataclass
class Answer:
    """What the board made of one image."""

    output: bytes
    cycles: int
    crc: int


@dataclass
class _Flight:
    """The stream of input since the last RESET: bytes by their place in it."""

    images: list[int] = field(default_factory=list)      # which image is the n-th one sent
    frames: deque = field(default_factory=deque)         # (sequence, first byte, bytes)
    sent: int = 0
    taken: int = 0
    sequence: int = 0


class Driver:
    """One board on one line. ``silence`` is the patience in seconds."""

    def __init__(self, port: str, *, baud: int = BAUD, silence: float = SILENCE):
        self.errors = Errors()
        self.silence = silence
        self._decoder = Decoder()
        self._sequence = 0
        try:
            self._line = serial.serial_for_url(port, baudrate=baud, timeout=0.05,
                                               write_timeout=30, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            number = getattr(error, "errno", None)
            reason = os.strerror(number) if number else "it is no serial port"
            raise BoardError(f"the port {port} cannot be opened: {reason}") from None
        self.port = port

    def close(self) -> None:
        """Lets go of the port."""
        self._line.close()

    def __enter__(self) -> "Driver":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    # The line.

    def _write(self, data: bytes) -> None:
        try:
            self._line.write(data)
        except (serial.SerialException, OSError):
            raise BoardError(f"the port {self.port} is gone; is the board still plugged in?") \
                from None

    def _frames(self) -> Iterator[Frame]:
        """The frames that have come, after a short wait at the most."""
        try:
            data = self._line.read(max(1, self._line.in_waiting))
        except (serial.SerialException, OSError, TypeError):
            raise BoardError(f"the port {self.port} is gone; is the board still plugged in?") \
                from None
        if data:
            self._heard = time.monotonic()
        before = self._decoder.damaged
        yield from self._decoder.feed(data)
        self.errors.damaged += self._decoder.damaged - before
        self._met |= self._decoder.damaged > before      # (somebody is there, on a bad line)

    _heard, _met = 0.0, False

    @property
    def _silent(self) -> bool:
        return time.monotonic() - self._heard > self.silence

    def ask(self, kind: Type, payload: bytes, wanted: Type) -> Frame:
        """A command and its answer; asks again, as commands do no harm when they come twice."""
        attempt = 0
        while attempt < (PATIENCE if self._met else ATTEMPTS):
            self._sequence = (self._sequence + 1) % 256
            self._write((b"\0" if attempt else b"") + encode(Frame(kind, self._sequence, payload)))
            self._heard = time.monotonic()
            while not self._silent:
                for frame in self._frames():
                    if frame.type == wanted and frame.sequence == self._sequence:
                        self._met = True
                        return frame
                    if frame.type == Type.NAK and Status.parse(frame).second == Reason.ADDRESS:
                        raise BoardError("the board does not let its bitstream be overwritten")
            attempt += 1
            self.errors.silences += self._met      # (a board that starts is silent)
        raise BoardError(f"nobody answers on {self.port}; is the board programmed with a bitstream "
                         "of this project, and is it the right port?")

    # Commands.

    def hello(self) -> Welcome:
        """Who is there."""
        self._write(b"\0")
        return Welcome.parse(self.ask(Type.HELLO, b"", Type.WELCOME))

    def reset(self, limit: int = 1) -> Welcome:
        """Starts the board afresh; the CRC of results covers the layers below ``limit``."""
        return Welcome.parse(self.ask(Type.RESET, bytes((0, 0, 0, limit)), Type.WELCOME))

    def read(self, address: int, count: int, progress: Callable[[int], object] = lambda n: None
             ) -> bytes:
        """Bytes of the store."""
        data = bytearray()
        while len(data) < count:
            size = min(PIECE, count - len(data))
            data += self.ask(Type.READ, _place(address + len(data), size), Type.BYTES).payload
            progress(size)
        return bytes(data)

    def program(self, address: int, data: bytes) -> None:
        """Writes bytes of one page, which must have been erased."""
        self.ask(Type.PROGRAM, _place(address, len(data)) + data, Type.DONE)

    def load(self, image: bytes, progress: Callable[[int], object] = lambda n: None) -> Welcome:
        """Puts a model into the slot that is not in use, and makes it the one in use.

        The old model stays whole until the new one is: see docs/protocol.md. ``progress`` is told
        of bytes written and read back, twice the image's.
        """
        welcome = self.hello()
        info = welcome.info
        in_memory = welcome.has(Welcome.IN_MEMORY)
        if len(image) > info.slot_bytes:
            raise BoardError(f"the model takes {len(image):,} bytes, and a slot of this board has "
                             f"{info.slot_bytes:,}")
        if Header.parse(image[:HEADER_BYTES]).engine != info.engine:
            raise BoardError("the model was compiled for another engine than the board's; build "
                             "it for this one, or build a bitstream")
        old = info.store + info.slot_bytes * welcome.has(Welcome.SLOT_1)
        new = old if in_memory else 2 * info.store + info.slot_bytes - old
        if in_memory:                            # there is but one place, and no flash behind it
            self.program(old, bytes(len(MAGIC)))
        else:
            for address in range(0, len(image), SECTOR):
                self.ask(Type.ERASE, _place(new + address, 1), Type.DONE)
        for first in [*range(TAPE_OFFSET, len(image), PIECE), 0]:
            part = image[first:first + (PIECE if first else HEADER_BYTES)]
            if first == 0 and self.read(new + TAPE_OFFSET, len(image) - TAPE_OFFSET,
                                        progress) != image[TAPE_OFFSET:]:
                raise BoardError("the model that was written does not read back; the old one is "
                                 "still in use")
            self.program(new + first, part)
            progress(len(part))
        if not in_memory and welcome.has(Welcome.PRESENT):
            self.program(old, bytes(len(MAGIC)))
        welcome = self.reset()
        if not welcome.has(Welcome.SOUND) or welcome.header != image[:HEADER_BYTES]:
            raise BoardError("the board does not start the model that was written; try again")
        return welcome

    # Images.

    def stream(self, images: Sequence[bytes], output_bytes: int, limit: int = 1,
               check: bool = True) -> Iterator[tuple[int, Answer]]:
        """Sends images and yields ``(index, answer)`` as they come, not always in order.

        The answers' CRCs cover what the layers below ``limit`` made. With ``check`` that is the
        input alone, and an answer of another CRC than its image's is not taken: the image is sent
        again.
        """
        self.reset(limit)
        crcs = [zlib.crc32(image) if check else None for image in images]
        waiting, flight, parts = deque(range(len(images))), _Flight(), {}
        done, attempts = [False] * len(images), 0
        rest = b""                               # of the image that is going out
        answered = 0                             # images that the board has told of
        window = self.hello().info.window
        self._heard = time.monotonic()
        while not all(done):
            # Fill the window, and then listen.
            while rest or waiting:
                if not rest:
                    index = waiting.popleft()
                    flight.images.append(index)
                    rest = images[index]
                part = rest[:DATA_BYTES]
                if flight.sent + len(part) - flight.taken >= window:
                    break
                rest = rest[len(part):]
                frame = Frame(Type.DATA, flight.sequence, part)
                flight.frames.append((flight.sequence, flight.sent, part))
                flight.sequence = (flight.sequence + 1) % 256
                flight.sent += len(part)
                self._write(encode(frame))
            again = False
            for frame in self._frames():
                if frame.type not in (Type.ACK, Type.RESULT, Type.NAK, Type.WELCOME):
                    continue
                status = Status.parse(frame)
                fresh = (status.taken - flight.taken) % (1 << 16)
                if fresh > flight.sent - flight.taken:
                    raise BoardError("the board has started afresh in the middle of a stream; is "
                                     "its supply good, and is nobody else using it?")
                flight.taken += fresh
                if fresh:
                    attempts = 0
                while flight.frames and flight.frames[0][1] + len(flight.frames[0][2]) \
                        <= flight.taken:
                    flight.frames.popleft()
                if frame.type == Type.NAK:
                    self._refused(status)
                    again |= status.second in (Reason.SEQUENCE, Reason.OVERFLOW)
                if frame.type != Type.RESULT:
                    continue
                result = Result.parse(frame)
                place = answered + (result.image - answered + (1 << 15)) % (1 << 16) - (1 << 15)
                if not answered <= place < len(flight.images):
                    continue
                for lost in range(answered, place):        # their results were lost
                    self._lost(flight.images[lost], done, waiting)
                if place > answered:
                    parts.clear()
                answered = place
                parts[result.part] = result.data
                output = b"".join(parts[index] for index in sorted(parts))
                if len(output) < output_bytes and result.part < 255:
                    continue
                index = flight.images[place]
                answered += 1
                parts.clear()
                if crcs[index] not in (None, result.crc) or len(output) != output_bytes:
                    self._lost(index, done, waiting)
                elif not done[index]:
                    done[index] = True
                    attempts = 0
                    yield index, Answer(output, result.cycles, result.crc)
            if self._silent:
                again, attempts = True, attempts + 1
                self.errors.silences += 1
                self._heard = time.monotonic()
                if attempts == PATIENCE:
                    raise BoardError(f"the board on {self.port} has stopped answering; "
                                     f"{sum(done):,} of {len(images):,} images were done")
                if not flight.frames and not rest and not waiting:
                    for lost in flight.images[answered:]:  # the last results of all were lost
                        self._lost(lost, done, waiting)
                    answered = len(flight.images)
                # What the board has it drops without a word; its WELCOME tells what it has. The
                # zero ends a frame that lost its own.
                self._write(b"\0" + encode(Frame(Type.HELLO)))
            if again:
                for sequence, _, part in flight.frames:
                    self._write(encode(Frame(Type.DATA, sequence, part)))

    def _lost(self, index: int, done: list[bool], waiting: deque) -> None:
        if not done[index] and index not in waiting:
            self.errors.lost_results += 1
            waiting.append(index)

    def _refused(self, status: Status) -> None:
        self.errors.refused += 1
        if status.second == Reason.NO_MODEL:
            raise BoardError("the board holds no model; load one with python -m boards load")
        if status.second == Reason.WATCHDOG:
            raise BoardError("the board's engine got stuck at an image; python -m boards selftest "
                             "says where")
        if status.second == Reason.STOPPED:
            raise BoardError("the board has stopped in the middle of a stream; is somebody else "
                             "using it?")


def model_header(welcome: Welcome) -> Header:
    """The header of the board's model; BoardError where it has none that is whole."""
    if not welcome.has(Welcome.PRESENT):
        raise BoardError("the board holds no model; load one with python -m boards load")
    if not welcome.has(Welcome.SOUND):
        raise BoardError("the board's model is damaged: its CRC is wrong; load it again with "
                         "python -m boards load")
    try:
        return Header.parse(welcome.header)
    except ModelError as error:
        raise BoardError(f"the board's model is of no use: {error}") from None


def _place(address: int, count: int) -> bytes:
    """The arguments of READ, ERASE and PROGRAM."""
    return address.to_bytes(3, "little") + bytes((count - 1,))
