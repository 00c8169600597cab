"""Verdicts in lines for people."""

from collections.abc import Iterator, Sequence
from typing import Any

from compiler.finding import Finding
from compiler.flatbuffer import shown
from compiler.size import PARTS
from compiler.verdict import Examined, Verdict, document

FITS, DOES_NOT = "fits", "does not fit"


def one_board(examined: Examined, verdict: Verdict, others: Sequence[Verdict]) -> str:
    """All that is known of a model on one board, and which ``others`` would do instead."""
    found = document(examined, verdict)
    lines = [heading(examined), f"board       {verdict.target.name}: " + summary(verdict.reasons)]
    lines += listed(verdict.reasons)
    if not verdict.fits:
        lines.append(f"would do    {instead(examined, others)}")
    if found["scratchpad"]:
        lines += scratchpad(found["scratchpad"], verdict)
    if verdict.program is not None:
        lines += ["", *speed(found)]
    return "\n".join(lines)


def all_boards(examined: Examined, verdicts: Sequence[Verdict]) -> str:
    """A line for each board; below, what stands against the model on which of them."""
    rows = [["board", "fits", "scratchpad", "tape", "logic cells", "block RAMs", "cycles an image",
             "images/s"]]
    for verdict in verdicts:
        found = document(examined, verdict)
        area, pad = found.get("device", {}), found["scratchpad"]
        runs = verdict.program is not None
        rows.append([
            verdict.target.name, "yes" if verdict.fits else "no",
            f"{pad['used']:,} of {pad['most']:,}" if pad else "",
            f"{found['tape']['bytes']:,} of {found['tape']['room']:,}" if runs else "",
            *(f"{area[kind]['used']:,} of {area[kind]['of']:,}" if kind in area else ""
              for kind in ("logic cells", "block RAMs")),
            f"{found['cycles_per_image']:,}" if runs else "",
            f"{found['images_per_second_on_chip']:,.1f}" if runs else ""])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [heading(examined), ""]
    for row in rows:
        cells = [cell.ljust(width) if index < 2 else cell.rjust(width)
                 for index, (cell, width) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    where: dict[tuple[str, ...], list[Finding]] = {}
    for reason in dict.fromkeys(reason for verdict in verdicts for reason in verdict.reasons):
        boards = tuple(verdict.target.name for verdict in verdicts if reason in verdict.reasons)
        where.setdefault(boards, []).append(reason)
    for boards, reasons in where.items():
        lines += ["", f"{'all' if len(boards) == len(verdicts) else ', '.join(boards)}:",
                  *listed(reasons)]
    return "\n".join(lines)


def listed(reasons: Sequence[Finding]) -> Iterator[str]:
    """A line each; of those that break the same rule, the rule and its remedy once."""
    alike: dict[tuple[str, str], list[Finding]] = {}
    for reason in reasons:
        alike.setdefault((reason.rule, reason.remedy), []).append(reason)
    for (rule, remedy), some in alike.items():
        if len(some) == 1:
            yield f"  {some[0]}"
            continue
        yield f"  {rule}; {remedy}"
        for reason in some:
            tensor = f", tensor {shown(reason.tensor)}" if reason.tensor else ""
            yield f"    operator {reason.operator} {reason.kind}{tensor}: found {reason.found}"


def heading(examined: Examined) -> str:
    """The model, and who does what of it."""
    count = len(examined.graph.operators)
    text = f"model       {examined.graph.name}, profile {examined.profile}: " \
           f"{plural(count, 'operator')}"
    if examined.prepared is None:
        return text
    parts = examined.prepared.partition
    on_host = list(map(str, (*parts.prologue.operators, *parts.epilogue.operators)))
    return text + (f", on the host {', '.join(on_host)}" if on_host else "")


def summary(reasons: Sequence[Finding]) -> str:
    """Whether it fits, in words."""
    return FITS if not reasons else f"{DOES_NOT}, for {plural(len(reasons), 'reason')}:"


def instead(examined: Examined, others: Sequence[Verdict]) -> str:
    """Which boards would do."""
    if examined.prepared is None:
        return "no board, before the model is changed"
    if not others:
        return "no board that this project knows"
    return ", ".join(f"{other.target.name} ({images(document(examined, other))})"
                     for other in others)


def images(found: dict[str, Any]) -> str:
    """The speed on the chip."""
    return f"{found['images_per_second_on_chip']:,.1f} images/s"


def scratchpad(found: dict[str, Any], verdict: Verdict) -> Iterator[str]:
    """The memory map."""
    size = f"{found['bytes']:,}" if verdict.program else f"{found['most']:,}"
    yield f"scratchpad  {found['used']:,} of {size} bytes" + (
        f" (at most {found['most']:,} on this board)" if verdict.program else "")
    rows = sorted(found["map"], key=lambda row: (row["first_step"], row["offset"]))
    steps = [row["from"] if row["from"] == row["to"] else f"{row['from']} to {row['to']}"
             for row in rows]
    width = max(map(len, steps), default=0)
    for row, step in zip(rows, steps, strict=True):
        part = "" if row["whole"] else ", a stripe of it"
        yield (f"  {row['offset']:>7,} +{row['bytes']:>8,}  {step:<{width}}  "
               f"{brief(row['name'])} {row['shape']}{part}")


def brief(name: str) -> str:
    """A name as far as a line has room for it."""
    text = shown(name)
    return text if len(text) <= 50 else f"{text[:47]}...'"


def speed(found: dict[str, Any]) -> Iterator[str]:
    """Tape, device, cycles."""
    tape, engine, area = found["tape"], found["engine"], found["device"]
    where = f"the flash chip from {tape['address']:#x} on" if tape["kept_in"] == "flash" \
        else f"block RAM, {tape['slot_bytes']:,} bytes of it"
    yield f"tape        {tape['bytes']:,} bytes in {where}; at most {tape['room']:,}"
    yield (f"engine      {engine['rows']} x {engine['columns']} x {engine['lanes']} = "
           f"{found['macs_per_cycle']} MACs a cycle, multiplier of {engine['multiplier_width']} "
           f"bits" + "".join(f", {part}" for part in PARTS if engine[part]))
    if area:
        designs = max(count["designs"] for count in area.values())
        yield "device      " + ", ".join(
            f"{count['used']:,}" + (f" ± {count['error']:,}" if count["error"] else "")
            + f" of {count['of']:,} {kind}" for kind, count in area.items()
        ) + f" (predicted from {designs} designs that were measured)"
    else:
        yield ("device      not predicted: this engine has not been measured; python -m bench.area "
               "does it")
    busy = found["macs"] / found["cycles_per_image"] / found["macs_per_cycle"]
    yield (f"cycles      {found['cycles_per_image']:,} an image, exactly: {found['macs']:,} MACs, "
           f"{busy:.1%} of the array")
    yield (f"speed       {images(found)} at {found['clock_hz'] / 1e6:g} MHz; over the line "
           f"{found['images_per_second_of_the_line']:,.1f} at the most")


def plural(count: int, word: str) -> str:
    """``2 operators``."""
    return f"{count} {word}{'s' * (count != 1)}"
