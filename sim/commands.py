"""``python -m sim``: runs models on the simulated engine."""

import argparse
import json
import re
import sys
from dataclasses import replace
from math import gcd
from pathlib import Path

from compiler.arguments import array_file, positive
from compiler.exits import DISAGREES, TOOL, exit_code
from compiler.numerics import PROFILES
from compiler.targets import DEFAULT, TARGETS, Target
from hw.config import EngineConfig
from hw.link.codec import OtherLength
from sim import profiles, profiles_report, report
from sim.board import SimulatedBoard
from sim.compiled import SimulationError, UnsupportedDesign
from sim.design import design
from sim.device import Stalled
from sim.pty import Terminal
from sim.run import MODEL, Job, run

# Larger arrays take minutes and gigabytes to compile, and no board here has them.
MOST_SIDE, MOST_MACS = 64, 1024
LONGEST_WINDOW = 1_000_000

DESCRIPTION = """\
Runs a quantized .tflite model, image by image, and compares every output byte with the golden
model, which computes exactly what the named TFLite reference does.

  python -m sim run                            the shipped MNIST model on 1,000 packaged images
  python -m sim run MODEL --data mnist         ... on the 10,000 test images
  python -m sim run MODEL --inputs X.npy --outputs Y.npy       any model, on inputs of your own
  python -m sim run --engine python            one image in Amaranth's own simulator
  python -m sim run --vcd x.vcd --window 0:2000                the first 2,000 cycles as waveforms
"""
BOARD_DESCRIPTION = """\
Simulates a board with its pins: serial line, flash chip, power-on test, engine. Prints the path of
a pseudo-terminal, and serves it until stopped; python -m boards does with it what it does with a
real port. It runs ten to fifty times slower than a board, and not at all while nobody talks to it.
"""
COMPARE_DESCRIPTION = """\
"TFLite" is several programs, and they do not round alike. Runs a model in LiteRT with its reference
kernels, in LiteRT as it comes (XNNPACK), in TensorFlow Lite Micro, and in the golden model in both
of our profiles; says how many outputs differ, by how much, in which tensor that begins, and which
of them each profile equals in every byte. Needs both runtimes: pip install -e '.[oracle]'.
"""
COMPARE_EXIT_CODES = """\
exit codes: 0 each profile equals its runtime, of those that run the model: litert LiteRT's
reference kernels, tflm TensorFlow Lite Micro; 1 one does not, or none could be compared; 2 wrong
usage; 3 the model or a file is invalid or not supported; 4 a runtime is not installed; 130
interrupted, 143 terminated.
"""
EXIT_CODES = """\
exit codes: 0 every byte agrees; 1 the engine ran, but disagrees with the golden model or stopped;
2 wrong usage; 3 the model or a file is invalid or not supported; 4 a tool is missing or failed, or
its netlist has what is not simulated; 130 interrupted, 143 terminated.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(prog="python -m sim", description="Simulates the engine.")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    p = commands.add_parser(
        "run", help="run a model on the engine's RTL and compare it with the golden model",
        description=DESCRIPTION, epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_images(p)
    p.add_argument("--outputs", type=array_file, metavar="Y.npy|Y.npz",
                   help="where to write the outputs [N, *shape]; .npz: out0, out1...")
    p.add_argument("--engine", default="rtl", choices=("golden", "rtl", "python", "netlist"),
                   help="golden: integer numpy; rtl: the hardware, compiled (default); python: "
                   "the hardware in Amaranth's simulator, a thousand cycles a second; netlist: "
                   "what python -m boards build has placed and routed, through its pins (20 "
                   "images unless --limit says more)")
    p.add_argument("--board", type=board, default=DEFAULT, metavar="BOARD",
                   help=f"whose engine and clock: {', '.join(TARGETS)} (default: {DEFAULT.name})")
    p.add_argument("--geometry", metavar="RxCxL",
                   help=f"rows, columns and lanes of the array instead of the board's: up to "
                   f"{MOST_SIDE} of each, and {MOST_MACS:,} multipliers")
    p.add_argument("--profile", choices=PROFILES, default=PROFILES[0],
                   help="whose rounding is the truth: LiteRT's reference kernels (default) or "
                   "TensorFlow Lite Micro's")
    p.add_argument("--build", type=Path, metavar="DIR",
                   help="the build that --engine netlist simulates (default: build/BOARD)")
    p.add_argument("--json", action="store_true", help="one JSON document instead of text")
    p.add_argument("--vcd", type=Path, metavar="FILE",
                   help="write the signals of a window of cycles (engine rtl)")
    p.add_argument("--window", type=window, metavar="A:B",
                   help="from cycle A up to cycle B (default: 0:10000)")
    p = commands.add_parser(
        "compare", help="run a model in LiteRT, TensorFlow Lite Micro and the golden model",
        description=COMPARE_DESCRIPTION, epilog=COMPARE_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_images(p)
    p.add_argument("--json", action="store_true", help="one JSON document instead of text")
    p = commands.add_parser(
        "board", help="simulate a whole board behind a pseudo-terminal",
        description=BOARD_DESCRIPTION, epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", nargs="?", type=Path, default=MODEL, metavar="MODEL",
                   help="a quantized .tflite file (default: models/mnist_cnn_int8.tflite)")
    p.add_argument("--board", type=board, default=DEFAULT, metavar="BOARD",
                   help=f"which: {', '.join(TARGETS)} (default: {DEFAULT.name})")
    p.add_argument("--profile", choices=PROFILES, default=PROFILES[0],
                   help="whose rounding is the truth (default: litert)")
    return whole


def add_images(p: argparse.ArgumentParser) -> None:
    """A model, and what to show to it."""
    p.add_argument("model", nargs="?", type=Path, default=MODEL, metavar="MODEL",
                   help="a quantized .tflite file (default: models/mnist_cnn_int8.tflite)")
    source = p.add_mutually_exclusive_group()
    source.add_argument("--data", default="sample", metavar="mnist|sample|DIR",
                        help="images: the MNIST test set, the packaged sample (its first 1,000 "
                        "unless --limit says more), or a folder of MNIST files (default: sample)")
    source.add_argument("--inputs", type=Path, metavar="X.npy|X.npz",
                        help="the model's own inputs [N, *shape], in its type; .npz: in0, in1...")
    p.add_argument("--limit", type=positive, metavar="N", help="the first N images only")


def board(text: str) -> Target:
    """A board by its name."""
    if text not in TARGETS:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(TARGETS)}, not {text!r}")
    return TARGETS[text]


def window(text: str) -> tuple[int, int]:
    """``A:B``, some cycles."""
    found = re.fullmatch(r"([0-9]{1,15}):([0-9]{1,15})", text)
    start, stop = map(int, found.groups()) if found else (0, 0)
    if not start < stop <= start + LONGEST_WINDOW:
        raise argparse.ArgumentTypeError(f"must be A:B with A < B, at most {LONGEST_WINDOW:,} "
                                         f"cycles, not {text!r}")
    return start, stop


def geometry(config: EngineConfig, text: str) -> EngineConfig:
    """The board's engine with another array, its rings and queues as large as that needs."""
    found = re.fullmatch(r"([0-9]{1,4})x([0-9]{1,4})x([0-9]{1,4})", text)
    rows, columns, lanes = map(int, found.groups()) if found else (0, 0, 0)
    if not 0 < rows * columns * lanes <= MOST_MACS or max(rows, columns, lanes) > MOST_SIDE:
        raise ValueError(f"must be RxCxL, such as 4x2x4, with no more than {MOST_SIDE} of each and "
                         f"{MOST_MACS:,} multipliers, not {text!r}")
    power = 1 << (max(rows * columns, 2 * columns * lanes, 2 * rows) - 1).bit_length()
    together = gcd(rows, config.rows_together)
    return replace(config, rows=rows, columns=columns, lanes=lanes,
                   tape_rows=rows,           # so that dense layers need not wait for weights
                   rows_together=together,
                   requantizers=gcd(rows, columns * lanes, config.requantizers),
                   windows=config.windows and columns == 1 < together and rows <= lanes,
                   weight_words=max(config.weight_words, power),
                   channel_records=max(config.channel_records, power),
                   results=max(config.results, power))


def job(p: argparse.ArgumentParser, args: argparse.Namespace) -> Job:
    """What the command line asks for; ends the process where that makes no sense."""
    if args.window and not args.vcd:
        p.error("argument --window: needs --vcd FILE")
    if args.vcd and args.engine != "rtl":
        p.error(f"argument --vcd: needs --engine rtl, not {args.engine}")
    if args.build and args.engine != "netlist":
        p.error(f"argument --build: needs --engine netlist, not {args.engine}")
    config = args.board.engine
    if args.geometry is not None and args.engine == "netlist":
        p.error("argument --geometry: a build has the array that it has")
    if args.geometry is not None:
        try:
            config = geometry(config, args.geometry)
        except ValueError as error:
            p.error(f"argument --geometry: {error}")
    return Job(model=args.model, engine=args.engine, target=args.board, config=config,
               profile=args.profile, data=args.data, inputs=args.inputs, outputs=args.outputs,
               limit=args.limit, vcd=args.vcd, window=args.window or Job.window, build=args.build)


def serve(args: argparse.Namespace) -> int:
    """``board``: until somebody stops it."""
    found = design(args.board, args.model, args.profile)
    terminal = Terminal(SimulatedBoard(found.config, (found.image,)))
    print(f"{args.board.name} with {found.program.graph.name} on {terminal.path}; stop it with "
          f"Ctrl-C. Try\n  python -m boards stream {args.model} --board {args.board.name} --limit "
          f"20 --port {terminal.path}", flush=True)
    terminal.serve()
    return 0


def main(argv: list[str] | None = None) -> int:
    """The exit code."""
    p = parser()
    args = p.parse_args(argv)
    return exit_code(lambda: command(p, args), {
        UnsupportedDesign: TOOL, Stalled: DISAGREES, SimulationError: DISAGREES,
        OtherLength: DISAGREES})


def command(p: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """What was asked for, and whether all agrees."""
    if args.command == "board":
        return serve(args)
    if args.command == "compare":
        verdict = profiles.compare(args.model, args.data, args.inputs, args.limit)
        print(json.dumps(profiles_report.document(verdict), indent=1) if args.json
              else profiles_report.text(verdict), flush=True)
        return 0 if verdict.agrees else DISAGREES
    found = run(job(p, args), lambda sentence: print(f"note: {sentence}", file=sys.stderr))
    print(json.dumps(report.document(found), indent=1) if args.json else report.text(found),
          flush=True)
    return 0 if found.agrees else DISAGREES
