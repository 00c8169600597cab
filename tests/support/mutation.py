"""Damaged and twisted .tflite files: not random bytes, but what a reader looks at, changed."""

import random
import struct
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from flatbuffers import encode
from write_tflite import WrittenModel, WrittenOperator, WrittenTensor

from compiler.errors import ModelError
from compiler.flatbuffer import StrictBytes
from compiler.reader import BROKEN, read_graph

# Where a number stands in a file, and how the reader unpacks it: offsets, lengths, fields alike.
Place = tuple[int, str]

LONGEST_VECTOR = 64                              # elements of a vector that are places of their own
FLOATS = (0.0, -1.0, float("nan"), float("inf"), -float("inf"), 1e-45, 1e-38, 3.4e38, 1.0, 0.5)


def places(data: bytes) -> list[Place]:
    """All numbers of a file that the reader looks at, in their order."""
    found: dict[int, str] = {}
    with watched(found):
        try:
            read_graph("m", StrictBytes(data))
        except (ModelError, *BROKEN):
            pass
    return sorted((at, form) for at, form in found.items()
                  if 0 <= at <= len(data) - struct.calcsize(form))


@contextmanager
def watched(found: dict[int, str]):
    """Every number that flatbuffers decodes goes into ``found``, by its place."""
    get, get_vector = encode.Get, encode.GetVectorAsNumpy

    def watched_get(packer, data, at):
        found[at] = packer.format
        return get(packer, data, at)

    def watched_vector(dtype, data, count, at):
        size = np.dtype(dtype).itemsize
        for index in range(min(count, LONGEST_VECTOR)):
            found[at + index * size] = f"<{np.dtype(dtype).char}"
        return get_vector(dtype, data, count, at)

    encode.Get, encode.GetVectorAsNumpy = watched_get, watched_vector
    try:
        yield
    finally:
        encode.Get, encode.GetVectorAsNumpy = get, get_vector


def mutated(data: bytes, found: Sequence[Place], rng: random.Random) -> bytes:
    """One to five of the places ``found`` in ``data`` get another number; some files are cut."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        at, form = rng.choice(found)
        size = struct.calcsize(form)
        old = bytes(changed[at:at + size])
        changed[at:at + size] = struct.pack(form, rng.choice((*FLOATS, rng.uniform(0, 3)))) \
            if form[-1] in "fd" else other_integer(old, rng)
    if rng.random() < 0.03:
        del changed[rng.randrange(len(changed)):]
    return bytes(changed)


def other_integer(old: bytes, rng: random.Random) -> bytes:
    """Another integer in as many bytes: an extreme, a neighbour, a small one, or any."""
    bits, was = 8 * len(old), int.from_bytes(old, "little")
    new = rng.choice((
        0, 1, 2, 3, -1, 127, 255, 1 << bits - 1, (1 << bits - 1) - 1, (1 << bits) - 1,
        was + 1, was - 1, was + 4, was - 4, 2 * was, was // 2, was ^ 1 << rng.randrange(bits),
        rng.randrange(200), rng.randrange(70_000), rng.randrange(1 << bits)))
    return (new % (1 << bits)).to_bytes(len(old), "little")


def twisted(model: WrittenModel, rng: random.Random) -> WrittenModel:
    """The model with some fields changed before it is written: a whole file of a wrong model.

    Mostly numbers and shapes, which the later stages must cope with; constants are as long as their
    new shapes want them, so that they get past the reader.
    """
    tensors, operators = list(model.tensors), list(model.operators)
    inputs, outputs = model.inputs, model.outputs
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        what = rng.random()
        if what < 0.5:
            at = rng.randrange(len(tensors))
            tensors[at] = twisted_tensor(tensors[at], rng)
        elif what < 0.98:
            at = rng.randrange(len(operators))
            operators[at] = twisted_operator(operators[at], len(tensors), len(model.codes), rng)
        elif rng.random() < 0.5:
            inputs = (*inputs[1:], rng.randrange(len(tensors)))
        else:
            outputs = (*outputs, rng.randrange(len(tensors)))
    return replace(model, tensors=tensors, operators=operators, inputs=inputs, outputs=outputs)


def twisted_tensor(tensor: WrittenTensor, rng: random.Random) -> WrittenTensor:
    """Another shape, type, scale, zero point or dimension; or a constant no more, or one now."""
    match rng.choice("shape shape scale scale point type axis data".split()):
        case "shape":
            shape = list(tensor.shape) or [1]
            shape[rng.randrange(len(shape))] = rng.choice(
                (0, 1, 2, 3, 7, 127, 128, 1000, 1025, 65_536, rng.randrange(1, 3000)))
            if rng.random() < 0.3:
                shape = rng.choice((shape[1:], [1, *shape], [*shape, 1]))
            tensor = replace(tensor, shape=tuple(shape))
        case "type":
            tensor = replace(tensor, type=rng.choice((0, 1, 2, 3, 4, 6, 7, 9, 10)))
        case "scale":
            scale = rng.choice((*FLOATS, rng.uniform(0, 3), 2.0 ** rng.randrange(-40, 40)))
            tensor = replace(tensor, scale=(scale,) * rng.choice((0, 1, len(tensor.scale))))
        case "point":
            point = rng.choice((-128, 127, 128, -129, 1 << 40, -1 << 63, rng.randrange(-128, 128)))
            tensor = replace(tensor, zero_point=(point,) * len(tensor.scale))
        case "axis":
            tensor = replace(tensor, dimension=rng.choice((0, 1, 3, 4, -1, 1 << 31 - 1)))
        case "data":
            tensor = replace(tensor, data=None if tensor.data else b"\0")
    if tensor.data is None:
        return tensor
    width = {1: 2, 0: 4, 2: 4, 4: 8, 6: 1, 7: 2, 10: 8}.get(tensor.type, 1)
    size = min(1 << 20, int(np.prod(tensor.shape, dtype=np.float64)) * width)
    return replace(tensor, data=(tensor.data * (size // len(tensor.data) + 1))[:size]
                   if tensor.data else bytes(size))


def twisted_operator(op: WrittenOperator, tensors: int, codes: int,
                     rng: random.Random) -> WrittenOperator:
    """Another code, other tensors, or an option of another value."""
    match rng.randrange(12 if op.options and op.options[2] else 3):
        case 0:
            return replace(op, code=rng.randrange(codes))
        case 1:
            read = list(op.inputs) or [0]
            read[rng.randrange(len(read))] = rng.choice((-1, rng.randrange(tensors)))
            return replace(op, inputs=tuple(rng.choice((read, read[1:], [*read, 0]))))
        case 2:
            return replace(op, outputs=tuple(rng.choice(
                ((), (rng.randrange(tensors),), (*op.outputs, *op.outputs)))))
    number, table, fields = op.options
    key = rng.choice(sorted(fields))
    return replace(op, options=(number, table, fields | {key: other_value(key, fields[key], rng)}))


def other_value(key: str, value, rng: random.Random):
    """Another value for an option, of the type that its field can hold."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, float):
        return rng.choice(FLOATS)
    if isinstance(value, tuple):
        return tuple(rng.choice((-1, 0, 1, 4, 1 << 30)) for _ in range(rng.randrange(10)))
    if key.startswith(("Stride", "Dilation", "Filter")):
        return rng.choice((0, -1, 1, 2, 255, 1 << 16, (1 << 31) - 1, -1 << 31))
    return rng.choice((0, 1, 2, 3, 5, 100, 127))         # enums are bytes
