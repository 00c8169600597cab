"""Yosys, which puts models in the places of cells and leaves arithmetic, gates and flip-flops."""

import hashlib
import json
from pathlib import Path

from sim.tools import run_tool

MODELS = Path(__file__).with_name("ice40.v")

SCRIPT = """
# Models are taken apart before they are copied into their places, thousands of times some:
read_json circuit.json
{bench}
read_verilog -defer -D ICE40_U +/ice40/cells_sim.v
read_verilog -defer ice40.v
hierarchy -check -top {top}
proc
select -set models * chip top %u top.* %u %d
techmap -map ice40.v @models
simplemap *ICESTORM_LC*/t:* *ICESTORM_LC*/t:$*dff* %d
opt -full @models
opt_clean -purge @models
flatten -noscopeinfo

# Whole memories, synchronous resets as logic, and zero where anything goes:
async2sync
opt_clean
memory_share -nosat -nowiden
memory_collect
setundef -zero -undriven -init
opt -full
dffunmap -srst-only
pmuxtree
techmap -autoproc t:$shift t:$shiftx t:$shl t:$shr
simplemap t:$logic_* t:$reduce_* t:$eq t:$ne t:$xnor
opt_expr
opt_clean
check -assert
write_json cells.json
"""
CHIP = "chip"                  # the netlist's module; a bench around it is `top`


def elaborate(circuit: dict, folder: Path, bench: str = "") -> dict:
    """The one flat module, in Yosys' JSON, of a circuit whose cells have models; ToolError where
    there is no Yosys, or it fails.

    ``bench`` is the RTLIL of a module `top` around it. What Yosys made of the same before is used
    again.
    """
    top = "top" if bench else CHIP
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"circuit.json": json.dumps(circuit), "bench.il": bench,
             "ice40.v": MODELS.read_text(),
             "elaborate.ys": SCRIPT.format(top=top, bench="read_rtlil bench.il" if bench else "")}
    key = hashlib.sha256("\0".join(texts.values()).encode()).hexdigest()
    for name, text in texts.items():
        (folder / name).write_text(text)
    if not (folder / "cells.key").exists() or (folder / "cells.key").read_text() != key:
        run_tool("yosys", "-q", "-l", "yosys.log", "elaborate.ys", folder=folder)
        (folder / "cells.key").write_text(key)
    return json.loads((folder / "cells.json").read_text())["modules"][top]
