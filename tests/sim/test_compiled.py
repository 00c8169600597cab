import errno
import os
import random
import re
import threading

import numpy as np
import pytest
from amaranth.hdl import (
    Array,
    Assert,
    Cat,
    ClockDomain,
    ClockSignal,
    Format,
    Instance,
    IOPort,
    Module,
    Print,
    Signal,
    signed,
)
from amaranth.lib import data, io, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from compiled_array import ArrayDesign, load
from compiled_random import amaranth_outputs, compiled_outputs, random_value

import sim.compiled.netlist
from sim.compiled import SimulationError, UnsupportedDesign, compile_design

HERE = re.escape(__file__) + r":\d+"


class Described(wiring.Component):
    """Ports and a function that describes the rest: a component in a line or two."""

    def __init__(self, ports, describe):
        super().__init__(ports)
        self.describe = describe

    def elaborate(self, platform):
        m = Module()
        self.describe(m, self)
        return m


def compiled(ports, describe):
    return compile_design(Described(ports, describe), cache=False)


def check_as_amaranth(ports, describe, cycles=100):
    rng = random.Random(0)
    inputs = {name: member.shape for name, member in Described(ports, describe)
              .signature.members.items() if member.flow == wiring.In}
    stimulus = [{name: random_value(rng, shape) for name, shape in inputs.items()}
                for _ in range(cycles)]
    wanted = amaranth_outputs(Described(ports, describe), stimulus)
    assert compiled_outputs(compiled(ports, describe).machine(), stimulus) == wanted


def count(m, c):
    """Counts when enabled, done at 10."""
    m.d.comb += c.done.eq(c.value == 10)
    with m.If(c.en):
        m.d.sync += c.value.eq(c.value + 1)


COUNTER = {"en": In(1, init=1), "value": Out(signed(8), init=-3), "done": Out(1)}


# Ports and running

def test_ports():
    m = compiled(COUNTER, count).machine()
    assert (m["en"], m["value"], m["done"]) == (1, -3, 0)
    assert m.run(2) == 2
    assert m["value"] == -1
    m["en"] = 0
    m.run(5)
    assert m["value"] == -1


def test_outputs_follow_inputs():
    def describe(m, c):
        m.d.comb += c.sum.eq(c.a + c.b)
    m = compiled({"a": In(4), "b": In(signed(4)), "sum": Out(signed(6))}, describe).machine()
    for a in range(16):
        for b in range(-8, 8):
            m["a"], m["b"] = a, b
            assert m["sum"] == a + b


def test_nested_ports():
    def describe(m, c):
        wiring.connect(m, wiring.flipped(c.i), wiring.flipped(c.o))
    payload = data.StructLayout({"value": signed(8), "last": 1})
    m = compiled({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload))},
                 describe).machine()
    m["i__payload"], m["i__valid"] = 0x1fe, 1
    assert (m["o__payload"], m["o__valid"], m["i__ready"]) == (0x1fe, 1, 0)
    m["o__ready"] = 1
    assert m["i__ready"] == 1


def test_constant_port():
    always = stream.Signature(8, always_ready=True)
    m = compiled({"i": In(always), "o": Out(8)}, lambda m, c: None).machine()
    assert m["i__ready"] == 1


def test_until():
    m = compiled(COUNTER, count).machine()
    assert m.run(100, until="done") == 13
    assert (m["value"], m["done"]) == (10, 1)
    assert m.run(100, until="done") == 0
    assert m.run(1) == 1
    assert m.run(20, until="done") == 20
    assert m.run(0) == 0


def test_signed_input_takes_either_form():
    def describe(m, c):
        m.d.comb += c.o.eq(c.i)
    m = compiled({"i": In(signed(8)), "o": Out(signed(8))}, describe).machine()
    for value in (-2, 0xfe, np.int8(-2)):
        m["i"] = value
        assert m["i"] == m["o"] == -2


@pytest.mark.parametrize("action, error, message", [
    (lambda m: m["other"], KeyError, "Port must be one of en, value, done, not 'other'"),
    (lambda m: m.__setitem__("done", 1), KeyError,
     "Port to set must be an input, not the output 'done'"),
    (lambda m: m.__setitem__("en", 2), ValueError, "Value of port 'en' must fit in 1 bits, not 2"),
    (lambda m: m.run(-1), ValueError, "Number of cycles must not be negative, not -1"),
    (lambda m: m.run(1, until="value"), KeyError,
     "Port to stop at must be a one-bit output (done), not 'value'"),
    (lambda m: m.peek("top.other"), KeyError,
     "Signal must be one of Machine.signals(), not 'top.other'"),
])
def test_wrong_use(action, error, message):
    m = compiled(COUNTER, count).machine()
    with pytest.raises(error) as raised:
        action(m)
    assert raised.value.args == (message,)


def test_machines_are_independent():
    design = compiled(COUNTER, count)
    first, second = design.machine(), design.machine()
    first.run(5)
    assert (first["value"], second["value"]) == (2, -3)


def test_snapshot():
    design = compile_design(ArrayDesign(2, 8), cache=False)
    m = design.machine()
    wanted = load(m, np.random.default_rng(0))
    m["start"] = 1
    m.run(5)
    state = m.snapshot()
    m.run(100, until="done")
    results = m.memory("results").copy()
    assert results.view(np.int8).reshape(2, 2).tolist() == wanted.tolist()
    m.memory("results")[:] = 0
    m.restore(state)
    other = design.machine()
    other.restore(state)
    for machine in (m, other):
        machine.run(100, until="done")
        assert machine.memory("results").tolist() == results.tolist()


def test_threads():
    design = compile_design(ArrayDesign(4, 20), cache=False)
    failures = []

    def work(seed):
        m = design.machine()
        wanted = load(m, np.random.default_rng(seed))
        m["start"] = 1
        m.run(1)
        for _ in range(200):
            m.memory("results")[:] = 0
            m.run(1000, until="done")
            if m.memory("results").view(np.int8).reshape(4, 4).tolist() != wanted.tolist():
                failures.append(seed)
            m.run(1)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# State and logic

def test_reset_less_and_own_reset():
    class WithReset(wiring.Component):
        clk: In(1)
        rst: In(1)
        kept: Out(8)
        cleared: Out(8, init=7)

        def elaborate(self, platform):
            m = Module()
            m.domains.sync = sync = ClockDomain()
            kept = Signal(8, reset_less=True)
            m.d.comb += [sync.clk.eq(self.clk), sync.rst.eq(self.rst), self.kept.eq(kept)]
            m.d.sync += [kept.eq(kept + 1), self.cleared.eq(self.cleared + 1)]
            return m

    m = compile_design(WithReset(), cache=False).machine()
    m.run(3)
    assert (m["kept"], m["cleared"]) == (3, 10)
    m["rst"] = 1
    m.run(2)
    assert (m["kept"], m["cleared"]) == (5, 7)


def test_registers_exchange_values():
    """Groups of registers that wait for one another's old values."""
    def describe(m, c):
        a, b, d = (Signal(16, name=name, init=init) for init, name in enumerate("abd"))
        with m.If(c.x):
            m.d.sync += [a.eq(b ^ c.i), b.eq(a + d), d.eq(d - b)]
        with m.If(c.y):
            with m.If(c.z):
                m.d.sync += [c.p.eq(a + c.q), c.q.eq(c.p * 3)]
            with m.Else():
                m.d.sync += [c.p.eq(b), c.q.eq(c.q + d)]
    check_as_amaranth({"i": In(16), "x": In(1), "y": In(1), "z": In(1),
                       "p": Out(16), "q": Out(16)}, describe)


def test_a_register_that_always_moves_is_read_in_groups():
    """Its old value, though nothing outside of the two groups reads it."""
    def describe(m, c):
        moving = Signal(16, init=3)
        m.d.sync += moving.eq(c.i)
        for enable, sums in (c.x, c.p), (c.y, c.q):
            with m.If(enable):
                m.d.sync += [sums[0].eq(sums[1] + moving), sums[1].eq(sums[0] * moving),
                             sums[2].eq(sums[2] ^ moving)]
    words = data.ArrayLayout(16, 3)
    check_as_amaranth({"i": In(16), "x": In(1), "y": In(1), "p": Out(words), "q": Out(words)},
                      describe)


def test_false_loops_are_split():
    def describe(m, c):
        chain = Signal(9)
        m.d.comb += chain[0].eq(c.i[0])
        for bit in range(1, 9):
            m.d.comb += chain[bit].eq(chain[bit - 1] ^ c.i[bit % 8])
        turned, other = Signal(8), Signal(8)
        m.d.comb += [turned.eq(~Cat(c.i[0], other[:7])), other.eq(turned & (c.i | turned))]
        with m.Switch(c.i[:2]):
            with m.Case(0):
                m.d.comb += c.o[:4].eq(chain)
            with m.Case(1):
                m.d.comb += c.o[4:].eq(c.o[:4])
            with m.Default():
                m.d.comb += c.o.eq(Cat(turned, chain))
        m.d.sync += c.late.eq(other)
    check_as_amaranth({"i": In(8), "o": Out(17), "late": Out(8)}, describe)


def test_arrays_and_partial_assignments():
    def describe(m, c):
        words = Array(Signal(8, name=f"word{index}", init=index) for index in range(5))
        m.d.sync += words[c.i[:3]].eq(c.i[3:])
        m.d.sync += c.wide.word_select(c.i[:4], 4).eq(c.i[4:])
        m.d.sync += Cat(c.low, c.high).bit_select(c.i[:4], 5).eq(c.i)
        m.d.comb += c.o.eq(words[c.i[5:8]])
    check_as_amaranth({"i": In(11), "o": Out(8), "wide": Out(40), "low": Out(3),
                       "high": Out(signed(11))}, describe)


def test_state_machine():
    def describe(m, c):
        with m.FSM():
            with m.State("idle"):
                with m.If(c.go):
                    m.next = "busy"
            with m.State("busy"):
                m.d.sync += c.steps.eq(c.steps + 1)
                m.d.comb += c.busy.eq(1)
                with m.If(c.steps[:2] == 3):
                    m.next = "idle"
    check_as_amaranth({"go": In(1), "busy": Out(1), "steps": Out(8)}, describe)


# Memories

@pytest.mark.parametrize("depth", [1, 2, 5, 8, 12])
@pytest.mark.parametrize("shape, granularity", [
    (1, 1), (8, 8), (signed(8), None), (16, 4), (24, 8), (40, 20), (70, 35), (160, 32)])
def test_memories(depth, shape, granularity):
    def describe(m, c):
        init = [random_value(random.Random(index), shape) for index in range(depth)]
        m.submodules.memory = memory = Memory(shape=shape, depth=depth, init=init)
        writes = [memory.write_port(granularity=granularity) for _ in range(2)]
        reads = [memory.read_port(), memory.read_port(transparent_for=writes),
                 memory.read_port(transparent_for=writes[1:]), memory.read_port(domain="comb")]
        for index, port in enumerate(writes):
            addr = Signal(4)
            m.d.comb += [addr.eq(c.addr if index else c.other), port.addr.eq(addr),
                         port.data.eq(c.data ^ index), port.en.eq(c.w_en >> index)]
        for index, port in enumerate(reads):
            m.d.comb += [port.addr.eq(c.addr if index % 2 else c.other)]
            m.d.comb += getattr(c, f"o{index}").eq(port.data)
            if index < 3:
                m.d.comb += port.en.eq(c.r_en[index])
    check_as_amaranth({"addr": In(4), "other": In(4), "data": In(160), "w_en": In(6),
                       "r_en": In(3), **{f"o{index}": Out(shape) for index in range(4)}}, describe,
                      cycles=60)


def two_memories(m, c):
    m.submodules.tape = tape = Memory(shape=12, depth=5, init=[1, 2, 3])
    m.submodules.inner = inner = Module()
    inner.submodules.wide = wide = Memory(shape=72, depth=3, init=[1 << 71])
    inner.submodules.tape = other = Memory(shape=8, depth=1, init=[])
    m.d.comb += [c.o.eq(tape.read_port(domain="comb").data),
                 Signal(72).eq(wide.read_port().data), Signal(8).eq(other.read_port().data)]


def test_memory_views():
    m = compiled({"o": Out(12)}, two_memories).machine()
    tape, wide = m.memory("top.tape"), m.memory("wide")
    assert (tape.dtype, tape.tolist()) == (np.dtype("<u2"), [1, 2, 3, 0, 0])
    assert (wide.dtype, wide.shape) == (np.dtype(np.uint8), (3, 16))
    assert wide[0].tolist() == [0] * 8 + [128] + [0] * 7
    assert m["o"] == 1
    tape[0] = 77
    assert m["o"] == 77
    m.restore(m.design.machine().snapshot())
    assert tape[0] == 1


@pytest.mark.parametrize("name, ends", [("tape", "top.tape, top.inner.tape"), ("none", "none")])
def test_memory_names(name, ends):
    m = compiled({"o": Out(12)}, two_memories).machine()
    with pytest.raises(KeyError) as raised:
        m.memory(name)
    assert raised.value.args == ("Name must end that of one memory of top.tape, top.inner.wide, "
                                 f"top.inner.tape; '{name}' ends {ends}",)


# Recording

def read_vcd(text):
    """Signals by hierarchical name: their values by cycle, and their masks."""
    names, values, scope, time, history = {}, {}, [], None, {}
    header, body = text.split("$enddefinitions $end\n")
    for line in header.splitlines():
        match line.split():
            case "$scope", "module", name, "$end":
                scope.append(name)
            case "$upscope", "$end":
                scope.pop()
            case "$var", "wire", width, code, name, "$end":
                names[".".join([*scope, name])] = (code, int(width))
    for line in body.splitlines():
        if line[0] == "#":
            if time is not None:
                history |= {cycle: dict(values) for cycle in range(time, int(line[1:]))}
            time = int(line[1:])
        elif line[0] == "b":
            bits, code = line[1:].split(" ")
            values[code] = int(bits, 2)
        else:
            values[line[1:]] = int(line[0])
    history[time] = dict(values)
    return {name: ([history[cycle][code] for cycle in sorted(history)], (1 << width) - 1)
            for name, (code, width) in names.items()}


def test_recording(tmp_path):
    design = compile_design(ArrayDesign(2, 8), cache=False)
    recorded, stepped = design.machine(), design.machine()
    for m in (recorded, stepped):
        load(m, np.random.default_rng(0))
        m["start"] = 1
        m.run(4)
    recording = recorded.record(20)
    recording.write_vcd(tmp_path / "window.vcd")
    signals = read_vcd((tmp_path / "window.vcd").read_text())
    assert set(signals) == set(recorded.signals())
    assert "top.cell_1_0.sum" in signals
    for cycle in range(21):
        for name in stepped.signals():
            value = stepped.peek(name)
            assert recording.values(name)[cycle] == value
            values, mask = signals[name]
            assert values[cycle] == value & mask
        stepped.run(1)
    assert recorded["busy"] == recording.values("top.busy")[-1]


def test_a_recording_moves_on():
    m = compiled(COUNTER, count).machine()
    assert m.record(3).values("top.value") == [-3, -2, -1, 0]
    assert m["value"] == m.peek("top.value") == 0


# What is refused

def refused(ports, describe, message):
    with pytest.raises(UnsupportedDesign, match=f"^{message}$"):
        compiled(ports, describe)


def test_several_clocks_are_refused():
    def describe(m, c):
        m.d.sync += c.a.eq(~c.a)
        m.d.pixel += c.b.eq(~c.b)
    refused({"a": Out(1), "b": Out(1)}, describe,
            f"Clock must be the same everywhere, not another one for the FlipFlop from {HERE} "
            f"than for the FlipFlop from {HERE}")


def test_one_clock_of_any_name():
    def describe(m, c):
        m.d.pixel += c.o.eq(c.o + 1)
    m = compiled({"o": Out(4)}, describe).machine()
    m.run(3)
    assert m["o"] == 3


def own_domain(**options):
    def describe(m, c):
        m.domains.sync = sync = ClockDomain(**options)
        m.d.comb += [sync.clk.eq(c.clk), sync.rst.eq(c.rst)]
        m.d.sync += c.o.eq(~c.o)
    return {"clk": In(1), "rst": In(1), "o": Out(1)}, describe


def test_asynchronous_reset_is_refused():
    refused(*own_domain(async_reset=True),
            "Reset must be synchronous, not asynchronous as that of the flip-flop "
            f"from {HERE}")


def test_falling_edge_is_refused():
    refused(*own_domain(clk_edge="neg"),
            f"Clock edge must be the rising one, not that of the FlipFlop from {HERE}")


def test_gated_clock_is_refused():
    def describe(m, c):
        m.domains.sync = sync = ClockDomain(reset_less=True)
        m.d.comb += sync.clk.eq(c.clk & c.en)
        m.d.sync += c.o.eq(~c.o)
    refused({"clk": In(1), "en": In(1), "o": Out(1)}, describe,
            f"Clock must be an input, not made by logic as that of the FlipFlop from {HERE}")


def test_clock_as_data_is_refused():
    def describe(m, c):
        m.d.sync += c.o.eq(c.o ^ ClockSignal())
    refused({"o": Out(1)}, describe,
            f"Clock must not be used as data, as it is by the Operator from {HERE}")


def test_instance_is_refused():
    def describe(m, c):
        m.submodules.pll = Instance("SB_PLL40_CORE", o_PLLOUTCORE=c.o)
    refused({"o": Out(1)}, describe,
            "Cell must be one the compiled simulator knows, not Instance 'pll' of "
            f"'SB_PLL40_CORE' in top from {HERE}")


def test_pins_are_refused():
    def describe(m, c):
        m.submodules.buffer = buffer = io.Buffer("i", io.SingleEndedPort(IOPort(1, name="pin")))
        m.d.comb += c.o.eq(buffer.i)
    refused({"o": Out(1)}, describe,
            r"Cell must be one the compiled simulator knows, not IOBuffer in top\.buffer from "
            r".*lib/io\.py:\d+")


def test_combinational_loop_is_refused():
    def describe(m, c):
        m.d.comb += c.o.eq(~c.o)
    refused({"o": Out(1)}, describe,
            "Combinational cycle detected, path:\n"
            f"  {HERE}: operator ~ bit 0\n  {HERE}: signal o bit 0\n")


def test_other_amaranth_is_refused(monkeypatch):
    monkeypatch.setattr(sim.compiled.netlist.amaranth, "__version__", "0.6.0")
    with pytest.raises(ImportError, match="^The compiled simulator reads the private netlist of "
                                          r"Amaranth 0\.5, not of 0\.6\.0$"):
        compiled(COUNTER, count)


# Assertions

def test_assertion():
    def describe(m, c):
        count(m, c)
        m.d.sync += [Assert((c.value < 4) | c.en, "never"),
                     Assert(c.value < 5, Format("{:#x} {:d} is{:s}", c.value, c.value - 6,
                                                Signal(24, init=0x216f74))),
                     Print("not printed")]
    m = compiled(COUNTER, describe).machine()
    with pytest.raises(SimulationError,
                       match=f"^Assertion from {HERE} is violated: 0x5 -1 isto!$"):
        m.run(100)
    assert m["value"] == 5


def test_assertion_without_message_and_under_a_condition():
    def describe(m, c):
        count(m, c)
        with m.If(c.value == 3):
            m.d.comb += Assert(~c.en)
    m = compiled(COUNTER, describe).machine()
    assert m.run(6) == 6
    with pytest.raises(SimulationError, match=f"^Assertion from {HERE} is violated$"):
        m.run(1)
    m["en"] = 0
    assert m.run(1) == 1


# The cache

def test_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = compile_design(Described(COUNTER, count))
    file, = (tmp_path / "systolite").iterdir()
    whole = file.read_bytes()
    monkeypatch.setattr("sim.compiled.jit._compile", None)
    second = compile_design(Described(COUNTER, count))
    assert second.key == first.key
    assert second.machine().run(100, until="done") == 13

    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for damaged in (b"", whole[:100], whole[:-1] + b"?"):
        file.write_bytes(damaged)
        assert compile_design(Described(COUNTER, count)).machine().run(100, until="done") == 13
        assert file.read_bytes() == whole
    assert list((tmp_path / "systolite").iterdir()) == [file]


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compile_design(Described(COUNTER, count)).machine().run(3) == 3


def test_a_cache_that_is_full(tmp_path, monkeypatch):
    """Nothing of a file that could not be written stays there."""
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "replace", full)
    assert compile_design(Described(COUNTER, count)).machine().run(3) == 3
    assert list((tmp_path / "systolite").iterdir()) == []


def test_key_names_the_content():
    def faster(m, c):
        count(m, c)
        m.d.sync += c.value.eq(c.value + 2)
    other_init = {**COUNTER, "value": Out(signed(8), init=-4)}
    keys = [compiled(COUNTER, count).key, compiled(COUNTER, faster).key,
            compiled(other_init, count).key]
    assert len(set(keys)) == 3
    assert compiled(COUNTER, count).key == keys[0]
