"""Programs a board: the bitstream, and the model's slot beside it."""

import json
import shutil
import subprocess
from pathlib import Path

from boards.boards import Board
from compiler.errors import ModelError, ToolError

MISSING = ("neither openFPGALoader nor iceprog is installed; get openFPGALoader with apt install "
           "openfpgaloader, brew install openfpgaloader, or from "
           "https://github.com/YosysHQ/oss-cad-suite-build")


def commands(board: Board, folder: Path) -> list[list[str]]:
    """What to run for a build in ``folder``: ToolError where no tool is installed, ModelError
    where there is no build of this board."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        raise ModelError(f"{folder} holds no build; make one with python -m boards build "
                         f"--board {board.name}") from None
    if manifest.get("board") != board.name:
        raise ModelError(f"{folder} holds a build for {manifest.get('board')}, not {board.name}")
    bitstream, slot = str(folder / manifest["bitstream"]), str(folder / "slot.bin")
    address = manifest["slot_address"]
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
    for command in commands(board, folder):
        if subprocess.run(command, check=False).returncode:
            raise ToolError(f"{Path(command[0]).name} failed; is the board plugged in, and may you "
                            "open it?")
    slot = json.loads((folder / "manifest.json").read_text())["slot_address"]
    return slot is None or board.writes_slots
