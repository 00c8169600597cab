"""The host's codec: against ``cobs`` and ``zlib``, and on a bad line."""

import random
import zlib

from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from bench.noise import noisy_line
from hw.link.codec import LONGEST, Decoder, Frame, decode, encode
from hw.link.receive import VERSION, Type

FRAMES = st.builds(Frame, st.sampled_from(Type), st.integers(0, 255), st.binary(max_size=1023))


@given(FRAMES)
def test_a_frame_is_cobs_around_header_payload_and_crc(frame):
    data = encode(frame)
    assert data.endswith(b"\0") and data.count(b"\0") == 1
    body = cobs.decode(data[:-1])
    assert body[:4] == bytes((VERSION << 4 | frame.type, frame.sequence,
                              len(frame.payload) & 255, len(frame.payload) >> 8))
    assert body[4:-4] == frame.payload
    assert int.from_bytes(body[-4:], "little") == zlib.crc32(body[:-4])
    assert decode(data[:-1]) == frame


@given(st.lists(FRAMES, max_size=5), st.data())
def test_frames_come_whole_out_of_any_pieces(frames, data):
    line = b"".join(map(encode, frames))
    decoder, found = Decoder(), []
    while line:
        size = data.draw(st.integers(1, len(line)))
        found += decoder.feed(line[:size])
        line = line[size:]
    assert found == frames and not decoder.damaged


@given(st.binary(max_size=4000))
def test_noise_is_no_frame(noise):
    decoder = Decoder()
    assert not list(decoder.feed(noise + b"\0"))


def test_endless_noise_is_dropped():
    decoder = Decoder()
    for _ in range(10):
        assert not list(decoder.feed(b"\x55" * LONGEST))
    assert decoder.damaged == 5
    good = Frame(Type.DATA, 3, b"abc")
    assert list(decoder.feed(b"\0" + encode(good))) == [good]


def test_nothing_wrong_is_accepted():
    """Half of the frames are damaged, in many ways: whatever is decoded was sent."""
    taken = 0
    for seed in range(10):
        sent, line = noisy_line(random.Random(seed), 2000, 0.5)
        found = list(Decoder().feed(line))
        assert not set(found) - set(sent)
        taken += len(found)
    assert 9_900 < taken < 11_500
