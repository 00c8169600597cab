"""A simulated board: the whole system, its flash chip, and the host's end of the line."""

import numpy as np
from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect

from hw.config import PAD_CYCLES
from hw.flash import FlashPins
from hw.link.uart import Receiver, Transmitter
from hw.system import System, SystemConfig
from sim.compiled import Design, compile_design
from sim.flash_chip import FlashChip

LINE_BYTES = 1 << 16           # that may be on their way in either direction
QUIET_CYCLES = 4096            # of rest on both lines, until the board counts as quiet


class RtlBoard(wiring.Component):
    """What of a board goes on behind its pins: our RTL, and the registers of the pads."""

    def __init__(self, config: SystemConfig):
        self.config = config
        super().__init__(board_pins())

    def elaborate(self, platform):
        m = Module()
        m.submodules.system = system = System(self.config)
        m.d.comb += [system.rx.eq(self.rx), self.tx.eq(system.tx), self.active.eq(system.active),
                     self.verdict.eq(system.verdict), self.fault.eq(system.fault)]
        if self.config.flash_dq:
            inside, outside = system.flash, self.flash
            m.d.sync += [outside.cs.eq(inside.cs), outside.sck.eq(inside.sck),
                         outside.dq_o.eq(inside.dq_o), outside.dq_oe.eq(inside.dq_oe)]
            taken = Cat(outside.dq_i, outside.dq_mid)
            for stage in range(PAD_CYCLES[self.config.flash_dq] - 1):
                after = Signal.like(taken, name=f"taken{stage}")
                m.d.sync += after.eq(taken)
                taken = after
            m.d.comb += Cat(inside.dq_i, inside.dq_mid).eq(taken)
        return m


def board_pins() -> dict:
    """A board's serial line, LEDs, and flash chip; ``active`` while it has something to do."""
    return {"rx": In(1, init=1), "tx": Out(1, init=1), "verdict": Out(1), "fault": Out(1),
            "active": Out(1), "flash": Out(FlashPins())}


class BoardBench(wiring.Component):
    """Plays the first ``given`` bytes of the memory `to_board`, over and over, into the board's
    line, and keeps what comes back in `from_board`, ``kept`` bytes by now (all modulo their size).

    ``quiet``: nothing is on either line, and the board has nothing to do. ``broken``: somebody
    broke the flash chip's rules, or a byte came without its stop bit. ``board`` is our RTL unless
    another one is given.
    """

    def __init__(self, config: SystemConfig, board: wiring.Component | None = None):
        self.config = config
        self.board  = board or RtlBoard(config)
        super().__init__({
            "given":   In(range(LINE_BYTES)),
            "sent":    Out(range(LINE_BYTES)),
            "kept":    Out(range(LINE_BYTES)),
            "quiet":   Out(1),
            "broken":  Out(1),
            "verdict": Out(1),
            "fault":   Out(1),
            "noise":   In(1),          # inverts the line to the board
            "look":    In(range(LINE_BYTES)),    # a byte that is kept, so that Yosys keeps them too
            "seen":    Out(8),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.board = board = self.board
        line = {"clock_hz": config.clock_hz, "baud": config.baud}
        m.submodules.tx = tx = Transmitter(**line)
        m.submodules.rx = rx = Receiver(**line)
        m.d.comb += [board.rx.eq(tx.line ^ self.noise), rx.line.eq(board.tx),
                     self.verdict.eq(board.verdict), self.fault.eq(board.fault)]
        if config.flash_dq:
            m.submodules.chip = chip = FlashChip(depth=2 * config.slot_bytes,
                                                 base=config.store_base)
            connect(m, board.flash, chip.pins)
            with m.If(chip.broken):
                m.d.sync += self.broken.eq(1)

        m.submodules.to_board   = to_board   = Memory(shape=8, depth=LINE_BYTES, init=[])
        m.submodules.from_board = from_board = Memory(shape=8, depth=LINE_BYTES, init=[])
        read, write = to_board.read_port(domain="comb"), from_board.write_port()
        seen = from_board.read_port(domain="comb")
        m.d.comb += [
            seen.addr.eq(self.look), self.seen.eq(seen.data),
            read.addr.eq(self.sent), tx.i.payload.eq(read.data),
            tx.i.valid.eq(self.sent != self.given),
            write.addr.eq(self.kept), write.data.eq(rx.o.p.byte), write.en.eq(rx.o.valid),
        ]
        with m.If(tx.i.valid & tx.i.ready):
            m.d.sync += self.sent.eq(self.sent + 1)
        with m.If(rx.o.valid):
            m.d.sync += self.kept.eq(self.kept + 1)
            with m.If(rx.o.p.error):
                m.d.sync += self.broken.eq(1)

        rest = Signal(range(QUIET_CYCLES))
        m.d.comb += self.quiet.eq(rest == QUIET_CYCLES - 1)
        with m.If(tx.i.valid | ~tx.i.ready | ~board.tx | board.active
                  | ~(board.verdict | board.fault)):
            m.d.sync += rest.eq(0)
        with m.Elif(~self.quiet):
            m.d.sync += rest.eq(rest + 1)
        return m


class SimulatedBoard:
    """A board that has just been switched on. ``slots`` are the images that its flash holds;
    ``design`` is a compiled BoardBench, by default that of our RTL."""

    def __init__(self, config: SystemConfig, slots: tuple[bytes, ...] = (),
                 design: Design | None = None):
        self.config = config
        self.machine = (design or compile_design(BoardBench(config))).machine()
        self.cycles = 0
        self._received = 0             # bytes of the line, modulo its memory's
        if config.flash_dq:
            self.flash[:] = 0xff
            for slot, image in enumerate(slots):
                first = slot * config.slot_bytes
                self.flash[first:first + len(image)] = np.frombuffer(image, np.uint8)

    @property
    def flash(self) -> np.ndarray:
        """The flash chip's bytes from the first slot on."""
        return self.machine.memory("chip.memory")

    def run(self, cycles: int) -> int:
        """Runs until the board is quiet, or for so many cycles; the cycles that it took."""
        # (One cycle in any case, in which a quiet board hears that there is something to send.)
        passed = self.machine.run(1)
        passed += self.machine.run(max(0, cycles - 1), until="quiet")
        self.cycles += passed
        return passed

    def send(self, data: bytes) -> int:
        """Puts bytes on the line, as many as there is room for; how many."""
        machine, given = self.machine, self.machine["given"]
        room = (machine["sent"] - given - 1) % LINE_BYTES
        data = data[:room]
        places = (given + np.arange(len(data))) % LINE_BYTES
        machine.memory("to_board")[places] = np.frombuffer(data, np.uint8)
        machine["given"] = (given + len(data)) % LINE_BYTES
        return len(data)

    def receive(self) -> bytes:
        """What has come back since the last time."""
        kept = self.machine["kept"]
        places = np.arange(self._received, kept if kept >= self._received else kept + LINE_BYTES)
        self._received = kept
        return self.machine.memory("from_board")[places % LINE_BYTES].astype(np.uint8).tobytes()
