import itertools
import random

import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from simulation import simulate

from hw.loops import Loop, address_chain


def test_loop():
    dut = Loop(range(8))

    async def testbench(ctx):
        rng = random.Random(0)
        for count in (0, 1, 7, 3, 0, 5):
            ctx.set(dut.count, count)
            ctx.set(dut.start, 1)
            ctx.set(dut.step, rng.random() < 0.5)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for turn in [*range(count + 1)] * 2:         # a loop starts itself again
                while True:
                    assert ctx.get(dut.last) == (turn == count)
                    ctx.set(dut.step, rng.random() < 0.5)
                    await ctx.tick()
                    if ctx.get(dut.step):
                        break
            ctx.set(dut.step, count > 2)                 # leave in the middle

    simulate(dut, testbench)


class Nest(wiring.Component):
    """Loops from the outside in, and the value of one address chain."""

    def __init__(self, strided):
        self.strided = strided
        super().__init__({
            "counts":  In(4).array(len(strided)),
            "strides": In(signed(12)).array(len(strided)),
            "base":    In(signed(12)),
            "start":   In(1),
            "step":    In(1),
            "value":   Out(signed(12)),
        })

    def elaborate(self, platform):
        m = Module()
        step, steps = self.step, []
        for index in reversed(range(len(self.strided))):
            m.submodules[f"loop{index}"] = loop = Loop(4)
            m.d.comb += [loop.count.eq(self.counts[index]), loop.start.eq(self.start),
                         loop.step.eq(step)]
            steps.insert(0, loop.step)
            step = loop.step & loop.last
        m.d.comb += self.value.eq(address_chain(
            m, "value", start=self.start, base=self.base, levels=[
                (step, step, self.strides[index] if strided else None)
                for index, (step, strided) in enumerate(zip(steps, self.strided, strict=True))]))
        return m


@pytest.mark.parametrize("strided", list(itertools.product((True, False), repeat=3)))
def test_address_chain(strided):
    dut = Nest(strided)

    async def testbench(ctx):
        rng = random.Random(0)
        for _ in range(12):
            counts = [rng.choice((0, 0, 1, 2, 3)) for _ in strided]
            strides = [rng.randrange(-60, 60) for _ in strided]
            base = rng.randrange(-500, 500)
            ctx.set(dut.base, base)
            ctx.set(dut.start, 1)
            for port, count in zip(dut.counts, counts, strict=True):
                ctx.set(port, count)
            for port, stride in zip(dut.strides, strides, strict=True):
                ctx.set(port, stride)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for turns in itertools.product(*(range(count + 1) for count in counts)):
                wanted = base + sum(turn * stride for turn, stride, used in
                                    zip(turns, strides, strided, strict=True) if used)
                while rng.random() < 0.3:
                    assert ctx.get(dut.value) == wanted
                    await ctx.tick()
                assert ctx.get(dut.value) == wanted, f"turns {turns} of {counts}"
                ctx.set(dut.step, 1)
                await ctx.tick()
                ctx.set(dut.step, 0)

    simulate(dut, testbench)
