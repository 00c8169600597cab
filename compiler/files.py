"""Files that are written whole or not at all, and the folder where some are kept."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from compiler.errors import DataError


def write_whole(path: Path, content: bytes) -> None:
    """The file with this content, or as it was before: never a part of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def check_writable(path: Path) -> None:
    """DataError, before any work is done, where ``write_file`` would fail for sure."""
    if path.is_dir():
        raise DataError(f"{path} cannot be written: it is a folder")
    if not path.parent.is_dir():
        raise DataError(f"{path} cannot be written: {path.parent} is not a folder")


def write_file(path: Path, content: bytes) -> None:
    """The same of a file that the user has named; DataError where it cannot be written."""
    try:
        write_whole(path, content)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from None


def cache_folder() -> Path:
    """Where downloads and compiled files are kept; deleting it costs time only."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "systolite"


def keep(path: Path, content: bytes) -> None:
    """The same of a file in the cache; one that cannot be written costs time only."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
