"""A store in memory on the chip: a ROM image that the line can write to."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.memory import Memory
from amaranth.utils import exact_log2

from .flash import Operation, store_ports

QUEUE_BEATS = 4


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
        m.d.comb += [
            read.addr.eq(addr[select:]), read.en.eq(0),        # (else it would be on)
        ]

        # The memory may be large and far away: a beat takes a cycle of its own from there into a
        # queue, and whether there is room for another does not depend on who takes them.
        clear, there, near, free = Signal(), Signal(), Signal(), Signal()
        beat = Signal.like(read.data)
        m.submodules.queue = queue = ResetInserter(clear)(
            SyncFIFO(width=8 * size, depth=QUEUE_BEATS))
        m.d.sync += [there.eq(read.en & ~clear), near.eq(there & ~clear), beat.eq(read.data)]
        m.d.comb += [
            free.eq(queue.level + there + near < QUEUE_BEATS),
            queue.w_data.eq(beat), queue.w_en.eq(near),
            self.o.payload.eq(queue.r_data), self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        # What is written goes a long way, too, and does so a cycle later.
        written = Signal(size)
        m.d.sync += [write.en.eq(written), write.addr.eq(addr[select:]),
                     write.data.eq(self.i.p.byte.replicate(size))]

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
                m.d.comb += read.en.eq(free)
                with m.If(free):
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
                    m.d.sync += addr.eq(addr + 1)
                    with m.If(self.i.p.last):
                        m.next = "FINISH"
            with m.State("FINISH"):
                m.d.comb += clear.eq(self.stop)
                m.d.comb += self.done.eq(~self.o.valid & ~there & ~near)
                with m.If(self.done):
                    m.next = "IDLE"
        return m
