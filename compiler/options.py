"""The builtin options of an operator as a plain dict, for every options table of the schema.

The ``tflite`` package has one class per table with a method per field; both are found by name, so
a new schema needs nothing here.
"""

import re
import struct
from functools import cache
from typing import Any

import tflite

from compiler.errors import ModelError
from compiler.flatbuffer import Budget, StrictBytes, vector

# The enum that a field of this name holds. All others are numbers or flags.
ENUMS = {
    "padding": tflite.Padding,
    "fused_activation_function": tflite.ActivationFunctionType,
    "weights_format": tflite.FullyConnectedOptionsWeightsFormat,
    "quantized_bias_type": tflite.TensorType,
    "in_data_type": tflite.TensorType,
    "out_data_type": tflite.TensorType,
    "output_type": tflite.TensorType,
    "out_type": tflite.TensorType,
}

# Operators whose options table has another name than theirs.
SHARED_TABLES = {
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "L2_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "SUM": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "REDUCE_MIN": "ReducerOptions",
    "REDUCE_PROD": "ReducerOptions",
    "REDUCE_ANY": "ReducerOptions",
    "REDUCE_ALL": "ReducerOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "L2_NORMALIZATION": "L2NormOptions",
}

# Table with an empty vtable: every field has the schema's default.
EMPTY_TABLE = StrictBytes(struct.pack("<HHi", 4, 4, 4))


@cache
def names_of(enum: type) -> dict[int, str]:
    """Number to schema name of an enum class of the ``tflite`` package."""
    return {value: name for name, value in vars(enum).items() if not name.startswith("_")}


TABLE_NAMES = names_of(tflite.BuiltinOptions)
TABLE_OF_LOWER_NAME = {name.lower(): name for name in TABLE_NAMES.values()}


def table_name(kind: str) -> str | None:
    """Name of the options table of the operator ``kind``, None where it has none."""
    own = kind.replace("_", "").lower() + "options"
    return SHARED_TABLES.get(kind) or TABLE_OF_LOWER_NAME.get(own)


def read_options(operator: Any, kind: str, budget: Budget) -> dict[str, Any]:
    """The fields of ``operator``, a ``tflite.Operator``; the defaults where the file has no table.

    Vectors of numbers become tuples, enums the schema's names. Strings and tables inside of
    tables are left out.
    """
    stored = operator.BuiltinOptionsType()
    expected = table_name(kind)
    found = TABLE_NAMES.get(stored)
    if found is None:
        raise ModelError(f"has options of type {stored}, which the schema does not know")
    if found != "NONE" and expected is not None and found != expected:
        raise ModelError(f"has {found} instead of {expected}")
    if found == "NONE":
        if expected is None:
            return {}
        return read_fields(expected, EMPTY_TABLE, 4, budget)
    table = operator.BuiltinOptions()
    if table is None:
        raise ModelError(f"declares {found} but has no such table")
    return read_fields(found, table.Bytes, table.Pos, budget)


@cache
def fields_of(name: str) -> tuple[tuple[str, str, bool], ...]:
    """``(method, field, is a vector)`` of the options table ``name``, from the accessors it has.

    Vectors of numbers are known by their AsNumpy; other vectors are left out.
    """
    methods = [m for m in vars(getattr(tflite, name)) if m[0].isupper() and m != "Init"]
    vectors = {m.removesuffix("Length") for m in methods if m.endswith("Length")}
    fields = []
    for method in methods:
        about_table = method.startswith("GetRootAs") or method.endswith("HasIdentifier")
        about_vector = any(method.startswith(v) and method != v for v in vectors)
        other_vector = method in vectors and f"{method}AsNumpy" not in methods
        if not (about_table or about_vector or other_vector):
            fields.append((method, snake_case(method), method in vectors))
    return tuple(fields)


def read_fields(name: str, data: bytes, position: int, budget: Budget) -> dict[str, Any]:
    """All fields of the options table ``name`` at ``position`` of ``data``."""
    table = getattr(tflite, name)()
    table.Init(data, position)
    fields: dict[str, Any] = {}
    for method, key, is_vector in fields_of(name):
        value = vector(table, method, budget) if is_vector else getattr(table, method)()
        if key in ENUMS:
            names = names_of(ENUMS[key])
            if value not in names:
                raise ModelError(f"has {key} {value}, which the schema does not know")
            value = names[value]
        if isinstance(value, int | float | str | tuple):
            fields[key] = value
    return fields


def snake_case(name: str) -> str:
    """``"DilationHFactor"`` to ``"dilation_h_factor"``, as the schema spells its fields."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
