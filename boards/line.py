"""The serial line to a board, and the frames on it."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import serial

from hw.config import BAUD
from hw.link.codec import Decoder, Frame, encode

SILENCE = 2.0                  # seconds without a byte, after which a frame counts as lost


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


class Line:
    """One port. ``silence`` is the patience in seconds; ``is_met`` once somebody has been heard,
    be it on a bad line."""

    def __init__(self, port: str, silence: float):
        self.port, self.silence = port, silence
        self.errors = Errors()
        self.is_met = False
        self._decoder = Decoder()
        self._heard = 0.0
        try:
            self._serial = serial.serial_for_url(port, baudrate=BAUD, timeout=0.05,
                                                 write_timeout=30, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            number = getattr(error, "errno", None)
            reason = os.strerror(number) if number else "it is no serial port"
            raise BoardError(f"the port {port or repr(port)} cannot be opened: {reason}") from None

    def close(self) -> None:
        """Lets go of the port."""
        self._serial.close()

    def send(self, frame: Frame, afresh: bool = False) -> None:
        """A frame; ``afresh`` behind a zero, which ends a frame that has lost its own."""
        self.write(b"\0" * afresh + encode(frame))

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        try:
            self._serial.write(data)
        except (serial.SerialException, OSError):
            raise self._gone() from None

    def frames(self) -> Iterator[Frame]:
        """The frames that have come, after a short wait at the most."""
        try:
            data = self._serial.read(max(1, self._serial.in_waiting))
        except (serial.SerialException, OSError, TypeError):
            raise self._gone() from None
        if data:
            self.listen()
        before = self._decoder.damaged
        yield from self._decoder.feed(data)
        self.errors.damaged += self._decoder.damaged - before
        self.is_met |= self._decoder.damaged > before

    def listen(self) -> None:
        """Silence is counted from now on."""
        self._heard = time.monotonic()

    @property
    def is_silent(self) -> bool:
        """Whether nothing has come for too long."""
        return time.monotonic() - self._heard > self.silence

    def _gone(self) -> BoardError:
        return BoardError(f"the port {self.port} is gone; is the board still plugged in?")
