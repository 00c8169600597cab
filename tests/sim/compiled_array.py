"""A small accelerator to measure and to look at: for the tests beside."""

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Cell(wiring.Component):
    """A product a cycle into an accumulator; factors go on to the neighbours a cycle later."""
    a: In(signed(8))
    w: In(signed(8))
    first: In(1)
    a_next: Out(signed(8))
    w_next: Out(signed(8))
    first_next: Out(1)
    sum: Out(signed(32))

    def elaborate(self, platform):
        m = Module()
        m.d.sync += [self.a_next.eq(self.a), self.w_next.eq(self.w),
                     self.first_next.eq(self.first),
                     self.sum.eq(Mux(self.first, 0, self.sum) + self.a * self.w)]
        return m


class ArrayDesign(wiring.Component):
    """``size`` x ``size`` cells that multiply two matrices from memory, over and over.

    ``a`` holds a column and ``w`` a row of ``length`` terms a word, ``results`` gets the sums,
    requantized to bytes, a row a word. ``done`` is high for a cycle after each product; the
    product begins in the cycle after ``start``.
    """

    def __init__(self, size, length):
        self.size, self.length = size, length
        super().__init__({"start": In(1), "scale": In(12), "done": Out(1), "busy": Out(1)})

    def elaborate(self, platform):
        m = Module()
        size, length = self.size, self.length
        m.submodules.a_memory = a_memory = Memory(shape=8 * size, depth=length, init=[])
        m.submodules.w_memory = w_memory = Memory(shape=8 * size, depth=length, init=[])
        m.submodules.results = results = Memory(shape=8 * size, depth=size, init=[])
        a_read, w_read = a_memory.read_port(), w_memory.read_port()
        write = results.write_port(granularity=8)

        # Read a word of each a cycle; `step` runs on until the last corner has its sum.
        last = length + 2 * size + 1
        step = Signal(range(last + size + 2))
        reading = Signal()
        with m.If(self.busy):
            m.d.sync += [step.eq(step + 1), reading.eq(step < length)]
            with m.If(step == last + size):
                m.d.sync += [self.busy.eq(0), self.done.eq(1)]
        with m.Elif(self.start):
            m.d.sync += [self.busy.eq(1), step.eq(0)]
        with m.If(self.done):
            m.d.sync += self.done.eq(0)
        first = Signal()
        m.d.sync += first.eq(self.busy & (step == 0))
        m.d.comb += [port.en.eq(self.busy & (step < length)) for port in (a_read, w_read)]
        m.d.comb += [port.addr.eq(step) for port in (a_read, w_read)]

        # Skew: row and column k run k cycles late.
        def late(value, cycles, name):
            for cycle in range(cycles):
                register = Signal.like(value, name=f"{name}_{cycle}", reset_less=True)
                m.d.sync += register.eq(value)
                value = register
            return value

        cells = [[Cell() for _ in range(size)] for _ in range(size)]
        for row in range(size):
            for column in range(size):
                m.submodules[f"cell_{row}_{column}"] = cells[row][column]
        for index in range(size):
            a = Mux(reading, a_read.data.word_select(index, 8), 0).as_signed()
            w = Mux(reading, w_read.data.word_select(index, 8), 0).as_signed()
            m.d.comb += [cells[index][0].a.eq(late(a, index, f"a_late{index}")),
                         cells[index][0].first.eq(late(first, index, f"first_late{index}")),
                         cells[0][index].w.eq(late(w, index, f"w_late{index}"))]
        for row in range(size):
            for column in range(size):
                cell = cells[row][column]
                if column:
                    left = cells[row][column - 1]
                    m.d.comb += [cell.a.eq(left.a_next), cell.first.eq(left.first_next)]
                if row:
                    m.d.comb += cell.w.eq(cells[row - 1][column].w_next)

        # A row of sums a cycle, scaled, rounded and clamped to bytes.
        rows = Signal(range(size))
        m.d.comb += rows.eq(step - last)
        codes = []
        for column in range(size):
            sums, product = Signal(signed(32)), Signal(signed(44))
            with m.Switch(rows):
                for row in range(size):
                    with m.Case(row):
                        m.d.comb += sums.eq(cells[row][column].sum)
            m.d.comb += product.eq((sums * self.scale + (1 << 11)) >> 12)
            codes.append(Mux(product > 127, 127, Mux(product < -128, -128, product))[:8])
        m.d.comb += [write.addr.eq(rows), write.data.eq(Cat(codes)),
                     write.en.eq((step >= last).replicate(size) & self.busy.replicate(size))]
        return m


def load(machine, rng):
    """Put random matrices into a machine's memories; return the product it is to compute."""
    design = machine.memory("a_memory"), machine.memory("w_memory")
    a, w = (rng.integers(-128, 128, (len(memory), memory.nbytes // len(memory)), np.int8)
            for memory in design)
    for memory, matrix in zip(design, (a, w), strict=True):
        memory.view(np.int8).reshape(matrix.shape)[:] = matrix
    scale = 40
    machine["scale"] = scale
    sums = a.astype(np.int64).T @ w.astype(np.int64)
    return np.clip((sums * scale + (1 << 11)) >> 12, -128, 127).astype(np.int8)
