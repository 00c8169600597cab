"""Runs models in LiteRT or TFLM: a program of its own, for the runtimes abort on some inputs.

    python oracle.py litert|tflm MODEL X.npy TENSORS.npz
    python oracle.py litert|tflm FOLDER

``X.npy`` holds [N, *shape] for the only input. The answer holds the tensors by index, ``t7``; of
TFLM only the outputs, ``o0``. Of a folder, every NAME.tflite is run on NAME.in.npz (``in0``...);
its outputs go to NAME.out.npz, or the reason why the runtime refuses it to NAME.txt.
"""

import sys
from pathlib import Path

import numpy as np


def litert(model: str, inputs: list[np.ndarray]) -> dict[str, np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    details = interpreter.get_tensor_details()
    found: dict[str, list[np.ndarray]] = {}
    for image in zip(*inputs, strict=True):
        for tensor, values in zip(interpreter.get_input_details(), image, strict=True):
            interpreter.set_tensor(tensor["index"], values)
        interpreter.invoke()
        for tensor in details:
            try:
                value = interpreter.get_tensor(tensor["index"])
            except ValueError:                   # temporaries without data
                continue
            found.setdefault(f"t{tensor['index']}", []).append(value)
        for k, tensor in enumerate(interpreter.get_output_details()):
            found.setdefault(f"o{k}", []).append(found[f"t{tensor['index']}"][-1])
    return {name: np.array(values) for name, values in found.items()}


def tflm(model: str, inputs: list[np.ndarray]) -> dict[str, np.ndarray]:
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(model, arena_size=1 << 24)
    found: dict[str, list[np.ndarray]] = {}
    for image in zip(*inputs, strict=True):
        for k, values in enumerate(image):
            interpreter.set_input(values, k)
        interpreter.invoke()
        for k in range(number_of_outputs(model)):
            found.setdefault(f"o{k}", []).append(interpreter.get_output(k))
    return {name: np.array(values) for name, values in found.items()}


def number_of_outputs(model: str) -> int:
    import tflite

    return tflite.Model.GetRootAs(Path(model).read_bytes(), 0).Subgraphs(0).OutputsLength()


def run_folder(run, folder: Path) -> None:
    for model in sorted(folder.glob("*.tflite")):
        with np.load(folder / f"{model.stem}.in.npz") as stored:
            inputs = [stored[f"in{k}"] for k in range(len(stored.files))]
        try:
            answer = run(str(model), inputs)
        except (RuntimeError, ValueError) as error:
            (folder / f"{model.stem}.txt").write_text(str(error))
            continue
        np.savez(folder / f"{model.stem}.out.npz",
                 **{name: array for name, array in answer.items() if name[0] == "o"})


if __name__ == "__main__":
    runtime_name, model_path, *paths = sys.argv[1:]
    runtime = {"litert": litert, "tflm": tflm}[runtime_name]
    if paths:
        np.savez(paths[1], **runtime(model_path, [np.load(paths[0])]))
    else:
        run_folder(runtime, Path(model_path))
