"""Weights of -128, which TFLite's specification rules out and files may hold all the same."""

import re
from dataclasses import replace

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.layers import Layer
from compiler.lower import check_pairs


def layer(weights: list[int]) -> Layer:
    """A layer of one group, one word, one row."""
    return Layer("3 CONV_2D", 3, 5, {}, (), np.array(weights, np.int8).reshape(1, 1, 1, -1))


def test_one_of_a_pair():
    check_pairs(layer([-128, -127, 5, -128]))
    check_pairs(layer([0, -128, -128, 0]))               # neighbours, but of two pairs
    check_pairs(layer([-128]))


def test_both_of_a_pair():
    with pytest.raises(ModelError, match=re.escape(
            "operator 3 CONV_2D: two weights side by side are -128, and of two that are "
            "multiplied together the array takes one; quantize the model again to weights of "
            "-127 to 127, as TFLite's specification has them") + "$"):
        check_pairs(replace(layer([1, 2, -128, -128])))
