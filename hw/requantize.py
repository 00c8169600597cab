"""The requantizer: from accumulators to bytes, exactly as the compiler proved it."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .layouts import RECORD, layer_layout
from .requantize_lane import RequantizeLane, step_layout
from .results import Ends, result_layout, several


class Requantizer(wiring.Component):
    """``clamp(((((acc + bias) * multiplier >> dropped) + offset) >> shift) + zero_point)``.

    ``acc + bias`` is saturated to `steps` digits, and multiplied digit by digit, the lowest
    first, a digit a cycle; the product's low digits are dropped on the way, so ``dropped`` is
    ``digit_width * (steps - 1)``. With `whole_sums`, all digits are multiplied at once, to the same
    result. ``offset`` is the record's `offset_negative` where that product is negative: this is
    what makes one datapath of all of TFLite's rounding rules (see compiler/staircase.py). In mode
    ADD the digits are the two operands, each less its zero point and times the multiplier of a
    record of its own, and nothing is dropped. The byte then optionally passes a table of 256 bytes.

    Records come from the tape (``records``, `records_together` in `record_beats` beats) into a
    ring, each into the next lane's. A group's channels use consecutive ones, the next pixel the
    same again. Each group owns `rows` records, used or not; with `shared_record` all channels use
    the first, and the layer owns two in each lane. Without `whole_sums`, a value whose record is
    not that of the value before takes two cycles at the least.

    With ``run``, what follows in ``o`` are the values that end as ``coming`` says, if there are
    any.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "layer":   In(layer_layout(config)),
            "records": In(stream.Signature(data.ArrayLayout(8, config.tape_bytes))),
            "table":   In(stream.Signature(8, always_ready=True)),
            "i":       In(stream.Signature(result_layout(config))),
            "o":       Out(stream.Signature(several(signed(8), config))),
            "run":     Out(1),
            "coming":  Out(Ends),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer = self.config, self.layer
        at_a_time, together = config.requantizers, config.records_together
        slots, group_slots = config.channel_records // at_a_time, config.rows // at_a_time
        run = self.run                       # the whole pipeline stalls as one
        m.d.comb += run.eq(self.o.ready | ~self.o.valid)

        # Fill the ring:
        written, part = Signal(range(config.channel_records)), Signal(range(config.record_beats))
        level, released = (Signal(range(2 * config.channel_records), name=name)
                           for name in ("level", "released"))
        taken, whole = self.records.valid & self.records.ready, Signal()
        m.d.comb += [self.records.ready.eq(~level[-1]),
                     whole.eq(taken & (part == config.record_beats - 1))]
        m.d.sync += level.eq(level + Mux(whole, together, 0) - released)
        with m.If(taken):
            m.d.sync += part.eq(part + 1)
        with m.If(whole):
            m.d.sync += [part.eq(0), written.eq(written + together)]

        # Take values, once those before have left the digits to them, and name their records:
        stage = data.StructLayout({"step": step_layout(slots), "ends": Ends,
                                   "top": range(at_a_time)})
        turns   = C(0) if config.whole_sums else layer.steps         # a value's cycles, less one
        wait    = Signal.like(layer.steps)
        start   = Signal(range(slots))       # of the group's first record
        slot    = Signal(range(slots))
        after   = Signal(range(slots))       # the next group's first record
        take    = Signal()
        group_ends = Mux(layer.shared_record, self.i.p.ends.layer, self.i.p.ends.group)
        m.d.comb += [
            self.i.ready.eq(run & (wait == 0)),
            take.eq(self.i.valid & self.i.ready),
            after.eq(start + Mux(layer.shared_record, 2, group_slots)),
        ]
        with m.If(take):
            m.d.sync += wait.eq(turns)
            with m.If(group_ends):
                m.d.sync += [start.eq(after), slot.eq(after)]
            with m.Elif(self.i.p.ends.pixel | layer.shared_record):
                m.d.sync += slot.eq(start)
            with m.Else():
                m.d.sync += slot.eq(slot + 1)
        with m.Elif(run & (wait != 0)):
            m.d.sync += wait.eq(wait - 1)

        # What travels beside the values (hw/requantize_lane.py has the stages):
        asked, total, digit = (Signal(stage, name=name) for name in ("asked", "total", "digit"))
        asking, left = Signal(stage), Signal.like(layer.steps)
        m.d.comb += [asking.step.valid.eq(take), asking.step.slot.eq(slot),
                     asking.ends.eq(self.i.p.ends), asking.top.eq(self.i.p.top)]
        if config.whole_sums:
            with m.If(run):
                m.d.sync += asked.eq(asking)
        else:
            m.d.comb += asked.eq(asking)
        with m.If(run):
            m.d.sync += [total.eq(asked), digit.step.first.eq(0), digit.step.last.eq(left == 1),
                         left.eq(left - 1)]
            with m.If(total.step.valid):
                m.d.sync += [digit.eq(total), digit.step.first.eq(1),
                             digit.step.last.eq(turns == 0), left.eq(turns)]
            with m.Elif(digit.step.last):
                m.d.sync += digit.step.valid.eq(0)
        follower, followers = digit, []
        for name in ("select", "row", "product", "sum", "rounded", "near", "clamped", "out"):
            next_one = Signal(stage, name=name)
            with m.If(run):
                m.d.sync += next_one.eq(follower)
                if name == "sum":
                    m.d.sync += next_one.step.valid.eq(follower.step.valid & follower.step.last)
            followers.append(follower := next_one)
        _, _, product, done, *_, clamped, out = followers

        # Once the last value of a group has a sum, its records have been read:
        group_done = Mux(layer.shared_record, done.ends.layer, done.ends.group)
        with m.If(run & done.step.valid & group_done):
            m.d.comb += released.eq(Mux(layer.shared_record, config.shared_records, config.rows))

        for index in range(at_a_time):
            m.submodules[f"lane{index}"] = lane = RequantizeLane(config)
            m.d.comb += [
                lane.layer.eq(layer), lane.run.eq(run),
                lane.w_en.eq(taken & (written[exact_log2(together):exact_log2(at_a_time)]
                                      == index // together)),
                lane.w_slot.eq(written[exact_log2(at_a_time):]), lane.part.eq(part),
                Value.cast(lane.beat).eq(Value.cast(self.records.payload)
                                         >> index % together * RECORD.size),
                lane.table_en.eq(self.table.valid), lane.entry.eq(self.table.payload),
                lane.value.eq(self.i.p.values[index]), lane.taken.eq(asking.step),
                lane.total.eq(total.step), lane.digit.eq(digit.step),
                lane.product.eq(product.step), self.o.p.values[index].eq(lane.byte),
            ]
        m.d.comb += [self.o.valid.eq(out.step.valid), self.o.p.ends.eq(out.ends),
                     self.o.p.top.eq(out.top), self.coming.eq(clamped.ends)]
        return m
