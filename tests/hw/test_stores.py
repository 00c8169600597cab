"""Flash reader and memory store: the same requests, and what they give."""

import random

import pytest
from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped
from simulation import simulate, stall

from hw.config import PAD_CYCLES
from hw.flash import Flash, Operation
from hw.memory_store import MemoryStore
from hw.slow_flash import SlowFlash
from sim.flash_chip import FlashChip

DEPTH, BASE = 1 << 14, 1 << 16
CONTENT = random.Random(0).randbytes(DEPTH)


class FlashOnBoard(wiring.Component):
    """The flash reader, the registers of its pads, and a chip."""

    def __init__(self, beat_bytes, dq, slow=False):
        self.flash = Flash(beat_bytes=beat_bytes, dq=dq)
        self.pads  = PAD_CYCLES[dq]
        if slow:
            self.flash = SlowFlash(self.flash)
        self.chip  = FlashChip(depth=DEPTH, base=BASE)
        super().__init__({name: member for name, member in self.flash.signature.members.items()
                          if name != "pins"})

    def elaborate(self, platform):
        m = Module()
        m.submodules.flash, m.submodules.chip = self.flash, self.chip
        for name in ("request", "i", "o"):
            connect(m, getattr(self.flash, name), flipped(getattr(self, name)))
        inside, outside = self.flash.pins, self.chip.pins
        m.d.comb += [self.flash.stop.eq(self.stop), self.done.eq(self.flash.done)]
        m.d.sync += [outside.cs.eq(inside.cs), outside.sck.eq(inside.sck),
                     outside.dq_o.eq(inside.dq_o), outside.dq_oe.eq(inside.dq_oe)]
        taken = Cat(outside.dq_i, outside.dq_mid)
        for stage in range(self.pads - 1):
            after = Signal.like(taken, name=f"taken{stage}")
            m.d.sync += after.eq(taken)
            taken = after
        m.d.comb += Cat(inside.dq_i, inside.dq_mid).eq(taken)
        return m


def flash(dq, beat_bytes):
    return FlashOnBoard(beat_bytes, dq)


def slow_flash(dq, beat_bytes):
    return FlashOnBoard(beat_bytes, dq, slow=True)


def memory(_, beat_bytes):
    return MemoryStore(beat_bytes=beat_bytes, depth=DEPTH // beat_bytes, init=CONTENT)


def run(dut, testbench, content=CONTENT, deadline=200_000):
    async def whole(ctx):
        if isinstance(dut, FlashOnBoard):
            for place, byte in enumerate(content):
                ctx.set(dut.chip.memory.data[place], byte)
            await request(ctx, dut, Operation.WAKE)
            for _ in range(300):
                await ctx.tick()
            await request(ctx, dut, Operation.WAKE)
        await testbench(ctx)
        if isinstance(dut, FlashOnBoard):
            assert not ctx.get(dut.chip.broken)
    simulate(dut, whole, deadline=deadline)


async def ask(ctx, dut, operation, addr=0, beats=1, repeat=0):
    ctx.set(dut.request.payload, {"operation": operation, "addr": addr, "beats": beats - 1,
                                  "repeat": repeat})
    ctx.set(dut.request.valid, 1)
    await ctx.tick().until(dut.request.ready)
    ctx.set(dut.request.valid, 0)


async def request(ctx, dut, operation, addr=0, data=b""):
    """Carries out what gives no beats."""
    await ask(ctx, dut, operation, addr)
    for index, byte in enumerate(data):
        ctx.set(dut.i.payload, {"byte": byte, "last": index == len(data) - 1})
        ctx.set(dut.i.valid, 1)
        await ctx.tick().until(dut.i.ready)
    ctx.set(dut.i.valid, 0)
    while not ctx.get(dut.done):
        await ctx.tick()
    await ctx.tick()


async def beats_of(ctx, dut, count, rng, stalls):
    """The next beats' bytes."""
    found = bytearray()
    for _ in range(count):
        await stall(ctx, rng, stalls)
        ctx.set(dut.o.ready, 1)
        payload, = await ctx.tick().sample(dut.o.payload).until(dut.o.valid)
        ctx.set(dut.o.ready, 0)
        found += bytes(payload)
    return bytes(found)


STORES = pytest.mark.parametrize("make, base, dq, beat_bytes", (
    (flash, BASE, 1, 4), (flash, BASE, 2, 4), (flash, BASE, 4, 4), (flash, BASE, 4, 8),
    (flash, BASE, 8, 4), (slow_flash, BASE, 1, 4), (slow_flash, BASE, 2, 8),
    (memory, 0, 0, 4), (memory, 0, 0, 32)),
    ids=("x1", "x2", "x4", "x4 wide", "x4 ddr", "x1 slow", "x2 slow", "memory", "memory wide"))


@STORES
@pytest.mark.parametrize("stalls", (0, 0.6))
def test_reads(make, base, dq, beat_bytes, stalls):
    """From any beat on, any number of them, whoever waits for whom."""
    dut, rng = make(dq, beat_bytes), random.Random(1)

    async def testbench(ctx):
        for count in (1, 2, 3, 40, 7):
            addr = beat_bytes * rng.randrange(DEPTH // beat_bytes - 40)
            await ask(ctx, dut, Operation.READ, base + addr, count)
            assert await beats_of(ctx, dut, count, rng, stalls) \
                == CONTENT[addr:addr + count * beat_bytes]
            while not ctx.get(dut.done):
                await ctx.tick()
            await ctx.tick()
    run(dut, testbench)


@STORES
def test_repeats_until_stopped(make, base, dq, beat_bytes):
    dut, rng = make(dq, beat_bytes), random.Random(2)

    async def testbench(ctx):
        await ask(ctx, dut, Operation.READ, base + 64, 5, repeat=1)
        wanted = CONTENT[64:64 + 5 * beat_bytes] * 3
        assert await beats_of(ctx, dut, 15, rng, 0.3) == wanted
        ctx.set(dut.stop, 1)
        while not ctx.get(dut.done):
            await ctx.tick()
        await ctx.tick()
        ctx.set(dut.stop, 0)
        await ask(ctx, dut, Operation.READ, base, 2)
        assert await beats_of(ctx, dut, 2, rng, 0) == CONTENT[:2 * beat_bytes]
    run(dut, testbench)


@STORES
def test_programs(make, base, dq, beat_bytes):
    """Programming flash clears bits, of memory sets bytes; erasing makes ones of a sector."""
    dut, rng = make(dq, beat_bytes), random.Random(3)
    data = rng.randbytes(10)

    async def testbench(ctx):
        if make is not memory:
            await request(ctx, dut, Operation.ERASE, base + 4096 + 17)
        await request(ctx, dut, Operation.PROGRAM, base + 4096 + 6, data)
        size = 64 // beat_bytes
        await ask(ctx, dut, Operation.READ, base + 4096 - 32, size)
        found = await beats_of(ctx, dut, size, rng, 0)
        old = b"\xff" * 32 if make is not memory else CONTENT[4096:4128]
        assert found == CONTENT[4096 - 32:4096] + old[:6] + data + old[16:]
    run(dut, testbench)


def test_lines():
    with pytest.raises(ValueError) as refusal:
        Flash(beat_bytes=4, dq=3)
    assert str(refusal.value) == "dq must be 1, 2, 4 or 8 bits a cycle, not 3"
