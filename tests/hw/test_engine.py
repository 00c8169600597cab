import re

import pytest
from amaranth.back import rtlil
from simulation import small_config

from hw.engine import Engine
from hw.ice40 import UltraPlusBlocks

GEOMETRIES = ((1, 1, 1), (1, 2, 4), (3, 2, 3), (4, 4, 1), (4, 1, 4))


@pytest.mark.parametrize("config", (None, {"rows": 4}, 4))
def test_refuses(config):
    with pytest.raises(TypeError) as refusal:
        Engine(config)
    assert str(refusal.value) == f"An engine is made from an EngineConfig, not {config!r}"


@pytest.mark.parametrize("rows, columns, lanes", GEOMETRIES)
def test_elaborates(rows, columns, lanes):
    config = small_config(rows, columns, lanes)
    text = rtlil.convert(Engine(config))
    assert len(re.findall(r"\nmodule \\top\.array\S*\.pe_\d+_\d+\n", text)) == rows * columns
    assert "cell \\SB_" not in text


@pytest.mark.parametrize("rows, columns, lanes", GEOMETRIES)
def test_elaborates_with_blocks(rows, columns, lanes):
    banks = small_config(rows, columns, lanes).banks
    config = small_config(rows, columns, lanes, scratchpad_bytes=banks << 15)
    text = rtlil.convert(Engine(config), platform=UltraPlusBlocks())
    assert text.count("cell \\SB_MAC16 ") == rows * columns * -(-lanes // 2)
    assert text.count("cell \\SB_SPRAM256KA ") == banks


def test_memories_of_other_sizes_are_left_to_yosys():
    text = rtlil.convert(Engine(small_config(1, 1, 4)), platform=UltraPlusBlocks())
    assert "cell \\SB_MAC16 " in text and "cell \\SB_SPRAM256KA " not in text
