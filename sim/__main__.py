"""``python -m sim``: sim/commands.py."""

import sys
from functools import partial

from compiler.exits import run

main = partial(run, "sim.commands")

if __name__ == "__main__":
    sys.exit(main())
