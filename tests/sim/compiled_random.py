"""Random designs, and what Amaranth's own simulator makes of a design: for the tests beside."""

import random
from itertools import count

from amaranth.hdl import C, Cat, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

WIDEST = 48


def amaranth_outputs(component, stimulus):
    """The outputs of ``component`` in each cycle; ``stimulus`` is a list of inputs by name."""
    outputs = [name for name, member in component.signature.members.items()
               if member.flow == wiring.Out]
    seen = []

    async def bench(ctx):
        for inputs in stimulus:
            for name, value in inputs.items():
                ctx.set(getattr(component, name), value)
            seen.append({name: ctx.get(Value.cast(getattr(component, name))) for name in outputs})
            await ctx.tick()

    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def compiled_outputs(machine, stimulus):
    """The same from a machine of the compiled simulator."""
    outputs = [name for name, port in machine.design.netlist.ports.items() if not port.is_input]
    seen = []
    for inputs in stimulus:
        for name, value in inputs.items():
            machine[name] = value
        seen.append({name: machine[name] for name in outputs})
        machine.run(1)
    return seen


def random_value(rng, shape):
    shape = Shape.cast(shape)
    value = rng.choice([rng.getrandbits(shape.width), rng.getrandbits(2), -rng.getrandbits(2)])
    return C(value & ((1 << shape.width) - 1), shape).value


class RandomDesign(wiring.Component):
    """Registers, memories and outputs that are random expressions of one another.

    A seed is a design: elaborated again, it is the same. ``stimulus`` gives its inputs. Memories
    have one of ``depths``.
    """

    def __init__(self, seed, depths=(1, 7, 16, 20, 32)):
        self.seed, self.depths = seed, depths
        rng = random.Random(f"ports {seed}")
        super().__init__({
            **{f"i{index}": In(self.shape(rng, 40)) for index in range(4)},
            **{f"o{index}": Out(self.shape(rng, 60)) for index in range(3)}})

    @staticmethod
    def shape(rng, widest):
        return rng.choice([signed, unsigned])(rng.randint(1, widest))

    def stimulus(self, cycles):
        rng = random.Random(f"stimulus {self.seed}")
        inputs = {name: member.shape for name, member in self.signature.members.items()
                  if member.flow == wiring.In}
        return [{name: random_value(rng, shape) for name, shape in inputs.items()}
                for _ in range(cycles)]

    def elaborate(self, platform):
        m = Module()
        rng = self.rng = random.Random(f"body {self.seed}")
        self.m, self.names = m, count()
        inputs = [getattr(self, f"i{index}") for index in range(4)]
        registers = []
        for index in range(3):
            shape = self.shape(rng, WIDEST)
            registers.append(Signal(shape, name=f"r{index}", init=random_value(rng, shape),
                                    reset_less=rng.random() < 0.5))
        state = [*inputs, *registers]
        reads = [data for index in range(rng.randint(0, 1)) for data in self.memory(index, state)]
        pool = [*state, *reads, C(rng.getrandbits(8), 8), C(-3, signed(4))]
        # Some registers wait for a condition together:
        enables = [named & self.expression(state, 1).any()
                   for named in [self.named(inputs[0][0]), self.named(registers[0].any())]]
        for register in registers:
            if rng.random() < 0.3:
                self.assign(m.d.sync, register, pool)
            else:
                with m.If(rng.choice([*enables, enables[0] & inputs[1][0]])):
                    self.assign(m.d.sync, register, pool)
        for index in range(3):
            if rng.random() < 0.5:
                m.d.comb += getattr(self, f"o{index}").eq(self.expression(pool, 3))
            else:
                self.assign(m.d.comb, getattr(self, f"o{index}"), pool)
        return m

    def memory(self, index, state):
        """A memory with its ports at random addresses; returns what is read."""
        m, rng = self.m, self.rng
        words, bits = rng.choice([(1, rng.randint(1, 70)), (rng.randint(2, 4), 8), (2, 20)])
        depth = rng.choice(self.depths)
        m.submodules[f"memory{index}"] = memory = Memory(
            shape=words * bits, depth=depth,
            init=[rng.getrandbits(words * bits) for _ in range(depth)])
        writes = [memory.write_port(granularity=bits) for _ in range(rng.randint(1, 2))]
        reads = [memory.read_port(domain="comb"), memory.read_port(),
                 memory.read_port(transparent_for=writes)]
        for port in writes:
            m.d.comb += [port.addr.eq(self.expression(state, 1)),
                         port.data.eq(self.expression(state, 2)),
                         port.en.eq(self.expression(state, 1))]
        m.d.comb += reads[0].addr.eq(rng.choice(state))
        for port in reads[1:]:
            m.d.comb += [port.addr.eq(rng.choice([writes[0].addr, self.expression(state, 1)])),
                         port.en.eq(rng.choice([1, self.expression(state, 1)]))]
        return [port.data for port in reads]

    def assign(self, domain, target, pool):
        m, rng = self.m, self.rng
        half = max(1, len(target) // 2)
        first, second = (self.expression(pool, 2).bool() for _ in range(2))
        if rng.random() < 0.5:
            domain += target.eq(self.expression(pool, 3))
        with m.If(first):
            domain += target.eq(self.expression(pool, 2))
        with m.Elif(second):
            domain += target[:half].eq(self.expression(pool, 2))
        with m.Else():
            test = pool[0][:3]
            with m.Switch(test):
                with m.Case(1 % (1 << len(test)), "-" * (len(test) - 1) + "0"):
                    domain += target.eq(self.expression(pool, 2))
                with m.Case("1" * len(test)):
                    domain += target.bit_select(rng.choice(pool)[:4], half).eq(rng.choice(pool))
                with m.Default():
                    domain += target[half - 1:].eq(self.expression(pool, 1))

    def named(self, value):
        """An unsigned signal with this value, to select parts of.

        Of expressions Amaranth's simulator selects wrong bits; beyond the end of signed signals it
        finds the sign, and Yosys zeros.
        """
        signal = Signal(len(value), name=f"named{next(self.names)}")
        self.m.d.comb += signal.eq(value)
        return signal

    def expression(self, pool, depth):
        """No wider than WIDEST, so that it neither grows without bounds nor takes ages."""
        value = self.unlimited(pool, depth)
        return value if len(value) <= WIDEST else value[:WIDEST]

    def unlimited(self, pool, depth):
        rng = self.rng
        if depth == 0 or rng.random() < 0.1:
            return rng.choice(pool)

        def e():
            return self.expression(pool, depth - 1)

        a = e()
        low = rng.randrange(len(a))
        return rng.choice([
            lambda: a + e(), lambda: a - e(), lambda: a & e(), lambda: a | e(), lambda: a ^ e(),
            lambda: a[:20] * e(), lambda: a[:20].as_signed() * e()[:30].as_signed(),
            lambda: a // e(), lambda: a % e(),
            lambda: ~a, lambda: -a, lambda: abs(a), lambda: a.any(), lambda: a.all(),
            lambda: a.xor(), lambda: a.bool(),
            lambda: a << e()[:3], lambda: a >> e()[:rng.randint(1, 7)],
            lambda: a < e(), lambda: a <= e(), lambda: a > e(), lambda: a >= e(),
            lambda: a == e(), lambda: a != e(), lambda: Mux(a, e(), e()),
            lambda: a[low:rng.randint(low + 1, len(a))], lambda: Cat(a[:30], e()[:20]),
            lambda: a.as_signed(), lambda: a.as_unsigned(), lambda: a[:12].replicate(3),
            lambda: a.rotate_left(low), lambda: a.shift_left(3),
            lambda: a.matches("-" * low + "1" + "-" * (len(a) - 1 - low), ("01" * len(a))[:len(a)]),
            lambda: self.named(a).bit_select(e()[:7], rng.randint(1, 9)),
            lambda: self.named(a).word_select(e()[:4], rng.randint(1, 5)),
        ])()
