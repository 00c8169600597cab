"""How the command lines end: one line of error, and an exit code that says of what kind it was."""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from io import TextIOWrapper

from compiler.errors import DataError, ModelError, ToolError

DISAGREES, INVALID, TOOL, BOARD, INTERRUPTED, UNREAD, TERMINATED = 1, 3, 4, 5, 130, 141, 143
CODES: dict[type[Exception], int] = {ModelError: INVALID, DataError: INVALID, ToolError: TOOL}


def run(module: str, argv: Sequence[str] | None = None) -> int:
    """The exit code of ``main`` in a module. It is imported here, so that Ctrl-C ends its import as
    it ends its work."""
    return exit_code(lambda: import_module(module).main(argv))


def exit_code(work: Callable[[], int], more: Mapping[type[Exception], int] | None = None) -> int:
    """That of ``work``, or of the error that it ends with: one of CODES or of those of ``more``."""
    codes = CODES | dict(more or {})
    if isinstance(sys.stdout, TextIOWrapper):    # names of files need not be text that it can show
        sys.stdout.reconfigure(errors="backslashreplace")
    # Ended from outside, it cleans up as it does after Ctrl-C.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        try:
            return work()
        finally:
            print(end="", flush=True)
    except tuple(codes) as error:
        print(f"error: {error}", file=sys.stderr)
        return next(code for kind, code in codes.items() if isinstance(error, kind))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        if error.filename is not None:
            print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
            return INVALID
        # What has no name is stdout. Python would complain once more as it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):   # nobody reads on
            return UNREAD
        print(f"error: the output cannot be written: {error.strerror}", file=sys.stderr)
        return INVALID
    finally:
        signal.signal(signal.SIGTERM, before)
