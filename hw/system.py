"""The whole device behind its pins: line, store, controller, engine and monitor."""

import struct
from dataclasses import dataclass, field

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from .bytes import BytesOfBeats
from .config import (
    ALL_LAYERS,
    BAUD,
    GOLDEN_CRC,
    GOLDEN_SEED,
    GOLDEN_TAPS,
    READ_CYCLES,
    EngineConfig,
)
from .control import Controller
from .engine import Engine
from .flash import Flash, FlashPins
from .link.receive import VERSION, FrameReceiver, Reason, Type
from .link.reply import Reply
from .link.send import FrameSender
from .link.uart import Receiver, Transmitter
from .memory_store import MemoryStore
from .monitor import Monitor
from .slow_flash import SlowFlash

INFO = struct.Struct("<BBHBBHI4x8s8s")
INFO_BYTES   = INFO.size       # that the bitstream tells of itself; the model's header follows
ACK_BYTES    = 256             # taken from the line between two ACKs
OUTPUT_BYTES = 256             # that may wait to be sent


@dataclass(frozen=True)
class SystemConfig:
    """Parameters of a device. Addresses and sizes are in bytes."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    clock_hz: int = 24_000_000
    baud: int = BAUD
    ring_bytes: int = 4096         # of input that waits for the engine; a power of two
    flash_dq: int = 0              # bits of the flash in a cycle of its clock; 0: the store is a
                                   # memory on the chip
    flash_cycles: int = 1          # of the system's clock in one of the flash's: 1 or 2
    store_base: int = 0            # where slot 0 begins
    slot_bytes: int = 1 << 20      # slot 1 lies behind slot 0; a memory has but one
    store_init: bytes = b""        # what the memory holds from the bitstream on
    board: int = 0                 # its number, for the host
    engine_name: bytes = bytes(8)  # ... and what the host knows the engine by
    build_name: bytes = bytes(8)   # ... and this design

    def __post_init__(self):
        if self.flash_dq not in (0, *READ_CYCLES):
            raise ValueError(f"flash_dq must be 0, or one of {', '.join(map(str, READ_CYCLES))}, "
                             f"not {self.flash_dq!r}")
        if self.flash_cycles not in (1, 2) or (self.flash_cycles > 1 and self.flash_dq == 8):
            raise ValueError("flash_cycles must be 1, or 2 where flash_dq is at most 4, "
                             f"not {self.flash_cycles!r}")
        for name in ("store_base", "slot_bytes") if self.flash_dq else ():
            value = getattr(self, name)
            if value < 0 or value % (1 << 16):
                raise ValueError(f"{name} must be a multiple of 65,536, not {value!r}")

    @property
    def info(self):
        """What the bitstream tells of itself (docs/protocol.md)."""
        slot_big, slot_small = divmod(self.slot_bytes, 1 << 16)
        return INFO.pack(VERSION, self.board, self.ring_bytes, self.store_base >> 16, slot_big,
                         slot_small >> 10, self.clock_hz, self.engine_name, self.build_name)

    @property
    def slots(self):
        """How many models have a place in the store."""
        return 2 if self.flash_dq else 1


class System(wiring.Component):
    """A board's whole logic; what is missing to a board are its clock and the buffers of its pins.

    ``verdict`` lights for a model that passed the power-on test, ``fault`` for none, for one that
    did not, or for an engine that got stuck; ``active`` while an image or a command is on its
    way.
    """

    def __init__(self, config):
        self.config = config
        ports = {"rx": In(1, init=1), "tx": Out(1, init=1),
                 "verdict": Out(1), "fault": Out(1), "active": Out(1)}
        if config.flash_dq:
            ports["flash"] = Out(FlashPins())
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        config = self.config
        beat_bytes = config.engine.tape_bytes
        m.submodules.control = control = Controller(
            beat_bytes=beat_bytes, base=config.store_base, slot_bytes=config.slot_bytes,
            slots=config.slots)

        # The line, and the frames on it:
        m.submodules.rx = rx = Receiver(clock_hz=config.clock_hz, baud=config.baud)
        m.submodules.tx = tx = Transmitter(clock_hz=config.clock_hz, baud=config.baud)
        m.submodules.frames = frames = FrameReceiver(ring_depth=config.ring_bytes)
        m.submodules.sender = sender = FrameSender()
        m.submodules.reply  = reply  = Reply()
        m.d.comb += [rx.line.eq(self.rx), self.tx.eq(tx.line)]
        connect(m, rx.o, frames.i)
        connect(m, reply.o, sender.i)
        connect(m, sender.o, tx.i)

        # The store: the engine reads beats of tape, all others bytes.
        if config.flash_dq:
            flash = Flash(beat_bytes=beat_bytes, dq=config.flash_dq)
            m.submodules.store = store = flash if config.flash_cycles == 1 else SlowFlash(flash)
            connect(m, store.pins, flipped(self.flash))
        else:
            m.submodules.store = store = MemoryStore(
                beat_bytes=beat_bytes, depth=config.slot_bytes // beat_bytes,
                init=config.store_init)
        m.submodules.serial = serial = BytesOfBeats(beat_bytes=beat_bytes)
        connect(m, control.request, store.request)
        connect(m, control.write, store.i)
        sends_bytes = reply.type == Type.BYTES
        m.d.comb += [
            store.stop.eq(control.stop), control.done.eq(store.done), serial.clear.eq(store.done),
            serial.i.payload.eq(store.o.payload),
            serial.i.valid.eq(store.o.valid & ~control.playing),
            control.bytes.payload.eq(serial.o.payload), control.bytes.valid.eq(serial.o.valid),
            frames.lent.eq(control.checking), frames.check.payload.eq(serial.o.payload),
            frames.check.valid.eq(serial.o.valid), control.match.eq(frames.match),
            serial.o.ready.eq(Mux(control.checking, frames.check.ready,
                                  control.bytes.ready | (reply.body.ready & sends_bytes))),
        ]

        # The engine, in reset unless it runs, and what watches it:
        engine, monitor, stopped = Engine(config.engine), Monitor(config.engine), ~control.run
        m.submodules.engine  = ResetInserter(stopped)(engine)
        m.submodules.monitor = monitor
        given = engine.i.valid & engine.i.ready
        m.d.comb += [
            engine.tape.payload.eq(store.o.payload),
            engine.tape.valid.eq(store.o.valid & control.playing),
            store.o.ready.eq(Mux(control.playing, engine.tape.ready, serial.i.ready)),
            monitor.last_layer.eq(control.last_layer),
            monitor.limit.eq(Mux(control.testing, ALL_LAYERS, control.limit)),
            monitor.restart.eq(stopped), monitor.layer_done.eq(engine.layer_done),
            monitor.taken.eq(given), monitor.hungry.eq(engine.i.ready & ~engine.i.valid),
            monitor.next.eq(control.next), monitor.made.eq(engine.made),
            control.over.eq(monitor.over), control.engine_stuck.eq(monitor.stuck),
        ]

        # Its input, the line's or the golden vector's: an image waits until the one before it has
        # been told of, and a command's arguments are not for the engine. How much it took of the
        # line, the host hears now and then.
        golden, taken, ack = Signal(16), Signal(16), Signal()
        m.d.comb += [
            engine.i.payload.eq(Mux(control.testing, golden[:8], frames.o.payload)),
            engine.i.valid.eq(~monitor.over & control.run
                              & (control.testing | (frames.o.valid & ~control.busy))),
            frames.o.ready.eq(control.arguments.ready | (given & ~control.testing)),
        ]
        with m.If(stopped):
            m.d.sync += golden.eq(GOLDEN_SEED)
        with m.Elif(given):
            m.d.sync += golden.eq((golden >> 1) ^ Mux(golden[0], GOLDEN_TAPS, 0))
        with m.If(control.restart):
            m.d.sync += [taken.eq(0), ack.eq(0)]
        with m.Elif(given & ~control.testing):
            m.d.sync += taken.eq(taken + 1)
            with m.If(taken[:exact_log2(ACK_BYTES)].all()):
                m.d.sync += ack.eq(1)
        with m.If(reply.start & (reply.type == Type.ACK)):
            m.d.sync += ack.eq(0)

        # Commands, and frames that were refused:
        m.d.comb += [
            frames.busy.eq(control.busy), frames.restart.eq(control.restart),
            frames.listening.eq(control.run & ~control.testing),
            frames.deaf.eq(Mux(control.stuck, Reason.WATCHDOG,
                               Mux(control.model.present, Reason.STOPPED, Reason.NO_MODEL))),
            control.command.eq(frames.command), control.frame.eq(frames.frame),
            control.nak.eq(frames.nak), control.nak_reason.eq(frames.reason),
            control.arguments.payload.eq(frames.o.payload),
            control.arguments.valid.eq(frames.o.valid), control.ack.eq(ack),
        ]

        # One memory for all that is sent: who this is (32 bytes of the bitstream, and the model's
        # header, with the golden vector's CRC), and in its upper half the outputs that wait.
        m.submodules.info = info = Memory(shape=8, depth=2 * OUTPUT_BYTES, init=[*config.info])
        write, read = info.write_port(), info.read_port()
        put_at, get_at, level = (Signal(exact_log2(OUTPUT_BYTES), name=name)
                                 for name in ("put_at", "get_at", "level"))
        is_result, read_there, info_at = reply.type == Type.RESULT, Signal(), Signal(7)
        room = Signal()                          # with a cycle's delay: the engine is far away
        m.d.sync += room.eq(~level[1:].all() | control.testing)
        m.d.comb += [
            level.eq(put_at - get_at), control.level.eq(level),
            engine.o.ready.eq(room),
            write.en.eq(control.header.valid | (engine.o.valid & engine.o.ready)),
            write.addr.eq(Mux(control.run, Cat(put_at, 1), control.header_at + INFO_BYTES)),
            write.data.eq(Mux(control.run, engine.o.payload, control.header.payload)),
            read.addr.eq(Mux(control.testing, INFO_BYTES + GOLDEN_CRC + control.crc_at,
                             Mux(is_result, Cat(get_at, 1), info_at))),
            control.wanted.eq(read.data),
            control.crc.eq(monitor.counters.crc.word_select(control.crc_at, 8)),
        ]
        with m.If(stopped):
            m.d.sync += put_at.eq(0)
        with m.Elif(engine.o.valid & engine.o.ready & ~control.testing):
            m.d.sync += put_at.eq(put_at + 1)
        m.d.sync += read_there.eq(1)

        # The answers:
        m.d.comb += [
            reply.type.eq(control.answer), reply.sequence.eq(control.sequence),
            reply.start.eq(control.start), control.sent.eq(reply.done),
            reply.length.eq(control.length), reply.counters.eq(monitor.counters),
            reply.status.expected.eq(frames.expected), reply.status.second.eq(control.second),
            reply.status.taken.eq(taken),
        ]
        m.d.comb += [
            reply.body.valid.eq(Mux(sends_bytes, serial.o.valid, read_there)),
            reply.body.payload.eq(Mux(sends_bytes, serial.o.payload, read.data)),
        ]
        with m.If(reply.start):
            m.d.sync += [read_there.eq(0), info_at.eq(0)]
        with m.Elif(reply.body.ready & read_there):
            m.d.sync += [read_there.eq(0), info_at.eq(info_at + 1), get_at.eq(get_at + is_result)]
        with m.If(stopped):
            m.d.sync += get_at.eq(0)
        m.d.comb += [
            self.verdict.eq(control.model.fine & ~control.testing),
            self.fault.eq(control.booted & ~control.model.fine),
            self.active.eq((control.run & ~monitor.hungry) | control.busy),
        ]
        return m
