"""Files that commands write: never over what they read, and never in place of a device."""

import errno
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from small_models import dense

from compiler.__main__ import main
from compiler.errors import DataError
from compiler.files import check_writable, write_file
from sim.__main__ import main as sim_main


def refuses(text, path, used=()):
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        check_writable(path, used)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_that_is_used(folder):
    """By whatever name, and also where it is not there yet."""
    text = "{} cannot be written: the command uses it already; name another file"
    Path("x").write_text("x")
    Path("link").symlink_to("x")
    os.link("x", "hard")
    for name in ("x", "link", "hard", "../" + folder.name + "/x"):
        refuses(text.format(name), Path(name), [None, Path("x")])
    refuses(text.format("new"), Path("new"), [folder / "new"])
    check_writable(Path("new"), [None, Path("x"), Path("other")])


def test_what_cannot_be_written(folder, monkeypatch):
    Path("sub").mkdir()
    refuses("sub cannot be written: it is a folder", Path("sub"))
    refuses("none/x cannot be written: none is not a folder", Path("none/x"))
    long = Path("x" * 300)
    refuses(f"{long} cannot be written: File name too long", long)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda place, mode: False)
        refuses("sub/x cannot be written: you may not write to sub", Path("sub/x"))
    name = Path("x" * 250)
    check_writable(name)
    write_file(name, b"1")
    assert name.read_bytes() == b"1"


def test_links_stay(folder):
    Path("sub").mkdir()
    Path("link").symlink_to("sub/file")
    for content in (b"1", b"2"):
        check_writable(Path("link"))
        write_file(Path("link"), content)
    assert Path("link").is_symlink() and Path("sub/file").read_bytes() == b"2"
    assert [path.name for path in Path("sub").iterdir()] == ["file"]


def test_devices_stay(folder):
    check_writable(Path(os.devnull))
    write_file(Path(os.devnull), b"1")
    assert not Path(os.devnull).is_file()
    os.mkfifo("pipe")
    found = []
    reader = threading.Thread(target=lambda: found.append(Path("pipe").read_bytes()))
    reader.start()
    check_writable(Path("pipe"))
    write_file(Path("pipe"), b"1")
    reader.join()
    assert found == [b"1"] and Path("pipe").is_fifo()
    with pytest.raises(DataError, match="^/dev/full cannot be written: No space left on device$"):
        write_file(Path("/dev/full"), b"1")


def test_a_full_disk_keeps_the_old_file(folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
    Path("x").write_text("old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DataError, match="^x cannot be written: No space left on device$"):
        write_file(Path("x"), b"new")
    assert [path.name for path in folder.iterdir()] == ["x"] and Path("x").read_text() == "old"


@pytest.mark.parametrize("command", (
    "sim run m.tflite --inputs x.npy --outputs x.npy", "sim run m.tflite --vcd m.tflite",
    "sim run m.tflite --inputs x.npy --vcd x.npy", "sim run m.tflite --vcd y.npy --outputs y.npy",
    "build tape.bin --out ."))
def test_commands(folder, capsys, command):
    """What they read stays as it was."""
    model = dense(12, 4)
    Path("m.tflite").write_bytes(model)
    Path("tape.bin").write_bytes(model)
    np.save("x.npy", np.zeros((1, 1, 12), np.int8))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    words = command.split()
    code = sim_main(words[1:]) if words[0] == "sim" else main(words)
    name = "tape.bin" if words[0] == "build" else words[-1]
    assert (code, *capsys.readouterr()) == (
        3, "", f"error: {name} cannot be written: the command uses it already; name another file\n")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
