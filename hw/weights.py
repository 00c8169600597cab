"""The weight rings: what the tape brings ahead, and what every pixel of a layer plays again."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .array import Beat
from .config import SHORT_RING


class WeightRead(data.Struct):
    """A row's turn to read a word."""

    beat:    Beat
    release: 1     # nobody will read the word again


class WeightRings(wiring.Component):
    """A ring of ``weight_words`` words for each row of the array, all filled and read alike.

    ``i`` takes the tape's beats: ``tape_rows`` rows of one word, then the next rows; it waits
    while the ring is full of words that have not been let go of.

    ``read`` and ``r_addr`` ask for a word of the first `rows_together` rows; the next ones read it
    a cycle of ``en`` later, and each gives it a cycle after, until the next cycle of ``en``, as the
    array wants it.
    ``written`` counts the words that came in, modulo twice the ring.

    Platform override: ``platform.short_rings``, attributes of memories of up to SHORT_RING words,
    which need not be block RAM.
    """

    def __init__(self, config):
        self.config = config
        word = data.ArrayLayout(signed(8), config.lanes)
        super().__init__({
            "i":       In(stream.Signature(data.ArrayLayout(8, config.tape_bytes))),
            "written": Out(range(2 * config.weight_words)),

            "en":     In(1),
            "read":   In(WeightRead),
            "r_addr": In(range(config.weight_words)),
            "w":      Out(word).array(config.rows),
            "beat":   Out(Beat).array(config.rows),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        beats = config.rows // config.tape_rows

        # Fill: the oldest word still wanted must not be overwritten. The level has a register of
        # its own, as long paths begin at `ready`.
        level, release = Signal.like(self.written), Signal()
        part  = Signal(range(beats))
        taken, whole = self.i.valid & self.i.ready, Signal()
        m.d.comb += [self.i.ready.eq(~level[-1]), whole.eq(taken & (part == beats - 1))]
        m.d.sync += level.eq(level + whole - release)
        with m.If(taken):
            m.d.sync += part.eq(part + 1)
        with m.If(whole):
            m.d.sync += part.eq(0)
        coming = {"fill": Cat(taken & (part == index) for index in range(beats)),
                  "whole": whole, "bytes": Value.cast(self.i.payload)}
        if config.late_weights:
            now, coming = coming, {}
            for name, value in now.items():
                coming[name] = Signal(len(value), name=f"late_{name}",
                                      reset_less=name == "bytes")
                m.d.sync += coming[name].eq(value)
        m.d.sync += self.written.eq(self.written + coming["whole"])

        # Read, a step of rows a cycle later than the one above it:
        is_short = config.weight_words <= SHORT_RING
        attrs = getattr(platform, "short_rings", {}) if is_short else {}
        read, addr = self.read, self.r_addr
        for row in range(config.rows):
            m.submodules[f"ring{row}"] = ring = Memory(
                shape=8 * config.lanes, depth=config.weight_words, init=[], attrs=attrs)
            w, r = ring.write_port(), ring.read_port()
            m.d.comb += [
                w.en.eq(coming["fill"][row // config.tape_rows]), w.addr.eq(self.written),
                w.data.eq(coming["bytes"].word_select(row % config.tape_rows, 8 * config.lanes)),
                r.en.eq(self.en), r.addr.eq(addr), self.w[row].eq(r.data),
            ]
            if row % config.rows_together == 0:
                next_read, next_addr = Signal(WeightRead), Signal.like(
                    self.r_addr, reset_less=True)
                with m.If(self.en):
                    m.d.sync += [next_read.eq(read), next_addr.eq(addr)]
            m.d.comb += self.beat[row].eq(next_read.beat)
            if row % config.rows_together == config.rows_together - 1:
                read, addr = next_read, next_addr

        # The last row has read the word once its request has come out behind it:
        m.d.comb += release.eq(self.en & read.beat.valid & read.release)
        return m
