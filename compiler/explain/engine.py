"""What the engine does for one output value, with what its tape carries."""

from collections.abc import Sequence

import numpy as np

from compiler.explain.site import Site
from compiler.explain.steps import Work, clamp, signed
from compiler.inspection import shared_pair
from compiler.layers import Layer, Record
from compiler.requantize import weight_zero_point
from hw.config import EngineConfig, Mode


def engine(site: Site, done: Work, layers: Sequence[Layer], config: EngineConfig) -> Work | None:
    """The engine's way from what ``done`` read to the same value, in the file's type.

    The ``layers`` are the operator's, as ``lower_operator`` gives them with its output at address
    0. None where none of them makes the value.
    """
    flat = int(np.ravel_multi_index(site.element, site.output.shape)) if site.element else 0
    for layer in layers:
        found = located(layer, flat, config)
        if found is None:
            continue
        work = Work()
        if layer.table is not None:
            x = as_int8(site, done.terms[-1].x)
            y = work.whole("y", "table[x], in the table unit", f"table[{x}]",
                           int(layer.table[x & 255]))
        elif layer.mode == Mode.ARRAY:
            record = shared_pair(layer)[0] if layer.fields.get("shared_record") \
                else layer.records[found[0]][found[1]]
            y = array(site, done, work, layer, record, config)
        elif layer.mode == Mode.ADD:
            y = pair(site, done, work, layer)
        else:
            largest = max((as_int8(site, term.x) for term in done.terms),
                          default=as_int8(site, done.value))
            low, high = layer.fields["low"], layer.fields["high"]
            y = work.whole("y", "clamp(max of x, low, high)", f"clamp({largest}, {low}, {high})",
                           clamp(largest, low, high))
        if site.output.dtype == "uint8":
            y = work.whole("uint8", "y + 128: the host flips the top bit", f"{signed(y)} + 128",
                           y + 128)
        work.value = y
        return work
    return None


def located(layer: Layer, flat: int, config: EngineConfig) -> tuple[int, int] | None:
    """``(group, channel of it)`` in which a layer makes the byte at an address."""
    f = layer.fields
    columns = config.columns if layer.mode == Mode.ARRAY else 1
    pixels = f["tiles"] * columns + (f["last_columns"] + 1 if columns > 1 else 1)
    rows, pixel = np.arange(f["rows"] + 1)[:, None], np.arange(pixels)
    starts = f["out_base"] + rows * f["out_row"] + pixel * f["out_pixel"]
    for group in range(f["groups"] + 1):
        channels = f["last_channels" if group == f["groups"] else "channels"] + 1
        channel = flat - (starts + group * (f["channels"] + 1))
        hit = channel[(channel >= 0) & (channel < channels)]
        if hit.size:
            return group, int(hit[0])
    return None


def as_int8(site: Site, x: int | float) -> int:
    """A value as the engine holds it: uint8 is 128 less."""
    return int(x) - 128 * (site.source.dtype == "uint8")


def array(site: Site, done: Work, work: Work, layer: Layer, record: Record,
          config: EngineConfig) -> int:
    """Sum, bias and requantizer: hw/requantize.py."""
    w_zero = weight_zero_point(site.graph, site.op) if done.terms[0].w is not None else 0
    factors = [(as_int8(site, term.x), 1 if term.w is None else term.w - w_zero)
               for term in (*done.terms, *done.outside) if term.x_at or term.w is not None]
    raw = work.whole("array", "sum of x * w, where x outside of the image is Z1",
                     f"{len(factors)} products", sum(x * w for x, w in factors))
    acc = work.whole("acc", "array + bias, which has the zero points in it",
                     f"{signed(raw)} + {signed(record.bias)}", raw + record.bias)
    f = layer.fields
    digits, width = f["steps"] + 1, config.digit_width
    limit = 1 << (digits * width - 1)
    x = work.whole("x", f"saturate(acc) to {digits} digits of {width} bits", signed(acc),
                   clamp(acc, -limit, limit - 1))
    dropped = width * (digits - 1)
    p = work.whole("P", f"x * m >> {dropped}", f"{signed(x)} * {record.multiplier} >> {dropped}",
                   x * record.multiplier >> dropped)
    return rounded(work, p, record, f)


def pair(site: Site, done: Work, work: Work, layer: Layer) -> int:
    """The sum of two values, each with its own multiplier."""
    f = layer.fields
    first, second = shared_pair(layer)
    x1, x2 = (as_int8(site, term.x) for term in done.terms)
    z1, z2 = f["zero_point_1"], f["zero_point_2"]
    m1, m2 = first.multiplier, second.multiplier
    p = work.whole("P", "(x1 - Z1) * m1 + (x2 - Z2) * m2",
                   f"({signed(x1)} - {signed(z1)}) * {m1} + ({signed(x2)} - {signed(z2)}) * {m2}",
                   (x1 - z1) * m1 + (x2 - z2) * m2)
    return rounded(work, p, first, f)


def rounded(work: Work, p: int, record: Record, fields: dict[str, int]) -> int:
    """Offset, shift, zero point, clamp."""
    name, r = ("r1", record.offset_negative) if p < 0 else ("r0", record.offset)
    shifted = work.whole("shifted", f"(P + {name}) >> s",
                         f"({signed(p)} + {signed(r)}) >> {record.shift}", (p + r) >> record.shift)
    zero, low, high = fields.get("zero_point", 0), fields["low"], fields["high"]
    return work.whole("y", "clamp(shifted + Z3, low, high)",
                      f"clamp({signed(shifted)} + {signed(zero)}, {low}, {high})",
                      clamp(shifted + zero, low, high))
