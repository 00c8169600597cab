"""Frames as a bad line delivers them."""

import random

from hw.link.codec import Frame, encode
from hw.link.receive import MAX_PAYLOAD, Type

COMMANDS = (Type.HELLO, Type.RESET, Type.READ, Type.ERASE, Type.PROGRAM)


def random_frame(rng: random.Random, sequence: int) -> Frame:
    """Mostly DATA, mostly short, with zeros, ones and blocks of just the lengths COBS minds."""
    kind = Type.DATA if rng.random() < 0.8 else rng.choice(COMMANDS)
    size = rng.choice((0, 1, 2, 4, rng.randrange(40))) if rng.random() < 0.97 else \
        rng.choice((248, 249, 250, 253, 254, 255, 506, 507, MAX_PAYLOAD))
    letters = rng.choice((range(256), range(1, 256), (0,), (0, 255), (1,)))
    return Frame(kind, sequence, bytes(rng.choices(letters, k=size)))


def damage(rng: random.Random, data: bytes) -> bytes:
    """One to three faults: a byte lost, put in, doubled, a bit turned, pieces swapped or cut."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        place = rng.randrange(len(out) or 1)
        match rng.randrange(7):
            case 0:
                del out[place:place + 1]
            case 1:
                out.insert(place, rng.choice((0, 1, 255, rng.randrange(256))))
            case 2:
                out[place:place] = out[place:place + 1]
            case 3 | 4 if out:
                out[place] ^= 1 << rng.randrange(8)
            case 5:
                out[:] = out[place:] + out[:place]
            case 6:
                del out[place:]
    return bytes(out)


def noisy_line(rng: random.Random, frames: int, bad: float) -> tuple[list[Frame], bytes]:
    """``(frames that were sent, bytes that arrive)``; ``bad`` of the frames are damaged, some
    twice there; each good one begins behind a zero, as a host that has lost its place sends it.
    There is a pause behind a long one, in which whoever wants its payload fetches that: the next
    command drops what is left.

    DATA frames bear the numbers that a receiver expects which takes exactly the good ones, now and
    then an older one or one from the future.
    """
    sent, line, expected = [], bytearray(), 0
    for _ in range(frames):
        sequence = expected if rng.random() < 0.9 else rng.randrange(256)
        frame = random_frame(rng, sequence)
        data = encode(frame)
        sent.append(frame)
        pause = b"\0" * (len(frame.payload) // 8)
        if rng.random() < bad:
            line += damage(rng, data) + (pause if len(pause) > 10 else b"")
            continue
        line += b"\0" + data + pause
        if frame.type == Type.DATA and sequence == expected:
            expected = (expected + 1) % 256
        if rng.random() < 0.02:
            line += data + pause
    return sent, bytes(line) + b"\0"
