"""What a model is calibrated and measured on: inputs in float32, and labels."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from compiler.arrays import ARRAYS, read_array, read_inputs
from compiler.errors import DataError
from compiler.flatbuffer import shown
from compiler.idx import read_idx
from compiler.ir import Graph


def read_data(path: Path, graph: Graph) -> list[np.ndarray]:
    """The model's inputs ``[N, *shape]``: of an .npy or .npz file as they are, of the images in an
    IDX file pixel / 255."""
    if path.suffix not in ARRAYS:
        return [images_as_input(path, graph)]
    return read_inputs(path, graph)


def images_as_input(path: Path, graph: Graph) -> np.ndarray:
    """The images of an IDX file as the only input of a model."""
    images = read_idx(path, 3)
    shapes = [graph.tensors[index].shape for index in graph.inputs]
    if len(shapes) != 1 or math.prod(shapes[0]) != math.prod(images.shape[1:]):
        raise DataError(f"{path} holds images of {images.shape[1]} x {images.shape[2]} pixels, and "
                        f"the model takes {', '.join(str(list(shape)) for shape in shapes)}")
    if not len(images):
        raise DataError(f"{path} holds no images")
    return images.reshape(-1, *shapes[0]).astype(np.float32) / np.float32(255)


def read_labels(path: Path, graph: Graph, count: int) -> np.ndarray:
    """The class of each of ``count`` inputs."""
    classes = classes_of(graph)
    labels = read_array(path) if path.suffix in ARRAYS else read_idx(path, 1)
    if labels.dtype.kind not in "iu" or labels.shape not in ((count,), (count, 1)):
        raise DataError(f"{path} must hold {count} whole numbers, the class of each input, not "
                        f"{labels.dtype} {list(labels.shape)}")
    for bad in labels[(labels < 0) | (labels >= classes)][:1]:
        raise DataError(f"{path} holds the label {bad}, and the model knows {classes} classes, "
                        f"from 0 on")
    return labels.reshape(-1)


def classes_of(graph: Graph) -> int:
    """How many values the only output holds; DataError where it is not a value a class."""
    shapes = [graph.tensors[index].shape for index in graph.outputs]
    if len(shapes) != 1 or shapes[0][-1:] != (math.prod(shapes[0]),) or shapes[0][-1] < 2:
        outputs = ", ".join(f"{shown(graph.tensors[index].name)} {list(graph.tensors[index].shape)}"
                            for index in graph.outputs)
        raise DataError(f"--labels needs a model with one output, of one value for each class, and "
                        f"the model's outputs are {outputs}")
    return shapes[0][-1]


def first(inputs: Sequence[np.ndarray], limit: int | None) -> list[np.ndarray]:
    """The first ``limit`` inputs, all where it is None."""
    return [array[:limit] for array in inputs]
