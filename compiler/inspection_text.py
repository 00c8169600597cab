"""Stories of quantization in lines for people."""

from collections.abc import Callable, Iterator, Sequence

from compiler.flatbuffer import shown
from compiler.inspection import Inspection, Requantizer, Story
from compiler.ir import Graph, Tensor
from compiler.multipliers import Multiplier

ROLES = {"input": "1", "input 1": "1", "weights": "2", "input 2": "2", "output": "3"}


def text(inspection: Inspection, layer: int | None = None, full: bool = False) -> str:
    """All stories, or that of one operator; per-channel numbers as ranges unless ``full``."""
    examined, engine = inspection.examined, inspection.engine
    lines = [f"{examined.graph.name}, profile {examined.profile}; engine of {engine.rows} x "
             f"{engine.columns} x {engine.lanes}, multiplier of {engine.multiplier_width} bits, "
             f"digits of {engine.digit_width}"]
    lines += [f"refused: {finding}" for finding in examined.findings if finding.operator is None]
    for story in inspection.stories:
        if layer in (None, story.op.index):
            lines += ["", *of_operator(examined.graph, story, full)]
    return "\n".join(lines)


def of_operator(graph: Graph, story: Story, full: bool) -> Iterator[str]:
    """The story of one operator."""
    op = story.op
    yield f"operator {op.index}  {op.kind}" + (f"  runs on: {story.runs_on}" if story.runs_on
                                               else "")
    for finding in story.refused:
        yield f"  refused      {finding}"
    for role, index in story.tensors:
        yield from of_tensor(graph.tensors[index], role, full)
    for one in story.multipliers:
        yield from of_multiplier(one, full)
    if story.accumulator is not None:
        least, most = (ends.tolist() for ends in story.accumulator)
        bits = max(max(abs(min(least)), abs(max(most))).bit_length() + 1, 1)
        yield f"  {'accumulator':<12} {min(least):,} to {max(most):,}: {bits} bits"
        if full and len(least) > 1:
            yield from table(("channel", "least", "most"),
                             [(index, *ends) for index, ends in
                              enumerate(zip(least, most, strict=True))])
    activation = op.options.get("fused_activation_function", "NONE")
    if story.clamp is not None and (story.multipliers or activation != "NONE"):
        what = "no activation" if activation == "NONE" else activation
        yield f"  {'clamp':<12} {story.clamp[0]} to {story.clamp[1]} ({what})"
    for found in story.requantizers:
        yield from of_requantizer(found, full)


def of_tensor(tensor: Tensor, role: str, full: bool) -> Iterator[str]:
    """A tensor's name, shape and scale."""
    line = f"  {role:<12} {shown(tensor.name)} {list(tensor.shape)} {tensor.dtype}"
    quantization = tensor.quantization
    if quantization is None:
        yield line + (", constant" if tensor.data is not None else "")
        return
    number = ROLES.get(role, "")
    count = len(quantization.scale)
    along = f" ({count} along dimension {quantization.quantized_dimension})" if count > 1 else ""
    yield f"{line}  S{number} = {spread(quantization.scale, real)}{along}, " \
          f"Z{number} = {spread(quantization.zero_point, str)}"
    if full and count > 1:
        yield from table(("index", f"S{number}", f"Z{number}"),
                         [(index, real(scale), point) for index, (scale, point) in enumerate(
                             zip(quantization.scale, quantization.zero_point, strict=True))])


def of_multiplier(one: Multiplier, full: bool) -> Iterator[str]:
    """A multiplier by its formula, and as TFLite holds it."""
    yield f"  {one.name:<12} = {one.formula} = {spread(one.real, real)}"
    if one.quantized:
        yield (f"  {'TFLite':<12} multiplier {spread([q for q, _ in one.quantized], str)}, shift "
               f"{spread([s for _, s in one.quantized], str)} ({one.rounding})")
    else:
        yield f"  {'TFLite':<12} {one.rounding}"
    if full and len(one.real) > 1:
        pairs = one.quantized or (("", ""),) * len(one.real)
        yield from table(("channel", one.name, "multiplier", "shift"),
                         [(index, real(value), *pair) for index, (value, pair) in
                          enumerate(zip(one.real, pairs, strict=True))])


def of_requantizer(found: Requantizer, full: bool) -> Iterator[str]:
    """What the tape has for the requantizer."""
    records = [record for _, record in found.records]
    if all(record.multiplier == 1 << record.shift and not record.bias for record in records) \
            and len(records) == 1:
        yield (f"  {'engine':<12} values as they are, clamped to {found.low} to {found.high}")
        return
    yield (f"  {'engine':<12} m {spread([r.multiplier for r in records], str)}, "
           f"r0 {spread([r.offset for r in records], str)}, "
           f"r1 {spread([r.offset_negative for r in records], str)}, "
           f"s {spread([r.shift for r in records], str)}, "
           f"bias {spread([r.bias for r in records], str)}; {found.digits} digits, "
           f"zero point {found.zero_point}, clamp {found.low} to {found.high}")
    if full and len(records) > 1:
        yield from table(("channel", "m", "r0", "r1", "s", "bias"),
                         [("" if channel is None else channel, r.multiplier, r.offset,
                           r.offset_negative, r.shift, r.bias) for channel, r in found.records])


def spread(values: Sequence, form: Callable[..., str]) -> str:
    """One value, or the least and the most of several."""
    least, most = min(values), max(values)
    return form(least) if least == most else f"{form(least)} to {form(most)}"


def real(value: float) -> str:
    """A real number with as many digits as float32 has."""
    return f"{value:.9g}"


def table(head: Sequence[str], rows: Sequence[Sequence]) -> Iterator[str]:
    """Numbers below each other."""
    cells = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "      " + "  ".join(cell.rjust(width)
                                   for cell, width in zip(row, widths, strict=True))
