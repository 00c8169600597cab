"""The gateware's receiver at the end of a bad line, against the host's codec."""

import numpy as np
from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.link.codec import Decoder
from hw.link.receive import FrameReceiver, Type

BYTE_CYCLES = 10                       # from a byte to the next: the CRC takes nine
DEPTH = 1 << 20


class Listener(wiring.Component):
    """Plays ``given`` bytes into the receiver, and keeps what it gives and what it says."""

    given:  In(range(DEPTH))
    played: Out(range(DEPTH))
    over:   Out(1)
    bytes:  Out(range(DEPTH))
    events: Out(range(DEPTH))

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = FrameReceiver(ring_depth=4096)
        for name, width in (("line", 8), ("kept", 8), ("said", 24)):
            m.submodules[name] = memory = Memory(shape=width, depth=DEPTH, init=[])
            if name == "line":
                line = memory.read_port(domain="comb")
            elif name == "kept":
                kept = memory.write_port()
            else:
                said = memory.write_port()
        # The line: a byte each BYTE_CYCLES, and a rest at its end.
        pace = Signal(range(BYTE_CYCLES))
        rest = Signal(6)
        m.d.sync += pace.eq(pace + 1)
        m.d.comb += [line.addr.eq(self.played), receiver.i.p.byte.eq(line.data)]
        with m.If(pace == BYTE_CYCLES - 1):
            m.d.sync += pace.eq(0)
            with m.If(self.played != self.given):
                m.d.comb += receiver.i.valid.eq(1)
                m.d.sync += self.played.eq(self.played + 1)
        with m.If((self.played == self.given) & ~self.over):
            m.d.sync += rest.eq(rest + 1)
        m.d.comb += self.over.eq(rest.all())

        m.d.comb += [
            receiver.listening.eq(1), receiver.o.ready.eq(1),
            kept.addr.eq(self.bytes), kept.data.eq(receiver.o.payload),
            kept.en.eq(receiver.o.valid),
            said.addr.eq(self.events), said.en.eq(receiver.command | receiver.nak),
            said.data.eq(Cat(receiver.frame, receiver.nak, receiver.reason)),
        ]
        m.d.sync += [self.bytes.eq(self.bytes + kept.en), self.events.eq(self.events + said.en)]
        return m


def heard(design, line):
    """``(payload bytes, commands)`` that the gateware took from the line."""
    machine = design.machine()
    machine.memory("line")[:len(line)] = np.frombuffer(line, np.uint8)
    machine["given"] = len(line)
    machine.run(BYTE_CYCLES * len(line) + 1000, until="over")
    assert machine["over"]
    said = machine.memory("said")[:machine["events"]]
    commands = [(Type(event & 15), event >> 8 & 255) for event in said.tolist()
                if not event >> 16 & 1]
    return machine.memory("kept")[:machine["bytes"]].astype(np.uint8).tobytes(), commands


def understood(line):
    """The same by the host's codec and the protocol's rules."""
    payload, commands, expected = bytearray(), [], 0
    for frame in Decoder().feed(line):
        if frame.type == Type.DATA:
            if frame.sequence == expected:
                payload += frame.payload
                expected = (expected + 1) % 256
        elif frame.type <= Type.PROGRAM:
            commands.append((frame.type, frame.sequence))
            if frame.type != Type.HELLO:
                payload += frame.payload
    return bytes(payload), commands
