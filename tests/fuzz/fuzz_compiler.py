"""A fuzz target for atheris: any bytes compile, or are refused in a clean sentence.

    python tests/fuzz/fuzz_compiler.py [FOLDER] [-max_total_time=1800] [other options of libFuzzer]

FOLDER keeps what reached new code (default: build/fuzz); a file that crashes the compiler, takes
longer than -timeout or more memory than -rss_limit_mb is left in the working folder as crash-*,
timeout-* or oom-*. A third of the mutations are libFuzzer's own; a third change numbers that the
reader looks at, wherever they are; a third are other models, written with something wrong.
"""

import random
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

try:
    import atheris
except ImportError:
    sys.exit("error: atheris is not installed; install it with pip install -e '.[fuzz]'")

with atheris.instrument_imports(include=["compiler"]):
    import reading

import mutation  # noqa: E402
import random_models  # noqa: E402

DEFAULTS = {"-timeout": "4", "-rss_limit_mb": "1024", "-max_len": "16384"}
SEEDS = 120


def one_input(data: bytes) -> None:
    reading.attempt(data, len(data))


def mutate(data: bytes, most: int, seed: int) -> bytes:
    rng = random.Random(seed)
    match rng.randrange(3):
        case 0 if found := mutation.places(data):
            data = mutation.mutated(data, found, rng)
        case 1:
            data = bytes(mutation.twisted(random_models.random_model(seed, wild=0.2), rng))
        case _:
            data = atheris.Mutate(data, most)
    return data[:most]


def main() -> None:
    options = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    given = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    folder = Path(given[0] if given else ROOT / "build" / "fuzz")
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(SEEDS):
        (folder / f"seed{seed}").write_bytes(bytes(random_models.random_model(seed)))
    chosen = {option.split("=")[0] for option in options}
    options += [f"{name}={value}" for name, value in DEFAULTS.items() if name not in chosen]
    warnings.simplefilter("error")               # no warning of numpy's may reach a user
    atheris.Setup([sys.argv[0], str(folder), *options], one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
