"""One layer on its way through the engine, tile by tile: when it reads, and what it waits for."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Protocol

from compiler.layers import Layer
from compiler.results_time import Pipeline, ResultsTime
from compiler.tape_time import FlashTape, MemoryTape, Repeats, Ring
from hw.config import Mode

# What a cycle of a layer is spent on: a read for array or vector unit (or a byte of input), or
# waiting, for weights of the tape, a write of the scratchpad, the results of the tile before to
# shift out, room before the requantizer; and a layer's ends, from the last value of the one before
# to the first read, and from the last read to the last value.
CAUSES = ("reads", "tape", "scratchpad", "results", "requantizer", "begin", "end")


class Engine(Pipeline, Protocol):
    """What a layer finds when it starts; compiler/cycles.py has it."""

    source: MemoryTape | FlashTape
    weights: Ring

    def arrival(self, word: int) -> int:
        """From when on a word of weights can be read."""

    def state(self, read: int) -> Hashable:
        """All but the time that what a layer reads from ``read`` on depends on."""

    def jump(self, cycles: int, beats: int) -> None:
        """The tape and its rings, ``cycles`` later and ``beats`` further on."""


class LayerTime:
    """One layer on its way through fetcher, array or vector unit, and its ``results`` behind them.
    """

    def __init__(self, engine: Engine, layer: Layer, start: int):
        self.engine, self.layer, self.fields = engine, layer, layer.fields
        config = engine.config
        is_array = layer.mode == Mode.ARRAY
        self.is_array  = is_array
        self.results   = ResultsTime(engine, layer)
        self.columns   = layer.tile_pixels(config)
        self.slots     = (layer.fields["chunks"] + 1) * (layer.fields["kx"] + 1) \
            * (layer.fields["ky"] + 1)
        self.spacing   = config.tile_spacing if is_array else config.vector_spacing
        self.time      = start            # the next cycle in which a read may be issued
        self.begins    = start
        self.spent     = Counter(dict.fromkeys(CAUSES, 0))
        self.last_slot = -self.spacing    # start of the last slot of the tile before
        self.first_word = len(engine.weights.released)

    def load(self, input_before: int) -> None:
        """Mode LOAD: a byte a cycle, straight into the queue, behind the input's last one."""
        count = (self.fields["rows"] + 1) * (self.fields["tiles"] + 1)
        self.begins = self.time = max(self.time, input_before + 1)
        self.results.values(self.time + self.engine.config.is_large, count)
        self.read(count)

    def spent_since(self, ended: int) -> dict[str, int]:
        """The layer's cycles by their causes, from the end of the layer before."""
        self.spent["begin"] = self.begins - ended - 1
        self.spent["end"] = self.results.last_byte - self.time + 1
        return dict(self.spent)

    def wait(self, cause: str, time: int) -> None:
        """Nothing is read before ``time``."""
        if time > self.time:
            self.spent[cause] += time - self.time
            self.time = time

    def read(self, count: int) -> None:
        """Reads in the next ``count`` cycles in which the scratchpad can be read."""
        after = self.engine.writes.after(self.time - 1, count) + 1
        self.spent["reads"] += count
        self.spent["scratchpad"] += after - self.time - count
        self.time = after

    def group(self, group: int) -> None:
        """All tiles of one group of channels."""
        f = self.fields
        if f.get("window"):
            self.window_group(group)
            return
        channels, base = self.layer.group_channels(group), self.layer.group_address(group)
        for row in self.steps(f["rows"] + 1, base, f["out_row"]):
            start, stride = base + row * f["out_row"], self.columns * f["out_pixel"]
            for tile in self.steps(f["tiles"] + 1, start, stride):
                first = row == 0 and tile == 0
                last = row == f["rows"] and tile == f["tiles"]
                pixels = self.columns if tile < f["tiles"] or not self.is_array \
                    else f["last_columns"] + 1
                done = self.fetch(first, last)
                self.results.collect(done, pixels, channels, start + tile * stride)
        if self.is_array and not f.get("shared_record"):
            self.results.release_records(self.engine.config.rows)

    def window_group(self, group: int) -> None:
        """The same of a layer of windows, column by column."""
        f = self.fields
        channels, base = self.layer.group_channels(group), self.layer.group_address(group)
        every, columns = f["every_tile"] + 1, f["tiles"] + 1
        for row in self.steps(f["rows"] + 1, base, f["out_row"]):
            start = base + row * f["out_row"]
            for tile in self.steps(columns, start, 0, phase=lambda tile: max(
                    f["skip_tiles"] - tile, (f["skip_tiles"] - tile) % every)):
                output, rest = divmod(tile - f["skip_tiles"], every)
                if output < 0 or rest:
                    self.read(f["ky"] + 1)
                else:
                    self.column(row == 0 and output == 0, row == f["rows"] and tile == f["tiles"],
                                channels, start + output * f["out_pixel"])
        self.results.release_records(self.engine.config.rows)

    def column(self, first: bool, last: bool, channels: int, address: int) -> None:
        """The reads of a column that has outputs, and these."""
        f, ring = self.fields, self.engine.weights
        each, word = f["repeat_weights"], self.first_word
        for ky in range(f["ky"] + 1):
            if (ky - f["skip_ky"]) % (f["every_ky"] + 1) or ky < f["skip_ky"]:
                self.read(1)
                continue
            is_last = ky == f["ky"]
            arrival = self.engine.arrival(word) if first or last else 0
            start = self.slot(arrival, is_last or bool(each))
            if last and (is_last or not each):
                ring.released.append(self.released(start))
            if each or is_last:
                self.results.collect(self.array_done(start), 1, channels, address)
                address += f["out_part"]
            word += not each
        if last:
            self.first_word = len(ring.released)

    def array_done(self, issued: int) -> int:
        """When the last result of a tile is there whose last read this is."""
        config = self.engine.config
        return self.engine.writes.after(issued, config.array_latency) \
            + config.word_cycles + config.drain_cycles

    def released(self, issued: int) -> int:
        """From when on the tape may put another word into the place of one that was read last."""
        config = self.engine.config
        return self.engine.writes.after(issued, config.row_steps) + config.word_cycles

    def groups(self) -> Iterator[int]:
        """Those groups that do not go as earlier ones went."""
        f = self.fields
        return self.steps(f["groups"] + 1, f["out_base"], f["channels"] + 1, self.is_array)

    def steps(self, count: int, address: int, stride: int, with_tape: bool = False,
              phase: Callable[[int], int] = lambda step: 0) -> Iterator[int]:
        """Of ``count`` steps whose output begins ``stride`` further on each, those that do not go
        as earlier ones went. The first and the last step are like no others, and steps of different
        ``phase`` not like each other."""
        engine, repeats = self.engine, Repeats()
        step = 0
        while step < count:
            if 0 < step < count - 1:
                state = (self.state(), phase(step), (address + step * stride) % engine.config.banks,
                         with_tape and engine.state(self.time))
                period, cycles, beats, *spent = repeats.found(
                    state, step, self.time, engine.source.index, *self.spent.values())
                times = (count - 1 - step) // period if period else 0
                if times:
                    self.jump(times * cycles)
                    for cause, cycles_of_it in zip(CAUSES, spent, strict=True):
                        self.spent[cause] += times * cycles_of_it
                    if with_tape:
                        engine.jump(times * cycles, times * beats)
                    step += times * period
            yield step
            step += 1

    def state(self) -> Hashable:
        """All but the time that later tiles depend on, besides the tape."""
        now, writes = self.time, self.engine.writes
        return (now - self.last_slot, self.results.state(now),
                tuple(now - time for time in writes.since(self.last_slot)))

    def jump(self, cycles: int) -> None:
        """Goes on ``cycles`` later."""
        writes = self.engine.writes
        writes.cycles[:] = [time + cycles for time in writes.since(self.last_slot)]
        self.results.jump(cycles)
        self.time      += cycles
        self.last_slot += cycles

    def fetch(self, first: bool, last: bool) -> int:
        """Issues a tile's reads; the cycle in which its last result is there (hw/fetch.py)."""
        engine, columns, slots = self.engine, self.columns, self.slots
        after = engine.writes.after
        waits = self.is_array and (first or last)
        if not waits:
            if slots > 1:
                self.read((slots - 1) * columns)
            self.slot(0)
        else:
            ring, repeats = engine.weights, self.fields.get("repeat_weights")
            word = self.first_word
            for slot in range(slots):
                is_last = slot == slots - 1
                start = self.slot(engine.arrival(word + columns - 1), is_last)
                if last and (is_last or not repeats):
                    for column in range(columns):
                        issued = after(start - 1, column + 1)
                        ring.released.append(self.released(issued))
                if not repeats:
                    word += columns
            if last:
                self.first_word = len(ring.released)
        issued = self.time - 1
        if self.is_array:
            return self.array_done(issued)
        return issued + engine.config.word_cycles + 1

    def slot(self, earliest: int, is_last: bool = True) -> int:
        """Issues one slot, not before ``earliest``; the cycle of its first read."""
        after = self.engine.writes.after
        self.wait("tape", earliest)
        if is_last:
            if self.spacing > 1:
                self.wait("results", after(self.last_slot, self.spacing - 1) + 1)
            self.wait("requantizer", self.results.room_from())
        self.wait("scratchpad", after(self.time - 1, 1))
        start = self.time
        if is_last:
            self.last_slot = start
        self.read(self.columns)
        return start
