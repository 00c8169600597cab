"""Jumps: what a layer's reads and writes add to their places, a word for each kind of step."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .config import READ_STEPS, STEPS, WRITE_STEPS
from .layouts import jump_layout


class Jumps(wiring.Component):
    """The jumps of two layers: of the one that runs, and of the next, as the tape brings them.

    ``read`` (``write``) has a jump from the cycle after ``read_en`` (``write_en``) on, that of the
    ``read_step`` (``write_step``). ``start`` makes the layer run whose jumps came last, and gives
    both the jump to where they begin.

    Platform override: ``platform.few_words``, attributes of memories with as few words as here.
    """

    def __init__(self, config):
        self.config = config
        layout = jump_layout(config)
        super().__init__({
            "i":     In(stream.Signature(data.ArrayLayout(8, config.tape_bytes),
                                         always_ready=True)),
            "start": In(1),
            "read_en":    In(1),
            "read_step":  In(range(STEPS)),
            "read":       Out(layout["read"].shape),
            "write_en":   In(1),
            "write_step": In(range(STEPS)),
            "write":      Out(layout["write"].shape),
        })

    def elaborate(self, platform):
        m = Module()
        config, layout = self.config, jump_layout(self.config)
        beat_bits = 8 * config.tape_bytes

        # A word comes in parts, a beat each:
        filled = Signal()                    # the half that the tape fills
        index, part = Signal(range(STEPS)), Signal(range(config.jump_beats))
        with m.If(self.start):
            m.d.sync += filled.eq(~filled)
        with m.If(self.i.valid):
            m.d.sync += part.eq(part + 1)
            with m.If(part == config.jump_beats - 1):
                m.d.sync += [part.eq(0), index.eq(index + 1)]

        running = filled ^ ~self.start
        for name, jump, en, step, begin in (
                ("read", self.read, self.read_en, self.read_step, READ_STEPS["start"]),
                ("write", self.write, self.write_en, self.write_step, WRITE_STEPS["start"])):
            place = layout[name]
            pieces = []
            for beat in range(config.jump_beats):
                low  = max(place.offset, beat * beat_bits)
                high = min(place.offset + place.width, (beat + 1) * beat_bits)
                if low >= high:
                    continue
                m.submodules[f"{name}{beat}"] = memory = Memory(
                    shape=high - low, depth=2 * STEPS, init=[],
                    attrs=getattr(platform, "few_words", {}))
                w, r = memory.write_port(), memory.read_port()
                bits = Value.cast(self.i.payload)[low - beat * beat_bits:high - beat * beat_bits]
                m.d.comb += [
                    w.en.eq(self.i.valid & (part == beat)), w.addr.eq(Cat(index, filled)),
                    w.data.eq(bits), r.en.eq(en | self.start),
                    r.addr.eq(Cat(Mux(self.start, begin, step), running)),
                ]
                pieces.append(r.data)
            m.d.comb += Value.cast(jump).eq(Cat(pieces))
        return m
