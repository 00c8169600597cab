"""Compiles the files of a folder within limits: a program of its own, since limits are a process's.

    python within_limits.py FOLDER

At most one GiB of address space for all of it, two seconds of processor time a file. Prints for
each file its seconds and what came of it, as JSON; a crash, or a file over a limit, ends it.
"""

import json
import resource
import signal
import sys
import time
from pathlib import Path

MEMORY, SECONDS = 1 << 30, 2.0
if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

from compiler.errors import ModelError  # noqa: E402
from compiler.program import compile_model  # noqa: E402
from compiler.targets import TARGETS  # noqa: E402

BOARDS = ("icebreaker", "ulx3s-85f")


def outcome(path: Path, board: str) -> str:
    """``"compiled"``, or the refusal."""
    try:
        compile_model(path, TARGETS[board].engine)
        return "compiled"
    except ModelError as error:
        return str(error).replace(str(path), "FILE")


def stop(number: int, frame: object) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


if __name__ == "__main__":
    signal.signal(signal.SIGVTALRM, stop)
    for path in sorted(Path(sys.argv[1]).iterdir()):
        for board in BOARDS:
            start = time.process_time()
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
            said = outcome(path, board)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            print(json.dumps({"file": path.name, "board": board, "said": said,
                              "seconds": time.process_time() - start}), flush=True)
