"""``python -m compiler``: what the compiler does, at the command line."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.arguments import array_file, indices, model_file, natural, positive
from compiler.errors import DataError, ModelError
from compiler.exits import DISAGREES, INVALID
from compiler.numerics import PROFILES
from compiler.targets import DEFAULT, TARGETS

if TYPE_CHECKING:
    from compiler.inspection import Inspection

ALL = "all"

DESCRIPTION = """\
Compiles quantized .tflite models, and says beforehand what will come of it.

  python -m compiler inspect MODEL             scales, multipliers, shifts, ranges of every layer
  python -m compiler inspect MODEL --explain   ... and one value worked out, number by number
  python -m compiler check MODEL --board all   which boards run it, how fast, or why not
  python -m compiler build MODEL --out DIR     the tape that the engine plays
  python -m compiler quantize FLOAT.tflite --calibration X.npy --out INT8.tflite
                                               an int8 model of a float one
  python -m compiler operators                 what is supported, as docs/operators.md has it
"""
EXIT_CODES = """\
exit codes: 0 done; 1 an explanation does not come out right; 2 wrong usage; 3 the model or a file
is invalid, not supported or too large; 4 a package is missing; 130 interrupted,
143 terminated.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    layout: dict[str, Any] = {"epilog": EXIT_CODES,
                              "formatter_class": argparse.RawDescriptionHelpFormatter}
    whole = argparse.ArgumentParser(prog="python -m compiler", description=DESCRIPTION, **layout)
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, function: Callable[[argparse.Namespace], int], summary: str,
                description: str, boards: Sequence[str] = tuple(TARGETS)
                ) -> argparse.ArgumentParser:
        p = commands.add_parser(name, help=summary, description=description, **layout)
        p.add_argument("model", type=Path, metavar="MODEL", help="a .tflite file")
        p.add_argument("--board", choices=boards, default=DEFAULT.name, metavar="BOARD",
                       help=f"whose engine: {', '.join(boards)} (default: {DEFAULT.name})")
        p.add_argument("--profile", choices=PROFILES, default=PROFILES[0],
                       help="whose rounding is the truth: LiteRT's reference kernels (default) or "
                       "TensorFlow Lite Micro's")
        p.add_argument("--json", action="store_true", help="one JSON document instead of text")
        p.set_defaults(command=function)
        return p

    p = command("build", build, "compile a model for a board's engine",
                "Writes tape.bin, what the engine plays, and manifest.json, which says what is in "
                "it. Refuses a model that the engine cannot run, with all reasons.")
    p.add_argument("--out", type=Path, required=True, metavar="DIR",
                   help="the folder for both files; made where it is missing")
    p = command("inspect", inspect, "scales, multipliers, shifts, ranges of every operator",
                "Shows of every operator what its quantization comes to, and where it runs; of "
                "models that the engine refuses as well.")
    p.add_argument("--layer", type=natural, metavar="N", help="only operator N of the file")
    p.add_argument("--full", action="store_true",
                   help="numbers of all channels, not ranges; with --explain all products")
    p.add_argument("--explain", action="store_true",
                   help="one output value worked out, as TFLite does it and as the engine does")
    p.add_argument("--element", type=indices, metavar="I,J,..",
                   help="which, with --explain (default: the middle one)")
    p.add_argument("--inputs", type=array_file, metavar="X.npy|X.npz",
                   help="the model's inputs [N, *shape], with --explain (default: value k is "
                   "(37 * k) mod 256); .npz: in0, in1...")
    p.add_argument("--image", type=natural, metavar="N",
                   help="which of the inputs, from 0 on (default: 0)")
    command("check", check, "whether a board runs a model, how fast, or all reasons why not",
            "Says of one board, or of all, whether the model fits, with the memory map, what it "
            "takes of the device, cycles and images a second, or every reason why not. Ends with "
            "3 where it does not fit, with all boards where it fits none.",
            boards=(*TARGETS, ALL))
    commands.add_parser(
        "operators", help="what is supported, as docs/operators.md has it",
        description="Prints docs/operators.md: of every operator where it runs, what it computes, "
        "and its rules.", **layout).set_defaults(command=operators)
    p = command("quantize", quantize, "make an int8 model of a float one, and say what it costs",
                "Quantizes a float model, also one whose weights are in int8 or float16, to int8 "
                "throughout, weights by channel, with ai-edge-quantizer (pip install "
                "'.[quantize]'). Then compares both models, names the tensors that lose most, and "
                "says whether the board takes the new one; ends with 0 also where it does not.")
    p.add_argument("--calibration", type=Path, required=True, metavar="X.npy|X.npz|IDX",
                   help="inputs [N, *shape] in float32 from which the ranges of all tensors are "
                   "taken, a few hundred of those that the model will see; .npz: in0, in1...; an "
                   "IDX file of images counts pixel / 255")
    p.add_argument("--out", type=model_file, required=True, metavar="INT8.tflite",
                   help="where to write the int8 model")
    p.add_argument("--limit", type=positive, metavar="N",
                   help="calibrate with the first N inputs only")
    p.add_argument("--test", type=Path, metavar="X.npy|X.npz|IDX",
                   help="inputs on which to compare the models (default: those of --calibration)")
    p.add_argument("--labels", type=Path, metavar="Y.npy|IDX",
                   help="the classes [N] of the inputs of --test, or else of --calibration")
    return whole


def build(args: argparse.Namespace) -> int:
    """``build``."""
    from compiler.files import check_apart
    from compiler.program import MANIFEST, TAPE, compile_model, manifest, save

    for name in (TAPE, MANIFEST):
        check_apart(args.out / name, [args.model])
    program = compile_model(args.model, TARGETS[args.board].engine, args.profile)
    try:
        save(program, args.out)
    except OSError as error:
        raise ModelError(f"{args.out} cannot be written: {error.strerror}") from None
    found: dict[str, Any] = manifest(program)
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    print(f"{args.out / TAPE}: {found['tape_bytes']:,} bytes, {len(found['layers'])} layers, "
          f"for the engine of {args.board}, profile {args.profile}")
    print(f"{args.out / MANIFEST}: {found['scratchpad_bytes_used']:,} of "
          f"{program.config.scratchpad_bytes:,} bytes of scratchpad are used")
    return 0


def inspect(args: argparse.Namespace) -> int:
    """``inspect``."""
    from compiler import inspection, inspection_text, verdict
    from compiler.reader import read_model

    for name, needed in (("element", "explain"), ("inputs", "explain"), ("image", "inputs")):
        if getattr(args, name) is not None and not getattr(args, needed):
            parser().error(f"argument --{name}: needs --{needed}")
    examined = verdict.examine(read_model(args.model), args.profile)
    found = inspection.inspect(examined, TARGETS[args.board].engine)
    if args.layer is not None:
        inspection.story_of(found, args.layer)               # or there is none
    if args.explain:
        return explain(args, found)
    if args.json:
        print(json.dumps(inspection.document(found, args.layer), indent=1))
    else:
        print(inspection_text.text(found, args.layer, args.full))
    return 0


def explain(args: argparse.Namespace, found: "Inspection") -> int:
    """``inspect --explain``."""
    from compiler import inspection, inspection_text
    from compiler.arrays import read_inputs
    from compiler.explain import page
    from compiler.explain.text import text

    inputs = None if args.inputs is None else read_inputs(args.inputs, found.examined.graph)
    image = args.image or 0
    if inputs is not None and image >= len(inputs[0]):
        raise DataError(f"{args.inputs} holds {len(inputs[0])} inputs, so there is none of number "
                        f"{image}; they are counted from 0")
    explained = page.explain(found, args.layer, args.element, inputs, image)
    layer = explained.site.op.index
    if args.json:
        document = inspection.document(found, layer)
        print(json.dumps(document | {"explanation": page.document(explained)}, indent=1))
    else:
        print(inspection_text.text(found, layer, args.full), end="\n\n")
        print(text(explained, args.full))
    return 0 if explained.agrees else DISAGREES


def check(args: argparse.Namespace) -> int:
    """``check``."""
    from compiler import verdict, verdict_text
    from compiler.reader import read_model

    examined = verdict.examine(read_model(args.model), args.profile)
    names = list(TARGETS) if args.board == ALL else [args.board]
    found = verdict.judge(examined, [TARGETS[name] for name in names])
    fits = any(one.fits for one in found)
    others = [one for one in found if one.fits] if fits or args.board == ALL \
        else verdict.would_do(examined, besides=names)
    if args.json:
        print(json.dumps({
            "model": examined.graph.name, "profile": args.profile, "fits": fits,
            "boards": [verdict.document(examined, one) for one in found],
            "would_do": [one.target.name for one in others]}, indent=1))
    elif args.board == ALL:
        print(verdict_text.all_boards(examined, found))
    else:
        print(verdict_text.one_board(examined, found[0], others))
    return 0 if fits else INVALID


def operators(args: argparse.Namespace) -> int:
    """``operators``."""
    from compiler.operators import markdown

    print(markdown(), end="")
    return 0


def quantize(args: argparse.Namespace) -> int:
    """``quantize``."""
    from compiler.quantize import job, report

    found = job.quantize(job.Job(
        model=args.model, calibration=args.calibration, out=args.out, labels=args.labels,
        test=args.test, limit=args.limit, target=TARGETS[args.board], profile=args.profile))
    print(json.dumps(report.document(found), indent=1) if args.json else report.text(found))
    return 0


def main(argv: list[str] | None = None) -> int:
    """The exit code."""
    args = parser().parse_args(argv)
    return args.command(args)
