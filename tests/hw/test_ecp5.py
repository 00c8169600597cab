import pytest
from prove import needs_yosys, prove_same

from hw.ecp5 import Slices
from hw.own import OwnRegister
from hw.rows import TwoRows


@needs_yosys
@pytest.mark.parametrize("subtract", (False, True))
def test_two_rows(tmp_path, subtract):
    prove_same(tmp_path, lambda: TwoRows(subtract=subtract), Slices(), cells=["CCU2C"],
               clocked=False)


@needs_yosys
def test_own_register(tmp_path):
    prove_same(tmp_path, lambda: OwnRegister(3), Slices(), cells=["TRELLIS_FF"])


class Wrong(Slices):
    """A platform that adds where it ought to subtract."""

    def get_two_rows(self, component):
        inner = TwoRows()
        m = super().get_two_rows(inner)
        m.d.comb += [inner.a.eq(component.a), inner.b.eq(component.b), component.o.eq(inner.o)]
        return m


@needs_yosys
def test_finds_difference(tmp_path):
    with pytest.raises(AssertionError, match="proof did fail"):
        prove_same(tmp_path, lambda: TwoRows(subtract=True), Wrong(), cells=["CCU2C"],
                   clocked=False)
