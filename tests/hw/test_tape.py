import random
from dataclasses import dataclass

import pytest
from amaranth.hdl import Value
from simulation import simulate, small_config

from hw.config import Packet
from hw.layouts import HEADER, layer_layout
from hw.tape import TapeReader


def beats(content, config):
    """``content`` filled up to whole beats, and cut into them."""
    size = config.tape_bytes
    content += bytes(-len(content) % size)
    return [list(content[first:first + size]) for first in range(0, len(content), size)]


def packet(kind, content, config):
    header = Value.cast(HEADER.const({"kind": kind, "beats": len(content) - 1})).value
    return beats(header.to_bytes(3, "little"), config) + content


@dataclass
class Layer:
    """A layer's configuration, known by one of its fields and two extremes."""

    row_bytes: int

    def content(self, config):
        bits = Value.cast(layer_layout(config).const(self.fields(config))).value
        return beats(bits.to_bytes(config.layer_beats * config.tape_bytes, "little"), config)

    def fields(self, config):
        return {"mode": 3, "row_bytes": self.row_bytes, "zero_point_2": -self.row_bytes % 128,
                "last_channels": max(config.rows, config.lanes) - 1}


def random_packets(rng, config, count):
    """Packets of all kinds: ``(kind, content)``, the content of a LAYER being a Layer."""
    for index in range(count):
        kind = rng.choice(list(Packet)) if index >= len(Packet) else Packet(index)
        if kind == Packet.LAYER:
            yield kind, Layer(rng.randrange(config.scratchpad_bytes))
        else:
            whole_table = kind == Packet.TABLE and index < len(Packet)
            length = 256 if whole_table else rng.choice((1, 2, 5, 13))
            yield kind, [[rng.randrange(256) for _ in range(config.tape_bytes)]
                         for _ in range(length)]


@pytest.mark.parametrize("gaps", (0, 0.3))
@pytest.mark.parametrize("rows, tape_rows, lanes", ((1, 1, 1), (2, 1, 2), (3, 3, 3), (4, 4, 4)))
def test_packets(rows, tape_rows, lanes, gaps):
    config = small_config(rows, 1, lanes, tape_rows=tape_rows)
    dut = TapeReader(config)
    rng = random.Random(4)
    packets = list(random_packets(rng, config, 40))
    tape = [beat for kind, content in packets
            for beat in packet(kind, content.content(config) if kind == Packet.LAYER else content,
                               config)]
    wanted = [(kind, item) for kind, content in packets if kind != Packet.CHECK for item in
              ([content] if kind == Packet.LAYER else content)]
    wanted = [(kind, item[0] if kind == Packet.TABLE else item) for kind, item in wanted]

    async def testbench(ctx):
        sent, found, layer, busy, quiet = 0, 0, None, 0, 0
        while quiet < 3:
            # An engine that starts is not idle from the next cycle on:
            starts = ctx.get(dut.start)
            idle = busy == 0
            ctx.set(dut.idle, idle)
            if starts:
                assert idle
                kind, layer = wanted[found]
                found += 1
                assert kind == Packet.LAYER
                busy = rng.randrange(1, 60)
            else:
                busy = max(0, busy - 1)
            if layer is not None and (starts or not idle):       # it stays while the layer runs
                fields = layer.fields(config)
                assert {name: ctx.get(getattr(dut.layer, name)) for name in fields} == fields
                assert ctx.get(dut.layer.height) == 0

            offers = sent < len(tape) and rng.random() >= gaps
            ctx.set(dut.i.valid, offers)
            ctx.set(dut.i.payload, tape[sent] if offers else [0] * config.tape_bytes)
            for port, kind in ((dut.records, Packet.RECORDS), (dut.weights, Packet.WEIGHTS)):
                ready = rng.random() >= gaps
                ctx.set(port.ready, ready)
                if ctx.get(port.valid) and ready:
                    assert ctx.get(dut.i.ready)
                    assert wanted[found] == (kind, [ctx.get(port.payload[lane])
                                                    for lane in range(config.tape_bytes)])
                    found += 1
            if ctx.get(dut.jumps.valid):
                assert ctx.get(dut.i.ready)
                assert wanted[found] == (Packet.JUMPS, [ctx.get(dut.jumps.payload[lane])
                                                        for lane in range(config.tape_bytes)])
                found += 1
            if ctx.get(dut.table.valid):
                assert idle and not starts and ctx.get(dut.i.ready)
                assert wanted[found] == (Packet.TABLE, ctx.get(dut.table.payload))
                found += 1
            sent += offers and ctx.get(dut.i.ready)
            quiet = quiet + 1 if sent == len(tape) and not starts else 0
            await ctx.tick()
        assert found == len(wanted)

    simulate(dut, testbench)


def test_layer_waits_until_idle():
    """Weights pass while a layer runs; the next configuration does not, nor does a table."""
    config = small_config(1, 1, 4)
    for kind in (Packet.LAYER, Packet.TABLE):
        dut = TapeReader(config)
        content = [[9] * 4] * (config.layer_beats if kind == Packet.LAYER else 2)
        tape = packet(Packet.WEIGHTS, [[1, 2, 3, 4]] * 3, config) + packet(kind, content, config)

        async def testbench(ctx, dut=dut, tape=tape, content=content):
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.weights.ready, 1)
            for beat in tape[:-len(content)]:        # up to the content that waits
                ctx.set(dut.i.payload, beat)
                assert ctx.get(dut.i.ready)
                await ctx.tick()
            for _ in range(5):
                assert not ctx.get(dut.i.ready) and not ctx.get(dut.table.valid)
                await ctx.tick()
            ctx.set(dut.idle, 1)
            assert ctx.get(dut.i.ready)

        simulate(dut, testbench)
