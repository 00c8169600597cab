"""The host's driver: the same for a board and for a simulated one."""

from collections.abc import Callable, Iterator, Sequence

from boards.line import SILENCE, BoardError, Errors, Line
from boards.window import PATIENCE, Answer, Window
from compiler.errors import ModelError
from compiler.slot import Header
from hw.config import HEADER_BYTES, MAGIC, PAGE_BYTES, SECTOR_BYTES, TAPE_OFFSET
from hw.link.codec import Frame, Status, Welcome, content
from hw.link.receive import Reason, Type

ATTEMPTS = 5                   # silences in a row, after which nobody is there


class Driver:
    """One board on one line. ``silence`` is the patience in seconds."""

    def __init__(self, port: str, *, silence: float = SILENCE):
        self.line = Line(port, silence)
        self._sequence = 0

    @property
    def port(self) -> str:
        """Its name."""
        return self.line.port

    @property
    def errors(self) -> Errors:
        """Those of the line so far."""
        return self.line.errors

    def close(self) -> None:
        """Lets go of the port."""
        self.line.close()

    def __enter__(self) -> "Driver":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def ask(self, kind: Type, payload: bytes, wanted: Type) -> Frame:
        """A command and its answer; asks again, as commands do no harm when they come twice."""
        line, attempt = self.line, 0
        while attempt < (PATIENCE if line.is_met else ATTEMPTS):
            self._sequence = (self._sequence + 1) % 256
            line.send(Frame(kind, self._sequence, payload), afresh=attempt > 0)
            line.listen()
            while not line.is_silent:
                for frame in line.frames():
                    if frame.type == wanted and frame.sequence == self._sequence:
                        line.is_met = True
                        return frame
                    if frame.type == Type.NAK and Status.parse(frame).second == Reason.ADDRESS:
                        raise BoardError("the board does not let its bitstream be overwritten")
            attempt += 1
            line.errors.silences += line.is_met      # (a board that starts is silent)
        raise BoardError(f"nobody answers on {self.port}; is the board programmed with a bitstream "
                         "of this project, and is it the right port?")

    def hello(self) -> Welcome:
        """Who is there."""
        self.line.write(b"\0")
        return Welcome.parse(self.ask(Type.HELLO, b"", Type.WELCOME))

    def reset(self, limit: int = 1) -> Welcome:
        """Starts the board afresh; the CRC of results covers the layers below ``limit``."""
        return Welcome.parse(self.ask(Type.RESET, bytes((0, 0, 0, limit)), Type.WELCOME))

    def read(self, address: int, count: int, progress: Callable[[int], object] = lambda n: None
             ) -> bytes:
        """Bytes of the store."""
        data = bytearray()
        while len(data) < count:
            size = min(PAGE_BYTES, count - len(data))
            part = self.ask(Type.READ, _place(address + len(data), size), Type.BYTES)
            data += content(part, size, size)
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
            for address in range(0, len(image), SECTOR_BYTES):
                self.ask(Type.ERASE, _place(new + address, 1), Type.DONE)
        for first in [*range(TAPE_OFFSET, len(image), PAGE_BYTES), 0]:
            part = image[first:first + (PAGE_BYTES if first else HEADER_BYTES)]
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

    def stream(self, images: Sequence[bytes], output_bytes: int, limit: int = 1,
               check: bool = True) -> Iterator[tuple[int, Answer]]:
        """Sends images and yields ``(index, answer)`` as they come, not always in order.

        The answers' CRCs cover what the layers below ``limit`` made. With ``check`` that is the
        input alone, and an answer of another CRC than its image's is not taken: the image is sent
        again.
        """
        self.reset(limit)
        window = self.hello().info.window
        yield from Window(self.line, images, output_bytes, window, check).answers()


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
