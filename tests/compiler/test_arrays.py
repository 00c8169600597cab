"""Arrays that users give: files that are damaged, or hold what no model takes."""

import io
import re
import struct
import zipfile

import numpy as np
import pytest
from float_models import network
from small_models import dense

from compiler.arrays import read_array, read_inputs
from compiler.errors import DataError
from compiler.idx import read_idx
from compiler.reader import parse_model

MODEL = dense(12, 4)
X = np.arange(24, dtype=np.int8).reshape(2, 1, 12)


@pytest.fixture
def graph(tmp_path):
    return parse_model(MODEL, tmp_path / "m.tflite")


def refuses(text, call, *arguments):
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        call(*arguments)


def npy(array=X) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def headed(header: str, body: bytes = bytes(100)) -> bytes:
    """An .npy file with this header."""
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def shaped(shape: str) -> bytes:
    return headed(f"{{'descr':'|i1','fortran_order':False,'shape':({shape})}}\n")


def archive(content: bytes = b"", how: int = zipfile.ZIP_DEFLATED, name: str = "in0.npy") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as members:
        members.writestr(name, content or npy())
    return file.getvalue()


def spoiled(content: bytes, *places: int) -> bytes:
    """The archive with other bytes; those at places below 0 are in its directory."""
    found = bytearray(content)
    directory = content.index(b"PK\x01\x02")
    for place in places:
        found[place if place >= 0 else directory - place] ^= 0x55
    return bytes(found)


DAMAGED = {
    "empty.npy": b"",
    "cut.npy": npy()[:-5],
    "header.npy": headed("{'descr':(\n"),
    "string.npy": headed("{'descr': '''abc\n"),
    "nested.npy": headed("(" * 9000 + "\n"),
    "key.npy": headed("{[]:1}\n"),
    "type.npy": headed("{'descr':('a',),'fortran_order':False,'shape':(1,)}\n"),
    "size.npy": shaped("99999999999999999999,12"),
    "large.npy": shaped("9999999999,1,9999"),
    "objects.npy": headed("{'descr':'|O','fortran_order':False,'shape':(1,)}\n"),
    "cut.npz": archive()[:-30],
    "deflated.npz": spoiled(archive(), *range(40, 60)),
    "lzma.npz": spoiled(archive(how=zipfile.ZIP_LZMA), *range(42, 70)),
    "method.npz": spoiled(archive(), 8, -10),
    "encrypted.npz": spoiled(archive(), 6, -8),
    "version.npz": spoiled(archive(), -6),
    "other.npz": archive(b"hello"),
    "unnamed.npz": archive(b"hello", name="in0"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged(tmp_path, graph, name):
    path = tmp_path / name
    path.write_bytes(DAMAGED[name])
    refuses(f"{path} is not a whole .npy or .npz file of numbers", read_inputs, path, graph)


def test_whole(tmp_path, graph):
    for name, content in (("x.npy", npy()), ("x.npz", archive())):
        (tmp_path / name).write_bytes(content)
        assert np.array_equal(read_inputs(tmp_path / name, graph), [X])


def test_no_file(tmp_path, graph):
    long = tmp_path / ("x" * 300)
    for call, more in ((read_inputs, (graph,)), (read_array, ()), (read_idx, (3,))):
        refuses(f"{tmp_path} is not a file", call, tmp_path, *more)
        refuses(f"{long} cannot be read: File name too long", call, long, *more)


@pytest.mark.parametrize("value", (np.nan, np.inf, -np.inf))
def test_no_numbers(tmp_path, value):
    path, floats = tmp_path / "x.npy", parse_model(network(), tmp_path / "net.tflite")
    np.save(path, np.full((1, 1, 8, 8, 3), value, np.float32))
    refuses(f"{path} holds values that are infinite or not numbers (NaN), which no int8 stands for",
            read_inputs, path, floats)
