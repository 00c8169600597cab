"""How the command lines end: one line of error, and an exit code that says of what kind it was."""

import os
import sys
from collections.abc import Callable, Mapping

from compiler.errors import DataError, ModelError, ToolError

DISAGREES, INVALID, TOOL, BOARD, INTERRUPTED, UNREAD = 1, 3, 4, 5, 130, 141
CODES: dict[type[Exception], int] = {ModelError: INVALID, DataError: INVALID, ToolError: TOOL}


def exit_code(work: Callable[[], int], more: Mapping[type[Exception], int] | None = None) -> int:
    """That of ``work``, or of the error that it ends with: one of CODES or of those of ``more``."""
    codes = CODES | dict(more or {})
    try:
        return work()
    except tuple(codes) as error:
        print(f"error: {error}", file=sys.stderr)
        return next(code for kind, code in codes.items() if isinstance(error, kind))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads on; Python would complain once more as it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
