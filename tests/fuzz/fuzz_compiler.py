"""A fuzz target for atheris: any bytes compile, or are refused in a clean sentence.

    python tests/fuzz/fuzz_compiler.py [FOLDER] [-max_total_time=1800] [other options of libFuzzer]

FOLDER keeps what reached new code (default: build/fuzz); a file that crashes the compiler, or takes
half a gigabyte at once or two seconds of the processor, is left in the working folder as crash-*.
A third of the mutations are libFuzzer's own; a third change numbers that the
reader looks at, wherever they are; a third are other models, written with something wrong.
"""

import random
import resource
import signal
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

# atheris itself grows by some kilobytes a run: its limit is for all runs together. Its clock is the
# wall's, and goes on while another process has the processor.
DEFAULTS = {"-timeout": "1200", "-rss_limit_mb": "8192", "-max_len": "16384"}
MOST_AT_ONCE = 1 << 19                           # KiB
SECONDS = 2.0
SEEDS = 120


def peak() -> int:
    """The most KiB of memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def one_input(data: bytes) -> None:
    before = peak()
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    reading.attempt(data, len(data))
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    assert peak() - before < MOST_AT_ONCE, "half a gigabyte at once"


def stop(number: int, frame: object) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


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
    signal.signal(signal.SIGVTALRM, stop)
    atheris.Setup([sys.argv[0], str(folder), *options], one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
