"""A window of recorded cycles, and its text as Value Change Dump for waveform viewers."""

from pathlib import Path

import numpy as np

from .layout import Slot


class Recording:
    """All signals of some cycles in a row."""

    def __init__(self, rows: np.ndarray, slots: dict[str, tuple[Slot, bool]]):
        self.rows, self.slots = rows, slots

    def values(self, name: str) -> list[int]:
        """What a signal was in each cycle."""
        try:
            slot, signed = self.slots[name]
        except KeyError:
            raise KeyError(f"Signal must be one of Machine.signals(), not {name!r}") from None
        words = [int.from_bytes(word.tobytes(), "little") for word in self._column(slot)]
        if signed:
            words = [word - (word >> slot.width - 1 << slot.width) for word in words]
        return words

    def _column(self, slot: Slot) -> np.ndarray:
        return self.rows[:, slot.offset:slot.offset + slot.bytes]

    def write_vcd(self, path: str | Path) -> None:
        """Write the changes, a microsecond a cycle; a scope for each module."""
        slots = dict.fromkeys(slot for slot, _signed in self.slots.values())
        codes = {slot: _code(number) for number, slot in enumerate(slots)}
        with open(path, "w", encoding="ascii", newline="\n") as file:
            file.write("$timescale 1us $end\n")
            file.writelines(self._declarations(codes))
            file.write("$enddefinitions $end\n")
            changes: dict[int, list[str]] = {cycle: [] for cycle in (0, len(self.rows) - 1)}
            for slot, code in codes.items():
                for cycle, text in self._changes(slot):
                    changes.setdefault(cycle, []).append(f"{text}{code}\n")
            for cycle in sorted(changes):
                file.write(f"#{cycle}\n")
                file.writelines(changes[cycle])

    def _declarations(self, codes: dict[Slot, str]):
        scope: list[str] = []
        for name in sorted(self.slots, key=lambda name: name.split(".")[:-1]):
            *modules, signal = name.split(".")
            same = 0
            while same < min(len(scope), len(modules)) and scope[same] == modules[same]:
                same += 1
            yield "$upscope $end\n" * (len(scope) - same)
            yield from (f"$scope module {module} $end\n" for module in modules[same:])
            scope = modules
            slot, _signed = self.slots[name]
            yield f"$var wire {slot.width} {codes[slot]} {signal} $end\n"
        yield "$upscope $end\n" * len(scope)

    def _changes(self, slot: Slot):
        """The cycles in which a signal changes, the first one included, and its new values."""
        column = self._column(slot)
        changed = np.flatnonzero((column[1:] != column[:-1]).any(axis=1)) + 1
        for cycle in [0, *changed.tolist()]:
            word = int.from_bytes(column[cycle].tobytes(), "little")
            yield cycle, str(word) if slot.width == 1 else f"b{word:b} "


def _code(number: int) -> str:
    """A short printable name: base 94, from ``!`` to ``~``."""
    text = chr(33 + number % 94)
    return text if number < 94 else _code(number // 94 - 1) + text
