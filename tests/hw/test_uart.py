import random

import pytest
from amaranth.sim import Simulator

from hw.link.uart import Receiver, Transmitter, bit_cycles


async def send_bits(ctx, line, bits, cycles):
    """Put bits on a line, ``cycles`` (any number, not only whole ones) each."""
    time = due = 0.0
    for bit in bits:
        ctx.set(line, bit)
        due += cycles
        while time + 1 <= due:
            await ctx.tick()
            time += 1


def frame(byte):
    return [0, *(byte >> k & 1 for k in range(8)), 1]


async def listen(ctx, dut, into):
    async for _, _, valid, byte, error in ctx.tick().sample(dut.o.valid, dut.o.p.byte,
                                                            dut.o.p.error):
        if valid:
            into.append((byte, error))


def heard(bits, cycles, *, clock_hz=12_000_000, baud=1_000_000):
    """``(byte, error)`` of what a receiver makes of bits that are ``cycles`` long."""
    dut, found = Receiver(clock_hz=clock_hz, baud=baud), []

    async def testbench(ctx):
        await send_bits(ctx, dut.line, [1] * 3 + bits + [1] * 12, cycles)

    async def background(ctx):
        await listen(ctx, dut, found)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.add_testbench(background, background=True)
    simulator.run()
    return found


@pytest.mark.parametrize("clock_hz, baud", ((12_000_000, 1_000_000), (25_000_000, 1_000_000),
                                            (48_000_000, 3_000_000), (12_000_000, 115_200)))
@pytest.mark.parametrize("off", (0.97, 1, 1.03))
def test_receives_at_rates_that_are_off(clock_hz, baud, off):
    rng = random.Random(0)
    sent = [0, 255, 0x55, 0xaa, *(rng.randrange(256) for _ in range(12))]
    bits = [bit for byte in sent for bit in frame(byte)]
    assert heard(bits, clock_hz / baud * off, clock_hz=clock_hz, baud=baud) \
        == [(byte, 0) for byte in sent]


def test_break_and_missing_stop_bit():
    """A byte without its stop bit is marked, and nothing begins before the line rests."""
    assert heard([0] * 40 + [1] * 4 + frame(0x31), 12) == [(0, 1), (0x31, 0)]
    assert heard(frame(0x41)[:-1] + [0] + [1] * 3 + frame(0x42), 12) == [(0x41, 1), (0x42, 0)]


def test_glitches():
    """A start bit that is gone by its middle is none; one wrong sample of a bit does not matter."""
    thin = [bit for bit in [1] * 3 + frame(0x5a) for _ in range(24)]
    thin[30:30] = [0] * 4 + [1] * 40
    assert heard(thin, 1, clock_hz=24_000_000) == [(0x5a, 0)]


@pytest.mark.parametrize("clock_hz, baud", ((12_000_000, 1_000_000), (25_000_000, 3_000_000)))
def test_transmitter(clock_hz, baud):
    """Ten bits a byte, on average as long as the rate says, and the receiver understands them."""
    rng, found = random.Random(0), []
    sent = [rng.randrange(256) for _ in range(30)]
    tx = Transmitter(clock_hz=clock_hz, baud=baud)
    line = []

    async def feed(ctx):
        for byte in sent:
            ctx.set(tx.i.payload, byte)
            ctx.set(tx.i.valid, 1)
            await ctx.tick().until(tx.i.ready)
        ctx.set(tx.i.valid, 0)
        while not ctx.get(tx.i.ready):
            await ctx.tick()

    async def watch(ctx):
        async for _, _, value in ctx.tick().sample(tx.line):
            line.append(value)

    simulator = Simulator(tx)
    simulator.add_clock(1e-6)
    simulator.add_testbench(feed)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    assert 0 <= len(line) / len(sent) - 10 * clock_hz / baud <= 1       # (and a cycle to take it)
    found = heard(line, 1, clock_hz=clock_hz, baud=baud)
    assert found == [(byte, 0) for byte in sent]


def test_rates():
    assert bit_cycles(25_000_000, 1_000_000) == 25
    with pytest.raises(ValueError) as refusal:
        bit_cycles(12_000_000, 3_000_000)
    assert str(refusal.value) == "baud must be from 184 to 1,500,000 with a clock of 12,000,000 " \
                                 "Hz, not 3000000"
