"""The controller: power-on test, commands of the host, answers; one thing after the other."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .config import BEATS, HEADER_BYTES, LAST_LAYER, MAGIC, TAPE_OFFSET
from .flash import Operation, Request
from .link.receive import Frame, Reason, Type

PART_BYTES  = 128              # of an output that one frame carries
WAITING_BITS = 9               # of a count of cycles that is more than the 3 us a flash wakes in


class Model(data.Struct):
    """What the controller found out about the model."""

    present: 1
    sound:   1                 # its tape has the right CRC
    fine:    1                 # the golden vector gave the right CRC
    slot:    1


class Controller(wiring.Component):
    """See docs/architecture.md for the order of things.

    ``bytes`` are those of the store, while it is not ``playing`` the tape to the engine; the
    header's go out again as ``header``. ``run`` lets the engine out of its reset, ``testing`` gives
    it the golden vector. ``arguments`` are the bytes of a command's payload.
    """

    def __init__(self, *, beat_bytes, base, slot_bytes, slots):
        self.beat_bytes = beat_bytes
        self.base       = base
        self.slot_bytes = slot_bytes
        self.slots      = slots
        super().__init__({
            "model":     Out(Model),
            "stuck":     Out(1),
            "booted":    Out(1),           # the power-on test is over

            # The store:
            "request":   Out(stream.Signature(Request)),
            "stop":      Out(1),
            "done":      In(1),
            "write":     Out(stream.Signature(data.StructLayout({"byte": 8, "last": 1}))),
            "bytes":     In(stream.Signature(8)),
            "header":    Out(stream.Signature(8, always_ready=True)),
            "header_at": Out(range(HEADER_BYTES)),
            "checking":  Out(1),           # the bytes go to the CRC as well
            "match":     In(1),

            # The engine and its monitor:
            "run":        Out(1),
            "playing":    Out(1),
            "testing":    Out(1),
            "last_layer": Out(8),
            "limit":      Out(8, init=1),
            "over":       In(1),           # an image is done, its counters hold
            "engine_stuck": In(1),
            "next":       Out(1),
            "crc_at":     Out(2),          # a byte of the image's CRC, and what it ought to be
            "crc":        In(8),
            "wanted":     In(8),

            # Commands, frames that were refused, and what calls for an answer:
            "command":   In(1),
            "frame":     In(Frame),
            "busy":      Out(1),
            "arguments": In(stream.Signature(8)),
            "nak":       In(1),
            "nak_reason": In(Reason),
            "restart":   Out(1),
            "level":     In(8),            # output bytes that wait
            "ack":       In(1),            # it is time for one

            # The answer:
            "answer":    Out(Type),
            "sequence":  Out(8),
            "second":    Out(8),
            "length":    Out(9),
            "start":     Out(1),
            "sent":      In(1),
        })

    def elaborate(self, platform):
        m = Module()
        model, request = self.model, self.request.p
        is_byte = self.bytes.valid & self.bytes.ready
        reading = Signal()                   # the store is at a request
        with m.If(self.done):
            m.d.sync += reading.eq(0)
        with m.If(self.request.valid & self.request.ready):
            m.d.sync += reading.eq(1)

        # Addresses and sizes of the store's requests; they hold until it is done.
        address, beats = Signal(24), Signal(20)
        m.d.comb += [request.addr.eq(address), request.beats.eq(beats)]
        header_beats = HEADER_BYTES // self.beat_bytes - 1

        # A command, and a frame that was refused; a second one of either is not heard.
        command, argument = Signal.like(self.frame), Signal(8)
        refused, reason = Signal(), Signal(Reason)
        welcome = Signal()                   # RESET is not answered before all is as it was
        with m.If(self.command):
            m.d.sync += [self.busy.eq(1), command.eq(self.frame)]
        with m.If(self.nak & ~refused):
            m.d.sync += [refused.eq(1), reason.eq(self.nak_reason)]

        # Answers: those of commands bear their sequence, the others a count.
        part, count, is_last_part = Signal(8), Signal(8), Signal()
        counted = (self.answer == Type.RESULT) | (self.answer == Type.ACK)
        m.d.comb += self.sequence.eq(Mux(counted, count, command.sequence))
        with m.Switch(self.answer):
            with m.Case(Type.WELCOME):
                m.d.comb += self.second.eq(Cat(model.present, model.sound, model.fine,
                                               C(self.slots == 1, 1), model.slot, ~self.run))
            with m.Case(Type.RESULT):
                m.d.comb += self.second.eq(part)
            with m.Case(Type.NAK):
                m.d.comb += self.second.eq(reason)

        def send(kind, body_bytes=0):
            m.d.sync += [self.answer.eq(kind), self.length.eq(body_bytes)]
            m.next = "SEND"

        index = Signal(range(HEADER_BYTES))
        waited, is_magic, awake = Signal(WAITING_BITS), Signal(), Signal()
        m.d.comb += [self.header.payload.eq(self.bytes.payload), self.header_at.eq(index),
                     self.crc_at.eq(index[1:]), self.write.p.byte.eq(
                         Mux(self.arguments.valid, self.arguments.payload, 0xff))]
        with m.FSM():
            # Power-on, and again at each RESET: wake the flash, find a model, check its tape.
            with m.State("WAKE"):
                m.d.comb += [request.operation.eq(Operation.WAKE),
                             self.request.valid.eq(waited.all())]
                m.d.sync += [waited.eq(waited + ~waited.all()), self.stuck.eq(0), model.eq(0),
                             self.booted.eq(0)]
                with m.If(self.request.valid & self.request.ready):
                    m.d.sync += waited.eq(0)
                    m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += waited.eq(waited + 1)
                with m.If(waited.all()):
                    m.d.sync += awake.eq(1)
                    m.next = "WAKE"
                    with m.If(awake):
                        m.next = "FIND"
            with m.State("FIND"):
                m.d.sync += [
                    beats.eq(header_beats), index.eq(0), is_magic.eq(1),
                    address.eq(Mux(model.slot, self.base + self.slot_bytes, self.base)),
                ]
                m.next = "READ_HEADER"
            with m.State("READ_HEADER"):
                m.d.comb += [request.operation.eq(Operation.READ), self.request.valid.eq(1)]
                with m.If(self.request.ready):
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += [self.bytes.ready.eq(1), self.header.valid.eq(self.bytes.valid)]
                with m.If(is_byte):
                    m.d.sync += index.eq(index + 1)
                    with m.Switch(index):
                        for position, letter in enumerate(MAGIC):
                            with m.Case(position):
                                with m.If(self.bytes.payload != letter):
                                    m.d.sync += is_magic.eq(0)
                        with m.Case(LAST_LAYER):
                            m.d.sync += self.last_layer.eq(self.bytes.payload)
                        for place in range(3):
                            with m.Case(BEATS + place):
                                m.d.sync += beats[8 * place:8 * place + 8].eq(self.bytes.payload)
                with m.If(self.done):
                    m.d.sync += model.present.eq(is_magic)
                    with m.If(is_magic):
                        m.d.sync += address[exact_log2(TAPE_OFFSET)].eq(1)
                        m.next = "READ_TAPE"
                    with m.Elif(model.slot == self.slots - 1):
                        m.next = "SERVE"
                    with m.Else():
                        m.d.sync += model.slot.eq(1)
                        m.next = "FIND"
            with m.State("READ_TAPE"):
                m.d.comb += [request.operation.eq(Operation.READ), self.request.valid.eq(1),
                             self.checking.eq(1)]
                with m.If(self.request.ready):
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += self.checking.eq(1)
                with m.If(self.done):
                    m.d.sync += waited.eq(0)
                    m.next = "SUM"
            with m.State("SUM"):                 # (the CRC takes its time for the last byte)
                m.d.comb += self.checking.eq(1)
                m.d.sync += waited.eq(waited + 1)
                with m.If(waited[4]):
                    m.d.sync += [model.sound.eq(self.match), self.testing.eq(self.match)]
                    m.next = "SERVE"
                    with m.If(self.match):
                        m.next = "PLAY"

            # The tape, from its beginning; the golden vector is its first image.
            with m.State("PLAY"):
                m.d.comb += [request.operation.eq(Operation.READ), request.repeat.eq(1),
                             self.request.valid.eq(1)]
                with m.If(self.request.ready):
                    m.d.sync += [self.playing.eq(1), self.run.eq(1)]
                    m.next = "SERVE"
                    with m.If(self.testing):
                        m.next = "TEST"
            with m.State("TEST"):
                m.d.sync += [model.fine.eq(self.over), index.eq(0)]
                with m.If(self.over):
                    m.next = "COMPARE"
                with m.If(self.engine_stuck):
                    m.next = "STOP"
            with m.State("COMPARE"):             # (a byte comes a cycle after its address)
                m.d.sync += index.eq(index + 1)
                with m.If(index[0] & (self.crc != self.wanted)):
                    m.d.sync += model.fine.eq(0)
                with m.If(index[:3].all()):
                    m.next = "STOP"
            with m.State("STOP"):
                m.d.comb += self.stop.eq(1)
                m.d.sync += [self.run.eq(0), index.eq(0)]
                with m.If(~self.playing | self.done):
                    m.d.sync += [self.playing.eq(0), self.testing.eq(0)]
                    m.next = "ARGUMENTS"
                    with m.If(self.testing):
                        m.next = "PLAY"

            with m.State("SERVE"):
                m.d.sync += [index.eq(0), self.booted.eq(1)]
                with m.If(welcome):
                    m.d.sync += welcome.eq(0)
                    send(Type.WELCOME, 32 + HEADER_BYTES)
                with m.Elif(self.busy):
                    m.next = "STOP"
                    with m.If(command.type == Type.HELLO):
                        send(Type.WELCOME, 32 + HEADER_BYTES)
                with m.Elif(self.engine_stuck):
                    m.d.sync += [self.run.eq(0), self.stuck.eq(1), model.fine.eq(0),
                                 refused.eq(1), reason.eq(Reason.WATCHDOG)]
                with m.Elif(refused):
                    send(Type.NAK)
                with m.Elif(self.over | (self.level > PART_BYTES)):
                    m.d.sync += is_last_part.eq(self.level <= PART_BYTES)
                    send(Type.RESULT, Mux(self.level > PART_BYTES, PART_BYTES, self.level))
                with m.Elif(self.ack):
                    send(Type.ACK)
            with m.State("SEND"):
                m.d.comb += self.start.eq(1)
                m.next = "SENDING"
            with m.State("SENDING"):
                with m.If(self.sent):
                    m.next = "SERVE"
                    m.d.sync += count.eq(count + counted)
                    with m.Switch(self.answer):
                        with m.Case(Type.NAK):
                            m.d.sync += refused.eq(0)
                        with m.Case(Type.RESULT):
                            m.d.sync += part.eq(part + 1)
                            with m.If(is_last_part):
                                m.next = "NEXT"
                        with m.Case(Type.ACK):
                            pass
                        with m.Case(Type.BYTES):
                            m.next = "REST"
                        with m.Default():
                            m.d.sync += self.busy.eq(0)
            with m.State("NEXT"):
                m.d.comb += self.next.eq(1)
                m.d.sync += part.eq(0)
                m.next = "SERVE"

            # Commands begin with an address of three bytes and an argument of one; what is
            # missing reads as zeros. (The first byte is there a few cycles after the command.)
            with m.State("ARGUMENTS"):
                m.d.sync += index.eq(index + 1)
                with m.If(index[2]):
                    m.d.comb += self.arguments.ready.eq(1)
                    m.d.sync += Cat(address, argument).eq(
                        Cat(address[8:], argument, self.arguments.payload
                            & self.arguments.valid.replicate(8)))
                with m.If(index[:3].all()):
                    m.next = "CARRY_OUT"
            with m.State("CARRY_OUT"):
                m.d.sync += beats.eq(argument >> exact_log2(self.beat_bytes))
                with m.Switch(command.type):
                    with m.Case(Type.RESET):
                        m.d.comb += self.restart.eq(1)
                        m.d.sync += [self.limit.eq(argument), welcome.eq(1), refused.eq(0),
                                     part.eq(0), count.eq(0), waited.eq(0)]
                        m.next = "WAKE"
                    with m.Case(Type.READ):
                        m.next = "READ"
                    with m.Default():
                        m.next = "WRITE"
                        with m.If(address < self.base):
                            m.d.sync += [refused.eq(1), reason.eq(Reason.ADDRESS),
                                         self.busy.eq(0)]
                            m.next = "SERVE"
            with m.State("READ"):
                m.d.comb += [request.operation.eq(Operation.READ), self.request.valid.eq(1)]
                with m.If(self.request.ready):
                    send(Type.BYTES, argument + 1)
            with m.State("REST"):                # of a beat, and then nothing more
                m.d.comb += self.stop.eq(1)
                with m.If(~reading | self.done):
                    m.d.sync += self.busy.eq(0)
                    m.next = "SERVE"
            with m.State("WRITE"):
                m.d.comb += [
                    request.operation.eq(Mux(command.type == Type.ERASE, Operation.ERASE,
                                             Operation.PROGRAM)), self.request.valid.eq(1)]
                with m.If(self.request.ready):
                    m.next = "WRITING"
            with m.State("WRITING"):             # (what is missing writes nothing: all ones)
                m.d.comb += [self.write.valid.eq(1), self.write.p.last.eq(argument == 0),
                             self.arguments.ready.eq(self.write.ready)]
                with m.If(self.write.ready):
                    m.d.sync += argument.eq(argument - 1)
                with m.If(self.done):
                    send(Type.DONE)
        return m
