"""How many cycles a program takes: the engine's schedule, worked out without simulating it.

Everything in the engine happens at a time that the layer configurations fix, as long as its input
is there and its output is taken. The quantities below are cycles, counted from reset; the hardware
that each rule belongs to is named beside it. tests/sim/test_rtl.py holds all of this against
the simulated engine, to the cycle.

Tiles, rows, groups and images repeat: what begins as an earlier one began, but for the time, goes
as that one went. So each of them has a ``state``, which leaves nothing out that later times depend
on, and is not followed again when its state comes back (``Repeats``).
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from compiler.layers import Layer
from compiler.program import Program
from compiler.tape import check_beats, packet_words
from compiler.tape_time import FlashTape, MemoryTape, Repeats, Ring
from compiler.targets import Target
from hw.config import EngineConfig, Mode

LONG = 1 << 40                                   # longer than anything takes


@dataclass(frozen=True)
class Prediction:
    """``ends[image][layer]`` is the cycle of a layer's last value; ``total`` ends with the last
    byte that the engine puts out."""

    ends: tuple[tuple[int, ...], ...]
    given: tuple[int, ...]        # when each image's last input byte is taken

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
            patient: bool = False) -> Prediction:
    """The schedule of ``images`` inferences in a row, from the engine's reset on.

    The tape comes from where the ``target`` has it, or without one from a ROM beside the engine.
    An engine that is ``patient`` waits for each image's input until all else is at rest.
    """
    engine = EngineTime(program.config, tape_of(program, target))
    ends: list[tuple[int, ...]] = []
    given: list[int] = []
    repeats = Repeats()
    period, cycles = 0, 0
    while len(ends) < images:
        if not period:
            period, cycles, _ = repeats.found(engine.state(), len(ends), engine.idle)
        if period:
            ends.append(tuple(end + cycles for end in ends[-period]))
            given.append(given[-period] + cycles)
            continue
        if patient:
            engine.input = max(engine.idle, engine.input) + LONG
        ends.append(tuple(engine.run(layer) for layer in program.layers))
        given.append(engine.input)
        engine.end_tape()
    return Prediction(tuple(ends), tuple(given))


def tape_of(program: Program, target: Target | None) -> MemoryTape | FlashTape:
    """Where a target's tape comes from."""
    if target is None:
        return MemoryTape()
    if not target.flash_dq:
        return MemoryTape(late=1)
    beat = program.config.tape_bytes
    return FlashTape(len(program.tape) // beat, beat, target.flash_dq)


class EngineTime:
    """The engine's clock as layers go through it."""

    def __init__(self, config: EngineConfig, source: MemoryTape | FlashTape):
        self.config  = config
        self.source  = source
        self.input   = -1                 # the last byte of input so far, or the least next
        self.idle    = 0                  # when the engine takes the next layer
        self.weights = Ring(config.weight_words)
        self.records = Ring(config.channel_records)
        self.coming: deque[tuple[Ring, int, bool]] = deque()
        self.writes: list[int] = []       # cycles in which the scratchpad is written, not read

    def run(self, layer: Layer) -> int:
        """Plays the tape's part of a layer, runs it, and returns the cycle of its last value."""
        config = self.config
        words = 0 if layer.weights is None else layer.weights.shape[1]
        ahead = min(words, config.weight_words)
        self.queue(records=len(layer.records[0]), words=ahead)
        while self.coming:
            self.take()
        if layer.table is not None:
            self.packet(256, self.idle)
        # (hw/tape.py, hw/fetch.py: the last beat, `start`, and the first cycle of the walk)
        start = self.packet(config.layer_beats, self.idle) + 2
        self.queue(words=words - ahead)

        self.writes.clear()
        run = LayerTime(self, layer, start)
        if layer.mode == Mode.LOAD:
            run.load()
        else:
            shared = layer.fields.get("shared_record")
            for group in run.groups():
                if group:
                    self.queue(records=0 if shared else config.rows, words=words)
                run.group(group)
        if layer.fields.get("shared_record"):
            self.records.released += [run.records_free()] * 2
        self.idle = max(run.last_byte + 1, run.collected)
        return run.last_byte

    def state(self, read: int | None = None) -> Hashable:
        """All but the time that what follows depends on; of a layer that reads from ``read`` on,
        or between two layers."""
        taken = self.source.taken
        now = self.idle if read is None else read
        coming = tuple((ring is self.weights, *rest) for ring, *rest in self.coming)
        return (now - taken, self.source.state(), self.weights.state(now, taken),
                self.records.state(now, taken), coming, read is None and now - self.input)

    def jump(self, cycles: int, beats: int) -> None:
        """The tape and its rings, ``cycles`` later and ``beats`` further on."""
        self.source.jump(cycles, beats)
        self.weights.jump(cycles)
        self.records.jump(cycles)

    def queue(self, records: int = 0, words: int = 0) -> None:
        """What the tape brings next: packets of records and of weights."""
        config = self.config
        self.coming += [(self.records, config.record_beats, index == 0)
                        for index in range(records)]
        beats = config.rows // config.tape_rows
        self.coming += [(self.weights, beats, index % packet_words(config) == 0)
                        for index in range(words)]

    def take(self) -> None:
        """The next entry from the tape into its ring, behind a header where a packet begins."""
        ring, beats, begins = self.coming.popleft()
        if begins:
            self.packet(0)
        ring.arrived.append(self.beats(beats, ring.free()) + 1)

    def packet(self, beats: int, earliest: int = 0) -> int:
        """A packet's header and the first beats of its content; the cycle of the last one."""
        taken = self.beats(self.config.header_beats)
        return self.beats(beats, earliest) if beats else taken

    def beats(self, count: int, earliest: int = 0) -> int:
        """The tape's next beats, taken from ``earliest`` on; the cycle of the last one."""
        return self.source.take(count, earliest)

    def end_tape(self) -> None:
        """What stands on the tape behind an image's last layer."""
        while self.coming:
            self.take()
        self.packet(check_beats(self.config))

    def arrival(self, word: int) -> int:
        """From when on a word of weights can be read."""
        while len(self.weights.arrived) <= word:
            self.take()
        return self.weights.arrived[word]

    def after(self, time: int, count: int) -> int:
        """The ``count``-th cycle after ``time`` in which the scratchpad is not written."""
        writes = self.writes
        index = bisect_right(writes, time)
        time += count
        while index < len(writes) and writes[index] <= time:
            time += 1
            index += 1
        return time


class LayerTime:
    """One layer on its way through fetcher, array or vector unit, collector and requantizer."""

    def __init__(self, engine: EngineTime, layer: Layer, start: int):
        self.engine, self.layer, self.fields = engine, layer, layer.fields
        config = engine.config
        is_array = layer.mode == Mode.ARRAY
        self.is_array  = is_array
        steps = layer.fields.get("steps", 0) + 1
        self.turns     = config.turns(layer.mode, steps)
        self.latency   = config.requantize_latency(layer.mode, steps)
        self.columns   = config.columns if is_array else 1
        self.lanes     = config.rows if is_array else config.word_bytes   # results of a pixel
        self.slots     = (layer.fields["chunks"] + 1) * (layer.fields["kx"] + 1) \
            * (layer.fields["ky"] + 1)
        self.spacing   = config.tile_spacing if is_array else config.word_bytes
        self.room      = config.results // config.tile_results
        self.time      = start            # the next cycle in which a read may be issued
        self.last_slot = -self.spacing    # start of the last slot of the tile before
        # When the last value of each tile in the queue went into the requantizer:
        self.leaves: deque[int] = deque(maxlen=self.room)
        self.last_take = -self.turns
        self.last_byte = 0
        self.collected = 0
        self.first_word = len(engine.weights.released)

    def load(self) -> None:
        """Mode LOAD: a byte a cycle, straight into the queue."""
        count = (self.fields["rows"] + 1) * (self.fields["tiles"] + 1)
        first = max(self.time, self.engine.input + 1)
        self.values(first, count)
        self.engine.input = first + count - 1
        self.last_byte = self.last_take + self.latency

    def group(self, group: int) -> None:
        """All tiles of one group of channels."""
        f = self.fields
        is_last_group = group == f["groups"]
        channels = f["last_channels" if is_last_group else "channels"] + 1
        base = f["out_base"] + group * (f["channels"] + 1)
        for row in self.steps(f["rows"] + 1, base, f["out_row"]):
            start, stride = base + row * f["out_row"], self.columns * f["out_pixel"]
            for tile in self.steps(f["tiles"] + 1, start, stride):
                first = row == 0 and tile == 0
                last = row == f["rows"] and tile == f["tiles"]
                pixels = self.columns if tile < f["tiles"] or not self.is_array \
                    else f["last_columns"] + 1
                done = self.fetch(first, last)
                self.collect(done, pixels, channels, start + tile * stride)
        if self.is_array and not f.get("shared_record"):
            self.engine.records.released += [self.records_free()] * self.engine.config.rows

    def groups(self) -> Iterator[int]:
        """Those groups that do not go as earlier ones went."""
        f = self.fields
        return self.steps(f["groups"] + 1, f["out_base"], f["channels"] + 1, self.is_array)

    def steps(self, count: int, address: int, stride: int, with_tape: bool = False
              ) -> Iterator[int]:
        """Of ``count`` steps whose output begins ``stride`` further on each, those that do not go
        as earlier ones went. The first and the last step are like no others."""
        engine, repeats = self.engine, Repeats()
        step = 0
        while step < count:
            if 0 < step < count - 1:
                state = (self.state(), (address + step * stride) % engine.config.banks,
                         with_tape and engine.state(self.time))
                period, cycles, beats = repeats.found(state, step, self.time, engine.source.index)
                times = (count - 1 - step) // period if period else 0
                if times:
                    self.jump(times * cycles)
                    if with_tape:
                        engine.jump(times * cycles, times * beats)
                    step += times * period
            yield step
            step += 1

    def state(self) -> Hashable:
        """All but the time that later tiles depend on, besides the tape."""
        now, writes = self.time, self.engine.writes
        return (now - self.last_slot, now - self.last_take,
                tuple(now - time for time in self.leaves),
                tuple(now - time for time in writes[bisect_right(writes, self.last_slot):]))

    def jump(self, cycles: int) -> None:
        """Goes on ``cycles`` later."""
        writes = self.engine.writes
        writes[:] = [time + cycles for time in writes[bisect_right(writes, self.last_slot):]]
        self.leaves.extend([time + cycles for time in self.leaves])
        self.time      += cycles
        self.last_slot += cycles
        self.last_take += cycles
        self.last_byte += cycles
        self.collected += cycles

    def fetch(self, first: bool, last: bool) -> int:
        """Issues a tile's reads; the cycle in which its last result is there (hw/fetch.py)."""
        engine, columns, slots = self.engine, self.columns, self.slots
        waits = self.is_array and (first or last)
        if not waits:
            self.time = engine.after(self.time - 1, (slots - 1) * columns) + 1 if slots > 1 \
                else self.time
            self.slot(0)
        else:
            ring, repeats = engine.weights, self.fields.get("repeat_weights")
            word = self.first_word
            for slot in range(slots):
                is_last = slot == slots - 1
                start = self.slot(engine.arrival(word + columns - 1), is_last)
                if last and (is_last or not repeats):
                    for column in range(columns):
                        issued = engine.after(start - 1, column + 1)
                        ring.released.append(
                            engine.after(issued, engine.config.rows) + 2)
                if not repeats:
                    word += columns
            if last:
                self.first_word = len(ring.released)
        issued = self.time - 1
        if self.is_array:
            return engine.after(issued, engine.config.array_latency) + engine.config.drain_cycles
        return issued + 3

    def slot(self, earliest: int, is_last: bool = True) -> int:
        """Issues one slot, not before ``earliest``; the cycle of its first read."""
        engine = self.engine
        time = max(self.time, earliest)
        if is_last:
            if self.spacing > 1:
                time = max(time, engine.after(self.last_slot, self.spacing - 1) + 1)
            if len(self.leaves) == self.room:
                time = max(time, self.leaves[0] + 1)
        time = engine.after(time - 1, 1)
        if is_last:
            self.last_slot = time
        self.time = engine.after(time - 1, self.columns) + 1
        return time

    def collect(self, done: int, pixels: int, channels: int, address: int) -> None:
        """A tile's results through the collector and the requantizer (hw/results.py)."""
        to_stream = self.fields.get("to_stream")
        banks, latency = self.engine.config.banks, self.latency
        writes = self.engine.writes
        for pixel in range(pixels):
            queued, at, end = done + 1 + pixel * self.lanes, address, address + channels
            while at < end:                      # a word of the scratchpad at a time
                count = end - at if to_stream else min(end - at, banks - at % banks)
                self.values(queued, count)
                queued, at = queued + count, at + count
                if not to_stream:
                    writes.append(self.last_take + latency)
            address += self.fields["out_pixel"]
        self.leaves.append(self.last_take)
        self.last_byte = self.last_take + latency
        self.collected = done + 1 + self.columns * self.lanes

    def records_free(self) -> int:
        """From when on the records of the last value's group are free: four stages before the
        byte they have all been read (hw/requantize.py)."""
        return self.last_take + self.latency - 3

    def values(self, queued: int, count: int) -> None:
        """Values that enter the queue from ``queued`` on, one a cycle: when the requantizer takes
        the last of them."""
        self.last_take = max(queued + 2 + (count - 1) * self.turns,
                             self.last_take + count * self.turns)
