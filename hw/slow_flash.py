"""A flash chip whose clock is half as fast as the engine's."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from .flash import FlashPins, store_ports


class SlowFlash(wiring.Component):
    """Does what ``flash`` does, with two cycles for each of its own.

    The chip's clock is a register's output, up for a cycle and down for one, and its answer has two
    cycles for its way. A request begins with the first of two cycles, whenever it comes: what
    follows takes the same time at any time.
    """

    def __init__(self, flash):
        self.flash = flash
        super().__init__(store_ports(flash.beat_bytes) | {"pins": Out(FlashPins())})

    def elaborate(self, platform):
        m = Module()
        flash, tick = self.flash, Signal()       # in the second of two cycles
        m.submodules.flash = EnableInserter(tick)(flash)
        idle = flash.request.ready & ~self.request.valid
        m.d.sync += tick.eq(~tick & ~idle)
        m.d.comb += [
            flash.stop.eq(self.stop), self.done.eq(flash.done & tick),
            flash.request.payload.eq(self.request.payload),
            flash.request.valid.eq(self.request.valid),
            self.request.ready.eq(flash.request.ready & tick),
            flash.i.payload.eq(self.i.payload), flash.i.valid.eq(self.i.valid),
            self.i.ready.eq(flash.i.ready & tick),
        ]

        # A beat that is taken in the first cycle is gone, though the flash hears of it in the tick.
        gone = Signal()
        m.d.sync += gone.eq(self.o.valid & self.o.ready & ~tick)
        m.d.comb += [self.o.payload.eq(flash.o.payload), self.o.valid.eq(flash.o.valid & ~gone),
                     flash.o.ready.eq(self.o.ready | gone)]

        # A pulse is up in the tick. What comes in while it is at the chip, so in the cycle before
        # the pads' registers have it at a tick, must be there for the two cycles behind that.
        held = Signal.like(self.pins.dq_i)
        with m.If(tick):
            m.d.sync += held.eq(self.pins.dq_i)
        m.d.comb += [
            self.pins.sck[1].eq(flash.pins.sck[1] & tick), self.pins.cs.eq(flash.pins.cs),
            self.pins.dq_o.eq(flash.pins.dq_o), self.pins.dq_oe.eq(flash.pins.dq_oe),
            flash.pins.dq_i.eq(held),
        ]
        return m
