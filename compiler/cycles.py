"""How many cycles a program takes: the engine's schedule, worked out without simulating it.

Everything in the engine happens at a time that the layer configurations fix, as long as its input
is there and its output is taken. The quantities below are cycles, counted from reset; the hardware
that each rule belongs to is named beside it. tests/sim/test_rtl.py holds all of this against
the simulated engine, to the cycle.

Tiles, rows, groups, layers and images repeat: what begins as an earlier one began, but for the
time, goes as that one went. So each of them has a ``state``, which leaves nothing out that later
times depend on, and is not followed again when its state comes back (``Repeats``).
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass

from compiler.layer_time import LayerTime
from compiler.layers import Layer
from compiler.program import Program
from compiler.results_time import Writes
from compiler.tape import check_beats, packet_words
from compiler.tape_time import FlashTape, MemoryTape, Repeats, Ring, tape_of
from compiler.targets import Target
from hw.config import START_CYCLES, STEPS, EngineConfig, Mode

LONG = 1 << 40                                   # longer than anything takes
STEADY_IMAGES = 3                                # from the third on, each takes as long as that one


@dataclass(frozen=True)
class Prediction:
    """``ends[image][layer]`` is the cycle of a layer's last value; ``total`` ends with the last
    byte that the engine puts out. ``spent`` has for each layer of the last image its cycles by
    their cause (compiler/layer_time.py), counted from the end of the layer before."""

    ends: tuple[tuple[int, ...], ...]
    given: tuple[int, ...]        # when each image's last input byte is taken
    spent: tuple[dict[str, int], ...]

    @property
    def after_input(self) -> list[int]:
        """Of each image, cycles from its last input byte to its last output byte."""
        return [ends[-1] - given for ends, given in zip(self.ends, self.given, strict=True)]

    @property
    def total(self) -> int:
        """Cycles from reset to the last byte, that one included."""
        return self.ends[-1][-1] + 1

    @property
    def per_image(self) -> int:
        """Cycles from one image's last byte to the next one's, once the engine is under way."""
        if len(self.ends) == 1:
            return self.total
        return self.ends[-1][-1] - self.ends[-2][-1]


def predict(program: Program, images: int = 1, target: Target | None = None,
            patient: bool = False, phase: int = 0) -> Prediction:
    """The schedule of ``images`` inferences in a row, from the engine's reset on.

    The tape comes from where the ``target`` has it, or without one from a ROM beside the engine.
    An engine that is ``patient`` waits for each image's input until all else is at rest, and
    ``phase`` cycles more.
    """
    engine = EngineTime(program.config, tape_of(program, target))
    ends: list[tuple[int, ...]] = []
    given: list[int] = []
    spent: list[tuple[dict[str, int], ...]] = []
    repeats = Repeats()
    period, cycles = 0, 0
    while len(ends) < images:
        if patient:
            engine.input = max(engine.idle, engine.input) + LONG + phase
        engine.spent.clear()
        here: list[int] = []
        for index, layer in enumerate(program.layers):
            if not period:
                period, cycles = repeats.found((index, engine.state()), len(ends), engine.idle)
            if period:                       # from here on as that image went, and those behind it
                break
            here.append(engine.run(layer))
        if period:
            done = len(here)
            ends.append((*here, *(end + cycles for end in ends[-period][done:])))
            given.append(given[-period] + cycles)
            spent.append((*engine.spent, *spent[-period][done:]))
        else:
            ends.append(tuple(here))
            given.append(engine.input)
            spent.append(tuple(engine.spent))
            engine.end_tape()
    return Prediction(tuple(ends), tuple(given), spent[-1])


def steady_cycles(program: Program, target: Target | None = None) -> int:
    """What an image takes once the engine is under way."""
    return predict(program, STEADY_IMAGES, target).per_image


def latencies(program: Program, target: Target) -> list[int]:
    """Of the engine on its board, cycles from an image's last input byte to its last output byte,
    where the line takes longer than all else. There are as many as phases of the flash's clock in
    which that byte may come."""
    phases = target.store_for(program.config, program.tape).flash_cycles
    return sorted({predict(program, 1, target, patient=True, phase=phase).after_input[0]
                   for phase in range(phases)})


class EngineTime:
    """The engine's clock as layers go through it."""

    def __init__(self, config: EngineConfig, source: MemoryTape | FlashTape):
        self.config  = config
        self.source  = source
        self.input   = -1                 # the last byte of input so far, or the least next
        self.idle    = 0                  # when the engine takes the next layer
        self.weights = Ring(config.weight_words)
        self.records = Ring(config.channel_records // config.records_together)
        self.coming: deque[tuple[Ring, int, bool]] = deque()
        self.writes  = Writes()
        self.ended   = -1                 # the last value of all
        self.spent: list[dict[str, int]] = []

    def run(self, layer: Layer) -> int:
        """Plays the tape's part of a layer, runs it, and returns the cycle of its last value."""
        config = self.config
        words = 0 if layer.weights is None else layer.weights.shape[1]
        ahead = min(words, config.weight_words)
        self.take_all()
        self.packet(STEPS * config.jump_beats)
        self.queue(records=len(layer.records[0]), words=ahead)
        self.take_all()
        if layer.table is not None:
            self.packet(256, self.idle)
        start = self.packet(config.layer_beats, self.idle) + START_CYCLES
        self.queue(words=words - ahead)

        self.writes.cycles.clear()
        run = LayerTime(self, layer, start)
        if layer.mode == Mode.LOAD:
            run.load(self.input)
            self.input = run.time - 1
        else:
            shared = layer.fields.get("shared_record")
            for group in run.groups():
                if group:
                    self.queue(records=0 if shared else config.rows, words=words)
                run.group(group)
        if layer.fields.get("shared_record"):
            run.results.release_records(config.shared_records)
        self.idle = max(run.results.last_byte + 1, run.results.collected)
        self.spent.append(run.spent_since(self.ended))
        self.ended = run.results.last_byte
        return self.ended

    def state(self, read: int | None = None) -> Hashable:
        """All but the time that what follows depends on; of a layer that reads from ``read`` on,
        or between two layers."""
        taken = self.source.taken
        now = self.idle if read is None else read
        coming = tuple((ring is self.weights, *rest) for ring, *rest in self.coming)
        return (now - taken, self.source.state(), self.weights.state(now, taken),
                self.records.state(now, taken), coming,
                read is None and (now - self.input, now - self.ended))

    def jump(self, cycles: int, beats: int) -> None:
        """The tape and its rings, ``cycles`` later and ``beats`` further on."""
        self.source.jump(cycles, beats)
        self.weights.jump(cycles)
        self.records.jump(cycles)

    def queue(self, records: int = 0, words: int = 0) -> None:
        """What the tape brings next: packets of records and of weights."""
        config = self.config
        self.coming += [(self.records, config.record_beats, index == 0)
                        for index in range(records // config.records_together)]
        beats = config.rows // config.tape_rows
        self.coming += [(self.weights, beats, index % packet_words(config) == 0)
                        for index in range(words)]

    def take_all(self) -> None:
        """All that is queued."""
        while self.coming:
            self.take()

    def take(self) -> None:
        """The next entry from the tape into its ring, behind a header where a packet begins."""
        ring, beats, begins = self.coming.popleft()
        if begins:
            self.packet(0)
        late = ring is self.weights and self.config.late_weights
        ring.arrived.append(self.beats(beats, ring.free()) + 1 + 2 * late)

    def packet(self, beats: int, earliest: int = 0) -> int:
        """A packet's header and the first beats of its content; the cycle of the last one."""
        taken = self.beats(self.config.header_beats)
        return self.beats(beats, earliest) if beats else taken

    def beats(self, count: int, earliest: int = 0) -> int:
        """The tape's next beats, taken from ``earliest`` on; the cycle of the last one."""
        return self.source.take(count, earliest)

    def end_tape(self) -> None:
        """What stands on the tape behind an image's last layer."""
        self.take_all()
        self.packet(check_beats(self.config))

    def arrival(self, word: int) -> int:
        """From when on a word of weights can be read."""
        while len(self.weights.arrived) <= word:
            self.take()
        return self.weights.arrived[word]
