"""Files that are written whole or not at all, and the folder where some are kept."""

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from compiler.errors import DataError


def write_whole(path: Path, content: bytes) -> None:
    """The file with this content, or as it was before: never a part of it. A link stays one, and
    a device or a pipe is written into."""
    if is_device(path):
        path.write_bytes(content)
        return
    path = behind(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def check_file(path: Path) -> None:
    """DataError where there is no such file, or none that can be found."""
    try:
        if not path.is_file():
            raise DataError(f"{path} is not a file")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def is_device(path: Path) -> bool:
    """Whether it is there, and is no file that could be replaced."""
    return path.exists() and not path.is_file()


def behind(path: Path) -> Path:
    """The file itself, where ``path`` is a link to it."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def check_apart(path: Path, used: Iterable[Path | None]) -> None:
    """DataError where a file that is to be written is one of those ``used`` as well."""
    for other in used:
        if other is not None and is_same(path, other):
            raise DataError(f"{path} cannot be written: the command uses it already; name another "
                            "file")


def is_same(one: Path, other: Path) -> bool:
    """Whether both name one file, be it there or not."""
    try:
        return one.samefile(other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def check_writable(path: Path, used: Iterable[Path | None] = ()) -> None:
    """DataError, before any work is done, where ``write_file`` would fail for sure, or replace a
    file that is ``used`` as well."""
    try:
        if path.is_dir():
            raise DataError(f"{path} cannot be written: it is a folder")
        place = path if is_device(path) else behind(path).parent
        if not (place == path or place.is_dir()):
            raise DataError(f"{path} cannot be written: {place} is not a folder")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from None
    if not os.access(place, os.W_OK):
        raise DataError(f"{path} cannot be written: you may not write to {place}")
    check_apart(path, used)


def write_file(path: Path, content: bytes) -> None:
    """``write_whole`` of a file that the user has named; DataError where it cannot be written."""
    try:
        write_whole(path, content)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from None


def cache_folder() -> Path:
    """Where downloads and compiled files are kept; deleting it costs time only."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "systolite"


# What a cache raises that cannot be used; RuntimeError where there is no home folder.
UNUSABLE = (OSError, RuntimeError)


def keep(name: str, content: bytes) -> None:
    """Writes a file of the cache; one that cannot be written costs time only."""
    with suppress(*UNUSABLE):
        path = cache_folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)


def kept(name: str) -> bytes:
    """A file of the cache; empty where it has none of that name."""
    with suppress(*UNUSABLE):
        return (cache_folder() / name).read_bytes()
    return b""
