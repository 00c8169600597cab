"""From a model to a bitstream: sizes the engine, synthesizes, places, routes, and reports."""

import hashlib
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from boards.boards import Board
from boards.top import Top
from compiler.cycles import steady_cycles
from compiler.errors import ToolError
from compiler.files import check_apart, write_whole
from compiler.program import MANIFEST, TAPE, input_bytes, manifest, output_bytes
from compiler.targets import line_images_per_second
from sim.design import Design, design
from sim.tools import last_error, run_tool, tool_version

SLOT, REPORT = "slot.bin", "report.json"
SEEDS = 4                      # that are tried before timing counts as not met
AT_A_TIME = 2                  # nextpnr runs side by side

# No memory here is read where it is written in the same cycle (hw/link/ring.py and others see to
# it), which saves what Yosys would add for Amaranth's promise of the old word.
AFTER_READ = ("setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:CLK_ENABLE=1 %i "
              "r:COLLISION_X_MASK=1'0 %i")
# Yosys 0.70 ends at an assertion in its ABC9 pass where some wires lead nowhere: so these go before
# it, between the steps of the script for the ECP5.
ECP5_STEPS = {"synth_opts": "-run :map_luts", "script_after_synth": (
    "techmap -map +/lattice/latches_map.v\nopt_clean -purge\nabc9 -W 300\nclean\n"
    "synth_ecp5 -run map_cells: -top top")}


def rendered(board: Board, found: Design, **options: str) -> dict[str, bytes]:
    """What Amaranth makes of the board's top: netlist, script and constraints, by their names."""
    plan = board.platform().prepare(Top(board, found.config), emit_src=False, **options)
    return {name: content.encode() if isinstance(content, str) else content
            for name, content in plan.files.items()
            if name.endswith((".il", ".ys", ".pcf", ".lpf"))}


def named(board: Board, found: Design) -> Design:
    """The design with its own name, a hash of its netlist, in what it tells of itself."""
    nameless = replace(found, config=replace(found.config, store_init=b"", build_name=bytes(8)))
    name = hashlib.sha256(rendered(board, nameless)["top.il"]).digest()[:8]
    return replace(found, config=replace(found.config, build_name=name))


def synthesize(board: Board, found: Design, folder: Path) -> None:
    """Writes ``top.json``, a netlist of the device's cells, and the constraints beside it."""
    if board.family.name == "ecp5":
        steps = ECP5_STEPS
    else:
        steps = {"synth_opts": "-dffe_min_ce_use 4"
                 + (" -device u" if "--up5k" in board.pnr else "")}
    for name, content in rendered(board, found, script_after_read=AFTER_READ, **steps).items():
        (folder / name).write_bytes(content)
    run_tool("yosys", "-q", "-l", "yosys.log", "top.ys", folder=folder)


@dataclass(frozen=True)
class Routed:
    """One seed's result; ``fmax_hz`` is 0 where it did not route."""

    seed: int
    fmax_hz: float
    log: str


def place_and_route(board: Board, found: Design, folder: Path, seed: int) -> Routed:
    """One run of nextpnr; what it leaves is named by its seed."""
    mhz = found.config.clock_hz / 1e6
    ice40 = board.family.name == "ice40"
    files = ("--pcf", "top.pcf", "--asc", f"top{seed}.asc") if ice40 else \
        ("--lpf", "top.lpf", "--textcfg", f"top{seed}.config", "--router", "router2")
    code, log = run_tool(
        board.family.nextpnr, *board.pnr, "--json", "top.json", *files, "--seed", str(seed),
        "--freq", f"{mhz:g}", "--report", f"report{seed}.json", "--timing-allow-fail",
        "--write", f"routed{seed}.json", folder=folder, check=False)
    (folder / f"nextpnr{seed}.log").write_text(log)
    if code:
        return Routed(seed, 0.0, log)
    clocks = json.loads((folder / f"report{seed}.json").read_text())["fmax"]
    # The design's clock is the one that must reach its frequency; others are the PLL's input.
    reached = [clock["achieved"] for clock in clocks.values()
               if abs(clock["constraint"] - mhz) < 0.01 * mhz]
    return Routed(seed, 1e6 * min(reached, default=0.0), log)


def best_seed(board: Board, found: Design, folder: Path, note) -> Routed:
    """The first seed that meets timing, or the fastest of all."""
    results: list[Routed] = []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for first in range(1, SEEDS + 1, AT_A_TIME):
            seeds = range(first, min(first + AT_A_TIME, SEEDS + 1))
            for routed in pool.map(lambda seed: place_and_route(board, found, folder, seed), seeds):
                results.append(routed)
                note(f"seed {routed.seed}: " + (f"{routed.fmax_hz / 1e6:.1f} MHz of "
                     f"{found.config.clock_hz / 1e6:g}" if routed.fmax_hz else "not routed"))
            best = max(results, key=lambda routed: routed.fmax_hz)
            if best.fmax_hz >= found.config.clock_hz or not best.fmax_hz:
                break
    if not best.fmax_hz:
        raise ToolError(f"the design does not fit into {board.title}: "
                        f"{shortage(best.log)}")
    return best


def shortage(log: str) -> str:
    """What there is too little of, by nextpnr's own count; else its own words."""
    over = []
    for line in log.splitlines():
        kind, colon, counts = line.removeprefix("Info:").strip().partition(":")
        numbers = counts.replace("/", " ").split()
        if colon and len(numbers) == 3 and numbers[2].endswith("%") \
                and int(numbers[0]) > int(numbers[1]):
            over.append(f"{int(numbers[0]):,} of {int(numbers[1]):,} {kind}")
    return "it takes " + ", ".join(over) if over else last_error(log)


def build(board: Board, model: Path, out: Path, *, profile: str = "litert",
          clock_mhz: int | None = None, note=lambda sentence: None) -> dict:
    """Everything; the report, which ``report.json`` in ``out`` holds too.

    Starts with the board's clock. Where no seed meets it, the next lower one that the best seed
    would reach is built instead. ToolError where the design does not fit, or no clock does.
    """
    for name in (bitstream_name(board), SLOT, TAPE, MANIFEST, REPORT):
        check_apart(out / name, [model])
    started = time.monotonic()
    clock_hz = clock_mhz * 1_000_000 if clock_mhz else board.target.clock_hz
    folder = out / "work"
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        found = named(board, design(board.target, model, profile, clock_hz))
        note(f"synthesis at {clock_hz / 1e6:g} MHz")
        synthesize(board, found, folder)
        best = best_seed(board, found, folder, note)
        if best.fmax_hz >= clock_hz:
            break
        lower = [mhz * 1_000_000 for mhz in board.clocks_mhz
                 if mhz * 1_000_000 <= min(best.fmax_hz, clock_hz - 1)]
        if clock_mhz or not lower:
            raise ToolError(f"timing is not met on {board.title}: {best.fmax_hz / 1e6:.1f} MHz of "
                            f"{clock_hz / 1e6:g}; " + (f"--clock {lower[-1] // 1_000_000} would "
                                                       "be" if lower else "no clock would be"))
        clock_hz = lower[-1]

    if board.family.name == "ice40":
        run_tool("icepack", "-s", f"top{best.seed}.asc", "top.bin", folder=folder)
    else:
        run_tool("ecppack", "--compress", "--input", f"top{best.seed}.config", "--bit", "top.bit",
                 folder=folder)
    return leave(board, found, best, folder, out, time.monotonic() - started)


def bitstream_name(board: Board) -> str:
    """Of the file that the board is programmed with."""
    return f"{board.name}.{board.family.extension}"


def leave(board: Board, found: Design, best: Routed, folder: Path, out: Path,
          seconds: float) -> dict:
    """Bitstream, slot image, manifest and report."""
    program = found.program
    bitstream = (folder / f"top.{board.family.extension}").read_bytes()
    name = bitstream_name(board)
    write_whole(out / name, bitstream)
    write_whole(out / SLOT, found.image)
    write_whole(out / TAPE, program.tape)
    shutil.copyfile(folder / f"routed{best.seed}.json", folder / "routed.json")

    def digest(data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()
    whole = manifest(program) | {
        "board": board.name, "clock_hz": found.config.clock_hz,
        "slot_address": found.config.store_base if found.config.flash_dq else None,
        "slot_sha256": digest(found.image), "bitstream": name,
        "bitstream_sha256": digest(bitstream), "build": found.config.build_name.hex(),
        "tools": {tool: tool_version(tool) for tool in ("yosys", board.family.nextpnr)},
    }
    text = json.dumps(whole, indent=1, sort_keys=True) + "\n"
    write_whole(out / MANIFEST, text.encode())

    counted = json.loads((folder / f"report{best.seed}.json").read_text())["utilization"]
    cycles = steady_cycles(program, board.target)
    line = line_images_per_second(input_bytes(program), found.config.baud)
    report = {
        "board": board.name, "title": board.title, "model": program.graph.name,
        "clock_hz": found.config.clock_hz, "fmax_hz": round(best.fmax_hz),
        "slack_ns": round(1e9 / found.config.clock_hz - 1e9 / best.fmax_hz, 2),
        "seed": best.seed, "macs": program.config.macs, "engine": asdict(program.config),
        "used": {kind: {"used": count["used"], "of": count["available"]}
                 for kind, count in sorted(counted.items()) if count["used"]},
        "tape_bytes": len(program.tape), "input_bytes": input_bytes(program),
        "output_bytes": output_bytes(program), "cycles_per_image": cycles,
        "multiply_adds": sum(layer.macs for layer in program.layers),
        "scratchpad_bytes_used": program.plan.peak_bytes,
        "images_per_second_on_chip": round(found.config.clock_hz / cycles, 1),
        "images_per_second_of_the_line": round(line, 1),
        "build_seconds": round(seconds),
    }
    write_whole(out / REPORT, (json.dumps(report, indent=1) + "\n").encode())
    return report


def text(report: dict, out: Path) -> str:
    """The report for people."""
    used = ", ".join(f"{count['used']:,} of {count['of']:,} {kind}"
                     for kind, count in report["used"].items())
    return "\n".join([
        f"board      {report['title']}, {report['macs']} MACs a cycle",
        f"model      {report['model']}, a tape of {report['tape_bytes']:,} bytes",
        f"used       {used}",
        f"timing     {report['fmax_hz'] / 1e6:.1f} MHz reached, {report['clock_hz'] / 1e6:g} MHz "
        f"asked for: met, {report['slack_ns']} ns to spare (seed {report['seed']})",
        f"speed      {report['cycles_per_image']:,} cycles an image: "
        f"{report['images_per_second_on_chip']:,} images/s on chip, "
        f"{report['images_per_second_of_the_line']:,} over the line at the most",
        f"files      {out}: bitstream, slot.bin, manifest.json, report.json; built in "
        f"{report['build_seconds']} s"])
