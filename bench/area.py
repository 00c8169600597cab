"""What whole boards take of their devices: ``python -m bench.area [BOARD...]``.

For each board, a handful of the engines that ``compiler/size.py`` may choose: Yosys maps the top,
nextpnr packs it and counts. ``compiler/measured.json`` keeps the counts, from which
``compiler/area.py`` predicts what other engines take; a design whose netlist is the same as when
it was measured is not measured again. The table has the counts and, behind them, what the other
designs of the board would have predicted.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from boards.boards import BOARDS, Board
from boards.build import rendered, synthesize
from boards.tools import run_tool, tool_version
from compiler.area import CHOSEN, KINDS, MEASURED, Measurement, measurements, predicted
from compiler.errors import ToolError
from compiler.exits import TOOL
from compiler.program import write_whole
from compiler.size import LEAST_SCRATCHPAD, PARTS
from hw.config import EngineConfig
from sim.design import Design, system_config

FOLDER = Path("build") / "area"
NAMES = {"logic cells": ("ICESTORM_LC", "TRELLIS_COMB"), "DSPs": ("ICESTORM_DSP", "MULT18X18D"),
         "block RAMs": ("ICESTORM_RAM", "DP16KD"), "SPRAMs": ("ICESTORM_SPRAM",)}    # nextpnr's
# Scratchpad and tape memory as shares of the most (0: the tape is in flash), multiplier, and which
# of PARTS there are (by their first letters): few designs that tell the effects apart.
SAMPLES = ((1, 1, 30, "ampt"), (1, 1 / 4, 30, "w"), (0, 1 / 2, 24, ""), (0, 1, 30, "aptw"),
           (1 / 2, 1 / 4, 26, "pt"), (1 / 4, 1 / 2, 28, "amw"), (1 / 8, 1 / 4, 24, "ap"),
           (1, 1 / 8, 24, "pw"), (1 / 4, 1 / 8, 26, "mt"), (1 / 2, 1 / 2, 28, "at"),
           (1, 1, 26, "amptw"), (1 / 4, 1 / 4, 28, "pw"),
           (1, 0, 30, "ampt"), (0, 0, 24, ""), (1 / 8, 0, 24, "ap"))


def samples(board: Board) -> Iterator[tuple[EngineConfig, int]]:
    """The engines to measure, each with its slot's bytes, 0 in flash."""
    target, seen = board.target, set()
    store = target.stores[0]
    for scratchpad, slot, width, parts in SAMPLES:
        size = max(LEAST_SCRATCHPAD, int(target.engine.scratchpad_bytes * scratchpad))
        engine = replace(target.engine, scratchpad_bytes=size, multiplier_width=width,
                         **{name: name[0] in parts and getattr(target.engine, name)
                            for name in PARTS})
        slot_bytes = 0 if store.flash_dq else int(store.slot_bytes * slot)
        if (engine, slot_bytes) not in seen:
            seen.add((engine, slot_bytes))
            yield engine, slot_bytes


def design(board: Board, engine: EngineConfig, slot_bytes: int) -> Design:
    """A board with an engine, without a model."""
    target = board.target
    store = replace(target.stores[0], slot_bytes=slot_bytes) if slot_bytes else target.stores[-1]
    return Design(target, None, b"", system_config(target, engine, store))


def measure(board: Board, found: Design) -> dict[str, tuple[int, int]]:
    """``{kind: (used, of the device)}``, as nextpnr counts after packing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    synthesize(board, found, FOLDER)
    constraints = "pcf" if board.family.name == "ice40" else "lpf"
    code, log = run_tool(board.family.nextpnr, *board.pnr, "--json", "top.json",
                         f"--{constraints}", f"top.{constraints}", "--pack-only", folder=FOLDER,
                         check=False)
    counted = {name: (int(used), int(of))
               for name, used, of in re.findall(r"(\w+): +(\d+)/ *(\d+) ", log)}
    found_kinds = {kind: counted[name] for kind in KINDS for name in NAMES[kind] if name in counted}
    if "logic cells" not in found_kinds:
        raise ToolError(f"{board.family.nextpnr} counted nothing and ended with {code}: {log}")
    return found_kinds


def save(rows: Sequence[Measurement]) -> None:
    """Writes them all, board by board."""
    order = list(BOARDS)
    tools = {tool: tool_version(tool) for tool in ("yosys", "nextpnr-ice40", "nextpnr-ecp5")}
    designs = [asdict(row) for row in sorted(rows, key=lambda row: order.index(row.board))]
    text = json.dumps({"tools": tools, "designs": designs}, indent=1) + "\n"
    write_whole(MEASURED, text.encode())
    measurements.cache_clear()


def update(board: Board) -> None:
    """Measures what is new, and forgets what the board has no more."""
    known = {repr(row.design): row for row in measurements() if row.board == board.name}
    rows = []
    for engine, slot_bytes in samples(board):
        found = design(board, engine, slot_bytes)
        netlist = hashlib.sha256(rendered(board, found)["top.il"]).hexdigest()[:16]
        row = Measurement(board.name, board.family.name, asdict(engine), slot_bytes, netlist)
        old = known.get(repr(row.design))
        if old is None or old.netlist != netlist:
            row = replace(row, used=measure(board, found))
            print(f"{board.name}: {row.used}", file=sys.stderr, flush=True)
        else:
            row = old
        rows.append(row)
        others = [row for row in measurements() if row.board != board.name]
        left = [row for name, row in known.items() if name not in {repr(r.design) for r in rows}]
        save([*others, *rows, *left])
    save([*(row for row in measurements() if row.board != board.name), *rows])


def table(board: str) -> Iterator[str]:
    """A line for each design of a board."""
    rows = [row for row in measurements() if row.board == board]
    for index, row in enumerate(rows):
        rest = rows[:index] + rows[index + 1:]
        counts = (f"{row.used[kind][0]:,} of {row.used[kind][1]:,} ({predicted(kind, rest, row):,})"
                  if kind in row.used else "" for kind in KINDS)
        engine = row.engine
        yield "| " + " | ".join([
            board, f"{engine['scratchpad_bytes']:,}", f"{row.slot_bytes:,}",
            f"{engine['multiplier_width']}",
            *("yes" if engine[name] else "no" for name in CHOSEN[2:]), *counts]) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.area", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boards", nargs="*", metavar="BOARD",
                        help=f"of {', '.join(BOARDS)} (default: all)")
    args = parser.parse_args()
    for name in args.boards:
        if name not in BOARDS:
            parser.error(f"argument BOARD: must be one of {', '.join(BOARDS)}, not {name!r}")
    chosen = args.boards or list(BOARDS)
    try:
        for name in chosen:
            update(BOARDS[name])
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return TOOL
    columns = ("board", "scratchpad", "slot", "multiplier", *CHOSEN[2:], *KINDS)
    print(f"| {' | '.join(columns)} |\n|{'--|' + '--:|' * (len(columns) - 1)}")
    for name in chosen:
        print("\n".join(table(name)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
