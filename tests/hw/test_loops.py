import random

from amaranth.hdl import signed, unsigned
from amaranth.lib import data
from simulation import simulate, wrap

from hw.loops import Loop, Place, Skip


def test_loop():
    dut = Loop(range(8))

    async def testbench(ctx):
        rng = random.Random(0)

        async def step():
            while True:
                ctx.set(dut.step, rng.random() < 0.5)
                await ctx.tick()
                if ctx.get(dut.step):
                    ctx.set(dut.step, 0)
                    return

        for count in (0, 1, 7, 3, 0, 5):
            assert ctx.get(dut.last)                     # it rests in its last turn
            ctx.set(dut.count, count)
            await step()
            for turn in [*range(count + 1)] * 2:         # a loop starts itself again
                assert ctx.get(dut.last) == (turn == count)
                await step()
            for _ in range(count):
                await step()

    simulate(dut, testbench)


def test_skip():
    dut = Skip(unsigned(4))

    async def testbench(ctx):
        rng = random.Random(0)
        for first, every in ((0, 0), (3, 0), (0, 2), (15, 15), (1, 4)):
            ctx.set(dut.first, first)
            ctx.set(dut.every, every)
            for steps in (7, 50):                        # begun anew in the middle, too
                ctx.set(dut.begin, 1)
                ctx.set(dut.step, rng.randrange(2))
                await ctx.tick()
                ctx.set(dut.begin, 0)
                taken = 0
                while taken < steps:
                    assert ctx.get(dut.none) == (
                        taken >= first and (taken - first) % (every + 1) == 0)
                    step = rng.randrange(2)
                    ctx.set(dut.step, step)
                    await ctx.tick()
                    taken += step

    simulate(dut, testbench)


def test_place():
    layout = data.StructLayout({"a": unsigned(5), "b": signed(7)})
    dut = Place(layout)

    async def testbench(ctx):
        rng = random.Random(0)
        a = b = 0
        for _ in range(200):
            jump = {"a": rng.randrange(32), "b": rng.randrange(-64, 64)}
            start, step = rng.random() < 0.1, rng.random() < 0.6
            ctx.set(dut.jump, jump)
            ctx.set(dut.start, start)
            ctx.set(dut.step, step)
            await ctx.tick()
            if start:
                a = b = 0
            elif step:
                a, b = (a + jump["a"]) % 32, wrap(b + jump["b"], 7)
            assert (ctx.get(dut.place.a), ctx.get(dut.place.b)) == (a, b)

    simulate(dut, testbench)
