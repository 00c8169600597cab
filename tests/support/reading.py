"""The compiler as a stranger's file meets it: from bytes to a tape, or to one clean refusal."""

from pathlib import Path

from compiler.errors import ModelError
from compiler.numerics import PROFILES
from compiler.program import compile_model
from compiler.reader import parse_model
from compiler.targets import TARGETS

BOARDS = ("icebreaker", "ulx3s-85f")
LONGEST_REASON = 1200                            # the longest list of supported operators in it


def attempt(data: bytes, choice: int = 0) -> str | None:
    """The refusal of a file's bytes; None where it compiles. ``choice`` picks board and profile."""
    try:
        graph = parse_model(data, Path("m.tflite"))
        compile_model(graph, TARGETS[BOARDS[choice % 2]].engine, PROFILES[choice // 2 % 2])
        return None
    except ModelError as error:
        return check_refusal(str(error))


def check_refusal(text: str) -> str:
    """``text``, after it was found to be fit for a terminal: lines of printable letters, and none
    that nobody would read."""
    reasons = text.split("\n  ")
    assert all(reason.isprintable() and 0 < len(reason) <= LONGEST_REASON for reason in reasons)
    return text
