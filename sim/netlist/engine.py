"""A model on a placed-and-routed board: images go through its pins."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from compiler.errors import ModelError
from compiler.program import output_bytes
from compiler.targets import Target
from hw.link.codec import DATA_BYTES, Decoder, Frame, Result, Status, Welcome, encode
from hw.link.receive import Type
from sim.board import SimulatedBoard
from sim.design import design
from sim.device import DeviceRun, Stalled, from_stream, to_stream
from sim.netlist.board import load_board

SLICE = 20_000                 # cycles between two looks at the line
ASK_AGAIN = 400_000            # cycles until a command that was not answered is sent again
PATIENCE = 1 << 25             # ... until the board counts as stopped
FOLDER = Path("netlist")       # below a build's work, what is made of its netlist


class NetlistEngine:
    """The build in ``folder`` of a model; ModelError where there is none, or of another model."""

    def __init__(self, target: Target, model: Path, profile: str, folder: Path):
        remedy = f"build it with python -m boards build {model} --board {target.name}"
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            image = (folder / "slot.bin").read_bytes()
            routed = json.loads((folder / "work" / "routed.json").read_text())
            clock_hz, board = manifest["clock_hz"], manifest["board"]
        except (OSError, ValueError, KeyError, TypeError):
            raise ModelError(f"{folder} holds no whole build; {remedy}") from None
        if board != target.name:
            raise ModelError(f"{folder} holds a build for {board}, not {target.name}; {remedy}")
        if not target.stores[0].flash_dq:
            raise ModelError(f"{target.name} has no netlist that can be simulated: Yosys carries "
                             "no models of the ECP5's memories and multipliers")
        found = design(target, model, profile, clock_hz)
        if found.image != image:
            raise ModelError(f"{folder} holds another model than {model.name}; {remedy}")
        self.program = found.program
        chip = load_board(routed, folder / "work" / FOLDER, found.config)
        self.board = SimulatedBoard(found.config, (image,), chip)
        self.decoder = Decoder()

    def run(self, inputs: Sequence[np.ndarray],
            progress: Callable[[int], object] = lambda images: None) -> DeviceRun:
        """The device's outputs ``[N, *shape]`` of its inputs ``[N, *shape]``."""
        self.ask(Frame(Type.HELLO), again=ASK_AGAIN)     # (deaf during its power-on test)
        window = Welcome.parse(self.ask(Frame(Type.RESET, 0, bytes(4)))).info.window
        frames = self.frames(PATIENCE)
        stream = to_stream(inputs)
        rest, sent, taken, sequence = stream.tobytes(), 0, 0, 0
        outputs, cycles = bytearray(), []
        while len(cycles) < len(stream):
            while rest and sent + DATA_BYTES - taken < window:
                part, rest = rest[:DATA_BYTES], rest[DATA_BYTES:]
                self.board.send(encode(Frame(Type.DATA, sequence, part)))
                sequence, sent = (sequence + 1) % 256, sent + len(part)
            frame = next(frames, None)
            if frame is None:
                raise Stalled(f"the netlist has been silent for {PATIENCE:,} cycles")
            if frame.type not in (Type.ACK, Type.RESULT):
                raise Stalled(f"the netlist answered {frame.type.name}, where it had nothing to "
                              "refuse")
            taken += (Status.parse(frame).taken - taken) % (1 << 16)
            if frame.type == Type.RESULT:
                result = Result.parse(frame)
                outputs += result.data
                if len(outputs) % output_bytes(self.program) == 0:
                    cycles.append(result.cycles)
                    progress(1)
        found = np.frombuffer(bytes(outputs), np.uint8).reshape(len(stream), -1)
        return DeviceRun(from_stream(self.program, found), None, self.board.cycles, cycles)

    def ask(self, question: Frame, again: int = PATIENCE) -> Frame:
        """The WELCOME to a question, which is sent again after so many cycles."""
        for _ in range(0, PATIENCE, again):
            self.board.send(b"\0" + encode(question))
            for frame in self.frames(again):
                if frame.type == Type.WELCOME:
                    return frame
        raise Stalled(f"the netlist has not answered {question.type.name} in {PATIENCE:,} cycles")

    def frames(self, patience: int) -> Iterator[Frame]:
        """The board's frames, as it sends them, until it has been silent for so many cycles."""
        quiet = 0
        while quiet < patience:
            found = list(self.decoder.feed(self.board.receive()))
            quiet = 0 if found else quiet + self.board.run(SLICE)
            if self.decoder.damaged:
                raise Stalled("the netlist sent a frame whose CRC is wrong")
            yield from found
