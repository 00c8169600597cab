"""The tape reader: sends each packet to where it belongs."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import Packet
from .layouts import HEADER, layer_layout


class TapeReader(wiring.Component):
    """Takes packets from ``i``; what a packet holds goes to the stream of its kind.

    Records and weights are taken ahead as far as their rings have room, jumps at once. A layer's
    configuration and table wait until the engine is ``idle``; the configuration then stays in
    ``layer``, and ``start`` comes with it for one cycle.
    """

    def __init__(self, config):
        self.config = config
        beat = data.ArrayLayout(8, config.tape_bytes)
        super().__init__({
            "i":       In(stream.Signature(beat)),
            "records": Out(stream.Signature(beat)),
            "weights": Out(stream.Signature(beat)),
            "table":   Out(stream.Signature(8, always_ready=True)),
            "jumps":   Out(stream.Signature(beat, always_ready=True)),
            "layer":   Out(layer_layout(config)),
            "start":   Out(1),
            "idle":    In(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        beat_bits = 8 * config.tape_bytes
        beat = Value.cast(self.i.payload)
        taken = self.i.valid & self.i.ready

        def shift_in(name, beats):
            """A register that the last ``beats`` beats fill, and what it is with the next one."""
            register = Signal(beats * beat_bits, name=name)
            return register, Cat(register, beat)[beat_bits:]

        # The header:
        in_packet = Signal()
        register, filled = shift_in("header", config.header_beats)
        header = data.View(HEADER, filled[:HEADER.size])
        header_left = Signal(range(config.header_beats), init=config.header_beats - 1)
        kind, left = Signal(Packet), Signal.like(header.beats)
        with m.If(taken & ~in_packet):
            m.d.sync += [register.eq(filled), header_left.eq(header_left - 1)]
            with m.If(header_left == 0):
                m.d.sync += [
                    header_left.eq(config.header_beats - 1), in_packet.eq(1),
                    kind.eq(header.kind[:len(Value.cast(kind))]), left.eq(header.beats),
                ]
        with m.Elif(taken):
            m.d.sync += left.eq(left - 1)
            with m.If(left == 0):
                m.d.sync += in_packet.eq(0)

        # The content. A configuration has a register of its own for each beat:
        layer_bits = [Signal(beat_bits, name=f"layer_{index}", reset_less=True)
                      for index in range(config.layer_beats)]
        layer_beat = Signal(range(config.layer_beats))
        m.d.comb += self.layer.eq(Cat(layer_bits))
        m.d.comb += [self.records.payload.eq(beat), self.weights.payload.eq(beat),
                     self.jumps.payload.eq(beat), self.table.payload.eq(self.i.payload[0])]
        waiting = self.idle & ~self.start
        m.d.sync += self.start.eq(0)
        with m.If(~in_packet):
            m.d.comb += self.i.ready.eq(1)
        with m.Else():
            with m.Switch(kind):
                with m.Case(Packet.LAYER):
                    m.d.comb += self.i.ready.eq(waiting)
                    with m.If(taken):
                        m.d.sync += [self.start.eq(left == 0), layer_beat.eq(layer_beat + 1)]
                        with m.If(left == 0):
                            m.d.sync += layer_beat.eq(0)
                    for index, bits in enumerate(layer_bits):
                        with m.If(taken & (layer_beat == index)):
                            m.d.sync += bits.eq(beat)
                with m.Case(Packet.RECORDS):
                    m.d.comb += [self.records.valid.eq(self.i.valid),
                                 self.i.ready.eq(self.records.ready)]
                with m.Case(Packet.WEIGHTS):
                    m.d.comb += [self.weights.valid.eq(self.i.valid),
                                 self.i.ready.eq(self.weights.ready)]
                with m.Case(Packet.TABLE):
                    m.d.comb += [self.table.valid.eq(self.i.valid & waiting),
                                 self.i.ready.eq(waiting)]
                with m.Case(Packet.JUMPS):       # (the layer before has long begun)
                    m.d.comb += [self.jumps.valid.eq(self.i.valid), self.i.ready.eq(1)]
                with m.Case(Packet.CHECK):       # for those who keep the tape
                    m.d.comb += self.i.ready.eq(1)
        return m
