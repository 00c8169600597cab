"""Measure .tflite files of MNIST networks: size, work, and accuracy on the 10,000 test images.

The answers are those of LiteRT's reference kernels (OpResolverType.BUILTIN_REF), to which this
project is bit-exact. Prints the tables of models/README.md.
"""

import argparse
import hashlib
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from math import prod
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import tflite
from mnist import test_set

# Position of the weights, the inputs of an operator being (data, weights, bias).
WEIGHTS, BIAS = 1, 2
WEIGHTED = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")

OPERATOR_NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items()
                  if isinstance(code, int)}
TYPE_NAMES = {code: name.lower() for name, code in vars(tflite.TensorType).items()
              if isinstance(code, int)}


@dataclass(frozen=True)
class Operator:
    """One operator of the file, with the tensors it reads and the one it writes."""
    name: str
    inputs: list[tflite.Tensor]
    output: tflite.Tensor

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        if self.name not in WEIGHTED:
            return 0
        return sum(prod(shape(tensor)) for tensor in self.inputs[WEIGHTS:BIAS + 1])

    @property
    def macs(self) -> int:
        """Multiplications with a weight, padding included."""
        if self.name not in WEIGHTED:
            return 0
        # The channels of a depthwise convolution come last and each sees its own kernel only;
        # the other weights are (outputs, ...).
        kernel = shape(self.inputs[WEIGHTS])
        taps = prod(kernel[:-1]) if self.name == "DEPTHWISE_CONV_2D" else prod(kernel[1:])
        return prod(shape(self.output)) * taps


def shape(tensor: tflite.Tensor) -> tuple[int, ...]:
    return tuple(int(size) for size in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()


def describe(tensor: tflite.Tensor) -> str:
    """Type, shape and quantization of a tensor: `int8[1,10] 0.00390625 -128`."""
    text = f"{TYPE_NAMES[tensor.Type()]}[{','.join(map(str, shape(tensor)))}]"
    quantization = tensor.Quantization()
    if quantization is None or not quantization.ScaleLength():
        return text
    scales, zero_points = quantization.ScaleAsNumpy(), quantization.ZeroPointAsNumpy()
    if len(scales) == 1:
        return f"{text} {scales[0]:.8g} {zero_points[0]}"
    return (f"{text} per axis {quantization.QuantizedDimension()} "
            f"{scales.min():.3g}..{scales.max():.3g} {'/'.join(map(str, set(zero_points)))}")


def operators(data: bytes) -> list[Operator]:
    """Operators of the file's only subgraph, in order of execution."""
    model = tflite.Model.GetRootAs(data)
    graph = model.Subgraphs(0)
    found = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        # Old files fill in one field, new ones the other: the larger one is the code.
        name = OPERATOR_NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = [graph.Tensors(tensor) for tensor in operator.InputsAsNumpy() if tensor >= 0]
        found.append(Operator(name, inputs, graph.Tensors(operator.Outputs(0))))
    return found


def answers(path: Path, images: np.ndarray) -> np.ndarray:
    """Outputs of the model for each image, (n, classes), as LiteRT's reference kernels compute."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(str(path),
                              experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    source, = interpreter.get_input_details()
    sink, = interpreter.get_output_details()

    # Pixel p is p/255; an integer input has its own scale and zero point for that number.
    pixels = (images.astype(np.float32) / 255).reshape(-1, *source["shape"])
    if source["dtype"] != np.float32:
        scale, zero_point = source["quantization"]
        limits = np.iinfo(source["dtype"])
        pixels = np.clip(np.round(pixels / scale) + zero_point, limits.min, limits.max)
        pixels = pixels.astype(source["dtype"])

    outputs = []
    for image in pixels:
        interpreter.set_tensor(source["index"], image)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(sink["index"])[0])
    return np.array(outputs)


def accuracy(path: Path, images: np.ndarray, labels: np.ndarray) -> str:
    """Share of images whose first largest output is the label's, or what LiteRT did instead."""
    # LiteRT ends its process on models that it dislikes: let that be another process than ours.
    with ProcessPoolExecutor(1, get_context("spawn")) as child:
        try:
            outputs = child.submit(answers, path, images).result()
        except BrokenProcessPool:
            return "LiteRT aborted"
    return f"{np.mean(outputs.argmax(axis=1) == labels):.2%}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="*", metavar="MODEL",
                        help="a .tflite file (default: all files beside this script)")
    parser.add_argument("--mnist", type=Path, metavar="DIR",
                        help="folder with t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz")
    parser.add_argument("--operators", action="store_true",
                        help="list the operators instead, with shapes, scales and zero points")
    args = parser.parse_args()
    paths = args.models or sorted(Path(__file__).parent.glob("*.tflite"))

    if args.operators:
        for path in paths:
            print(f"{path.name}")
            for operator in operators(path.read_bytes()):
                inputs = "; ".join(map(describe, operator.inputs))
                print(f"  {operator.name:<18}{inputs} -> {describe(operator.output)}")
        return

    if args.mnist is None:
        parser.error("accuracy needs the test images: --mnist DIR")
    images, labels = test_set(args.mnist)
    print("| file | parameters | MACs | bytes | accuracy |")
    print("|---|--:|--:|--:|--:|")
    for path in paths:
        found = operators(path.read_bytes())
        print(f"| `{path.name}` | {sum(operator.parameters for operator in found):,} "
              f"| {sum(operator.macs for operator in found):,} | {path.stat().st_size:,} "
              f"| {accuracy(path, images, labels)} |", flush=True)
    print()
    for path in paths:
        print(f"    {hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")


if __name__ == "__main__":
    main()
