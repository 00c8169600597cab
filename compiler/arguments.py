"""What command lines have in common: arguments that are checked as they are read."""

import argparse
import re
from pathlib import Path


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, not {text!r}")
    return int(text)


def natural(text: str) -> int:
    """A whole number from 0 on."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 on, not {text!r}")
    return int(text)


def indices(text: str) -> tuple[int, ...]:
    """``I,J,..``, a place in a tensor."""
    if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", text):
        raise argparse.ArgumentTypeError(f"must be whole numbers like 0,3,5, not {text!r}")
    return tuple(map(int, text.split(",")))


def array_file(text: str) -> Path:
    """A path that ends as array files do."""
    if Path(text).suffix not in (".npy", ".npz"):
        raise argparse.ArgumentTypeError(f"must end in .npy or .npz, not {text!r}")
    return Path(text)


def model_file(text: str) -> Path:
    """A path that ends as model files do."""
    if Path(text).suffix != ".tflite":
        raise argparse.ArgumentTypeError(f"must end in .tflite, not {text!r}")
    return Path(text)


def seconds(text: str) -> float:
    """Some time, up to an hour."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"must be a number of seconds up to 3600, not {text!r}")
    return value
