"""Runs models in TFLite's own runtimes: a program of its own, for some of them abort.

    python -m sim.runtimes litert|xnnpack|tflm QUESTION...

A QUESTION is a folder with ``model.tflite`` and ``inputs.npz``: in0, in1..., ``[N, *shape]`` each.
The answer goes there too, ``outputs.npz``: out0, out1..., or ``refusal.txt`` where a runtime does
not want the model. What it complains of goes to ``complaints.txt``, and on stdout there is a line
for every image done. ``sim.oracles`` asks.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

ARENA_BYTES = 1 << 26                            # of TFLM: more than any model here needs

# One image in, all outputs out.
Runner = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


def interpreter(model: Path, resolver: str) -> Runner:
    """LiteRT with the kernels that ``resolver`` names."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    runtime = Interpreter(str(model), experimental_op_resolver_type=OpResolverType[resolver])
    runtime.allocate_tensors()
    inputs = [tensor["index"] for tensor in runtime.get_input_details()]
    outputs = [tensor["index"] for tensor in runtime.get_output_details()]

    def run(image: Sequence[np.ndarray]) -> list[np.ndarray]:
        for index, array in zip(inputs, image, strict=True):
            runtime.set_tensor(index, array)
        runtime.invoke()
        return [runtime.get_tensor(index) for index in outputs]
    return run


def micro_interpreter(model: Path, output_count: int) -> Runner:
    """TensorFlow Lite Micro."""
    from tflite_micro.python.tflite_micro import runtime as micro

    runtime = micro.Interpreter.from_file(str(model), arena_size=ARENA_BYTES)

    def run(image: Sequence[np.ndarray]) -> list[np.ndarray]:
        for position, array in enumerate(image):
            runtime.set_input(array, position)
        runtime.invoke()
        return [runtime.get_output(position) for position in range(output_count)]
    return run


RUNTIMES: dict[str, Callable[[Path, int], Runner]] = {
    "litert": lambda model, _: interpreter(model, "BUILTIN_REF"),
    "xnnpack": lambda model, _: interpreter(model, "AUTO"),
    "tflm": micro_interpreter,
}


def answer(runtime: str, question: Path) -> None:
    """Runs the images of one question."""
    import tflite

    model = question / "model.tflite"
    output_count = tflite.Model.GetRootAs(model.read_bytes(), 0).Subgraphs(0).OutputsLength()
    run = RUNTIMES[runtime](model, output_count)
    with np.load(question / "inputs.npz") as stored:
        inputs = [stored[f"in{position}"] for position in range(len(stored.files))]
    found = []
    for image in zip(*inputs, strict=True):
        found.append(run(image))
        print("image", flush=True)
    arrays = {f"out{position}": np.stack(values)
              for position, values in enumerate(zip(*found, strict=True))}
    np.savez(question / "outputs.npz", **arrays)


if __name__ == "__main__":
    name, *questions = sys.argv[1:]
    for question in map(Path, questions):
        # The runtimes write to the process's stderr, not to Python's.
        os.dup2(os.open(question / "complaints.txt", os.O_WRONLY | os.O_CREAT), 2)
        try:
            answer(name, question)
        except (RuntimeError, ValueError) as error:
            (question / "refusal.txt").write_text(str(error))
