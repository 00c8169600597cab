"""The requantizer: from an accumulator to a byte, exactly as the compiler proved it."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .config import RECORD, Mode
from .multiply import DigitMultiply
from .results import Ends, result_layout


class Stage(data.Struct):
    """What travels beside a digit."""

    valid: 1
    first: 1       # digit of its value
    last:  1
    ends:  Ends


def byte_layout():
    """A requantized value and what it ends."""
    return data.StructLayout({"byte": signed(8), "ends": Ends})


class Requantizer(wiring.Component):
    """``clamp(((((acc + bias) * multiplier >> dropped) + offset) >> shift) + zero_point)``.

    ``acc + bias`` is saturated to `steps` digits, and multiplied digit by digit, the lowest
    first, a digit a cycle; the product's low digits are dropped on the way, so ``dropped`` is
    ``8 * (steps - 1)``. With `whole_sums`, all digits are multiplied at once, to the same result.
    ``offset`` is the record's `offset_negative` where that product is negative: this is what makes
    one datapath of all of TFLite's rounding rules (see compiler/staircase.py). In mode ADD the
    digits are the two operands, each less its zero point and times the multiplier of a record of
    its own, and nothing is dropped. The byte then optionally passes a table of 256 bytes.

    Records come from the tape (``records``, a record in `record_beats` beats) into a ring. A
    group's channels use consecutive ones, the next pixel the same again, and the next group those
    after the `rows` records that belong to this one; digit by digit, it takes at least two. With
    `shared_record` all use the first, and the layer owns two.
    """

    def __init__(self, config, layer):
        self.config = config
        super().__init__({
            "layer":   In(layer),
            "records": In(stream.Signature(data.ArrayLayout(8, config.tape_bytes))),
            "table":   In(stream.Signature(8, always_ready=True)),
            "i":       In(stream.Signature(result_layout(config))),
            "o":       Out(stream.Signature(byte_layout())),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer = self.config, self.layer
        index_shape = range(config.channel_records)
        run = Signal()                       # the whole pipeline stalls as one
        m.d.comb += run.eq(self.o.ready | ~self.o.valid)

        # Records: 32-bit memories side by side, each read by the stage that needs it.
        written, part = Signal(index_shape), Signal(range(config.record_beats))
        level, released = (Signal(range(2 * config.channel_records), name=name)
                           for name in ("level", "released"))
        taken, whole = self.records.valid & self.records.ready, Signal()
        m.d.comb += [self.records.ready.eq(~level[-1]),
                     whole.eq(taken & (part == config.record_beats - 1))]
        m.d.sync += level.eq(level + whole - released)
        with m.If(taken):
            m.d.sync += part.eq(part + 1)
        with m.If(whole):
            m.d.sync += [part.eq(0), written.eq(written + 1)]
        reads = {}
        for word, name in enumerate(("bias", "multiplier", "offset", "offset_negative")):
            m.submodules[name] = memory = Memory(shape=32, depth=config.channel_records, init=[])
            w, reads[name] = memory.write_port(granularity=8), memory.read_port()
            m.d.comb += [w.addr.eq(written), reads[name].en.eq(run)]
            for byte in range(4):
                beat, lane = divmod(4 * word + byte, config.tape_bytes)
                m.d.comb += [w.en[byte].eq(taken & (part == beat)),
                             w.data.word_select(byte, 8).eq(self.records.payload[lane])]

        # Take a value, once the one before has left the digits to it, and name its record:
        is_add  = (layer.mode == Mode.ADD) & config.addition
        turns   = is_add if config.whole_sums else layer.steps       # a value's cycles, less one
        wait    = Signal.like(layer.steps)
        start   = Signal(index_shape)        # the group's first record
        index   = Signal(index_shape)
        take    = Signal()
        after   = Signal(index_shape)        # the next group's first record
        group_ends = Mux(layer.shared_record, self.i.p.ends.layer, self.i.p.ends.group)
        m.d.comb += [
            self.i.ready.eq(run & (wait == 0)),
            take.eq(self.i.valid & self.i.ready),
            after.eq(start + Mux(layer.shared_record, 2, config.rows)),
        ]
        with m.If(take):
            m.d.sync += wait.eq(turns)
            with m.If(group_ends):
                m.d.sync += [start.eq(after), index.eq(after)]
            with m.Elif(self.i.p.ends.pixel | layer.shared_record):
                m.d.sync += index.eq(start)
            with m.Else():
                m.d.sync += index.eq(index + 1)
        with m.Elif(run & (wait != 0)):
            m.d.sync += wait.eq(wait - 1)

        # Add the bias. Digit by digit, it has been read by then: `index` stays for two cycles at
        # the least, or always, with `shared_record`. Otherwise the value waits for it.
        stage_taken, stage_total = Signal(Stage), Signal(Stage)
        index_taken, index_total = Signal(index_shape), Signal(index_shape)
        value, total = Signal.like(self.i.p.value), Signal(signed(32))
        taking = [stage_taken.valid.eq(take), stage_taken.ends.eq(self.i.p.ends),
                  index_taken.eq(index), value.eq(self.i.p.value)]
        if config.whole_sums:
            with m.If(run):
                m.d.sync += taking
        else:
            m.d.comb += taking
        m.d.comb += reads["bias"].addr.eq(index)
        with m.If(run):
            m.d.sync += [stage_total.eq(stage_taken), index_total.eq(index_taken),
                         total.eq(value + reads["bias"].data.as_signed())]

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
        digits = Signal(signed(32))
        left   = Signal.like(layer.steps)
        stage_digit, index_digit = Signal(Stage), Signal(index_shape)
        with m.If(run):
            m.d.sync += [digits.eq(digits >> width), stage_digit.first.eq(0),
                         stage_digit.last.eq(left == 1), left.eq(left - 1)]
            with m.If(stage_total.valid):
                m.d.sync += [digits.eq(saturated), stage_digit.eq(stage_total),
                             stage_digit.first.eq(1), stage_digit.last.eq(turns == 0),
                             left.eq(turns), index_digit.eq(index_total)]
            with m.Elif(stage_digit.last):
                m.d.sync += stage_digit.valid.eq(0)
        m.d.comb += reads["multiplier"].addr.eq(index_digit + (is_add & ~stage_digit.first))

        m.submodules.multiply = multiply = DigitMultiply(
            digit_width=(len(digits) if config.whole_sums else width) + 1,
            multiplier_width=config.multiplier_width)
        is_signed  = stage_digit.last | is_add
        zero_point = Mux(stage_digit.first, layer.zero_point_1, layer.zero_point_2)
        digit = Cat(digits[:width], is_signed & digits[width - 1]).as_signed()
        if config.whole_sums:
            digit = Mux(is_add, digit, digits)
        m.d.comb += [
            multiply.en.eq(run),
            multiply.a.eq(digit - Mux(is_add, zero_point, 0)),
            multiply.b.eq(reads["multiplier"].data),
        ]

        # Accumulate the products:
        stage_select, stage_row, stage_product, stage_sum = (
            Signal(Stage, name=f"stage_{name}") for name in ("select", "row", "product", "sum"))
        index_select, index_row, index_product = (
            Signal(index_shape, name=f"index_{name}") for name in ("select", "row", "product"))
        product = Signal(signed(width + config.multiplier_width + 2))
        if config.whole_sums:
            kept = Mux(stage_product.first, 0, product)
            dropped = Mux(is_add, 0, layer.steps * width)
        else:
            kept = Mux(stage_product.first, 0, Mux(is_add, product, product >> width))
            dropped = 0
        with m.If(run):
            m.d.sync += [
                stage_select.eq(stage_digit), index_select.eq(index_digit),
                stage_row.eq(stage_select), index_row.eq(index_select),
                stage_product.eq(stage_row), index_product.eq(index_row),
                stage_sum.eq(stage_product),
                stage_sum.valid.eq(stage_product.valid & stage_product.last),
            ]
            with m.If(stage_product.valid):
                m.d.sync += product.eq(kept + (multiply.p >> dropped))

        # Round, as the product's sign wants it, and let the group's records go:
        rounded = Signal(signed(max(len(product) + 1, config.shift_max + 10)))
        stage_rounded = Signal(Stage)
        shift = Signal(4)
        width_offset = RECORD["offset"].shape.width
        offset = Mux(product < 0, reads["offset_negative"].data[:width_offset],
                     reads["offset"].data[:width_offset])
        m.d.comb += [reads[name].addr.eq(index_product) for name in ("offset", "offset_negative")]
        group_done = Mux(layer.shared_record, stage_sum.ends.layer, stage_sum.ends.group)
        with m.If(run & stage_sum.valid & group_done):
            m.d.comb += released.eq(Mux(layer.shared_record, 2, config.rows))
        with m.If(run):
            m.d.sync += [rounded.eq(product + offset.as_signed()), stage_rounded.eq(stage_sum),
                         shift.eq(Cat(reads["offset"].data[width_offset:],
                                      reads["offset_negative"].data[width_offset:]))]

        # Shift, add the zero point, and clamp. A result that does not fit into nine bits is
        # outside of the range for any zero point: so nine bits are picked at the shift, and what
        # is above them only matters if it is not all sign.
        sign, near, stage_near = rounded[-1], Signal(signed(9)), Signal(Stage)
        centred = Signal(signed(10))
        clamped, stage_clamped = Signal(signed(8)), Signal(Stage)
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
                stage_near.eq(stage_rounded),
                clamped.eq(Mux(centred < layer.low, layer.low,
                               Mux(centred > layer.high, layer.high, centred))),
                stage_clamped.eq(stage_near),
            ]

        # Look up:
        m.submodules.table = table = Memory(shape=8, depth=256, init=[])
        w, r = table.write_port(), table.read_port()
        direct, stage_out = Signal(signed(8)), Signal(Stage)
        m.d.comb += [
            w.en.eq(self.table.valid), w.data.eq(self.table.payload),
            r.en.eq(run), r.addr.eq(clamped),
            self.o.valid.eq(stage_out.valid), self.o.p.ends.eq(stage_out.ends),
            self.o.p.byte.eq(Mux(layer.table, r.data.as_signed(), direct)),
        ]
        with m.If(self.table.valid):
            m.d.sync += w.addr.eq(w.addr + 1)
        with m.If(run):
            m.d.sync += [direct.eq(clamped), stage_out.eq(stage_clamped)]
        return m
