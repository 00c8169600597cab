import re

import pytest

from boards.line import BoardError, Errors
from boards.window import MOST_LOST, Window
from hw.link.codec import RESULT, Frame
from hw.link.receive import Type


class Short:
    """A line whose board answers to every image with two bytes, where three would be right."""

    port, is_silent = "somewhere", False

    def __init__(self):
        self.errors, self.coming, self.taken, self.answered = Errors(), [], 0, 0

    def listen(self):
        pass

    def send(self, frame, afresh=False):
        self.taken += len(frame.payload)
        head = RESULT.pack((frame.sequence + 1) % 256, 255, self.taken, self.answered, 0, 1)
        self.coming.append(Frame(Type.RESULT, self.answered % 256, head + b"ab"))
        self.answered += 1

    def frames(self):
        coming, self.coming = self.coming, []
        return coming


def test_answers_that_are_never_right():
    line = Short()
    with pytest.raises(BoardError, match="^" + re.escape(
            f"{MOST_LOST} answers of the board on somewhere to image 0 were wrong or lost; python "
            "-m boards selftest says what is wrong") + "$"):
        list(Window(line, [b"image"], 3, 4096, False).answers())
    assert line.errors.lost_results == MOST_LOST + 1
