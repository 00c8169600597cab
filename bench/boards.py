"""Builds a model for boards and prints what came of it: ``python -m bench.boards``.

Without arguments, the shipped network for three boards. The table is Markdown, as the README has
it.
"""

import argparse
import os
import platform
import sys
from pathlib import Path

from boards.boards import BOARDS
from boards.build import build
from boards.tools import tool_version
from compiler.errors import ModelError, ToolError
from sim.run import MODEL

THREE = ("icebreaker", "hx8k", "ulx3s-85f")
# nextpnr's names, by the table's columns.
KINDS = {"logic cells": ("ICESTORM_LC", "TRELLIS_COMB"), "DSPs": ("ICESTORM_DSP", "MULT18X18D"),
         "block RAMs": ("ICESTORM_RAM", "DP16KD"), "SPRAMs": ("ICESTORM_SPRAM",)}
COLUMNS = ("board", "MACs", *KINDS, "clock, reached", "build", "cycles an image",
           "images/s on chip", "over the line")


def row(report: dict) -> list[str]:
    """A board's row."""
    used = report["used"]
    counts = [next((f"{used[name]['used']:,} of {used[name]['of']:,}" for name in names
                    if name in used), "") for names in KINDS.values()]
    return [report["board"], str(report["macs"]), *counts,
            f"{report['clock_hz'] / 1e6:g}, {report['fmax_hz'] / 1e6:.1f} MHz",
            f"{report['build_seconds'] / 60:.1f} min", f"{report['cycles_per_image']:,}",
            f"{report['images_per_second_on_chip']:,.0f}",
            f"{report['images_per_second_of_the_line']:,.0f}"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.boards", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL, metavar="MODEL")
    parser.add_argument("--boards", nargs="+", choices=BOARDS, default=THREE, metavar="BOARD")
    parser.add_argument("--out", type=Path, default=Path("build"), metavar="DIR")
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
          + ", ".join(f"{tool} {tool_version(tool)}"
                      for tool in ("yosys", "nextpnr-ice40", "nextpnr-ecp5")))
    print(f"{args.model.stem}\n\n| {' | '.join(COLUMNS)} |\n|{'--|' + '--:|' * (len(COLUMNS) - 1)}",
          flush=True)
    failed = False
    for name in args.boards:
        try:
            found = build(BOARDS[name], args.model, args.out / name,
                          note=lambda text: print(text, file=sys.stderr, flush=True))
            print(f"| {' | '.join(row(found))} |", flush=True)
        except (ToolError, ModelError) as error:
            failed = True
            print(f"| {name} | {error} |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
