import pytest
from compiled_random import RandomDesign, amaranth_outputs, compiled_outputs

from sim.compiled import compile_design

CYCLES = 40


def check(seed):
    design = RandomDesign(seed)
    stimulus = design.stimulus(CYCLES)
    wanted = amaranth_outputs(RandomDesign(seed), stimulus)
    got = compiled_outputs(compile_design(design, cache=False).machine(), stimulus)
    for cycle in range(CYCLES):
        assert got[cycle] == wanted[cycle], f"seed {seed}, cycle {cycle}"


@pytest.mark.parametrize("seed", range(60))
def test_as_amaranth(seed):
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1400))
def test_more_as_amaranth(seed):
    check(seed)
