"""Which floats between DEQUANTIZE and QUANTIZE become one operator, and which stay."""

from dataclasses import replace

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.fold import simplified
from compiler.golden import Golden
from compiler.ir import Graph, Operator, Quantization, Tensor
from compiler.islands import fold_islands
from compiler.rules import findings

SHAPE = (1, 4)


def eight(name, scale=0.05, dtype="int8"):
    return Tensor(name, SHAPE, dtype, Quantization((scale,), (-3,)))


def island(*kinds):
    """RELU in front of an island of ``kinds``."""
    count = len(kinds) + 1
    tensors = (eight("x"), eight("r"), *(Tensor(f"f{k}", SHAPE, "float32") for k in range(count)),
               eight("y", 0.02))
    operators = tuple(Operator(k, kind, (k,), (k + 1,))
                      for k, kind in enumerate(("RELU", "DEQUANTIZE", *kinds, "QUANTIZE")))
    return Graph("m", tensors, operators, (0,), (count + 2,))


@pytest.mark.parametrize("kinds", [(), ("NEG",), ("NEG", "SIN", "SQUARE")])
def test_an_island_becomes_its_quantize(kinds):
    graph = island(*kinds)
    folded = fold_islands(graph)
    assert [(op.index, op.kind) for op in folded.operators] == [(0, "RELU"),
                                                                (len(kinds) + 2, "QUANTIZE")]
    last = folded.operators[1]
    assert last.inputs == (1,) and last.outputs == graph.outputs
    assert [op.kind for op in last.options["through"]] == list(kinds)
    assert findings(folded) == []
    x = np.arange(-128, 128, dtype=np.int8).reshape(64, *SHAPE)
    assert np.array_equal(Golden(graph).run([x])[0], Golden(folded).run([x])[0])


def stays(graph):
    assert fold_islands(graph) == graph


def test_floats_with_another_reader_stay():
    graph = island("NEG")
    stays(replace(graph, outputs=(*graph.outputs, 2)))
    other = replace(graph, tensors=(*graph.tensors, eight("z")),
                    operators=(*graph.operators, Operator(4, "QUANTIZE", (2,), (5,))))
    stays(other)


def test_what_is_no_function_of_a_byte_stays():
    graph = island("NEG")
    of_input = replace(graph, operators=graph.operators[2:], inputs=(2,))
    stays(of_input)
    stays(island("SOFTMAX"))
    for changed in ({"shape": (4, 1)}, {"dtype": "uint8"}):
        stays(replace(graph, tensors=(*graph.tensors[:-1], replace(graph.tensors[-1], **changed))))


def test_a_profile_without_the_kernel():
    for graph in (island("ELU"), simplified(island("ELU"))):
        with pytest.raises(ModelError) as error:
            Golden(graph, "litert")
        assert str(error.value) == ("operator 2 ELU has no golden model in the profile litert; use "
                                    "the profile tflm")


def test_what_has_no_number_is_the_least():
    graph = simplified(island("SQRT"))
    low = replace(graph, operators=(replace(graph.operators[1], inputs=(0,)),))
    x = np.array([[[-128, -4, -3, 127]]], np.int8)
    assert Golden(low).run([x])[0].tolist() == [[[-128, -128, -3, 124]]]
