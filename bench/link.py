"""What the link bears, and what it carries: ``python -m bench.link``.

Frames that a bad line has spoiled, through the host's codec and through the gateware's receiver:
none that was not sent may be taken. Then images through the pins of a simulated board, all of whose
outputs must be the golden model's.
"""

import argparse
import os
import platform
import random
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.listener import Listener, heard, understood
from bench.noise import noisy_line
from boards.boards import BOARDS, DEFAULT
from boards.stream import from_data, stream
from compiler.program import input_bytes
from hw.link.codec import Decoder
from sim.board import SimulatedBoard
from sim.compiled import compile_design
from sim.design import design, graph_of
from sim.pty import Terminal
from sim.run import MODEL

BLOCK, BAD = 10_000, 1 / 3         # frames at a time, and how many of them are damaged


def host_block(seed: int) -> tuple[int, int]:
    """Frames that the codec took of a block, and how many of them were never sent."""
    sent, line = noisy_line(random.Random(seed), BLOCK, BAD)
    found = list(Decoder().feed(line))
    return len(found), len(set(found) - set(sent))


def host(frames: int) -> None:
    """Frames through the host's codec."""
    start = time.perf_counter()
    with ProcessPoolExecutor() as pool:
        counts = list(pool.map(host_block, range(frames // BLOCK), chunksize=4))
    taken, wrong = map(sum, zip(*counts, strict=True))
    print(f"host codec: {len(counts) * BLOCK:,} frames, {BAD:.0%} damaged: {taken:,} taken, "
          f"{wrong} that were never sent; {time.perf_counter() - start:.0f} s", flush=True)


def gateware(frames: int) -> None:
    """Frames through the receiver's RTL."""
    start = time.perf_counter()
    listener, different = compile_design(Listener()), 0
    for seed in range(frames // BLOCK):
        _, line = noisy_line(random.Random(seed), BLOCK, BAD)
        different += heard(listener, line) != understood(line)
    print(f"gateware receiver: {frames // BLOCK * BLOCK:,} frames, {BAD:.0%} damaged: {different} "
          f"blocks taken otherwise than by the codec; {time.perf_counter() - start:.0f} s",
          flush=True)


def pins(name: str, model: Path, images: int, data: str) -> bool:
    """Images through a simulated board; whether all answers are right."""
    board = BOARDS[name]
    found = design(board.target, model, "litert")
    simulated = SimulatedBoard(found.config, (found.image,))
    terminal, stop = Terminal(simulated), threading.Event()
    thread = threading.Thread(target=terminal.serve, args=(stop.is_set,))
    thread.start()
    start = time.perf_counter()
    try:
        report = stream(board, terminal.path, model, from_data(graph_of(model), data, images),
                        profile="litert", silence=10)
    finally:
        stop.set()
        thread.join()
        terminal.close()
    images = report["images"]
    least = input_bytes(found.program) * 10 * found.config.clock_hz // found.config.baud
    taken = simulated.cycles / images
    print(f"simulated {name}, {model.stem}: {report['equal_to_golden']:,} of {images:,} images "
          f"equal, {report['correct']:,} right; cycles after the input "
          f"{report['cycles_after_input']}; errors {report['link_errors']}\n"
          f"  {taken:,.0f} cycles an image with all that is not input; the input's bits alone are "
          f"{least:,}: {least / taken:.1%} of the line is useful, "
          f"{found.config.clock_hz / taken:.1f} images/s; simulated in "
          f"{time.perf_counter() - start:.0f} s", flush=True)
    return report["equal_to_golden"] == images


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.link", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000_000, help="through the host's codec")
    parser.add_argument("--gateware-frames", type=int, default=100_000)
    parser.add_argument("--images", type=int, default=1000, help="through a simulated board")
    parser.add_argument("--data", default="sample", metavar="mnist|sample|DIR")
    parser.add_argument("--model", type=Path, default=MODEL, metavar="MODEL")
    parser.add_argument("--board", choices=BOARDS, default=DEFAULT.name)
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}")
    if args.frames:
        host(args.frames)
    if args.gateware_frames:
        gateware(args.gateware_frames)
    return 0 if not args.images or pins(args.board, args.model, args.images, args.data) else 1


if __name__ == "__main__":
    sys.exit(main())
