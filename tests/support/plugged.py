"""Simulated boards, as the tests plug them in."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from compiler.targets import TARGETS
from hw.link.codec import Decoder, encode
from hw.link.receive import Type
from sim.board import SimulatedBoard
from sim.design import Design, design
from sim.pty import Terminal


def designed(name: str, model: Path) -> Design:
    """The model on a board."""
    return design(TARGETS[name], model, "litert")


@contextmanager
def plugged_in(board) -> Iterator[Terminal]:
    """The board on a terminal, served by a thread of its own until the end, or its ``unplug``."""
    terminal, stop = Terminal(board), threading.Event()
    thread = threading.Thread(target=terminal.serve, args=(stop.is_set,))

    def unplug():
        stop.set()
        thread.join()
        terminal.close()
    terminal.unplug = unplug
    thread.start()
    try:
        yield terminal
    finally:
        if not stop.is_set():
            unplug()


class Shortened:
    """A board that sends no more than ``size`` bytes in a frame of one ``kind``."""

    def __init__(self, board: SimulatedBoard, kind: Type, size: int):
        self.board, self.kind, self.size = board, kind, size
        self.machine, self.run, self.send = board.machine, board.run, board.send
        self._decoder = Decoder()

    def receive(self) -> bytes:
        return b"".join(
            encode(replace(frame, payload=frame.payload[:self.size]) if frame.type == self.kind
                   else frame) for frame in self._decoder.feed(self.board.receive()))


class BadLine:
    """A board on a line that loses, inserts, doubles and changes one byte in ``every``, in either
    direction."""

    def __init__(self, board: SimulatedBoard, every: int, seed: int = 0):
        self.board, self.every = board, every
        self.machine = board.machine
        self.rng = random.Random(seed)
        self.faults = 0
        self._waiting = b""

    def run(self, cycles: int) -> int:
        self._waiting = self._waiting[self.board.send(self._waiting):]
        return self.board.run(cycles)

    def send(self, data: bytes) -> int:
        self._waiting += self.spoil(data)
        self._waiting = self._waiting[self.board.send(self._waiting):]
        return len(data)

    def receive(self) -> bytes:
        return self.spoil(self.board.receive())

    def spoil(self, data: bytes) -> bytes:
        out, rng = bytearray(), self.rng
        for byte in data:
            if rng.randrange(self.every):
                out.append(byte)
                continue
            self.faults += 1
            out += rng.choice((b"", bytes((byte, byte)), bytes((byte ^ 1 << rng.randrange(8),)),
                               bytes((byte, rng.randrange(256))), b"\0"))
        return bytes(out)
