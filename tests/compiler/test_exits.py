"""How command lines end."""

import subprocess
import sys

import pytest

from compiler.errors import DataError, ModelError, ToolError
from compiler.exits import BOARD, INTERRUPTED, INVALID, TOOL, UNREAD, exit_code


class LineError(Exception):
    pass


def ends(error):
    def work():
        raise error
    return work


@pytest.mark.parametrize("error, code", [(ModelError("no"), INVALID), (DataError("no"), INVALID),
                                         (ToolError("no"), TOOL), (LineError("no"), BOARD)])
def test_errors(capsys, error, code):
    assert exit_code(ends(error), {LineError: BOARD}) == code
    assert capsys.readouterr() == ("", "error: no\n")


def test_others(capsys):
    assert exit_code(lambda: 7) == 7
    assert exit_code(ends(KeyboardInterrupt())) == INTERRUPTED
    assert capsys.readouterr() == ("", "interrupted\n")
    with pytest.raises(LineError):               # a fault of ours, which must be seen
        exit_code(ends(LineError("no")))


def test_nobody_reads_on():
    """No traceback where output goes into a pipe that has been closed."""
    code = "; ".join([
        "import os, runpy, sys", "read, write = os.pipe()", "os.close(read)", "os.dup2(write, 1)",
        "sys.argv = ['boards', 'list']", "runpy.run_module('boards', run_name='__main__')"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (UNREAD, "")
