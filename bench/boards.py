"""Builds models for boards and prints what came of it: ``python -m bench.boards [MODEL...]``.

Without arguments, the shipped network for three boards. Images a second are those of the chip, at
the board's clock and at the one that timing would bear; `of the array` says how many of its
products count. Bytes are those of activations at their peak, and of the tape. The table is
Markdown, and behind it is what others have published of these models.
"""

import argparse
import os
import platform
import sys
from itertools import product
from pathlib import Path

from bench.markdown import head, line
from bench.models import published
from boards.boards import BOARDS
from boards.build import build
from compiler.errors import ModelError, ToolError
from sim.run import MODEL
from sim.tools import NEXTPNR_KINDS, TOOLS, tool_version

THREE = ("icebreaker", "hx8k", "ulx3s-85f")
COLUMNS = ("model", "board", "MACs", *NEXTPNR_KINDS, "clock, reached", "build", "cycles an image",
           "of the array", "images/s", "at the clock reached", "over the line", "activations",
           "tape")


def row(report: dict) -> list[str]:
    """A build's row."""
    used = report["used"]
    counts = [next((f"{used[name]['used']:,} of {used[name]['of']:,}" for name in names
                    if name in used), "") for names in NEXTPNR_KINDS.values()]
    cycles = report["cycles_per_image"]
    return [report["model"], report["board"], str(report["macs"]), *counts,
            f"{report['clock_hz'] / 1e6:g}, {report['fmax_hz'] / 1e6:.1f} MHz",
            f"{report['build_seconds'] / 60:.1f} min", f"{cycles:,}",
            f"{report['multiply_adds'] / cycles / report['macs']:.1%}",
            f"{report['images_per_second_on_chip']:,.0f}", f"{report['fmax_hz'] / cycles:,.0f}",
            f"{report['images_per_second_of_the_line']:,.0f}",
            f"{report['scratchpad_bytes_used']:,}", f"{report['tape_bytes']:,}"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.boards", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, default=[MODEL], metavar="MODEL")
    parser.add_argument("--boards", nargs="+", choices=BOARDS, default=THREE, metavar="BOARD")
    parser.add_argument("--out", type=Path, default=Path("build"), metavar="DIR")
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
          + ", ".join(f"{tool} {tool_version(tool)}" for tool in TOOLS))
    print(f"\n{head(COLUMNS, words=2)}", flush=True)
    failed = False
    for name, model in product(args.boards, args.models):
        out = args.out / (name if args.models == [MODEL] else f"{name}-{model.stem}")
        try:
            found = build(BOARDS[name], model, out,
                          note=lambda text: print(text, file=sys.stderr, flush=True))
            print(line(row(found)), flush=True)
        except ModelError as error:              # which need not fit on every board
            print(line((model.stem, name, str(error))), flush=True)
        except ToolError as error:
            failed = True
            print(line((model.stem, name, str(error))), flush=True)
    print(published(args.models))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
