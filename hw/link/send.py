"""Frames to the line: a CRC behind them, COBS around them."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .crc import SerialCrc

DEPTH = 512                # bytes that may wait for the line


class FrameSender(wiring.Component):
    """Takes header and payload from ``i``, its last byte marked; ``o`` is what goes on the line.

    The bytes wait in a memory until the code of their COBS block is known, which stands in front of
    them.
    """

    i: In(stream.Signature(data.StructLayout({"byte": 8, "last": 1})))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = SerialCrc()
        m.submodules.memory = memory = Memory(shape=8, depth=DEPTH, init=[])
        write, read = memory.write_port(), memory.read_port()

        # The block that is open has its code at `code_addr`; what lies before that may go.
        w_addr, code_addr, r_addr = (Signal(range(DEPTH), name=name)
                                     for name in ("w_addr", "code_addr", "r_addr"))
        m.d.comb += [
            read.addr.eq(r_addr), self.o.payload.eq(read.data),
            read.en.eq((r_addr != code_addr) & (self.o.ready | ~self.o.valid)),
        ]
        with m.If(read.en):
            m.d.sync += [self.o.valid.eq(1), r_addr.eq(r_addr + 1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        # A byte joins the block (`put`), or ends it (`close`): a zero that the code stands for, or
        # none, where it is full. Either way a place is taken: the byte's, or the next code's.
        byte, code, next_addr = Signal(8), Signal(8), Signal.like(w_addr)
        put, close, open_block = Signal(), Signal(), Signal()
        full = code == 0xff
        m.d.comb += [
            next_addr.eq(w_addr + 1),
            write.en.eq(put | close), write.addr.eq(Mux(close, code_addr, w_addr)),
            write.data.eq(Mux(close, code, byte)),
        ]
        m.d.sync += code.eq(Mux(open_block, 1, code + put))
        with m.If(put | open_block):
            m.d.sync += w_addr.eq(next_addr)
        with m.If(open_block):
            m.d.sync += code_addr.eq(w_addr)

        room, take, sum_index = Signal(), Signal(), Signal(range(4))
        free = Signal.like(w_addr)               # (a cycle late, so some are kept in reserve)
        m.d.sync += free.eq(r_addr - next_addr)
        m.d.comb += room.eq(free[2:].any())
        with m.If(full & room):
            m.d.comb += [close.eq(1), open_block.eq(1)]
        with m.Elif(take & room):
            m.d.comb += [put.eq(byte != 0), close.eq(byte == 0), open_block.eq(byte == 0)]
        took = take & room & ~full
        with m.FSM():
            with m.State("OPEN"):                # a place for the first code
                m.d.comb += [crc.clear.eq(1), open_block.eq(room & self.i.valid)]
                with m.If(open_block):
                    m.next = "BODY"
            with m.State("BODY"):
                m.d.comb += [
                    byte.eq(self.i.p.byte), take.eq(self.i.valid & crc.i.ready),
                    crc.i.payload.eq(self.i.p.byte), crc.i.valid.eq(took), self.i.ready.eq(took),
                ]
                with m.If(took & self.i.p.last):
                    m.next = "SUM"
            with m.State("SUM"):
                m.d.comb += [byte.eq(crc.crc.word_select(sum_index, 8)), take.eq(crc.i.ready)]
                with m.If(took):
                    m.d.sync += sum_index.eq(sum_index + 1)
                    with m.If(sum_index == 3):
                        m.next = "CLOSE"
            with m.State("CLOSE"):
                with m.If(~full):
                    m.d.comb += close.eq(1)
                    m.d.sync += code.eq(1)
                    m.next = "END"
            with m.State("END"):                 # the zero that ends the frame
                m.d.comb += put.eq(room)
                with m.If(room):
                    m.next = "LEAVE"
            with m.State("LEAVE"):               # ... may go on its way
                m.d.sync += code_addr.eq(w_addr)
                m.next = "OPEN"
        return m
