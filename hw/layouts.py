"""The packets of a tape as hardware sees them: hw/fields.py in Amaranth's words."""

from amaranth.hdl import Shape
from amaranth.lib import data

from .fields import HEADER as HEADER_FIELDS
from .fields import RECORD as RECORD_FIELDS
from .fields import Fields, jump_fields, layer_fields


def struct(fields):
    """The layout of ``fields``, and of those inside of it."""
    return data.StructLayout({
        name: struct(field) if isinstance(field, Fields) else Shape(field.width, field.signed)
        for name, field in fields.items()})


HEADER = struct(HEADER_FIELDS)
RECORD = struct(RECORD_FIELDS)


def layer_layout(config):
    """The configuration of one layer."""
    return struct(layer_fields(config))


def jump_layout(config):
    """What a step adds to the place of a read, and of a write."""
    return struct(jump_fields(config))
