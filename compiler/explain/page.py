"""The explanation of one element: what TFLite does, what the engine does, what others do wrong."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from compiler.errors import ModelError
from compiler.explain.engine import engine
from compiler.explain.mistakes import mistakes
from compiler.explain.reference import reference
from compiler.explain.site import Site
from compiler.explain.steps import Work, signed
from compiler.flatbuffer import shown
from compiler.fold import drop_unused
from compiler.golden import Golden
from compiler.inspection import Inspection, Story, story_of
from compiler.ir import Graph, Operator, Tensor
from compiler.kinds import BYTES
from compiler.legacy import flip
from compiler.lower import LOWER, lower_operator
from compiler.places import side_by_side

DEFAULT_INPUT = "value k of the input is (37 * k) mod 256, as its type counts from the least"


@dataclass(frozen=True)
class Explanation:
    """``right`` is what the golden model gives for the element; all must be the same."""

    story: Story
    site: Site
    source: str                                  # of the inputs
    done: Work
    engine: Work | None
    right: int | float
    wrong: tuple[tuple[str, Work], ...]

    @property
    def agrees(self) -> bool:
        """Whether all ways lead to the same value."""
        return self.done.value == self.right and (
            self.engine is None or self.engine.value == self.right)

    @property
    def real(self) -> float | None:
        """The number that the value stands for."""
        output = self.site.output
        if output.quantization is None or output.dtype not in BYTES:
            return None
        return output.scale * (self.right - output.zero_point)


def explain(inspection: Inspection, layer: int | None = None,
            element: Sequence[int] | None = None,
            inputs: Sequence[np.ndarray] | None = None, image: int = 0) -> Explanation:
    """An element of an operator's output; ModelError where there is nothing to explain.

    Without a ``layer`` the first that multiplies, without an ``element`` the middle one; ``inputs``
    are the model's, of which one ``image`` is taken, or a fixed pattern.
    """
    examined = inspection.examined
    graph = examined.graph
    story = chosen(inspection, layer)
    op = story.op
    needed = drop_unused(replace(graph, outputs=op.outputs[:1]))
    refuse_floats(needed, story)
    golden = Golden(needed, examined.profile)
    source = DEFAULT_INPUT if inputs is None else f"image {image} of the inputs given"
    given = pattern(needed) if inputs is None else [array[image:image + 1] for array in inputs]
    values = {index: array[0] for index, array in golden.tensors(given).items()} | {
        index: tensor.data for index, tensor in enumerate(graph.tensors)
        if tensor.data is not None}
    shape = graph.tensors[op.outputs[0]].shape
    at = tuple(size // 2 for size in shape) if element is None else checked(element, shape, story)
    site = Site(graph, op, examined.profile, at, values)
    done = reference(site)
    right = values[op.outputs[0]][at].item()
    if done is None:
        done = Work(value=right)
        done.step("y", f"{op.kind}, whose arithmetic is not written down here", "", right)
    return Explanation(story, site, source, done, on_engine(inspection, site, story), right,
                       tuple(mistakes(site, done)))


def chosen(inspection: Inspection, layer: int | None) -> Story:
    """The operator asked for."""
    if layer is None:
        found = [story for story in inspection.stories if story.multipliers] \
            or list(inspection.stories)
        if not found:
            raise ModelError(f"{inspection.examined.graph.name} has no operators; there is nothing "
                             "to explain")
        return found[0]
    return story_of(inspection, layer)


def refuse_floats(graph: Graph, story: Story) -> None:
    """ModelError where a value on the way is no 8-bit integer, so that there is none to explain."""
    for op in graph.operators:
        edges = op.kind in ("QUANTIZE", "DEQUANTIZE")
        for index in (*op.inputs, *op.outputs):
            tensor = graph.tensors[index]
            computed = index >= 0 and tensor.data is None
            if computed and not edges and tensor.dtype not in BYTES and op.kind != "ARG_MAX":
                raise ModelError(
                    f"operator {op} computes with {tensor.dtype} in tensor {shown(tensor.name)}, "
                    "and only 8-bit integers are explained; quantize the model first")
    if story.refused and not story.multipliers and graph.operators:
        raise ModelError(f"there is nothing to explain: {story.refused[0]}")


def pattern(graph: Graph) -> list[np.ndarray]:
    """The fixed input: documented, and the same on every machine."""
    return [pattern_of(graph.tensors[index])[None] for index in graph.inputs]


def pattern_of(tensor: Tensor) -> np.ndarray:
    """``(37 * k) mod 256`` from the least value of the type on; of floats, that over 255."""
    numbers = np.arange(math.prod(tensor.shape), dtype=np.int64) * 37 % 256
    if np.issubdtype(np.dtype(tensor.dtype), np.integer):
        low = 0 if tensor.dtype.startswith("u") else -128
        return (numbers + low).astype(tensor.dtype).reshape(tensor.shape)
    return (numbers / 255).astype(tensor.dtype).reshape(tensor.shape)


def checked(element: Sequence[int], shape: tuple[int, ...], story: Story) -> tuple[int, ...]:
    """The element, where the output has it."""
    if len(element) != len(shape) or any(not 0 <= index < size for index, size in
                                         zip(element, shape, strict=True)):
        raise ModelError(f"operator {story.op} has no element {list(element)}; its output is of "
                         f"shape {list(shape)}")
    return tuple(element)


def on_engine(inspection: Inspection, site: Site, story: Story) -> Work | None:
    """The engine's way, where the operator is the engine's; in the file's type at the end.

    Of an operator that becomes several, the last, which reads what the others made.
    """
    examined = inspection.examined
    graph, device = examined.graph, examined.device
    parts = [op for op in device.operators if op.index == site.op.index]
    if not parts or story.refused or parts[-1].kind not in LOWER:
        return None
    *before, last = parts
    values = {index: as_int8(site.values[index]) for index in read_by(parts, device)
              if index < len(graph.tensors)}
    if before:
        given = read_by(before, device)
        golden = Golden(replace(device, operators=tuple(before), inputs=given), examined.profile)
        found = golden.tensors([values[index][None] for index in given])
        values |= {index: array[0] for index, array in found.items()}

    flat = int(np.ravel_multi_index(site.element, site.output.shape)) if site.element else 0
    read  = read_by([last], device)
    place = side_by_side(device, (*last.outputs, *read))
    scratchpad = {place[index] + k: value for index in read
                  for k, value in enumerate(values[index].reshape(-1).tolist())}
    layers = lower_operator(device, last, place, examined.profile, inspection.engine)
    # A word may reach over the end of a tensor; what lies there has weights of 0.
    work = engine(layers, flat, lambda at: scratchpad.get(at, 0), inspection.engine)
    if work is not None and site.output.dtype == "uint8":
        y = int(work.value)
        work.value = work.whole("uint8", "y + 128: the host flips the top bit",
                                f"{signed(y)} + 128", y + 128)
    return work


def read_by(operators: Sequence[Operator], graph: Graph) -> tuple[int, ...]:
    """The computed tensors that operators read and do not make."""
    made = {index for op in operators for index in op.outputs}
    return tuple(dict.fromkeys(
        index for op in operators for index in op.inputs
        if index >= 0 and graph.tensors[index].data is None and index not in made))


def as_int8(array: np.ndarray) -> np.ndarray:
    """As the engine holds it."""
    return flip(np.ascontiguousarray(array)) if array.dtype == np.uint8 else array


def document(found: Explanation) -> dict[str, Any]:
    """As plain values."""
    site = found.site
    return {
        "operator": site.op.index, "kind": site.op.kind, "element": list(site.element),
        "tensor": site.op.outputs[0], "name": site.output.name, "inputs": found.source,
        "read": [asdict(term) for term in found.done.terms],
        "outside_of_the_image": len(found.done.outside),
        "tflite": work_document(found.done),
        "engine": None if found.engine is None else work_document(found.engine),
        "value": found.right, "real": found.real, "agrees": found.agrees,
        "wrong": [{"what": what} | work_document(work) for what, work in found.wrong],
    }


def work_document(work: Work) -> dict[str, Any]:
    """Steps and value."""
    return {"steps": [asdict(step) for step in work.steps], "value": work.value, "note": work.note}
