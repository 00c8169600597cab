"""The engine's RTL, compiled: a machine for each core, and the images shared out among them."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import lru_cache

import numpy as np

from compiler.program import Program, input_bytes, output_bytes
from hw.config import EngineConfig
from sim.bench import Bench
from sim.compiled import Design, Machine, compile_design
from sim.device import (
    DeviceRun,
    from_stream,
    patience,
    stalled,
    tape_beats,
    to_stream,
)

# Least depths of the bench's memories: most models then share one compiled design.
TAPE_DEPTH, IO_DEPTH, TIMES_DEPTH = 1 << 16, 1 << 20, 1 << 16

# Cycles between two looks at the clock: a fraction of a second.
SLICE = 1 << 18


class RtlEngine:
    """Plays a program on the RTL. ``threads`` machines run at a time, each with room for so many
    ``images`` or more."""

    def __init__(self, program: Program, threads: int | None = None, images: int = 2):
        self.program  = program
        self.threads  = threads or os.cpu_count() or 1
        self.patience = patience(program)
        beats = tape_beats(program)
        io = max(input_bytes(program), output_bytes(program))
        self.design = compiled_bench(
            program.config, power_of_two(len(beats), TAPE_DEPTH),
            power_of_two(images * io, IO_DEPTH),
            power_of_two(images * len(program.layers), TIMES_DEPTH))

    def machine(self, stream: np.ndarray) -> Machine:
        """A machine at its reset, its bench filled with ``stream``, uint8 [images, bytes]."""
        machine = self.design.machine()
        beats = tape_beats(self.program)
        rom = machine.memory("tape.rom")
        rom.view(np.uint8).reshape(len(rom), -1)[:len(beats), :beats.shape[1]] = beats
        machine.memory("inputs")[:stream.size] = stream.reshape(-1)
        machine["tape_length"] = len(beats)
        machine["in_bytes"]    = stream.size
        machine["out_bytes"]   = output_bytes(self.program) * len(stream)
        return machine

    def run(self, inputs: Sequence[np.ndarray],
            progress: Callable[[int], object] = lambda images: None) -> DeviceRun:
        """The device's outputs ``[N, *shape]`` of its inputs ``[N, *shape]``, N at least 1.

        ``progress`` is told, from several threads, of images that are done. Stalled when the
        engine stops before its end.
        """
        stream = to_stream(inputs)
        parts = self.shares(len(stream))
        stop = threading.Event()
        with ThreadPoolExecutor(self.threads) as pool:
            jobs = [pool.submit(self.run_part, stream, part, stop, progress) for part in parts]
            try:
                for job in as_completed(jobs):
                    job.result()
            except BaseException:
                stop.set()                       # leaving the pool waits for its threads
                raise
        outputs, ends, simulated = zip(*(job.result() for job in jobs), strict=True)

        # Each part's times go on where the part before it ended:
        now, timeline = np.int64(0), []
        for times in ends:
            timeline.append(times + now)
            now = timeline[-1][-1, -1]
        return DeviceRun(from_stream(self.program, np.concatenate(outputs)),
                         np.concatenate(timeline), sum(simulated))

    def shares(self, images: int) -> list[slice]:
        """The images in parts that fit into the bench, one more in front of them included."""
        size = -(-images // self.threads)
        for needed, memory in ((input_bytes(self.program), "inputs"),
                               (output_bytes(self.program), "outputs"),
                               (len(self.program.layers), "times")):
            size = min(size, self.depth(memory) // max(1, needed) - 1)
        return [slice(first, min(first + size, images)) for first in range(0, images, size)]

    def depth(self, memory: str) -> int:
        """Words of one of the bench's memories."""
        return len(self.design.machine().memory(memory))

    def run_part(self, stream: np.ndarray, part: slice, stop: threading.Event,
                 progress: Callable[[int], object]) -> tuple[np.ndarray, np.ndarray, int]:
        """Output bytes, times since the image before the part ended, and cycles simulated.

        The image before the part runs once more in front of it: the others then find the engine
        as they would in one long run.
        """
        warm = min(part.start, 1)
        stream = stream[part.start - warm:part.stop]
        machine = self.machine(stream)
        layers, images = len(self.program.layers), len(stream)
        ended = quiet = 0
        while not machine["done"]:
            if stop.is_set():
                break
            quiet += machine.run(SLICE, until="done")
            before, ended = ended, machine["layers"]
            if ended != before:
                quiet = 0
                progress(max(0, ended // layers - warm) - max(0, before // layers - warm))
            elif quiet > self.patience:
                raise stalled(self.program, ended, quiet, part.start - warm)
        out = output_bytes(self.program)
        outputs = machine.memory("outputs")[:out * images].reshape(images, out)
        ends = machine.memory("times")[:layers * images].reshape(images, layers).astype(np.int64)
        since = ends[0, -1] if warm else 0
        return outputs[warm:].copy(), ends[warm:] - since, machine["cycle"]


@lru_cache(maxsize=4)
def compiled_bench(config: EngineConfig, tape_depth: int, io_depth: int,
                   times_depth: int) -> Design:
    """The bench around an engine, as machine code."""
    return compile_design(Bench(config, tape_depth=tape_depth, io_depth=io_depth,
                                times_depth=times_depth))


def power_of_two(needed: int, least: int) -> int:
    """The first power of two from ``least`` on that is not below ``needed``."""
    return max(least, 1 << (needed - 1).bit_length())
