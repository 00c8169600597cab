"""A store in memory on the chip: a ROM image that the line can write to."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.memory import Memory
from amaranth.utils import exact_log2

from .flash import Operation, store_ports

QUEUE_BEATS = 8            # as many as are on their way, and those that wait


class MemoryStore(wiring.Component):
    """Does what ``Flash`` does, for ``depth`` beats of memory that hold ``init`` at first. It gives
    a beat a cycle, needs no erasing, and programs a byte in two cycles."""

    def __init__(self, *, beat_bytes, depth, init=b""):
        self.beat_bytes = beat_bytes
        self.depth      = depth
        self.init       = init
        super().__init__(store_ports(beat_bytes))

    def elaborate(self, platform):
        m = Module()
        size = self.beat_bytes
        words = [int.from_bytes(self.init[first:first + size], "little")
                 for first in range(0, len(self.init), size)]
        m.submodules.memory = memory = Memory(shape=8 * size, depth=self.depth, init=words)
        write, read = memory.write_port(granularity=8), memory.read_port()

        select  = exact_log2(size)
        request, repeat = self.request.p, Signal()
        addr, beats = Signal(24), Signal.like(request.beats)     # a byte's address
        is_last = Signal()                   # byte to program

        # The memory may be large and far away: an address takes a cycle to it, a beat one from it
        # into a queue. And whether there is room does not depend on who takes them now.
        ask, clear = Signal(), Signal()
        far, asked = Signal(range(self.depth), reset_less=True), Signal()
        there, near, beat = Signal(), Signal(), Signal(8 * size, reset_less=True)
        places = Signal(range(QUEUE_BEATS + 1), init=QUEUE_BEATS)    # that nobody has asked for
        m.submodules.queue = queue = SyncFIFO(width=8 * size, depth=QUEUE_BEATS)
        m.d.sync += [
            far.eq(addr[select:]), asked.eq(ask), there.eq(asked), near.eq(there),
            beat.eq(read.data), places.eq(places - ask + (queue.r_rdy & queue.r_en)),
        ]
        m.d.comb += [
            read.addr.eq(far), queue.w_data.eq(beat), queue.w_en.eq(near),
            self.o.payload.eq(queue.r_data), self.o.valid.eq(queue.r_rdy & ~clear),
            queue.r_en.eq(self.o.ready | clear),
        ]
        # What is written goes the same way, to each byte of the memory by a register of its own.
        written, sent, byte = Signal(size), Signal(size), Signal(8, reset_less=True)
        m.d.sync += [sent.eq(written), byte.eq(self.i.p.byte), write.en.eq(sent)]
        m.d.comb += write.addr.eq(far)
        for place in range(size):
            data = Signal(8, name=f"data{place}", reset_less=True)
            with m.If(sent[place]):
                m.d.sync += data.eq(byte)
            m.d.comb += write.data.word_select(place, 8).eq(data)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.request.ready.eq(1)
                m.d.sync += [repeat.eq(request.repeat), addr.eq(request.addr),
                             beats.eq(request.beats)]
                with m.If(self.request.valid):
                    m.next = "FINISH"
                    with m.If(request.operation == Operation.READ):
                        m.next = "READ"
                    with m.If(request.operation == Operation.PROGRAM):
                        m.next = "PROGRAM"
            with m.State("READ"):
                m.d.comb += ask.eq(places != 0)
                with m.If(ask):
                    m.d.sync += [addr.eq(addr + size), beats.eq(beats - 1)]
                    with m.If(beats == 0):
                        m.d.sync += [addr.eq(request.addr), beats.eq(request.beats)]
                        with m.If(~repeat):
                            m.next = "FINISH"
                with m.If(self.stop):
                    m.next = "FINISH"
            with m.State("PROGRAM"):
                m.d.comb += [self.i.ready.eq(1),
                             written.eq(self.i.valid << addr[:select])]
                with m.If(self.i.valid):
                    m.d.sync += is_last.eq(self.i.p.last)
                    m.next = "PROGRAMMED"
            with m.State("PROGRAMMED"):          # (the address holds until the byte is there)
                m.d.sync += addr.eq(addr + 1)
                m.next = "PROGRAM"
                with m.If(is_last):
                    m.next = "FINISH"
            with m.State("FINISH"):
                m.d.comb += [clear.eq(self.stop), self.done.eq(places == QUEUE_BEATS)]
                with m.If(self.done):
                    m.next = "IDLE"
        return m
