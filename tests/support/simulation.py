"""What the tests of the hardware share: a simulator with a deadline, and streams that stall."""

import random

from amaranth.sim import Simulator

from hw.config import EngineConfig


def simulate(dut, *testbenches, deadline=20_000):
    """Run ``testbenches`` to their ends; one that hangs fails after ``deadline`` cycles."""
    async def watchdog(ctx):
        for _ in range(deadline):            # `.repeat()` would complain when it is abandoned
            await ctx.tick()
        raise AssertionError(f"still running after {deadline} cycles")

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.add_testbench(watchdog, background=True)
    simulator.run()


async def put(ctx, port, payload):
    """Send one payload: returns after the edge that transfers it."""
    ctx.set(port.payload, payload)
    ctx.set(port.valid, 1)
    await ctx.tick().until(port.ready)
    ctx.set(port.valid, 0)


async def get(ctx, port):
    """Receive one payload, as it was before the edge that transfers it."""
    ctx.set(port.ready, 1)
    payload, = await ctx.tick().sample(port.payload).until(port.valid)
    ctx.set(port.ready, 0)
    return payload


async def stall(ctx, rng, probability):
    """Wait for as many cycles as ``rng`` wants."""
    while rng.random() < probability:
        await ctx.tick()


def feeder(port, payloads, *, stalls=0, seed=0):
    """A testbench that sends ``payloads``, with gaps between them."""
    async def testbench(ctx):
        rng = random.Random(seed)
        for payload in payloads:
            await stall(ctx, rng, stalls)
            await put(ctx, port, payload)
    return testbench


def drainer(port, count, into, *, stalls=0, seed=1):
    """A testbench that appends ``count`` payloads to ``into``, with gaps between them."""
    async def testbench(ctx):
        rng = random.Random(seed)
        for _ in range(count):
            await stall(ctx, rng, stalls)
            into.append(await get(ctx, port))
    return testbench


def small_config(rows, columns, lanes, **changes):
    """An engine whose memories are so small that a short test wraps all of them round."""
    sizes = {"tape_rows": rows, "scratchpad_bytes": 1024, "weight_words": 8,
             "channel_records": max(8, 4 * changes.get("requantizers", 1)), "results": 16}
    return EngineConfig(rows=rows, columns=columns, lanes=lanes, **sizes | changes)


def random_bytes(rng, count):
    """``count`` random signed bytes, the extremes among them more often than chance has it."""
    return [rng.choice((-128, -1, 0, 1, 127)) if rng.random() < 0.2 else rng.randrange(-128, 128)
            for _ in range(count)]


def wrap(value, bits):
    """``value`` as a signed number of ``bits`` bits holds it."""
    return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


ENDS = ("pixel", "tile", "row", "group", "layer")


def packed_ends(ends):
    """The fields of ``hw.results.Ends`` for what a value ends: a bool for each of ENDS, and perhaps
    `last_group`."""
    return {"level": 3 if ends["group"] else 2 if ends["row"] else int(ends["pixel"]),
            "tile": ends["tile"], "last_group": ends.get("last_group", ends["layer"])}


def plain_ends(fields):
    """... and back."""
    level = fields["level"]
    return {"pixel": level >= 1, "tile": bool(fields["tile"]), "row": level >= 2,
            "group": level == 3, "layer": level == 3 and bool(fields["last_group"])}


def get_ends(ctx, ends):
    """What a signal of ``hw.results.Ends`` says, as `plain_ends`."""
    return plain_ends({name: ctx.get(ends[name]) for name in ("level", "tile", "last_group")})
