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

from bench.markdown import head, line
from boards.boards import BOARDS, Board
from boards.build import rendered, synthesize
from compiler.area import KINDS, MEASURED, Measurement, measurements, predicted
from compiler.errors import ToolError
from compiler.exits import exit_code
from compiler.files import write_whole
from compiler.size import LEAST_SCRATCHPAD, PARTS
from compiler.targets import Store
from hw.config import EngineConfig
from sim.design import Design, system_config
from sim.tools import NEXTPNR_KINDS, TOOLS, run_tool, tool_version

FOLDER = Path("build") / "area"
# The store: the board's first, its last (flash), or the one between, if any; of that and of the
# scratchpad the share that is there; multiplier, and which of PARTS there are (by their first
# letters): few designs that tell the effects apart.
SAMPLES = (
    ("between", 1,   1,     26, "pw"),   ("between", 1 / 2, 1 / 4, 28, "aptw"),
    ("first", 1,     1,     30, "ampt"), ("first", 1 / 4, 1,     30, "w"),
    ("first", 1 / 4, 1 / 2, 26, "pt"),   ("first", 1 / 2, 1 / 4, 28, "amw"),
    ("first", 1 / 4, 1 / 8, 24, "ap"),   ("first", 1 / 8, 1,     24, "pw"),
    ("first", 1 / 8, 1 / 4, 26, "mt"),   ("first", 1 / 2, 1 / 2, 28, "at"),
    ("first", 1,     1,     26, "amptw"),
    ("last",  1,     1,     30, "aptw"), ("last",  1,     0,     24, ""),
    ("last",  1,     1 / 8, 26, "ap"))


def samples(board: Board) -> Iterator[tuple[EngineConfig, Store]]:
    """The engines to measure, each with its store."""
    target, seen = board.target, set()
    stores = {"first": target.stores[0], "last": target.stores[-1]}
    if len(target.stores) > 2:
        stores["between"] = target.stores[1]
    for which, share, scratchpad, width, parts in SAMPLES:
        if which not in stores:
            continue
        store = stores[which]
        if not store.flash_dq:
            store = replace(store, slot_bytes=int(store.slot_bytes * share))
        size = max(LEAST_SCRATCHPAD, int(target.engine.scratchpad_bytes * scratchpad))
        engine = replace(target.engine_for(store), scratchpad_bytes=size, multiplier_width=width,
                         **{name: name[0] in parts and getattr(target.engine, name)
                            for name in PARTS})
        if (engine, store) not in seen:
            seen.add((engine, store))
            yield engine, store


def design(board: Board, engine: EngineConfig, store: Store) -> Design:
    """A board with an engine, without a model."""
    return Design(board.target, None, b"", system_config(board.target, engine, store))


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
    found_kinds = {kind: counted[name] for kind in KINDS for name in NEXTPNR_KINDS[kind]
                   if name in counted}
    if "logic cells" not in found_kinds:
        raise ToolError(f"{board.family.nextpnr} counted nothing and ended with {code}: {log}")
    return found_kinds


def save(rows: Sequence[Measurement]) -> None:
    """Writes them all, board by board."""
    order = list(BOARDS)
    tools = {tool: tool_version(tool) for tool in TOOLS}
    designs = [asdict(row) for row in sorted(rows, key=lambda row: order.index(row.board))]
    text = json.dumps({"tools": tools, "designs": designs}, indent=1) + "\n"
    write_whole(MEASURED, text.encode())
    measurements.cache_clear()


def update(board: Board) -> None:
    """Measures what is new, and forgets what the board has no more."""
    known = {repr(row.design): row for row in measurements() if row.board == board.name}
    rows = []
    for engine, store in samples(board):
        found = design(board, engine, store)
        slot_bytes = 0 if store.flash_dq else store.slot_bytes
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


def lines(board: str) -> Iterator[str]:
    """A line for each design of a board."""
    rows = [row for row in measurements() if row.board == board]
    for index, row in enumerate(rows):
        rest = rows[:index] + rows[index + 1:]
        counts = (f"{row.used[kind][0]:,} of {row.used[kind][1]:,} ({predicted(kind, rest, row):,})"
                  if kind in row.used else "" for kind in KINDS)
        engine = row.engine
        yield line([
            board, f"{engine['scratchpad_bytes']:,}", f"{row.slot_bytes:,}",
            f"{engine['multiplier_width']}", f"{engine['weight_words']}",
            *("yes" if engine[name] else "no" for name in PARTS), *counts])


def measured(boards: Sequence[str]) -> int:
    """Measures what is new on them, and prints their table."""
    for name in boards:
        update(BOARDS[name])
    print(head(("board", "scratchpad", "slot", "multiplier", "weight words", *PARTS, *KINDS)))
    for name in boards:
        print("\n".join(lines(name)))
    return 0


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
    return exit_code(lambda: measured(chosen))


if __name__ == "__main__":
    sys.exit(main())
