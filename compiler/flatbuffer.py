"""What makes flatbuffers, a format that trusts its reader, safe to read from a stranger."""

from collections.abc import Sequence
from typing import Any

from compiler.errors import ModelError


class StrictBytes(bytes):
    """Bytes whose slices never come back shorter than asked for, as flatbuffers' strings would."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice) and (key.stop or 0) > len(self):
            raise IndexError(f"bytes {key.start} to {key.stop} of {len(self)}")
        return super().__getitem__(key)


# What any file may have: numbers, letters and tables; and bytes of constants, all operators' taken
# together, for the compiler looks at each.
MOST_ENTRIES   = 1 << 22
MOST_CONSTANTS = 1 << 26


class Budget:
    """Bounds the elements taken out of a file of ``size`` bytes.

    Offsets may point at one vector from many places; without a bound a small file makes the
    reader copy gigabytes. An honest file has at least one byte for each element.
    """

    def __init__(self, size: int) -> None:
        self.left = min(4 * size + 4096, MOST_ENTRIES)
        self.constants = MOST_CONSTANTS

    def take(self, count: int, limit: int | None = None, what: str = "entries") -> int:
        """``count``, after taking it off the budget; ModelError over ``limit`` or the budget."""
        if limit is not None and count > limit:
            raise ModelError(f"it has {count} {what}, and at most {limit} are accepted")
        self.left -= count
        if self.left < 0:
            raise ModelError(f"it declares more {what} than its bytes can hold")
        return count

    def read_constant(self, size: int) -> None:
        """Takes off the bytes of a constant that an operator reads, and may share with others."""
        self.constants -= size
        if self.constants < 0:
            raise ModelError(f"its operators read more than {MOST_CONSTANTS} bytes of constants, "
                             "those that they share counted each time")


def vector(table: Any, field: str, budget: Budget) -> tuple[Any, ...]:
    """The numbers of the vector ``field`` of a ``tflite`` table; empty where it is absent."""
    if getattr(table, f"{field}IsNone")():
        return ()
    budget.take(getattr(table, f"{field}Length")())
    return tuple(getattr(table, f"{field}AsNumpy")().tolist())


def tables(table: Any, field: str, limit: int, budget: Budget) -> list[Any]:
    """The tables of the vector ``field`` of a ``tflite`` table."""
    count = budget.take(getattr(table, f"{field}Length")(), limit, field.lower())
    return [getattr(table, field)(index) for index in range(count)]


def text(raw: bytes | None, budget: Budget) -> str:
    """A UTF-8 string of the file; empty where it is absent."""
    if raw is None:
        return ""
    budget.take(len(raw))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ModelError(f"the name {raw[:40]!r} is not UTF-8") from None


def shown(name: str) -> str:
    """A name of the file as messages show it: one line, quoted, at most 80 characters."""
    line = name if name.isprintable() else name.encode("unicode_escape").decode("ascii")
    return f"'{line}'" if len(line) <= 80 else f"'{line[:77]}...'"


def first_few(values: Sequence[object]) -> str:
    """A list as messages show it, with its first eight entries at the most."""
    return str(list(values)) if len(values) <= 8 else f"{str(list(values[:8]))[:-1]}, ...]"
