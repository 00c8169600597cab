import pytest
from simulation import drainer, simulate, small_config

from sim.rom import TapeRom


@pytest.mark.parametrize("stalls", (0, 0.5))
@pytest.mark.parametrize("depth, length", ((8, 8), (8, 3), (5, 5), (5, 1), (6, 4), (1, 1)))
def test_plays_round_and_round(depth, length, stalls):
    config = small_config(1, 1, 3)
    words = [bytes([index, 255 - index, 7]) for index in range(depth)]
    dut = TapeRom(config, depth=depth, init=[int.from_bytes(word, "little") for word in words])
    got = []

    async def choose(ctx):
        ctx.set(dut.length, length)

    simulate(dut, choose, drainer(dut.o, 3 * depth, got, stalls=stalls))
    assert [bytes(beat) for beat in got] == [words[index % length] for index in range(3 * depth)]


def test_a_beat_a_cycle():
    dut = TapeRom(small_config(1, 1, 1), depth=4, init=[1, 2, 3, 4])

    async def testbench(ctx):
        ctx.set(dut.length, 4)
        ctx.set(dut.o.ready, 1)
        await ctx.tick()
        for index in range(9):
            assert ctx.get(dut.o.valid)
            assert ctx.get(dut.o.payload[0]) == index % 4 + 1
            await ctx.tick()

    simulate(dut, testbench)
