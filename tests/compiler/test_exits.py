"""How command lines end."""

import os
import subprocess
import sys

import pytest

from compiler.errors import DataError, ModelError, ToolError
from compiler.exits import (
    BOARD,
    INTERRUPTED,
    INVALID,
    TERMINATED,
    TOOL,
    UNREAD,
    exit_code,
    run,
)


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


def test_files(capsys, tmp_path):
    """What the system says of a file, where nobody has a better sentence."""
    assert exit_code(lambda: (tmp_path / "none").stat().st_size) == INVALID
    assert capsys.readouterr() == ("", f"error: {tmp_path}/none: No such file or directory\n")


def test_ctrl_c_ends_an_import(capsys, tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text("raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(tmp_path)
    assert run("slow_to_import") == INTERRUPTED
    assert capsys.readouterr() == ("", "interrupted\n")


@pytest.mark.parametrize("name", ("boards", "compiler", "sim"))
def test_imports_are_under_way_when_ctrl_c_is_heard(name):
    code = f"import sys, {name}.__main__; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def process(code, **options):
    """One that runs ``code`` with stdout as Python has it by default: buffered."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    return subprocess.Popen([sys.executable, "-c", code], text=True, stderr=subprocess.PIPE,
                            env=environment | options.pop("env", {}), **options)


LISTED = "import sys; from boards.__main__ import main; sys.exit(main({}))"


@pytest.mark.parametrize("argv", (["list"], ["--help"]))
def test_output_that_cannot_be_written(argv):
    """No traceback where output goes into a pipe that has been closed, or onto a full disk."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as closed, process(LISTED.format(argv), stdout=closed) as done:
        assert (done.stderr.read(), done.wait()) == ("", UNREAD)
    with open("/dev/full", "w") as full, process(LISTED.format(argv), stdout=full) as done:
        assert (done.stderr.read(), done.wait()) == (
            "error: the output cannot be written: No space left on device\n", INVALID)


def test_names_that_are_no_text():
    code = "from compiler.exits import exit_code; exit_code(lambda: print('\\udcff \\xb1') or 0)"
    with process(code, stdout=subprocess.PIPE, env={"PYTHONIOENCODING": "ascii:strict"}) as done:
        assert done.communicate() == ("\\udcff \\xb1\n", "")


def test_terminated(tmp_path):
    """What is temporary goes."""
    code = "\n".join([
        "import sys, tempfile, time", "from compiler.exits import exit_code", "def work():",
        f"    with tempfile.TemporaryDirectory(dir={str(tmp_path)!r}):",
        "        print('ready', flush=True)", "        time.sleep(60)",
        "sys.exit(exit_code(work))"])
    with process(code, stdout=subprocess.PIPE) as done:
        done.stdout.readline()
        done.terminate()
        assert (done.wait(), done.stderr.read(), list(tmp_path.iterdir())) == (TERMINATED, "", [])
