"""Models on boards, beside what others have published: ``python -m bench.models [MODEL...]``.

Without arguments, the shipped models. Cycles are predicted, with the tape where the board has it;
``--simulate`` runs three images on the RTL as well, with the tape in memory, and compares that with
the prediction for it. Images a second are those of the chip, at the board's clock (bench.boards
has what was reached). The tables are Markdown.
"""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from bench.markdown import table
from bench.peers import PEERS
from compiler.cycles import STEADY_IMAGES, steady_cycles
from compiler.errors import ModelError
from compiler.program import Program
from compiler.reader import read_model
from compiler.size import fit, store_of
from compiler.targets import TARGETS, Target
from sim.rtl import RtlEngine

SHIPPED = sorted((Path(__file__).parents[1] / "models").glob("*.tflite"))
BOARDS = ("icebreaker", "hx8k", "ulx3s-25f", "ulx3s-85f")
# The MLPerf Tiny models' files in mlcommons/tiny, and what `PEERS` calls them.
KNOWN = {"kws_ref_model": "kws", "pretrainedResnet_quant": "resnet8", "vww_96_int8": "vww",
         "ad01_int8": "ad"}
COLUMNS = ("model", "cycles an image", "of the array", "images/s", "scratchpad", "tape", "where")


def agrees(program: Program) -> bool:
    """Whether the RTL takes the predicted cycles, with inputs of zero."""
    device = program.partition.device
    inputs = [np.zeros((STEADY_IMAGES, *device.tensors[index].shape), np.int8)
              for index in device.inputs]
    return RtlEngine(program, threads=1).run(inputs).cycles_per_image \
        == steady_cycles(program)


def row(model: Path, target: Target, simulate: bool) -> tuple[list[str], bool]:
    """A model's row, and whether the simulation agreed."""
    try:
        program = fit(read_model(model), target, "litert")
        store = store_of(program, target)
    except ModelError as error:
        return [model.stem, str(error).split("; ")[0], *[""] * (len(COLUMNS) - 2)], True
    cycles = steady_cycles(program, target)
    macs = sum(layer.macs for layer in program.layers)
    return [model.stem, f"{cycles:,}", f"{macs / cycles / target.engine.macs:.1%}",
            f"{target.clock_hz / cycles:,.0f}", f"{program.plan.peak_bytes:,}",
            f"{len(program.tape):,}", "flash" if store.flash_dq else "block RAM",
            ], not simulate or agrees(program)


def published(models: Sequence[Path]) -> str:
    """What others have published of those models that they have, too."""
    known = [KNOWN[model.stem] for model in models if model.stem in KNOWN]
    if not known:
        return ""
    return "\nInferences a second that others have published:\n\n" + table(
        ("system", *known, "source"), [
            [peer.name, *(f"{peer.rates[model]:,g}" if model in peer.rates else ""
                          for model in known), peer.source] for peer in PEERS])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.models", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL", default=SHIPPED)
    parser.add_argument("--boards", nargs="+", choices=TARGETS, default=BOARDS, metavar="BOARD")
    parser.add_argument("--simulate", action="store_true", help="compare with the RTL")
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
          + ", ".join(f"{name} {version(name)}" for name in ("amaranth", "numpy", "llvmlite")))
    agreed = True
    for name in args.boards:
        target = TARGETS[name]
        rows = []
        for model in args.models:
            found, same = row(model, target, args.simulate)
            rows.append(found)
            if not same:
                agreed = False
                print(f"{model.stem}: simulated cycles are not the predicted ones",
                      file=sys.stderr)
        print(f"\n{name}: {target.engine.macs} MACs a cycle at {target.clock_hz / 1e6:g} MHz"
              + (", predicted = simulated" if args.simulate and agreed else "")
              + f"\n\n{table(COLUMNS, rows)}", flush=True)
    print(published(args.models))
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
