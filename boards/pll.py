"""The clock: what setting of a device's PLL gives it, and the PLL itself."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from amaranth import ClockSignal, Instance, Module, Signal
from amaranth.lib import io


@dataclass(frozen=True)
class Family:
    """What devices have in common. ``pll(platform, pin, in_pad, from_hz, to_hz)`` gives the module
    of a PLL that drives the domain sync, and its `locked`."""

    name: str
    nextpnr: str
    extension: str
    pll: Callable[..., tuple[Module, Signal]]


def ice40_setting(from_hz: int, to_hz: int) -> tuple[int, int, int]:
    """``(divr, divf, divq)`` of an SB_PLL40, simple feedback; ValueError without an exact one.

    The reference divided is 10 to 133 MHz, the oscillator 533 to 1066 MHz (Lattice TN1251).
    """
    for divr, divq in product(range(16), range(1, 7)):
        reference = from_hz / (divr + 1)
        divf = to_hz * 2 ** divq / reference - 1
        if 10e6 <= reference <= 133e6 and 0 <= divf <= 127 and divf == int(divf) \
                and 533e6 <= to_hz * 2 ** divq <= 1066e6:
            return divr, int(divf), divq
    raise ValueError(f"the PLL must make {to_hz:,} Hz of {from_hz:,} Hz exactly, which it cannot")


def ice40_pll(platform, pin, in_pad: bool, from_hz: int, to_hz: int) -> tuple[Module, Signal]:
    """An SB_PLL40_PAD at the clock's own pad, or an SB_PLL40_CORE."""
    divr, divf, divq = ice40_setting(from_hz, to_hz)
    m, locked = Module(), Signal()
    reference = from_hz / (divr + 1)
    # The loop filter's range by the reference, as icepll has it (Lattice TN1251, table 5).
    filter_range = next(index + 1 for index, limit in enumerate((17, 26, 44, 66, 101, 133))
                        if reference <= limit * 1e6)
    if in_pad:
        kind, source = "SB_PLL40_PAD", {"i_PACKAGEPIN": pin.io}
    else:
        m.submodules.buffer = buffer = io.Buffer("i", pin)
        kind, source = "SB_PLL40_CORE", {"i_REFERENCECLK": buffer.i}
    m.submodules.pll = Instance(
        kind, p_FEEDBACK_PATH="SIMPLE", p_DIVR=divr, p_DIVF=divf, p_DIVQ=divq,
        p_FILTER_RANGE=filter_range, i_RESETB=1, i_BYPASS=0, **source,
        o_PLLOUTGLOBAL=ClockSignal(), o_LOCK=locked)
    return m, locked


def ecp5_setting(from_hz: int, to_hz: int) -> tuple[int, int, int]:
    """``(clki_div, clkfb_div, clkop_div)`` of an EHXPLLL, feedback from CLKOP; ValueError without
    an exact one. The oscillator is 400 to 800 MHz (Lattice TN1263), its reference 3.125 to 400
    (Project Trellis, ecppll)."""
    for clki_div in range(1, 129):
        clkfb_div = to_hz * clki_div / from_hz
        if clkfb_div != int(clkfb_div) or not 1 <= clkfb_div <= 80 \
                or not 3.125e6 <= from_hz / clki_div <= 400e6:
            continue
        for clkop_div in range(128, 0, -1):
            if 400e6 <= to_hz * clkop_div <= 800e6:
                return clki_div, int(clkfb_div), clkop_div
    raise ValueError(f"the PLL must make {to_hz:,} Hz of {from_hz:,} Hz exactly, which it cannot")


def ecp5_pll(platform, pin, in_pad: bool, from_hz: int, to_hz: int) -> tuple[Module, Signal]:
    """An EHXPLLL, its output in phase with its input."""
    clki_div, clkfb_div, clkop_div = ecp5_setting(from_hz, to_hz)
    m, locked = Module(), Signal()
    m.submodules.buffer = buffer = io.Buffer("i", pin)
    m.submodules.pll = Instance(
        "EHXPLLL", a_FREQUENCY_PIN_CLKI=str(from_hz / 1e6), a_FREQUENCY_PIN_CLKOP=str(to_hz / 1e6),
        a_ICP_CURRENT="12", a_LPF_RESISTOR="8", p_CLKI_DIV=clki_div, p_CLKFB_DIV=clkfb_div,
        p_CLKOP_DIV=clkop_div, p_CLKOP_CPHASE=clkop_div - 1, p_CLKOP_ENABLE="ENABLED",
        p_FEEDBK_PATH="CLKOP", i_CLKI=buffer.i, i_CLKFB=ClockSignal(), i_RST=0, i_STDBY=0,
        i_PHASESEL0=0, i_PHASESEL1=0, i_PHASEDIR=1, i_PHASESTEP=1, i_PHASELOADREG=1,
        i_PLLWAKESYNC=0, i_ENCLKOP=0, o_CLKOP=ClockSignal(), o_LOCK=locked)
    return m, locked


ICE40_PLL = Family("ice40", "nextpnr-ice40", "bin", ice40_pll)
ECP5_PLL  = Family("ecp5", "nextpnr-ecp5", "bit", ecp5_pll)
