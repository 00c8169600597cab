"""Frames from the line: COBS undone, the CRC checked, the payload in the ring."""

import enum

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .crc import SerialCrc
from .ring import Ring
from .uart import ReceivedByte

VERSION = 1
MAX_PAYLOAD = 1023         # bytes that a frame from the host may carry; ones, all bits of them


class Type(enum.IntEnum):
    """What a frame is. Those from 9 on come from the board."""

    HELLO   = 1
    RESET   = 2
    DATA    = 3
    READ    = 4
    ERASE   = 5
    PROGRAM = 6
    WELCOME = 9
    ACK     = 10
    RESULT  = 11
    NAK     = 12
    BYTES   = 13
    DONE    = 14


class Reason(enum.IntEnum):
    """Why a frame had no effect."""

    DAMAGED  = 1
    SEQUENCE = 2
    OVERFLOW = 3
    TYPE     = 4
    ADDRESS  = 5
    NO_MODEL = 6
    WATCHDOG = 7
    STOPPED  = 8


class CobsDecoder(wiring.Component):
    """Undoes COBS. ``o`` gives the bytes; a frame is over with ``end``, and then ``whole`` says
    whether its last block was complete and no byte of it was bad on the line."""

    i:     In(stream.Signature(ReceivedByte, always_ready=True))
    o:     Out(stream.Signature(8, always_ready=True))
    end:   Out(1)
    whole: Out(1)

    def elaborate(self, platform):
        m = Module()
        byte  = self.i.p.byte
        left  = Signal(8)              # bytes of the block that are still to come
        zero  = Signal()               # the block stands for its bytes and a zero
        error = Signal()
        is_code = left == 0
        m.d.comb += [
            self.o.payload.eq(Mux(is_code, 0, byte)),
            self.o.valid.eq(self.i.valid & (byte != 0) & (~is_code | zero)),
            self.end.eq(self.i.valid & (byte == 0) & ~self.i.p.error),
            self.whole.eq(is_code & ~error),
        ]
        with m.If(self.end):
            m.d.sync += [left.eq(0), zero.eq(0), error.eq(0)]
        with m.Elif(self.i.valid):
            m.d.sync += left.eq(left - 1)
            with m.If(is_code):
                m.d.sync += [left.eq(byte - 1), zero.eq(byte != 0xff)]
            with m.If(self.i.p.error):
                m.d.sync += error.eq(1)
        return m


class Frame(data.Struct):
    """A frame's header, without its length."""

    type:     4
    version:  4
    sequence: 8


class FrameReceiver(wiring.Component):
    """Takes frames from ``i`` and gives the payloads' bytes to ``o``.

    DATA frames are taken while ``listening``, in the order of their sequence numbers; ``expected``
    is the next one. Any other frame is a ``command``, for one cycle, with ``frame``; where it may
    have a payload, ``o`` goes on with that, and what was there before is dropped. No command is
    taken while ``busy``. ``nak`` comes for a cycle with ``reason`` and ``frame`` where a frame was
    refused; ``deaf`` is the reason while not ``listening``. ``restart`` makes DATA begin with 0.

    While ``lent``, the CRC belongs to the bytes of ``check``, beginning with the first of them, and
    no frame is taken; ``match`` says whether they end with their CRC.
    """

    def __init__(self, *, ring_depth):
        self.ring_depth = ring_depth
        super().__init__({
            "i":         In(stream.Signature(ReceivedByte, always_ready=True)),
            "o":         Out(stream.Signature(8)),
            "listening": In(1),
            "deaf":      In(Reason),
            "busy":      In(1),
            "restart":   In(1),
            "command":   Out(1),
            "nak":       Out(1),
            "reason":    Out(Reason),
            "frame":     Out(Frame),
            "expected":  Out(8),
            "lent":      In(1),
            "check":     In(stream.Signature(8)),
            "match":     Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.cobs = cobs = CobsDecoder()
        m.submodules.crc  = crc  = SerialCrc()
        m.submodules.ring = ring = Ring(depth=self.ring_depth)
        connect(m, flipped(self.i), cobs.i)
        connect(m, ring.o, flipped(self.o))

        # All of the frame goes into the CRC (a byte is long on the line, so it is always ready);
        # the payload goes into the ring.
        frame, byte, valid = self.frame, cobs.o.payload, cobs.o.valid
        was_lent = Signal()
        m.d.sync += was_lent.eq(self.lent)
        m.d.comb += [
            crc.i.payload.eq(Mux(self.lent, self.check.payload, byte)),
            crc.i.valid.eq(Mux(self.lent, self.check.valid, valid)),
            crc.clear.eq(cobs.end & ~self.lent), ring.byte.eq(byte),
            self.check.ready.eq(crc.i.ready), self.match.eq(crc.match & crc.i.ready),
        ]
        with m.If(self.lent != was_lent):
            m.d.comb += crc.clear.eq(1)
        left     = Signal(range(MAX_PAYLOAD + 1))  # bytes of the payload that are still to come
        behind   = Signal(3)                       # bytes behind the payload: 4, if all is right
        too_long = Signal()
        overflow = Signal()
        length = Cat(left[:8], byte)
        with m.FSM() as fsm:
            def header_byte(state, following, *statements):
                with m.State(state):
                    with m.If(valid):
                        m.d.sync += statements
                        m.next = following
                    with m.If(cobs.end):
                        m.next = "TYPE"
            header_byte("TYPE", "SEQUENCE", Cat(frame.type, frame.version).eq(byte),
                        behind.eq(0), overflow.eq(0))
            header_byte("SEQUENCE", "LENGTH_LOW", frame.sequence.eq(byte))
            header_byte("LENGTH_LOW", "LENGTH_HIGH", left.eq(byte))
            header_byte("LENGTH_HIGH", "PAYLOAD", left.eq(length),
                        too_long.eq(length > MAX_PAYLOAD))
            with m.State("PAYLOAD"):
                m.d.comb += ring.write.eq(valid & (left != 0) & ~too_long)
                with m.If(valid & (left != 0)):
                    m.d.sync += left.eq(left - 1)
                    with m.If(ring.full):
                        m.d.sync += overflow.eq(1)
                with m.Elif(valid & (behind != 7)):
                    m.d.sync += behind.eq(behind + 1)
                with m.If(cobs.end):
                    m.next = "TYPE"

        # What becomes of it, a cycle later. A frame that is behind the one expected was sent twice.
        ahead = Signal(8)
        ended, right, accept = Signal(), Signal(), Signal()
        m.d.sync += [
            ended.eq(cobs.end & ~(fsm.ongoing("TYPE") & cobs.whole)),   # (that one was empty)
            right.eq(fsm.ongoing("PAYLOAD") & (left == 0) & (behind == 4) & ~too_long
                     & cobs.whole & crc.match & ~self.lent),
        ]
        m.d.comb += [ahead.eq(frame.sequence - self.expected),
                     ring.commit.eq(accept), ring.rollback.eq(ended & ~accept)]
        with m.If(ended):
            with m.If(~right):
                m.d.comb += [self.nak.eq(1), self.reason.eq(Reason.DAMAGED)]
            with m.Elif((frame.version != VERSION) | (frame.type == 0)
                        | (frame.type > Type.PROGRAM)):
                m.d.comb += [self.nak.eq(1), self.reason.eq(Reason.TYPE)]
            with m.Elif(frame.type != Type.DATA):
                m.d.comb += [self.command.eq(~self.busy & ~overflow),
                             ring.skip.eq(1), accept.eq(self.command & (frame.type != Type.HELLO))]
            with m.Elif(~self.listening):
                m.d.comb += [self.nak.eq(1), self.reason.eq(self.deaf)]
            with m.Elif(ahead == 0):
                m.d.comb += [self.nak.eq(overflow), self.reason.eq(Reason.OVERFLOW),
                             accept.eq(~overflow)]
                m.d.sync += self.expected.eq(self.expected + accept)
            with m.Elif(ahead <= 128):
                m.d.comb += [self.nak.eq(1), self.reason.eq(Reason.SEQUENCE)]
        with m.If(self.restart):
            m.d.sync += self.expected.eq(0)
        return m
