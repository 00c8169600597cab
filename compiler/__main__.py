"""``python -m compiler``: what the compiler does, at the command line."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from compiler.errors import ModelError
from compiler.numerics import PROFILES
from compiler.program import compile_model, manifest, save
from compiler.targets import DEFAULT, TARGETS

INVALID, INTERRUPTED = 3, 130

EXIT_CODES = """\
exit codes: 0 done; 2 wrong usage; 3 the model or a file is invalid or not supported;
130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(prog="python -m compiler",
                                    description="Compiles quantized .tflite models.")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    p = commands.add_parser(
        "build", help="compile a model for a board's engine",
        description="Writes tape.bin, what the engine plays, and manifest.json, which says what "
        "is in it. Refuses a model that the engine cannot run, with all reasons.",
        epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path, metavar="MODEL", help="a quantized .tflite file")
    p.add_argument("--board", choices=TARGETS, default=DEFAULT.name,
                   help=f"whose engine (default: {DEFAULT.name})")
    p.add_argument("--out", type=Path, required=True, metavar="DIR",
                   help="the folder for both files; made where it is missing")
    p.add_argument("--profile", choices=PROFILES, default=PROFILES[0],
                   help="whose rounding is the truth: LiteRT's reference kernels (default) or "
                   "TensorFlow Lite Micro's")
    p.add_argument("--json", action="store_true", help="the manifest as JSON instead of text")
    p.set_defaults(command=build)
    return whole


def build(args: argparse.Namespace) -> None:
    """``build``."""
    program = compile_model(args.model, TARGETS[args.board].engine, args.profile)
    try:
        save(program, args.out)
    except OSError as error:
        raise ModelError(f"{args.out} cannot be written: {error.strerror}") from None
    found: dict[str, Any] = manifest(program)
    if args.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{args.out / 'tape.bin'}: {found['tape_bytes']:,} bytes, {len(found['layers'])} layers, "
          f"for the engine of {args.board}, profile {args.profile}")
    print(f"{args.out / 'manifest.json'}: {found['scratchpad_bytes_used']:,} of "
          f"{program.config.scratchpad_bytes:,} bytes of scratchpad are used")


def main(argv: list[str] | None = None) -> int:
    """The exit code."""
    args = parser().parse_args(argv)
    try:
        args.command(args)
        return 0
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return INVALID
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
