"""Programs a board: the bitstream, and the model's slot beside it."""

import json
import shutil
import subprocess
from pathlib import Path

from boards.boards import Board
from boards.build import SLOT
from compiler.errors import ModelError, ToolError
from compiler.program import MANIFEST

MISSING = ("neither openFPGALoader nor iceprog is installed; get openFPGALoader with apt install "
           "openfpgaloader, brew install openfpgaloader, or from "
           "https://github.com/YosysHQ/oss-cad-suite-build")


def built(board: Board, folder: Path) -> tuple[str, int | None]:
    """The bitstream of a build in ``folder``, and where its slot goes; ModelError where there is
    no build of this board."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        name, bitstream = manifest["board"], str(folder / manifest["bitstream"])
        address = manifest["slot_address"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelError(f"{folder} holds no build; make one with python -m boards build "
                         f"--board {board.name}") from None
    if name != board.name:
        raise ModelError(f"{folder} holds a build for {name}, not {board.name}")
    return bitstream, address


def commands(board: Board, bitstream: str, slot: str, address: int | None) -> list[list[str]]:
    """What to run; ToolError where no tool is installed."""
    if loader := shutil.which("openFPGALoader"):
        if address is None or not board.writes_slots:
            return [[loader, *board.programmer, bitstream]]
        return [[loader, *board.programmer, "-f", "-o", str(address), slot],
                [loader, *board.programmer, "-f", bitstream]]
    if board.family.name != "ice40":
        raise ToolError("openFPGALoader is not installed" + MISSING[MISSING.index("; get"):])
    if iceprog := shutil.which("iceprog"):
        return [[iceprog, "-o", str(address), slot], [iceprog, bitstream]]
    raise ToolError(MISSING)


def flash(board: Board, folder: Path) -> bool:
    """Runs them, the slot first: a board that starts finds its model. False where the programmer
    cannot write the slot."""
    bitstream, address = built(board, folder)
    for command in commands(board, bitstream, str(folder / SLOT), address):
        if subprocess.run(command, check=False).returncode:
            raise ToolError(f"{Path(command[0]).name} failed; is the board plugged in, and may you "
                            "open it?")
    return address is None or board.writes_slots
