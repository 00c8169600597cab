"""Runs a model in LiteRT or TFLM: a program of its own, for the runtimes abort on some inputs.

    python oracle.py litert|tflm MODEL X.npy TENSORS.npz

``X.npy`` holds [N, *shape] for the only input. The answer holds the tensors by index, ``t7``; of
TFLM only the outputs, ``o0``.
"""

import sys

import numpy as np


def litert(model: str, x: np.ndarray) -> dict[str, np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    details = interpreter.get_tensor_details()
    found: dict[str, list[np.ndarray]] = {}
    for image in x:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        for tensor in details:
            try:
                value = interpreter.get_tensor(tensor["index"])
            except ValueError:                   # temporaries without data
                continue
            found.setdefault(f"t{tensor['index']}", []).append(value)
    return {name: np.array(values) for name, values in found.items()}


def tflm(model: str, x: np.ndarray) -> dict[str, np.ndarray]:
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(model)
    outputs = []
    for image in x:
        interpreter.set_input(image, 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0))
    return {"o0": np.array(outputs)}


if __name__ == "__main__":
    runtime_name, model_path, x_path, answer_path = sys.argv[1:]
    answer = {"litert": litert, "tflm": tflm}[runtime_name](model_path, np.load(x_path))
    np.savez(answer_path, **answer)
