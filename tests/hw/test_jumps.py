import random

import pytest
from amaranth.hdl import Value
from simulation import simulate, small_config

from hw.config import READ_STEPS, STEPS, WRITE_STEPS
from hw.jumps import Jumps
from hw.layouts import jump_layout


def words(rng, config):
    """Random jumps of a layer, by their steps, as bits."""
    layout = jump_layout(config)
    return [{name: rng.randrange(1 << layout[name].width) for name in ("read", "write")}
            for _ in range(STEPS)]


def beats(config, layer):
    """What the tape brings of them."""
    layout, size = jump_layout(config), config.tape_bytes
    for word in layer:
        bits = sum(word[name] << layout[name].offset for name in word)
        content = bits.to_bytes(config.jump_beats * size, "little")
        for first in range(0, len(content), size):
            yield list(content[first:first + size])


@pytest.mark.parametrize("padding", (False, True))
@pytest.mark.parametrize("geometry", ((1, 1, 1), (3, 2, 3), (4, 1, 4), (4, 2, 8)))
def test_jumps(geometry, padding):
    """The layer that runs keeps its jumps while those of the next come in."""
    config = small_config(*geometry, padding=padding)
    dut = Jumps(config)
    read, write = Value.cast(dut.read), Value.cast(dut.write)

    async def testbench(ctx):
        rng = random.Random(0)
        running, wanted = None, None
        for _ in range(8):
            coming = words(rng, config)
            queue = list(beats(config, coming))
            assert len(queue) == STEPS * config.jump_beats
            while queue or rng.random() < 0.8:
                valid = bool(queue) and rng.random() < 0.5
                ctx.set(dut.i.valid, valid)
                ctx.set(dut.i.payload, queue.pop(0) if valid else [77] * config.tape_bytes)
                steps = {name: rng.randrange(STEPS) for name in ("read", "write")}
                enabled = {name: rng.randrange(2) for name in steps}
                ctx.set(dut.read_en, enabled["read"])
                ctx.set(dut.write_en, enabled["write"])
                ctx.set(dut.read_step, steps["read"])
                ctx.set(dut.write_step, steps["write"])
                await ctx.tick()
                if running:
                    wanted |= {name: running[steps[name]][name] for name in steps if enabled[name]}
                    assert {"read": ctx.get(read), "write": ctx.get(write)} == wanted
            ctx.set(dut.i.valid, 0)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            running = coming
            wanted = {"read": running[READ_STEPS["start"]]["read"],
                      "write": running[WRITE_STEPS["start"]]["write"]}
            assert {"read": ctx.get(read), "write": ctx.get(write)} == wanted

    simulate(dut, testbench)
