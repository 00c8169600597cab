"""Models in LiteRT, with every tensor kept after a run."""

from collections.abc import Sequence

import numpy as np

from compiler.errors import ModelError

# int8 SOFTMAX of LiteRT's reference kernels ends the process where this many values are equal.
LONG_SOFTMAX = 512


class Runner:
    """A .tflite file in LiteRT. With ``reference`` its reference kernels compute, whose numbers
    are those of the profile ``litert``; without, its faster ones, and as exactly in float32."""

    def __init__(self, name: str, content: bytes, reference: bool = False):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self.name = name
        kernels = OpResolverType.BUILTIN_REF if reference \
            else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            self.interpreter = Interpreter(
                model_content=content, experimental_op_resolver_type=kernels,
                experimental_preserve_all_tensors=True)
            self.interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise self.refused(error) from None
        self.inputs = [detail["index"] for detail in self.interpreter.get_input_details()]
        self.outputs = [detail["index"] for detail in self.interpreter.get_output_details()]

    def run(self, image: Sequence[np.ndarray]) -> None:
        """Computes all tensors from one value of each input."""
        try:
            for index, value in zip(self.inputs, image, strict=True):
                self.interpreter.set_tensor(index, value)
            self.interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise self.refused(error) from None

    def tensor(self, index: int) -> np.ndarray:
        """A tensor of the last run."""
        return self.interpreter.get_tensor(index)

    def refused(self, error: Exception) -> ModelError:
        """LiteRT's complaint as a sentence."""
        return ModelError(f"LiteRT cannot run {self.name}: {' '.join(str(error).split())}")
