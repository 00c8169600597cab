"""Arrays in .npy and .npz files: what users give as inputs and get as outputs."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from compiler.errors import DataError
from compiler.files import check_file, check_writable, write_file
from compiler.flatbuffer import shown
from compiler.ir import Graph, Tensor

ARRAYS = (".npy", ".npz")


def read_inputs(path: Path, graph: Graph) -> list[np.ndarray]:
    """The model's inputs ``[N, *shape]`` from an .npy, or ``in0``, ``in1``... of an .npz."""
    names = [f"in{position}" for position in range(len(graph.inputs))]
    found = _read(path, names)
    if not isinstance(found, dict):
        if len(names) > 1:
            raise DataError(f"{path} holds one array, and the model has {len(names)} inputs; give "
                            f"them in an .npz file as {', '.join(names)}")
        found = {names[0]: found}
    inputs = []
    for name, index in zip(names, graph.inputs, strict=True):
        if name not in found:
            raise DataError(f"{path} has no array {name}; it must hold {', '.join(names)}")
        what = f"{path}: {name}" if path.suffix == ".npz" else str(path)
        inputs.append(_checked(what, found[name], graph.tensors[index]))
        if len(inputs[-1]) != len(inputs[0]):
            raise DataError(f"{what} holds {len(inputs[-1])} inputs, and in0 holds "
                            f"{len(inputs[0])}")
    return inputs


def read_array(path: Path) -> np.ndarray:
    """The only array of an .npy file."""
    found = _read(path, ())
    if isinstance(found, dict):
        raise DataError(f"{path} must hold one array, as an .npy file")
    return found


def _read(path: Path, names: Sequence[str]) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an .npy file, or those of an .npz file that have one of the ``names``."""
    check_file(path)
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return found
            arrays = {name: found[name] for name in names if name in found.files}
        if all(isinstance(array, np.ndarray) for array in arrays.values()):
            return arrays                        # (and not the bytes of some other file in there)
    except Exception as error:                   # numpy's and zipfile's parsers raise all kinds
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None
    raise DataError(f"{path} is not a whole .npy or .npz file of numbers")


def _checked(what: str, array: np.ndarray, tensor: Tensor) -> np.ndarray:
    """The array as the model takes it; DataError where it is another kind of array."""
    shape = f"[{', '.join(map(str, ('N', *tensor.shape)))}]"
    if array.dtype.newbyteorder("=") != tensor.dtype or array.shape[1:] != tensor.shape \
            or not array.ndim:
        raise DataError(f"{what} must hold {tensor.dtype} {shape} for input "
                        f"{shown(tensor.name)}, not {array.dtype} {list(array.shape)}")
    if not len(array):
        raise DataError(f"{what} holds no inputs: its first dimension is 0")
    if tensor.dtype == "float32" and not np.isfinite(array).all():
        raise DataError(f"{what} holds values that are infinite or not numbers (NaN), which no "
                        "int8 stands for")
    return np.ascontiguousarray(array, tensor.dtype)


def check_outputs_path(path: Path, graph: Graph, used: Iterable[Path | None]) -> None:
    """DataError, before any work is done, where ``write_outputs`` would fail for sure, or replace
    a file that is ``used`` as well."""
    if path.suffix == ".npy" and len(graph.outputs) > 1:
        raise DataError(f"{path} would hold one array, and the model has {len(graph.outputs)} "
                        f"outputs; name an .npz file")
    check_writable(path, used)


def write_outputs(path: Path, outputs: Sequence[np.ndarray]) -> None:
    """An .npy of the only output, or an .npz of ``out0``, ``out1``...; whole or not at all."""
    content = io.BytesIO()
    if path.suffix == ".npy":
        np.save(content, outputs[0])
    else:
        named: dict[str, Any] = {f"out{position}": array for position, array in enumerate(outputs)}
        np.savez(content, **named)
    write_file(path, content.getvalue())
