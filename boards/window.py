"""Images on their way to a board: a window of input that slides, and the answers to it."""

import zlib
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from boards.line import BoardError, Line
from hw.link.codec import DATA_BYTES, Frame, Result, Status
from hw.link.receive import Reason, Type

MOST_LOST = 32                 # answers to one image, before that is more than noise
PATIENCE = 12                  # silences in a row of somebody who has answered before
TOLD = (Type.ACK, Type.RESULT, Type.NAK, Type.WELCOME)     # that say what the board has taken
REFUSED = {
    Reason.NO_MODEL: "the board holds no model; load one with python -m boards load",
    Reason.WATCHDOG: "the board's engine got stuck at an image; python -m boards selftest says "
                     "where",
    Reason.STOPPED: "the board has stopped in the middle of a stream; is somebody else using it?",
}


@dataclass
class Answer:
    """What the board made of one image."""

    output: bytes
    cycles: int
    crc: int


@dataclass(frozen=True)
class Sent:
    """A frame that the engine has not taken yet, and where in the stream it ends."""

    sequence: int
    part: bytes
    end: int


class Window:
    """A stream of images over a line, of which ``size`` bytes may be in flight.

    With ``check``, an answer of another CRC than its image's is not taken: the image is sent again.
    """

    def __init__(self, line: Line, images: Sequence[bytes], output_bytes: int, size: int,
                 check: bool):
        self.line, self.images, self.output_bytes, self.size = line, images, output_bytes, size
        self.crcs = [zlib.crc32(image) if check else None for image in images]
        # On the way out: images, what is left of the one that is going, and frames.
        self.waiting = deque(range(len(images)))
        self.rest = b""
        self.frames: deque[Sent] = deque()
        self.sequence = self.sent = self.taken = 0
        # Since the last time that frames went out again: from which on, and how many NAKs of those
        # that had been sent before are still to come.
        self.again_from, self.stale = -1, 0
        # On the way back: which image was the n-th, how many have been told of, and of the next
        # one, what has come.
        self.order: list[int] = []
        self.answered = 0
        self.parts: dict[int, bytes] = {}
        self.open = set(range(len(images)))
        self.silences = 0
        self.lost: Counter[int] = Counter()

    def answers(self) -> Iterator[tuple[int, Answer]]:
        """``(index, answer)`` as they come, not always in order."""
        self.line.listen()
        while self.open:
            self.fill()
            for frame in self.line.frames():
                if frame.type in TOLD:
                    self.told(Status.parse(frame), frame.type == Type.NAK)
                if frame.type == Type.RESULT:
                    yield from self.result(Result.parse(frame))
            if self.line.is_silent:
                self.silence()

    def fill(self) -> None:
        """Sends what the window has room for."""
        while self.rest or self.waiting:
            if not self.rest:
                self.order.append(self.waiting.popleft())
                self.rest = self.images[self.order[-1]]
            part = self.rest[:DATA_BYTES]
            if self.sent + len(part) - self.taken >= self.size:
                return
            self.rest = self.rest[len(part):]
            self.sent += len(part)
            self.frames.append(Sent(self.sequence, part, self.sent))
            self.line.send(Frame(Type.DATA, self.sequence, part))
            self.sequence = (self.sequence + 1) % 256

    def told(self, status: Status, is_nak: bool) -> None:
        """What the board has taken, and which frame it wants next."""
        fresh = (status.taken - self.taken) % (1 << 16)
        if fresh > self.sent - self.taken:
            raise BoardError("the board has started afresh in the middle of a stream; is its "
                             "supply good, and is nobody else using it?")
        self.taken += fresh
        if fresh:
            self.silences = 0
        while self.frames and self.frames[0].end <= self.taken:
            self.frames.popleft()
        if not is_nak:
            return
        self.line.errors.refused += 1
        if status.second in REFUSED:
            raise BoardError(REFUSED[status.second])
        if status.expected == self.again_from and self.stale:
            self.stale -= 1
        elif status.second in (Reason.SEQUENCE, Reason.OVERFLOW):
            behind = self.send_again(status.expected)
            self.again_from = status.expected
            self.stale = max(0, behind - (status.second == Reason.SEQUENCE))

    def send_again(self, expected: int) -> int:
        """The frame that the board expects, and those behind it, whose number it returns."""
        wanted = [frame for frame in self.frames if (frame.sequence - expected) % 256 < 128]
        for frame in wanted:
            self.line.send(Frame(Type.DATA, frame.sequence, frame.part))
        return len(wanted) - 1

    def result(self, result: Result) -> Iterator[tuple[int, Answer]]:
        """A part of an answer: that answer, where it is the last one."""
        place = self.answered + (result.image - self.answered + (1 << 15)) % (1 << 16) - (1 << 15)
        if not self.answered <= place < len(self.order):
            return
        if place > self.answered:                # the results before it were lost
            self.lose(self.order[self.answered:place])
            self.parts.clear()
        self.answered = place
        self.parts[result.part] = result.data
        output = b"".join(self.parts[index] for index in sorted(self.parts))
        if len(output) < self.output_bytes and result.part < 255:
            return
        index = self.order[place]
        self.answered += 1
        self.parts.clear()
        if self.crcs[index] not in (None, result.crc) or len(output) != self.output_bytes:
            self.lose([index])
        elif index in self.open:
            self.open.remove(index)
            self.silences = 0
            yield index, Answer(output, result.cycles, result.crc)

    def lose(self, indices: Sequence[int]) -> None:
        """Images that must be sent again, unless there is an answer to them."""
        for index in indices:
            if index in self.open and index not in self.waiting:
                self.line.errors.lost_results += 1
                self.lost[index] += 1
                if self.lost[index] > MOST_LOST:
                    raise BoardError(f"{MOST_LOST} answers of the board on {self.line.port} to "
                                     f"image {index} were wrong or lost; python -m boards selftest "
                                     "says what is wrong")
                self.waiting.append(index)

    def silence(self) -> None:
        """Nothing has come for too long: everything goes out again, and HELLO, as what the board
        has it drops without a word. Its WELCOME tells what that is."""
        self.silences += 1
        self.line.errors.silences += 1
        self.line.listen()
        if self.silences == PATIENCE:
            raise BoardError(f"the board on {self.line.port} has stopped answering; "
                             f"{len(self.images) - len(self.open):,} of {len(self.images):,} "
                             "images were done")
        if not self.frames and not self.rest and not self.waiting:
            self.lose(self.order[self.answered:])            # the last results of all were lost
            self.answered = len(self.order)
        self.line.send(Frame(Type.HELLO), afresh=True)
        self.stale = 0
        if self.frames:
            self.send_again(self.frames[0].sequence)
