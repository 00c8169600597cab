"""``python -m boards``: bitstreams, boards, and images over the line."""

import argparse
import json
import sys
from pathlib import Path

from tqdm import tqdm

from boards import build, doctor, flash, selftest, stream
from boards.boards import BOARDS, DEFAULT, Board
from boards.driver import Driver
from boards.line import SILENCE, BoardError
from boards.ports import choose
from boards.session import compile_for, meet
from compiler.arguments import array_file, positive, seconds
from compiler.arrays import check_outputs_path
from compiler.errors import ModelError
from compiler.exits import BOARD, DISAGREES, exit_code
from compiler.numerics import PROFILES
from compiler.targets import Store
from hw.link.codec import OtherLength
from sim.design import graph_of, image_of
from sim.run import MODEL

DESCRIPTION = """\
Builds bitstreams for real boards, programs them, and streams images to them.

  python -m boards list                        what boards there are
  python -m boards doctor                      what is installed and plugged in, what to type next
  python -m boards build --board icebreaker    the shipped MNIST model as a bitstream
  python -m boards flash --board icebreaker    ... onto the board
  python -m boards stream                      1,000 images to it
  python -m boards load OTHER.tflite           another model, without a new bitstream
  python -m boards selftest                    what every layer makes, against the golden model
"""
EXIT_CODES = """\
exit codes: 0 done, and every byte agrees; 1 the board ran, but disagrees with the golden model;
2 wrong usage; 3 the model or a file is invalid or not supported; 4 a tool is missing or failed;
5 the board or the link failed; 130 interrupted, 143 terminated.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(
        prog="python -m boards", description=DESCRIPTION, epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, function, summary: str, *options: str) -> argparse.ArgumentParser:
        p = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:]
                                + ".", epilog=EXIT_CODES,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
        p.set_defaults(function=function)
        if "model" in options:
            p.add_argument("model", nargs="?", type=Path, default=MODEL, metavar="MODEL",
                           help="a quantized .tflite file (default: models/mnist_cnn_int8.tflite)")
            p.add_argument("--profile", choices=PROFILES, default=PROFILES[0],
                           help="whose rounding is the truth (default: litert)")
        if "board" in options:
            p.add_argument("--board", type=board, default=DEFAULT, metavar="BOARD",
                           help=f"one of {', '.join(BOARDS)} (default: {DEFAULT.name})")
        if "port" in options:
            p.add_argument("--port", help="the serial port (default: found by its USB id)")
            p.add_argument("--silence", type=seconds, default=SILENCE, metavar="SECONDS",
                           help="after which a frame counts as lost (default: %(default)s)")
        if "json" in options:
            p.add_argument("--json", action="store_true", help="one JSON document instead of text")
        return p

    command("list", list_boards, "the boards, what they hold, and how they are programmed", "json")
    command("doctor", run_doctor, "what is installed and plugged in, and what to type next", "json")
    p = command("build", run_build, "a bitstream for a board and a model", "model", "board", "json")
    p.add_argument("--out", type=Path, metavar="DIR", help="where to leave bitstream, slot image, "
                   "manifest.json and report.json (default: build/BOARD)")
    p.add_argument("--clock", type=positive, metavar="MHZ", help="the engine's clock (default: the "
                   "board's, or the next lower one that timing meets)")
    p = command("flash", run_flash, "program a build onto a board", "board")
    p.add_argument("--out", type=Path, metavar="DIR", help="the build (default: build/BOARD)")
    p = command("stream", run_stream, "images to a board, its answers against the golden model",
                "model", "board", "port", "json")
    source = p.add_mutually_exclusive_group()
    source.add_argument("--data", default="sample", metavar="mnist|sample|DIR",
                        help="as python -m sim run has it (default: sample)")
    source.add_argument("--inputs", type=Path, metavar="X.npy|X.npz",
                        help="the model's own inputs [N, *shape], in its type")
    source.add_argument("--pictures", type=Path, nargs="+", default=(), metavar="FILE",
                        help="PNG or PGM files")
    p.add_argument("--limit", type=positive, metavar="N", help="the first N images only")
    p.add_argument("--outputs", type=array_file, metavar="Y.npy|Y.npz",
                   help="where to write the outputs")
    command("selftest", run_selftest, "golden vectors on a board, layer by layer", "model",
            "board", "port", "json")
    command("load", run_load, "another model into a board, for the engine that it has", "model",
            "board", "port", "json")
    return whole


def board(text: str) -> Board:
    """A board by its name."""
    if text not in BOARDS:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(BOARDS)}, not {text!r}")
    return BOARDS[text]


def note(sentence: str) -> None:
    """To whoever waits."""
    print(sentence, file=sys.stderr, flush=True)


def show(args: argparse.Namespace, found, text: str) -> None:
    """The result, as asked for."""
    print(json.dumps(found, indent=1) if args.json else text, flush=True)


def described(store: Store) -> str:
    """Where a tape may lie."""
    if not store.flash_dq:
        return f"{store.slot_bytes // 1024} KiB of block RAM" + (
            f" (weight rings of {store.weight_words} words)" if store.weight_words else "")
    return f"flash, {store.flash_dq} bits " + ("a cycle" if store.flash_cycles == 1
                                               else f"in {store.flash_cycles} cycles")


def list_boards(args: argparse.Namespace) -> int:
    """``list``."""
    found = [{"name": one.name, "title": one.title, "macs": one.target.engine.macs,
              "clock_mhz": one.target.clock_hz / 1e6,
              "tape": " or ".join(map(described, one.target.stores)),
              "serial": f"{one.usb[0]:04x}:{one.usb[1]:04x}" if one.usb else "any adapter",
              "programmed_with": "openFPGALoader " + " ".join(one.programmer)}
             for one in BOARDS.values()]
    lines = [f"{one['name']:11} {one['title']}: {one['macs']} MACs at {one['clock_mhz']:g} MHz, "
             f"tape in {one['tape']}" for one in found]
    show(args, found, "\n".join(lines))
    return 0


def run_doctor(args: argparse.Namespace) -> int:
    """``doctor``."""
    found = doctor.examine()
    show(args, found, doctor.text(found))
    return 0


def run_build(args: argparse.Namespace) -> int:
    """``build``."""
    out = args.out or Path("build") / args.board.name
    if args.clock and args.clock not in args.board.clocks_mhz:
        clocks = ", ".join(map(str, args.board.clocks_mhz))
        parser().error(f"argument --clock: must be one of {clocks} on {args.board.name}, "
                       f"not {args.clock}")
    try:
        report = build.build(args.board, args.model, out, profile=args.profile,
                             clock_mhz=args.clock, note=note)
    except OSError as error:
        raise ModelError(f"{out} cannot be written: {error.strerror}") from None
    show(args, report, build.text(report, out))
    return 0


def run_flash(args: argparse.Namespace) -> int:
    """``flash``."""
    if not flash.flash(args.board, args.out or Path("build") / args.board.name):
        note("the bitstream is on the board, whose programmer writes no models: put the model "
             f"there with python -m boards load MODEL --board {args.board.name} --port PORT")
    return 0


def run_stream(args: argparse.Namespace) -> int:
    """``stream``."""
    graph = graph_of(args.model)
    if args.outputs:
        check_outputs_path(args.outputs, graph, (args.model, args.inputs, *args.pictures))
    if args.pictures:
        images = stream.from_pictures(graph, args.pictures[:args.limit])
    elif args.inputs:
        images = stream.from_array(graph, args.inputs, args.limit)
    else:
        images = stream.from_data(graph, args.data, args.limit)
    report = stream.stream(args.board, choose(args.board, args.port), args.model, images,
                           profile=args.profile, silence=args.silence, outputs_path=args.outputs)
    show(args, report, stream.text(report))
    return 0 if report["equal_to_golden"] == report["images"] else DISAGREES


def run_selftest(args: argparse.Namespace) -> int:
    """``selftest``."""
    report = selftest.selftest(args.board, choose(args.board, args.port), args.model,
                               profile=args.profile, silence=args.silence, note=note)
    show(args, report, selftest.text(report))
    return 0 if report["equal"] == report["vectors"] else DISAGREES


def run_load(args: argparse.Namespace) -> int:
    """``load``."""
    with Driver(choose(args.board, args.port), silence=args.silence) as driver:
        welcome = meet(args.board, driver)
        program = compile_for(args.board, args.model, welcome.info.engine, args.profile)
        image = image_of(program)
        with tqdm(desc="load", total=2 * len(image), unit="B", unit_scale=True, delay=2,
                  disable=None, leave=False) as bar:
            driver.load(image, bar.update)
    show(args, {"board": args.board.name, "port": driver.port, "model": program.graph.name,
                "image_bytes": len(image)},
         f"{args.model} is on the board: {len(image):,} bytes, checked")
    return 0


def main(argv: list[str] | None = None) -> int:
    """The exit code."""
    args = parser().parse_args(argv)
    return exit_code(lambda: args.function(args), {BoardError: BOARD, OtherLength: BOARD})
