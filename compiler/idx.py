"""IDX files, in which MNIST and its like come: bytes behind a header, often packed with gzip."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from compiler.errors import DataError
from compiler.files import check_file


def parse_idx(path: Path, content: bytes, dimensions: int) -> np.ndarray:
    """The array of an IDX file of bytes; ``content`` is the file's, packed or not."""
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            raise DataError(f"{path} is cut off or damaged: it does not unpack") from None
    # 0, 0, 8 for unsigned bytes, the number of dimensions.
    magic = bytes((0, 0, 8, dimensions))
    if content[:4] != magic:
        raise DataError(f"{path} is not an IDX file of {dimensions} dimensions: it begins with "
                        f"{content[:4].hex(' ') or 'nothing'} instead of {magic.hex(' ')}")
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise DataError(f"{path} is cut off: it ends after {len(content)} bytes, inside its "
                        f"header")
    shape = tuple(np.frombuffer(content, ">u4", dimensions, 4).tolist())
    if len(content) != header + math.prod(shape):
        raise DataError(f"{path} is cut off or damaged: {' x '.join(map(str, shape))} bytes must "
                        f"follow its header, and {len(content) - header} do")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The array in a file."""
    check_file(path)
    try:
        return parse_idx(path, path.read_bytes(), dimensions)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
