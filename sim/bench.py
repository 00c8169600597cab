"""The test bench around an engine: memories for tape, inputs and outputs, and a stopwatch."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect

from hw.engine import Engine
from sim.rom import TapeRom


class Bench(wiring.Component):
    """Feeds ``in_bytes`` bytes of the input memory to the engine and keeps what it answers.

    ``done`` holds once ``out_bytes`` bytes have come; ``restart`` begins again with both memories.
    ``times`` remembers the cycle in which each layer ended, counted from the reset.
    Everything moves at one beat or byte a cycle, so the engine never waits for the bench.
    """

    def __init__(self, config, *, tape_depth, io_depth, times_depth=1 << 16, tape_init=()):
        self.config      = config
        self.tape_depth  = tape_depth
        self.io_depth    = io_depth
        self.times_depth = times_depth
        self.tape_init   = tape_init
        # Here, so that a testbench in Amaranth's simulator gets at their words:
        self.inputs  = Memory(shape=8, depth=io_depth, init=[])
        self.outputs = Memory(shape=8, depth=io_depth, init=[])
        self.times   = Memory(shape=48, depth=times_depth, init=[])
        super().__init__({
            "tape_length": In(range(tape_depth + 1)),
            "in_bytes":    In(range(io_depth + 1)),
            "out_bytes":   In(range(io_depth + 1)),
            "restart":     In(1),
            "done":        Out(1),
            "layer_done":  Out(1),
            "layers":      Out(32),
            "cycle":       Out(48),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.engine = engine = Engine(self.config)
        m.submodules.tape = tape = TapeRom(self.config, depth=self.tape_depth,
                                           init=self.tape_init)
        m.submodules.inputs  = inputs  = self.inputs
        m.submodules.outputs = outputs = self.outputs
        m.submodules.times   = times   = self.times
        connect(m, tape.o, engine.tape)
        m.d.comb += tape.length.eq(self.tape_length)

        given = Signal(range(self.io_depth + 1))
        read  = inputs.read_port(domain="comb")
        m.d.comb += [read.addr.eq(given), engine.i.payload.eq(read.data),
                     engine.i.valid.eq(given != self.in_bytes)]
        with m.If(engine.i.valid & engine.i.ready):
            m.d.sync += given.eq(given + 1)

        kept  = Signal(range(self.io_depth + 1))
        write = outputs.write_port()
        m.d.comb += [
            engine.o.ready.eq(1), write.en.eq(engine.o.valid), write.addr.eq(kept),
            write.data.eq(engine.o.payload), self.done.eq(kept == self.out_bytes),
        ]
        with m.If(engine.o.valid):
            m.d.sync += kept.eq(kept + 1)
        with m.If(self.restart):
            m.d.sync += [given.eq(0), kept.eq(0)]

        stamp = times.write_port()
        m.d.sync += self.cycle.eq(self.cycle + 1)
        m.d.comb += [self.layer_done.eq(engine.layer_done), stamp.en.eq(engine.layer_done),
                     stamp.addr.eq(self.layers), stamp.data.eq(self.cycle)]
        with m.If(engine.layer_done):
            m.d.sync += self.layers.eq(self.layers + 1)
        return m
