import random

import pytest
from simulation import simulate, small_config

from hw.scratchpad import ByteBank, Scratchpad


def test_byte_bank():
    dut, memory = ByteBank(depth=8), {}

    async def testbench(ctx):
        rng = random.Random(0)
        wanted = None
        for _ in range(400):
            addr, write, value = rng.randrange(8), rng.random() < 0.5, rng.randrange(256)
            if wanted is not None:
                assert ctx.get(dut.r_data) == wanted
            ctx.set(dut.addr, addr)
            ctx.set(dut.w_en, write)
            ctx.set(dut.w_data, value)
            await ctx.tick()
            if write:
                memory[addr] = value
            wanted = None if write else memory.get(addr)

    simulate(dut, testbench)


def run_scratchpad(config, accesses):
    """Do one access a cycle, and compare each byte that a read brings with what was written.

    An access is ``(address, None)``, or ``(address, {bank: byte})`` for a write.
    """
    dut = Scratchpad(config)
    size, banks = config.scratchpad_bytes, config.banks
    memory = {}
    rng = random.Random(1)

    async def testbench(ctx):
        compared = 0
        wanted = [None, None]                # for this cycle and the next
        late = None                          # the write that this cycle wants mask and data for
        for address, bytes_written in [*accesses, (0, None), (0, None)]:
            if wanted[0] is not None:
                got = [ctx.get(dut.r_data[lane]) for lane in range(banks)]
                for lane, (byte, want) in enumerate(zip(got, wanted[0], strict=True)):
                    assert want is None or byte == want, f"lane {lane} of {got}"
                    compared += want is not None

            # Mask and data of the write before; noise where there is none:
            data = [rng.randrange(256) for _ in range(banks)]
            mask = rng.randrange(1 << banks)
            if late is not None:
                mask = sum(1 << bank for bank in late)
                for bank, byte in late.items():
                    data[bank] = byte
            ctx.set(dut.w_mask, mask)
            ctx.set(dut.w_data, data)
            ctx.set(dut.addr, address)
            ctx.set(dut.write, bytes_written is not None)
            if bytes_written is None:
                read = [memory.get((address + lane) % size) for lane in range(banks)]
            else:
                read = None
                for bank, byte in bytes_written.items():
                    memory[address // banks * banks + bank] = byte
            wanted = [wanted[1], read]
            late = bytes_written
            await ctx.tick()
        return compared

    counts = []

    async def count(ctx):
        counts.append(await testbench(ctx))

    simulate(dut, count)
    return counts[0]


def random_write(rng, config, address, density):
    return address, {bank: rng.randrange(256) for bank in range(config.banks)
                     if rng.random() < density}


# Word sizes that are no powers of two have a few banks more than bytes.
GEOMETRIES = ((1, 1, 1), (1, 1, 4), (1, 1, 3), (2, 2, 8), (4, 4, 4))


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_reads_at_every_offset(geometry):
    config = small_config(*geometry, scratchpad_bytes=128)
    rng = random.Random(0)
    accesses = [random_write(rng, config, row, 1) for row in range(0, 128, config.banks)]
    accesses += [(address, None) for address in range(128)]
    assert run_scratchpad(config, accesses) == 128 * config.banks


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_random_accesses(geometry):
    config = small_config(*geometry, scratchpad_bytes=128)
    rng = random.Random(3)
    accesses = []
    for _ in range(1000):
        address = rng.randrange(128)
        accesses.append((address, None) if rng.random() < 0.6
                        else random_write(rng, config, address, 0.5))
    assert run_scratchpad(config, accesses) > 250 * config.banks


def test_read_follows_write():
    config = small_config(1, 1, 4, scratchpad_bytes=16)
    accesses = [(4, {0: 1, 1: 2, 2: 3, 3: 4}), (4, None), (6, {2: 9}), (5, None), (2, None),
                (5, {}), (5, None)]
    assert run_scratchpad(config, accesses) == 4 + 3 + 2 + 3


@pytest.mark.parametrize("wide", (1, 2, 4))
def test_two_ports(wide):
    """Reads and writes in the same cycle, from any address each; what is being written, nobody
    reads."""
    config = small_config(4, 1, 4, scratchpad_bytes=64, whole_sums=True, write_port=True,
                          requantizers=wide)
    dut, size, memory = Scratchpad(config), config.scratchpad_bytes, {}

    async def testbench(ctx):
        rng = random.Random(0)
        wanted, compared = [None] * config.word_cycles, 0
        before = set()                       # written a cycle ago, still on its way
        for _ in range(2000):
            if wanted[0] is not None:
                for lane, want in enumerate(wanted[0]):
                    assert want is None or ctx.get(dut.r_data[lane]) == want
                    compared += want is not None
            address, write = rng.randrange(size), rng.random() < 0.5
            mask, values = rng.randrange(1 << wide), [rng.randrange(256) for _ in range(wide)]
            ctx.set(dut.w_addr, address)
            ctx.set(dut.write, write)
            ctx.set(dut.w_mask, mask)
            ctx.set(dut.w_data, values)
            places = {(address + lane) % size: values[lane] for lane in range(wide)
                      if mask >> lane & 1} if write else {}
            read = rng.randrange(size)
            ctx.set(dut.addr, read)
            wanted = [*wanted[1:], [None if (read + lane) % size in places.keys() | before
                                    else memory.get((read + lane) % size)
                                    for lane in range(config.banks)]]
            memory.update(places)
            before = set(places)
            await ctx.tick()
        assert compared > 4000

    simulate(dut, testbench)
