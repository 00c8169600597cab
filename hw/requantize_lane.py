"""One lane of the requantizer: from an accumulator to a byte."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .config import Mode
from .layouts import RECORD, layer_layout
from .multiply import DigitMultiply

WORDS = ("bias", "multiplier", "offset", "offset_negative")      # of a record, 32 bits each


def step_layout(slots):
    """What a stage is at: which of the lane's ``slots`` has the record, and which digit it is."""
    return data.StructLayout({"valid": 1, "first": 1, "last": 1, "slot": range(slots)})


class RequantizeLane(wiring.Component):
    """The arithmetic that ``Requantizer`` describes, a stage a cycle with ``run``.

    ``value`` belongs to the stage ``taken``; ``total``, ``digit`` and ``product`` are that stage's
    followers where the lane asks for them. ``w_en`` writes what ``beat`` has of a record, its beat
    number ``part``, to ``w_slot``; ``table_en`` the next byte of the table.
    """

    def __init__(self, config):
        self.config = config
        self.slots  = config.channel_records // config.requantizers
        step = step_layout(self.slots)
        super().__init__({
            "layer":    In(layer_layout(config)),
            "run":      In(1),
            "w_en":     In(1),
            "w_slot":   In(range(self.slots)),
            "part":     In(range(config.record_beats)),
            "beat":     In(data.ArrayLayout(8, config.tape_bytes)),
            "table_en": In(1),
            "entry":    In(8),
            "value":    In(signed(config.acc_width)),
            "taken":    In(step),
            "total":    In(step),
            "digit":    In(step),
            "product":  In(step),
            "byte":     Out(signed(8)),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer, run = self.config, self.layer, self.run
        is_add = (layer.mode == Mode.ADD) & config.addition

        # Records: 32-bit memories side by side, each read by the stage that needs it.
        memories, reads = {}, {}
        for word, name in enumerate(WORDS):
            m.submodules[name] = memories[name] = memory = Memory(shape=32, depth=self.slots,
                                                                  init=[])
            w, reads[name] = memory.write_port(granularity=8), memory.read_port()
            m.d.comb += [w.addr.eq(self.w_slot), reads[name].en.eq(run)]
            for byte in range(4):
                beat, place = divmod(4 * word + byte, config.tape_bytes)
                m.d.comb += [w.en[byte].eq(self.w_en & (self.part == beat)),
                             w.data.word_select(byte, 8).eq(self.beat[place])]
        m.d.comb += [
            reads["bias"].addr.eq(self.taken.slot),
            reads["multiplier"].addr.eq(self.digit.slot + (is_add & ~self.digit.first)),
            reads["offset"].addr.eq(self.product.slot),
            reads["offset_negative"].addr.eq(self.product.slot),
        ]

        # Add the bias. Digit by digit, it has been read by then: `taken` keeps its slot for two
        # cycles at the least, or always, with `shared_record`. Otherwise the value waits for it.
        value, total = Signal.like(self.value), Signal(signed(32), reset_less=True)
        m.d.comb += value.eq(self.value)
        if config.whole_sums:
            value = Signal.like(self.value, name="waiting", reset_less=True)
            with m.If(run):
                m.d.sync += value.eq(self.value)
        with m.If(run):
            m.d.sync += total.eq(value + reads["bias"].data.as_signed())

        # Saturate to the digits that will be multiplied; those above them do not matter.
        width = config.digit_width
        saturated, sign, overflow = Signal(signed(32)), total[-1], Signal()
        m.d.comb += saturated.eq(total)
        for steps in range(3):
            top = width * (steps + 1) - 1
            with m.If(layer.steps == steps):
                m.d.comb += overflow.eq(total[top:] != sign.replicate(32 - top))
        with m.If(overflow):
            m.d.comb += saturated.eq((~sign).replicate(32).as_signed())
            for steps in range(3):
                top = width * (steps + 1) - 1
                above = saturated[top:] if config.whole_sums else saturated[top]
                with m.If(layer.steps == steps):
                    m.d.comb += above.eq(sign.replicate(len(above)))

        # Play the digits, the lowest first, or all at once:
        digits = Signal(signed(32), reset_less=True)
        with m.If(run):
            m.d.sync += digits.eq(digits >> width)
            with m.If(self.total.valid):
                m.d.sync += digits.eq(saturated)
        m.submodules.multiply = multiply = DigitMultiply(
            digit_width=(len(digits) if config.whole_sums else width) + 1,
            multiplier_width=config.multiplier_width)
        m.d.comb += [multiply.en.eq(run), multiply.b.eq(reads["multiplier"].data)]
        product = Signal(signed(width + config.multiplier_width + 2), reset_less=True)
        if config.whole_sums:
            m.d.comb += multiply.a.eq(digits)
            added = Signal.like(product, name="kept")
            with m.Switch(layer.steps):
                for steps in range(1 << len(layer.steps)):
                    with m.Case(steps):
                        m.d.comb += added.eq(multiply.p >> steps * width)
            if config.addition:
                added = self.two_operands(m, digits, multiply, memories["multiplier"], added)
        else:
            m.d.comb += multiply.a.eq(self.played(digits))
            kept = Mux(is_add, product, product >> width)
            added = Mux(self.product.first, 0, kept) + multiply.p
        with m.If(run & self.product.valid):
            m.d.sync += product.eq(added)

        # Round, as the product's sign wants it:
        rounded = Signal(signed(max(len(product) + 1, config.shift_max + 10)), reset_less=True)
        shift = Signal(4, reset_less=True)
        width_offset = RECORD["offset"].shape.width
        offset = Mux(product < 0, reads["offset_negative"].data[:width_offset],
                     reads["offset"].data[:width_offset])
        with m.If(run):
            m.d.sync += [rounded.eq(product + offset.as_signed()),
                         shift.eq(Cat(reads["offset"].data[width_offset:],
                                      reads["offset_negative"].data[width_offset:]))]

        # Shift, add the zero point, and clamp. A result that does not fit into nine bits is
        # outside of the range for any zero point: so nine bits are picked at the shift, and what
        # is above them only matters if it is not all sign.
        sign, near = rounded[-1], Signal(signed(9), reset_less=True)
        centred, clamped = Signal(signed(10)), Signal(signed(8), reset_less=True)
        is_sign = Signal(len(rounded))               # this bit and all above it are the sign
        for bit in range(len(rounded) - 1):
            m.d.comb += is_sign[bit].eq(is_sign[bit + 1] & (rounded[bit] == sign))
        m.d.comb += is_sign[-1].eq(1)
        window, fits = Signal(9), Signal()
        m.d.comb += [
            window.eq(rounded[config.shift_min:config.shift_max + 9] >> shift),
            fits.eq(is_sign[config.shift_min + 8:config.shift_max + 9] >> shift),
            centred.eq(near + layer.zero_point),
        ]
        with m.If(run):
            m.d.sync += [
                near.eq(Mux(fits, window, Cat((~sign).replicate(8), sign))),
                clamped.eq(Mux(centred < layer.low, layer.low,
                               Mux(centred > layer.high, layer.high, centred))),
            ]

        # Look up:
        direct = Signal(signed(8), reset_less=True)
        m.d.comb += self.byte.eq(direct)
        with m.If(run):
            m.d.sync += direct.eq(clamped)
        if config.tables:
            m.submodules.table = table = Memory(shape=8, depth=256, init=[])
            w, r = table.write_port(), table.read_port()
            m.d.comb += [w.en.eq(self.table_en), w.data.eq(self.entry),
                         r.en.eq(run), r.addr.eq(clamped)]
            with m.If(self.table_en):
                m.d.sync += w.addr.eq(w.addr + 1)
            with m.If(layer.table):
                m.d.comb += self.byte.eq(r.data.as_signed())
        return m

    def played(self, digits):
        """The digit whose turn it is, signed if it is the last one; with ADD an operand, less its
        zero point."""
        layer, width = self.layer, self.config.digit_width
        is_add = (layer.mode == Mode.ADD) & self.config.addition
        is_signed = self.digit.last | is_add
        digit = Cat(digits[:width], is_signed & digits[width - 1]).as_signed()
        if not self.config.addition:
            return digit
        zero_point = Mux(self.digit.first, layer.zero_point_1, layer.zero_point_2)
        return digit - Mux(is_add, zero_point, 0)

    def two_operands(self, m, digits, multiply, multipliers, added):
        """ADD at once: the lowest digit through the multiplier of sums, the next one through
        another; the sum of both products, and with other modes what is ``added``."""
        config, layer, width = self.config, self.layer, self.config.digit_width
        is_add = layer.mode == Mode.ADD
        first, second = (digits.word_select(index, width).as_signed() for index in range(2))
        m.submodules.multiply_second = other = DigitMultiply(
            digit_width=width + 1, multiplier_width=config.multiplier_width)
        read = multipliers.read_port()
        m.d.comb += [
            read.en.eq(self.run), read.addr.eq(self.digit.slot + 1),
            other.en.eq(self.run), other.b.eq(read.data),
            other.a.eq(second - layer.zero_point_2),
        ]
        with m.If(is_add):
            m.d.comb += multiply.a.eq(first - layer.zero_point_1)
        return Mux(is_add, multiply.p + other.p, added)
