"""Operators that trade pixels for channels: SPACE_TO_DEPTH, DEPTH_TO_SPACE."""

from collections.abc import Iterator

import numpy as np

from compiler.errors import ShapeError
from compiler.moves.request import Arrays, Move, Pair, Request


def blocks(array: np.ndarray, block: int) -> np.ndarray:
    """An NHWC image as [N, H / block, block, W / block, block, C]: a view."""
    n, h, w, c = array.shape
    return array.reshape(n, h // block, block, w // block, block, c)


def space_to_depth(r: Request) -> Move:
    """SPACE_TO_DEPTH: blocks of pixels become channels."""
    block = r.options["block_size"]
    if len(r.shape) != 4 or block < 1 or r.shape[1] % block or r.shape[2] % block:
        raise ShapeError(f"blocks of {block} in {list(r.shape)}")
    n, h, w, c = r.shape

    def pairs(inputs: Arrays, outputs: Arrays) -> Iterator[Pair]:
        deep = outputs[0].reshape(n, h // block, w // block, block, block, c)
        yield deep, blocks(inputs[0], block).transpose(0, 1, 3, 2, 4, 5)
    return Move(((n, h // block, w // block, block * block * c),), pairs)


def depth_to_space(r: Request) -> Move:
    """DEPTH_TO_SPACE: channels become blocks of pixels."""
    block = r.options["block_size"]
    if len(r.shape) != 4 or block < 1 or r.shape[3] % (block * block):
        raise ShapeError(f"blocks of {block} in {list(r.shape)}")
    n, h, w, c = r.shape

    def pairs(inputs: Arrays, outputs: Arrays) -> Iterator[Pair]:
        deep = inputs[0].reshape(n, h, w, block, block, c // block**2)
        yield blocks(outputs[0], block).transpose(0, 1, 3, 2, 4, 5), deep
    return Move(((n, h * block, w * block, c // block**2),), pairs)
