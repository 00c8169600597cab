import random

import pytest
from simulation import drainer, feeder, put, simulate

from hw.bytes import BytesOfBeats


@pytest.mark.parametrize("beat_bytes", (1, 4, 8, 64))
@pytest.mark.parametrize("stalls", (0, 0.4))
def test_bytes_of_beats(beat_bytes, stalls):
    rng, got = random.Random(0), []
    beats = [list(rng.randbytes(beat_bytes)) for _ in range(20)]
    dut = BytesOfBeats(beat_bytes=beat_bytes)
    simulate(dut, feeder(dut.i, beats, stalls=stalls),
             drainer(dut.o, 20 * beat_bytes, got, stalls=stalls))
    assert got == sum(beats, [])


@pytest.mark.parametrize("beat_bytes", (4, 8))
def test_clear(beat_bytes):
    """Begins with the first byte of the next beat, wherever it was."""
    dut, got = BytesOfBeats(beat_bytes=beat_bytes), []
    first, second = (list(range(start, start + beat_bytes)) for start in (10, 90))

    async def testbench(ctx):
        ctx.set(dut.i.payload, first)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o.ready, 1)
        for _ in range(5):
            await ctx.tick()
        ctx.set(dut.i.valid, 0)
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        ctx.set(dut.o.ready, 0)
        await ctx.tick()
        await put(ctx, dut.i, second)

    async def read(ctx):
        for _ in range(8):
            await ctx.tick()
        await drainer(dut.o, beat_bytes, got)(ctx)

    simulate(dut, testbench, read)
    assert got == second
