"""A compiled model: what the engine, its host and its simulator need to run it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from compiler.allocate import Plan, verify
from compiler.byte_functions import fold_byte_functions
from compiler.decompose import decompose
from compiler.errors import ModelError
from compiler.files import write_whole
from compiler.fold import drop_unused, fuse_pads, simplified
from compiler.ir import Graph
from compiler.layers import Layer
from compiler.lower import lower
from compiler.numerics import PROFILES
from compiler.partition import Partition, partition
from compiler.places import Addresses
from compiler.reader import read_model
from compiler.reorder import reorder_weights
from compiler.rules import check
from compiler.tape import write_tape
from hw.config import EngineConfig

FORMAT = 2                                       # of the manifest and the tape
TAPE, MANIFEST = "tape.bin", "manifest.json"     # what a program is saved as


@dataclass(frozen=True)
class Program:
    """``graph`` is the model as read, ``partition`` what the host and the device do of it."""

    graph: Graph
    profile: str
    config: EngineConfig
    partition: Partition
    layers: tuple[Layer, ...]
    plan: Plan
    place: Addresses
    tape: bytes


@dataclass(frozen=True)
class Prepared:
    """A model that has been found to keep the rules, before it is laid out for an engine."""

    graph: Graph
    partition: Partition


def prepare(model: str | Path | Graph) -> Prepared:
    """What does not depend on the engine; ModelError with all reasons where a rule is broken."""
    graph = model if isinstance(model, Graph) else read_model(model)
    graph = simplified(graph)
    check(graph)
    return divided(graph)


def divided(graph: Graph) -> Prepared:
    """A graph that keeps the rules, between host and device."""
    parts = partition(drop_unused(reorder_weights(fuse_pads(graph))))
    return Prepared(graph, replace(parts, device=fold_byte_functions(decompose(parts.device))))


def assemble(prepared: Prepared, config: EngineConfig, profile: str, layers: Sequence[Layer],
             plan: Plan, place: Addresses) -> Program:
    """The program of ``layers``, as ``lower`` gives them for this engine."""
    verify(plan)
    return Program(prepared.graph, profile, config, prepared.partition, tuple(layers), plan, place,
                   write_tape(layers, config))


def compile_model(model: str | Path | Graph, config: EngineConfig,
                  profile: str = "litert") -> Program:
    """Everything from the ``.tflite`` file (or the graph read from one) to the tape.

    ModelError with all reasons where the engine cannot run it.
    """
    if profile not in PROFILES:
        raise ModelError(f"profile must be one of {', '.join(PROFILES)}, not {profile!r}")
    prepared = prepare(model)
    return assemble(prepared, config, profile, *lower(prepared.partition.device, profile, config))


def manifest(program: Program) -> dict:
    """What a program consists of, without its bytes: plain values, the same for the same input."""
    device = program.partition.device

    def tensor(index: int) -> dict:
        t = device.tensors[index]
        return {"tensor": index, "name": t.name, "shape": list(t.shape),
                "address": program.place[index]}
    return {
        "format": FORMAT,
        "model": program.graph.name,
        "profile": program.profile,
        "engine": asdict(program.config),
        "tape_bytes": len(program.tape),
        "tape_sha256": hashlib.sha256(program.tape).hexdigest(),
        "scratchpad_bytes_used": program.plan.peak_bytes,
        "inputs": [tensor(index) for index in device.inputs],
        "outputs": [tensor(index) for index in device.outputs],
        "host": {"before": [op.kind for op in program.partition.prologue.operators],
                 "after": [op.kind for op in program.partition.epilogue.operators]},
        "layers": [{"name": layer.name, "operator": layer.operator, "tensor": layer.tensor,
                    "macs": layer.macs,
                    "fields": {k: int(v) for k, v in sorted(layer.fields.items())}}
                   for layer in program.layers],
    }


def save(program: Program, folder: Path) -> None:
    """Writes ``tape.bin`` and ``manifest.json``: each whole, or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(manifest(program), indent=1, sort_keys=True) + "\n"
    write_whole(folder / TAPE, program.tape)
    write_whole(folder / MANIFEST, text.encode())


def tensor_bytes(program: Program, tensor: int) -> int:
    """Size of a device tensor."""
    return int(np.prod(program.partition.device.tensors[tensor].shape, dtype=np.int64))


def input_bytes(program: Program) -> int:
    """Bytes that one image brings to the device."""
    return sum(tensor_bytes(program, index) for index in program.partition.device.inputs)


def output_bytes(program: Program) -> int:
    """Bytes that the device gives for one image."""
    return sum(tensor_bytes(program, index) for index in program.partition.device.outputs)
