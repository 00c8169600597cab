"""What the board sends, against the host's codec, ``cobs`` and ``zlib``."""

import random
import zlib

import pytest
from simulation import drainer, feeder, simulate

from hw.link.codec import Frame, decode, encode
from hw.link.crc import SerialCrc
from hw.link.receive import Type
from hw.link.reply import Reply
from hw.link.send import FrameSender


def header_and_payload(frame):
    """A frame before its CRC, as bytes with the last one marked."""
    body = bytes((1 << 4 | frame.type, frame.sequence, len(frame.payload) & 255,
                  len(frame.payload) >> 8)) + frame.payload
    return [{"byte": byte, "last": index == len(body) - 1} for index, byte in enumerate(body)]


@pytest.mark.parametrize("stalls", (0, 0.7))
def test_sender(stalls):
    rng = random.Random(0)
    frames = [Frame(Type.BYTES, rng.randrange(256), bytes(rng.choices(letters, k=size)))
              for size in (0, 1, 246, 248, 249, 250, 256, 3, 200)
              for letters in (range(256), range(1, 256), (0,))]
    # (Behind a full block that ends a frame, `cobs` leaves an empty one out that we put in.)
    size = len(b"".join(map(encode, frames))) + 1
    dut, got = FrameSender(), []
    simulate(dut, feeder(dut.i, [byte for frame in frames for byte in header_and_payload(frame)],
                         stalls=stalls / 4),
             drainer(dut.o, size, got, stalls=stalls), deadline=400_000)
    assert bytes(got).count(0) == len(frames)
    assert [decode(piece) for piece in bytes(got).split(b"\0")[:-1]] == frames


def test_crc():
    rng = random.Random(1)
    dut = SerialCrc()

    async def testbench(ctx):
        for size in (1, 2, 3, 50):
            data = rng.randbytes(size)
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            for byte in data + zlib.crc32(data).to_bytes(4, "little"):
                ctx.set(dut.i.payload, byte)
                ctx.set(dut.i.valid, 1)
                await ctx.tick().until(dut.i.ready)
                ctx.set(dut.i.valid, 0)
                while not ctx.get(dut.i.ready):
                    await ctx.tick()
            assert ctx.get(dut.match)

    simulate(dut, testbench)


@pytest.mark.parametrize("kind, ahead", ((Type.WELCOME, 4), (Type.ACK, 4), (Type.NAK, 4),
                                         (Type.RESULT, 18), (Type.BYTES, 0), (Type.DONE, 0)))
@pytest.mark.parametrize("body", (0, 1, 5, 96))
def test_reply(kind, ahead, body):
    """Header, status, counters and body stand where the protocol has them."""
    dut, got = Reply(), []
    rng = random.Random(kind + body)
    payload = rng.randbytes(body)
    status = {"expected": 3, "second": 7, "taken": 0x1234}
    counters = {"image": 0x5678, "crc": 0x9abcdef0, "cycles": 0x01020304}
    front = bytes((3, 7, 0x34, 0x12, 0x78, 0x56, 0xf0, 0xde, 0xbc, 0x9a, 4, 3, 2, 1))
    front = {0: b"", 4: front[:4], 18: front}[ahead]
    size = len(front) + body
    wanted = bytes((1 << 4 | kind, 0x42, size & 255, size >> 8)) + front + payload

    async def ask(ctx):
        for port, value in ((dut.type, kind), (dut.sequence, 0x42), (dut.status, status),
                            (dut.counters, counters), (dut.length, body)):
            ctx.set(port, value)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)

    simulate(dut, ask, feeder(dut.body, payload, stalls=0.3),
             drainer(dut.o, len(wanted), got, stalls=0.3))
    assert bytes(byte.byte for byte in got) == wanted
    assert [byte.last for byte in got] == [0] * (len(wanted) - 1) + [1]
