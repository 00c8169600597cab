"""The boards that this project knows."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.build import Attrs, Pins, PinsN, Platform, Resource, Subsignal
from amaranth_boards import icebreaker, orangecrab_r0_2, ulx3s, upduino_v3
from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform
from amaranth_boards.resources import UARTResource

from boards.pll import ECP5_PLL, ICE40_PLL, Family
from compiler.targets import TARGETS, Target
from hw.ecp5 import Slices
from hw.ice40 import LogicCells, UltraPlusBlocks


@dataclass(frozen=True)
class Board:
    """``clocks_mhz`` are those that a build may choose from, ``flash_resource`` is the platform's
    name of the flash."""

    name: str
    title: str
    family: Family
    platform: Callable[[], Platform]
    clock_in: tuple[str, int]          # the platform's resource, and its Hz
    pnr: tuple[str, ...]               # nextpnr's options for the device
    clocks_mhz: tuple[int, ...]
    usb: tuple[int, int] | None        # vendor and product of its serial port, None: any adapter
    programmer: tuple[str, ...]        # openFPGALoader's options
    leds: tuple[tuple[str, int], ...] = ()       # verdict, fault
    pll_in_pad: bool = False
    flash_resource: str = ""
    writes_slots: bool = True          # the programmer, to any address of the flash

    @property
    def target(self) -> Target:
        """Its engine and clock."""
        return TARGETS[self.name]


class ICEBreaker(UltraPlusBlocks, icebreaker.ICEBreakerPlatform):
    """The UP5K's blocks behind the hooks."""


class UPduino(UltraPlusBlocks, upduino_v3.UpduinoV3Platform):
    """... and a UART on its header: receives on pin 28, sends on pin 38."""

    default_clk = "clk12"
    resources = [*upduino_v3.UpduinoV3Platform.resources,
                 UARTResource(0, rx="28", tx="38", attrs=Attrs(IO_STANDARD="SB_LVCMOS"))]


class HX8K(LogicCells, ICE40HX8KBEVNPlatform):
    """The HX8K's cells behind the hooks."""


def config_flash(cs: str, dq: str) -> Resource:
    """The flash that an ECP5 boots from; only the cell USRMCLK can give its clock. Four lines: the
    upper two are to be up while the lower two read."""
    return Resource("config_flash", 0, Subsignal("cs", PinsN(cs, dir="o")),
                    Subsignal("dq", Pins(dq, dir="io")),
                    Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP"))


class OrangeCrab(Slices, orangecrab_r0_2.OrangeCrabR0_2_25FPlatform):
    """A UART on its header: receives on pin 0, sends on pin 1."""

    resources = [*orangecrab_r0_2.OrangeCrabR0_2_25FPlatform.resources,
                 config_flash("U17", "U18 T18 R18 N18"),
                 UARTResource(0, rx="N17", tx="M18", attrs=Attrs(IO_TYPE="LVCMOS33"))]


def ulx3s_board(size: str, device: str, platform: type) -> Board:
    """The ULX3S with an ECP5 of one of its sizes."""
    resources = [*platform.resources, config_flash("R2", "W2 V2 Y2 W1")]
    platform = type(platform.__name__, (Slices, platform), {"resources": resources})
    return Board(f"ulx3s-{size.lower()}", f"ULX3S {size} (ECP5)", ECP5_PLL, platform,
                 ("clk25", 25_000_000), (device, "--package", "CABGA381", "--speed", "6"),
                 (25, 40, 50, 55, 60, 65, 70, 75, 80, 100), (0x0403, 0x6015), ("-b", "ulx3s"), LEDS,
                 flash_resource="config_flash")


UP5K_PNR = ("--up5k", "--package", "sg48")
LEDS = (("led", 0), ("led", 1))

BOARDS = {board.name: board for board in (
    Board("icebreaker", "iCEBreaker (iCE40UP5K)", ICE40_PLL, ICEBreaker, ("clk12", 12_000_000),
          UP5K_PNR, (12, 18, 24, 30, 36), (0x0403, 0x6010), ("-b", "ice40_generic"),
          (("led_g", 0), ("led_r", 0)), pll_in_pad=True, flash_resource="spi_flash_4x"),
    Board("upduino", "UPduino v3 (iCE40UP5K), UART on its header", ICE40_PLL, UPduino,
          ("clk12", 12_000_000), UP5K_PNR, (12, 18, 24, 30, 36), None, ("-b", "ice40_generic"),
          pll_in_pad=False, flash_resource="spi_flash_2x"),
    Board("hx8k", "iCE40-HX8K-B-EVN (iCE40HX8K)", ICE40_PLL, HX8K,
          ("clk12", 12_000_000), ("--hx8k", "--package", "ct256"), (12, 24, 36, 48, 60),
          (0x0403, 0x6010), ("-b", "ice40_generic"), LEDS, flash_resource="spi_flash_2x"),
    ulx3s_board("25F", "--25k", ulx3s.ULX3S_25F_Platform),
    ulx3s_board("85F", "--85k", ulx3s.ULX3S_85F_Platform),
    ulx3s_board("12F", "--12k", ulx3s.ULX3S_12F_Platform),
    ulx3s_board("45F", "--45k", ulx3s.ULX3S_45F_Platform),
    Board("orangecrab", "OrangeCrab r0.2 25F (ECP5), UART on its header", ECP5_PLL, OrangeCrab,
          ("clk", 48_000_000), ("--25k", "--package", "CSFBGA285", "--speed", "8"),
          (24, 40, 48, 60, 64, 72, 80, 100), None, ("-b", "orangecrab"),
          flash_resource="config_flash", writes_slots=False),
)}
DEFAULT = BOARDS["icebreaker"]
