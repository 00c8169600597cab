"""What MEAN, SUM and their like reduce, as loops over bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.loops import Loop


@dataclass(frozen=True)
class Reduction:
    """Loops over a tensor, the outermost first: over the ``kept`` axes, but for ``channels`` values
    side by side; and over the ``taps`` of each value, but for ``run`` bytes side by side."""

    kept: tuple[Loop, ...]
    channels: int
    taps: tuple[Loop, ...]
    run: int

    @classmethod
    def of(cls, shape: Sequence[int], axes: Sequence[int]) -> "Reduction":
        """Of a tensor and the axes that go."""
        merged: list[tuple[int, bool]] = []      # neighbours that are treated alike are one
        for axis, size in enumerate(shape):
            if size == 1:
                continue
            if merged and merged[-1][1] == (axis in axes):
                size *= merged.pop()[0]
            merged.append((size, axis in axes))
        channels = run = 1
        if merged:
            size, is_reduced = merged.pop()
            channels, run = (1, size) if is_reduced else (size, 1)

        kept: list[Loop] = []
        taps: list[Loop] = []
        source, output = channels * run, channels
        for size, is_reduced in reversed(merged):
            if is_reduced:
                taps.insert(0, Loop(size, source, 0))
            else:
                kept.insert(0, Loop(size, source, output))
                output *= size
            source *= size
        return cls(tuple(kept), channels, tuple(taps), run)
