"""``python -m compiler``: compiler/commands.py."""

import sys
from functools import partial

from compiler.exits import run

main = partial(run, "compiler.commands")

if __name__ == "__main__":
    sys.exit(main())
