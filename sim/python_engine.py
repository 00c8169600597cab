"""The engine's RTL in Amaranth's own simulator: slow, and nobody's work but Amaranth's."""

from collections.abc import Callable, Sequence

import numpy as np
from amaranth.sim import Simulator

from compiler.program import Program, output_bytes
from sim.bench import Bench
from sim.device import (
    DeviceRun,
    from_stream,
    patience,
    stalled,
    tape_beats,
    to_stream,
)

CLOCK_PERIOD = 1e-6


class PythonEngine:
    """Plays a program as ``sim.rtl.RtlEngine`` does, a few thousand times slower."""

    def __init__(self, program: Program):
        self.program  = program
        self.patience = patience(program)

    def run(self, inputs: Sequence[np.ndarray],
            progress: Callable[[int], object] = lambda images: None) -> DeviceRun:
        """The device's outputs ``[N, *shape]`` of its inputs ``[N, *shape]``, N at least 1.

        ``progress`` is told of images that are done. Stalled when the engine stops.
        """
        stream = to_stream(inputs)
        images, layers = len(stream), len(self.program.layers)
        answer = output_bytes(self.program) * images
        beats = tape_beats(self.program)
        bench = Bench(
            self.program.config, tape_depth=len(beats), io_depth=max(stream.size, answer, 2),
            times_depth=max(images * layers, 2),
            tape_init=[int.from_bytes(beat.tobytes(), "little") for beat in beats])

        async def watch(ctx):
            for addr, byte in enumerate(stream.reshape(-1).tolist()):
                ctx.set(bench.inputs.data[addr], byte)
            ctx.set(bench.tape_length, len(beats))
            ctx.set(bench.in_bytes, stream.size)
            ctx.set(bench.out_bytes, answer)
            ended = quiet = 0
            while not ctx.get(bench.done):
                await ctx.tick()
                quiet += 1
                before, ended = ended, ctx.get(bench.layers)
                if ended != before:
                    quiet = 0
                    progress(ended // layers - before // layers)
                elif quiet > self.patience:
                    raise stalled(self.program, ended, quiet)
            outputs[:] = [ctx.get(bench.outputs.data[addr]) for addr in range(answer)]
            times[:] = [ctx.get(bench.times.data[addr]) for addr in range(images * layers)]
            simulated.append(ctx.get(bench.cycle))

        outputs, times, simulated = [], [], []
        simulator = Simulator(bench)
        simulator.add_clock(CLOCK_PERIOD)
        simulator.add_testbench(watch)
        simulator.run()
        ends = np.array(times, np.int64).reshape(images, layers)
        stream = np.array(outputs, np.uint8).reshape(images, -1)
        return DeviceRun(from_stream(self.program, stream), ends, simulated[0])
