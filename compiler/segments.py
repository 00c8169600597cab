"""Which outputs of a sliding window the image's edges clip alike, along one axis."""

from dataclasses import dataclass, replace

from compiler.layers import ceil_div


@dataclass(frozen=True)
class Segment:
    """Outputs in a row whose windows have the same taps inside of the image."""

    first: int             # output
    count: int
    tap: int               # the first one inside
    taps: int
    start: int             # where that tap of the first output is in the image


def segments(size_in: int, size_out: int, window: int, stride: int, before: int,
             dilation: int = 1) -> list[Segment]:
    """All of them, in order; ``before`` is the padding in front of the image."""
    found: list[Segment] = []
    for output in range(size_out):
        start = output * stride - before
        tap = max(0, ceil_div(-start, dilation))
        taps = max(0, min(window, ceil_div(size_in - start, dilation)) - tap)
        if found and (found[-1].tap, found[-1].taps) == (tap, taps):
            found[-1] = replace(found[-1], count=found[-1].count + 1)
        else:
            found.append(Segment(output, 1, tap, taps, start + tap * dilation))
    return found
