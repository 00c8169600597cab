"""The monitor's CRC of up to so many bytes a cycle, beside zlib's."""

import random
import zlib

import pytest
from simulation import simulate

from hw.monitor import BytesCrc


@pytest.mark.parametrize("count", (1, 2, 4, 8))
def test_crc_of_bytes(count):
    dut = BytesCrc(count)

    async def testbench(ctx):
        rng = random.Random(count)
        for _ in range(3):
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            data = b""
            for _ in range(100):
                assert ctx.get(dut.crc) == zlib.crc32(data)
                valid, top = rng.randrange(2), rng.randrange(count)
                values = [rng.randrange(256) for _ in range(count)]
                ctx.set(dut.valid, valid)
                ctx.set(dut.top, top)
                ctx.set(dut.bytes, values)
                if valid:
                    data += bytes(values[:top + 1])
                await ctx.tick()
            ctx.set(dut.valid, 0)

    simulate(dut, testbench)
