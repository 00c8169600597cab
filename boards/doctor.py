"""What there is to work with, and what to do next."""

import platform
import shutil
from importlib.metadata import PackageNotFoundError, version

from boards.boards import BOARDS
from boards.ports import candidates, overview
from sim.tools import TOOLS, tool_version

PROGRAMMERS = ("openFPGALoader", "iceprog")
PACKAGES = ("amaranth", "amaranth-boards", "pyserial", "cobs", "numpy")


def package_version(name: str) -> str:
    """Of an installed package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing: pip install " + name


def examine() -> dict:
    """Tools, packages and ports; ``next`` are commands to type."""
    tools = {tool: tool_version(tool) for tool in TOOLS}
    programmers = {name: shutil.which(name) for name in PROGRAMMERS}
    following = []
    missing = [tool for tool, found in tools.items() if not found]
    if missing:
        following.append("pip install -e .[synth]   # for " + ", ".join(missing))
    following.append("make bitstream BOARD=" + next(iter(BOARDS)))
    if not any(programmers.values()):
        following.append("apt install openfpgaloader   # or brew; nothing can program a board yet")
    plugged_in = any(candidates(board) for board in BOARDS.values())
    following.append("make flash" if plugged_in else "python -m sim board   # no port is known as "
                     "a board's; this simulates one")
    return {"python": platform.python_version(), "system": platform.platform(),
            "tools": tools, "packages": {name: package_version(name) for name in PACKAGES},
            "programmers": programmers, "ports": overview(), "next": following}


def text(found: dict) -> str:
    """The findings for people."""
    lines = [f"python       {found['python']} on {found['system']}"]
    for title in ("tools", "packages", "programmers"):
        for name, value in found[title].items():
            lines.append(f"{title.rstrip('s'):12} {name} {value or 'is missing'}")
    lines += [f"port         {port}" for port in found["ports"]] or ["port         none found"]
    lines += [f"next         {command}" for command in found["next"]]
    return "\n".join(lines)
