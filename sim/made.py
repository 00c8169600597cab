"""What the engine's layers make, byte by byte, in the order in which they make it."""

import zlib
from collections.abc import Sequence

import numpy as np

from compiler.golden import Golden
from compiler.layers import Layer
from compiler.program import Program, input_bytes
from hw.config import GOLDEN_SEED, GOLDEN_TAPS, Mode


def addresses(layer: Layer, columns: int) -> np.ndarray:
    """The scratchpad addresses that a layer's values go to, as the store (hw/store.py) makes them.

    The loops from the outside: group, row, tile, pixel of the tile, channel.
    """
    f = layer.fields
    if f.get("window"):
        return window_addresses(f)
    columns = columns if layer.mode == Mode.ARRAY else 1
    pixels = f["tiles"] * columns + (f["last_columns"] + 1 if columns > 1 else 1)
    parts = []
    for group in range(f["groups"] + 1):
        channels = f["last_channels" if group == f["groups"] else "channels"] + 1
        parts.append((f["out_base"] + group * (f["channels"] + 1)
                      + np.arange(f["rows"] + 1)[:, None, None] * f["out_row"]
                      + np.arange(pixels)[:, None] * f["out_pixel"]
                      + np.arange(channels)).reshape(-1))
    return np.concatenate(parts)


def window_addresses(f: dict[str, int]) -> np.ndarray:
    """Those of a layer of windows: group, row, column, part of the column, channel."""
    columns = (f["tiles"] - f["skip_tiles"]) // (f["every_tile"] + 1) + 1
    parts = []
    for group in range(f["groups"] + 1):
        channels = f["last_channels" if group == f["groups"] else "channels"] + 1
        parts.append((f["out_base"] + group * (f["channels"] + 1)
                      + np.arange(f["rows"] + 1)[:, None, None, None] * f["out_row"]
                      + np.arange(columns)[:, None, None] * f["out_pixel"]
                      + np.arange(f["parts"] + 1)[:, None] * f["out_part"]
                      + np.arange(channels)).reshape(-1))
    return np.concatenate(parts)


def made_bytes(program: Program, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """For each layer, uint8 ``[N, bytes]``: what it makes of the device's inputs, by the golden
    model."""
    tensors = Golden(program.partition.device, program.profile).run(inputs, keep=True)
    made = []
    for layer in program.layers:
        values = tensors[layer.tensor].reshape(len(inputs[0]), -1).view(np.uint8)
        if not layer.fields.get("to_stream"):
            where = addresses(layer, program.config.columns) + layer.origin
            own = program.place.bytes_of(layer.tensor).reshape(-1)     # these rise
            values = values[:, np.searchsorted(own, where)]
        made.append(values)
    return made


def crc_of_made(program: Program, inputs: Sequence[np.ndarray], limit: int = 255) -> list[int]:
    """For each image the CRC-32 of all that the layers below ``limit`` make."""
    whole = np.concatenate(made_bytes(program, inputs)[:limit], axis=1)
    return [zlib.crc32(image.tobytes()) for image in whole]


def golden_vector(program: Program) -> list[np.ndarray]:
    """The image of the power-on test, as the device's inputs ``[1, *shape]``: the low bytes of a
    shift register (hw/system.py)."""
    state, stream = GOLDEN_SEED, bytearray()
    for _ in range(input_bytes(program)):
        stream.append(state & 0xff)
        state = (state >> 1) ^ (GOLDEN_TAPS if state & 1 else 0)
    device, arrays, first = program.partition.device, [], 0
    for index in device.inputs:
        shape = device.tensors[index].shape
        size = int(np.prod(shape, dtype=np.int64))
        arrays.append(np.frombuffer(bytes(stream[first:first + size]), np.int8)
                      .reshape(1, *shape))
        first += size
    return arrays
