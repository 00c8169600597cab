"""What the engine's layers make, byte by byte, in the order in which they make it."""

import zlib
from collections.abc import Sequence

import numpy as np

from compiler.golden import Golden
from compiler.layers import Layer
from compiler.program import Program, input_bytes
from hw.config import ALL_LAYERS, GOLDEN_SEED, GOLDEN_TAPS, EngineConfig


def addresses(layer: Layer, config: EngineConfig) -> np.ndarray:
    """The scratchpad addresses that a layer's values go to, in their order."""
    return np.concatenate([group.reshape(-1) for group in layer.output_addresses(config)])


def made_bytes(program: Program, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """For each layer, uint8 ``[N, bytes]``: what it makes of the device's inputs, by the golden
    model."""
    tensors = Golden(program.partition.device, program.profile).tensors(inputs)
    made = []
    for layer in program.layers:
        values = tensors[layer.tensor].reshape(len(inputs[0]), -1).view(np.uint8)
        if not layer.fields.get("to_stream"):
            where = addresses(layer, program.config) + layer.origin
            own = program.place.bytes_of(layer.tensor).reshape(-1)     # these rise
            values = values[:, np.searchsorted(own, where)]
        made.append(values)
    return made


def crc_of_made(program: Program, inputs: Sequence[np.ndarray],
                limit: int = ALL_LAYERS) -> list[int]:
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
