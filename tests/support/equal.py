"""Models on the golden model and on the RTL, against the runtimes."""

from pathlib import Path

import numpy as np
from oracles import outputs_of

from compiler.cycles import predict
from compiler.golden import Golden
from compiler.program import Program, compile_model
from compiler.reader import read_model
from compiler.targets import DEFAULT
from hw.config import EngineConfig
from sim.host import Host
from sim.made import addresses, made_bytes
from sim.rtl import RtlEngine

# A small engine of the larger ones' kind: several results a cycle.
SEVERAL = EngineConfig(rows=4, columns=2, lanes=2, tape_rows=4, weight_words=64, results=16,
                       scratchpad_bytes=1 << 14, acc_width=28, whole_sums=True, requantizers=2,
                       write_port=True)
# One whose rows keep windows.
WIDE = EngineConfig(rows=4, lanes=16, rows_together=2, tape_rows=2, weight_words=64, results=16,
                    scratchpad_bytes=1 << 16, acc_width=28, digit_width=10, whole_sums=True,
                    requantizers=2, write_port=True, channel_records=16, windows=True)


def on_rtl(program: Program, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The model's outputs by way of the RTL, whose schedule must be the predicted one."""
    host = Host(program)
    found = RtlEngine(program, threads=1).run(host.to_device(inputs))
    images = len(inputs[0])
    assert found.ends.tolist() == [list(ends) for ends in predict(program, images).ends]
    assert found.cycles == predict(program, images).total
    return host.from_device(found.outputs)


def written(program: Program, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The device's outputs, of what each layer is said to make where it is said to put it."""
    memory = np.zeros((len(inputs[0]), program.config.scratchpad_bytes), np.uint8)
    for layer, made in zip(program.layers, made_bytes(program, inputs), strict=True):
        if not layer.fields.get("to_stream"):
            memory[:, addresses(layer, program.config)] = made
    return [memory[:, program.place.bytes_of(tensor)].view(np.int8)
            for tensor in program.partition.device.outputs]


def same(found: list[np.ndarray], wanted: list[np.ndarray], name: str) -> None:
    """Every byte of every output."""
    assert len(found) == len(wanted), name
    for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert one.dtype == other.dtype, f"{name}, output {k}"
        assert np.array_equal(one, other), f"{name}, output {k}"


def equal_to_runtime(profile: str, models: dict[str, tuple[bytes, list[np.ndarray]]], folder: Path,
                     config: EngineConfig | None = DEFAULT.engine, images: int = 2) -> list[str]:
    """Holds each model's golden outputs against the profile's runtime, and those of the RTL (of
    the first ``images``; without a ``config`` none). The names of the models that the runtime
    does not run, which nothing was compared of."""
    refused = []
    for name, answer in outputs_of(profile, models).items():
        file, inputs = models[name]
        if isinstance(answer, str):
            refused.append(name)
            continue
        path = folder / f"{name}.tflite"
        path.write_bytes(file)
        graph = read_model(path)
        same(Golden(graph, profile).run(inputs), answer, f"{name}, golden model")
        if config is not None:
            program = compile_model(graph, config, profile)
            same(on_rtl(program, [array[:images] for array in inputs]),
                 [array[:images] for array in answer], f"{name}, RTL")
    return refused
