"""MNIST as the shipped models see it: what is theirs to learn from, and what is not."""

import gzip
from pathlib import Path

import numpy as np

# Training images 0 to 9,999 are reserved: the sample that users run the models on (`--data sample`)
# comes from there, and accuracy on images a network was trained on means nothing.
RESERVED = 10_000


def read_idx(path: Path) -> np.ndarray:
    """Array of bytes in a gzipped IDX file: a magic number that ends in the rank, sizes, data."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", count=rank, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def training_set(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The 50,000 training images that are not reserved, (n, 28, 28) bytes, and their labels."""
    images = read_idx(folder / "train-images-idx3-ubyte.gz")
    labels = read_idx(folder / "train-labels-idx1-ubyte.gz")
    return images[RESERVED:], labels[RESERVED:]


def test_set(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The 10,000 test images, (n, 28, 28) bytes, and their labels."""
    return (read_idx(folder / "t10k-images-idx3-ubyte.gz"),
            read_idx(folder / "t10k-labels-idx1-ubyte.gz"))
