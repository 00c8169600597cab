"""The story of quantization: of every operator the scales, multipliers, ranges, and where it runs.

``S1``, ``S2``, ``S3`` and ``Z1``, ``Z2``, ``Z3`` are scales and zero points of input, weights (or
second input) and output, as TensorFlow's documents call them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from compiler.errors import ModelError
from compiler.finding import Finding, reasons
from compiler.fold import drop_unused, fuse_pads
from compiler.ir import Graph, Operator, Tensor
from compiler.kinds import BYTES, DOT_PRODUCTS, RESHAPES
from compiler.layers import Layer, Record
from compiler.lower import lower_operator
from compiler.multipliers import Multiplier, accumulator_range, multipliers
from compiler.places import alone
from compiler.reorder import reorder_weights
from compiler.requantize import output_range, source_of
from compiler.verdict import Examined
from hw.config import EngineConfig, Mode

UNITS = {Mode.ARRAY: "array", Mode.MAXIMUM: "vector unit", Mode.ADD: "vector unit, adding"}


@dataclass(frozen=True)
class Requantizer:
    """What the tape carries for it: fields of the layer, and records by channels, or one that all
    share (two for sums of two tensors)."""

    digits: int
    low: int
    high: int
    zero_point: int
    records: tuple[tuple[int | None, Record], ...]


@dataclass(frozen=True)
class Story:
    """All about one operator; ``runs_on`` says where, ``refused`` why it would not."""

    op: Operator
    runs_on: str
    tensors: tuple[tuple[str, int], ...]         # role and index
    multipliers: tuple[Multiplier, ...] = ()
    accumulator: tuple[np.ndarray, np.ndarray] | None = None     # least and most, by channel
    clamp: tuple[int, int] | None = None
    requantizers: tuple[Requantizer, ...] = ()
    refused: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """A model's stories, for one engine."""

    examined: Examined
    engine: EngineConfig
    stories: tuple[Story, ...]


def inspect(examined: Examined, engine: EngineConfig) -> Inspection:
    """The stories of all operators that the graph has once constants are folded."""
    places = where(examined)
    of_op: dict[int | None, list[Finding]] = {}
    for finding in examined.findings:
        of_op.setdefault(finding.operator, []).append(finding)
    device: dict[int, list[Operator]] = {}
    for op in examined.device.operators:
        device.setdefault(op.index, []).append(op)
    stories = []
    for op in examined.graph.operators:
        refused = of_op.get(op.index, [])
        story = Story(op, places.get(op.index, ""), roles(examined.graph, op))
        if not refused and is_8_bit(examined.graph, op):
            story = replace(
                story, multipliers=multipliers(examined.graph, op, examined.profile),
                accumulator=accumulator_range(examined.graph, op),
                clamp=output_range(examined.graph, op))
            if op.index in device and op.kind not in RESHAPES:
                story, found = lowered(examined, device[op.index], engine, story)
                refused = [*refused, *found]
        if refused:
            story = replace(story, runs_on="nowhere", refused=tuple(refused))
        stories.append(story)
    return Inspection(examined, engine, tuple(stories))


def story_of(inspection: Inspection, layer: int) -> Story:
    """The story of an operator by its number in the file."""
    stories = {story.op.index: story for story in inspection.stories}
    if layer not in stories:
        raise ModelError(f"{inspection.examined.graph.name} has no operator {layer} that computes "
                         f"something; there are {', '.join(map(str, stories)) or 'none'}")
    return stories[layer]


def roles(graph: Graph, op: Operator) -> tuple[tuple[str, int], ...]:
    """What each tensor is to its operator."""
    names = ["input", "weights", "bias"] if op.kind in DOT_PRODUCTS else ["input"]
    if op.kind == "TRANSPOSE_CONV":
        names = ["shape", "weights", "input", "bias"]
    found = []
    computed = sum(index >= 0 and graph.tensors[index].dtype in (*BYTES, "float32")
                   for index in op.inputs)
    for position, index in enumerate(op.inputs):
        if index < 0:
            continue
        name = names[position] if position < len(names) else "parameter"
        if op.kind not in DOT_PRODUCTS and computed > 1 and name in ("input", "parameter") \
                and graph.tensors[index].dtype in (*BYTES, "float32"):
            name = f"input {position + 1}"
        found.append((name, index))
    several = len(op.outputs) > 1
    return (*found, *((f"output {position + 1}" if several else "output", index)
                      for position, index in enumerate(op.outputs)))


def where(examined: Examined) -> dict[int, str]:
    """By operator: on the host, as a view, in another one, or on the engine ("")."""
    graph = examined.graph
    found = {op.index: "view: the same bytes" for op in graph.operators if op.kind in RESHAPES}
    device = {op.index for op in examined.device.operators}
    unfused = {op.index for op in drop_unused(graph).operators}
    padded = drop_unused(fuse_pads(graph))
    fused = unfused - {op.index for op in padded.operators}
    ordered = padded if examined.prepared is None else drop_unused(reorder_weights(padded))
    tables = {part.index: op.index for op in examined.device.operators if op.kind == "TABLE"
              for part in op.options["parts"]}
    for op in graph.operators:
        if op.index in device:
            continue
        if op.index in tables:
            found[op.index] = f"inside of operator {tables[op.index]}'s table"
        elif op.index in fused:
            found[op.index] = "inside of the convolution that reads it"
        elif op.index in unfused - {other.index for other in ordered.operators}:
            found[op.index] = "the order of a dense layer's weights"
        else:
            found[op.index] = "host"
    return found


def is_8_bit(graph: Graph, op: Operator) -> bool:
    """Whether the operator's first input and its output are quantized to 8 bits."""
    if not op.inputs or not op.outputs or source_of(op) < 0:
        return False
    sides = [graph.tensors[index] for index in (source_of(op), op.outputs[0])]
    return all(tensor.dtype in BYTES and tensor.quantization is not None
               and len(tensor.quantization.scale) == 1 for tensor in sides)


def lowered(examined: Examined, parts: Sequence[Operator], engine: EngineConfig, story: Story
            ) -> tuple[Story, tuple[Finding, ...]]:
    """The story with what the engine's tape has of the operator, or why it has nothing."""
    device = examined.device
    place = alone(device)
    units: list[str] = []
    found: list[Requantizer] = []
    for part in parts:
        try:
            layers = lower_operator(device, part, place, examined.profile, engine)
        except ModelError as error:
            return story, reasons(error, story.op)
        units += ["table unit" if layer.fields.get("table") else UNITS[layer.mode]
                  for layer in layers]
        channels = (device.tensors[part.outputs[0]].shape or (1,))[-1]
        found += [one for one in requantizers(layers, channels) if one not in found]
    runs_on = ", ".join(dict.fromkeys(units))
    if len(parts) > 1:
        runs_on += f", as {' and '.join(part.kind for part in parts)}"
    return replace(story, runs_on=runs_on, requantizers=tuple(found)), ()


def requantizers(layers: Sequence[Layer], channels: int) -> list[Requantizer]:
    """Of the layers of one operator whose output is at address 0; passes that do the same to
    other channels are one."""
    found: list[Requantizer] = []
    for layer in layers:
        if layer.fields.get("table"):
            continue
        new = Requantizer(layer.fields.get("steps", 0) + 1, layer.fields["low"],
                          layer.fields["high"], layer.fields.get("zero_point", 0),
                          tuple(channel_records(layer, channels)))
        for index, old in enumerate(found):
            known, added = dict(old.records), dict(new.records)
            agree = all(known.get(channel, record) == record for channel, record in new.records)
            if None not in (*known, *added) and agree \
                    and replace(old, records=()) == replace(new, records=()):
                both = sorted((known | added).items(), key=lambda item: item[0] or 0)
                found[index] = replace(old, records=tuple(both))
                break
        else:
            if new not in found:
                found.append(new)
    return found


def channel_records(layer: Layer, channels: int) -> Iterator[tuple[int | None, Record]]:
    """The records of a layer, by the channels that they are for."""
    if layer.fields.get("shared_record"):
        first, second = shared_pair(layer)
        yield None, first
        if layer.mode == Mode.ADD:
            yield None, second
        return
    for group, records in enumerate(layer.records):
        start = layer.group_address(group)
        yield from (((start + row) % channels, records[row])
                    for row in range(layer.group_channels(group)))


def shared_pair(layer: Layer) -> tuple[Record, Record]:
    """The two records of a layer with `shared_record`, which each requantizer has once."""
    records = layer.records[0]
    return records[0], records[len(records) // 2]


def tensor_document(tensor: Tensor, index: int, role: str) -> dict[str, Any]:
    """A tensor as plain values."""
    quantization = tensor.quantization
    return {"role": role, "tensor": index, "name": tensor.name, "shape": list(tensor.shape),
            "type": tensor.dtype, "constant": tensor.data is not None,
            "scale": list(quantization.scale) if quantization else None,
            "zero_point": list(quantization.zero_point) if quantization else None,
            "quantized_dimension": quantization.quantized_dimension if quantization else None}


def document(inspection: Inspection, layer: int | None = None) -> dict[str, Any]:
    """All numbers, as plain values."""
    examined = inspection.examined
    graph = examined.graph
    return {
        "model": graph.name, "profile": examined.profile,
        "runs": not examined.findings and not any(story.refused for story in inspection.stories),
        "refused": [asdict(finding) | {"text": str(finding)} for finding in examined.findings
                    if finding.operator is None],
        "engine": asdict(inspection.engine),
        "operators": [story_document(graph, story) for story in inspection.stories
                      if layer in (None, story.op.index)],
    }


def story_document(graph: Graph, story: Story) -> dict[str, Any]:
    """A story, as plain values."""
    return {
        "operator": story.op.index, "kind": story.op.kind, "runs_on": story.runs_on,
        "tensors": [tensor_document(graph.tensors[index], index, role)
                    for role, index in story.tensors],
        "fused_activation": story.op.options.get("fused_activation_function", "NONE"),
        "clamp": story.clamp,
        "multipliers": [multiplier.document() for multiplier in story.multipliers],
        "accumulator": None if story.accumulator is None else
        {"least": story.accumulator[0].tolist(), "most": story.accumulator[1].tolist()},
        "requantizer": [{
            "digits": one.digits, "low": one.low, "high": one.high, "zero_point": one.zero_point,
            "records": [{"channel": channel, "m": record.multiplier, "r0": record.offset,
                         "r1": record.offset_negative, "s": record.shift, "bias": record.bias}
                        for channel, record in one.records],
        } for one in story.requantizers],
        "refused": [asdict(finding) | {"text": str(finding)} for finding in story.refused],
    }
