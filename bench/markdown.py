"""Tables in Markdown: words in the first columns, numbers in the others."""

from collections.abc import Iterable, Sequence


def head(columns: Sequence[str], words: int = 1) -> str:
    """The first two lines."""
    return f"{line(columns)}\n|{'--|' * words}{'--:|' * (len(columns) - words)}"


def line(cells: Iterable[str]) -> str:
    """A line more."""
    return f"| {' | '.join(cells)} |"


def table(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """All of it."""
    return "\n".join([head(columns), *map(line, rows)])
