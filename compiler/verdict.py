"""Whether a model runs on a board, why not, and how well: all that is known before a build."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from compiler.allocate import Plan
from compiler.area import KINDS, Estimate, estimate
from compiler.byte_functions import fold_byte_functions
from compiler.cycles import STEADY_IMAGES, Prediction, predict
from compiler.decompose import decompose
from compiler.errors import ModelError
from compiler.finding import Finding, Reasons
from compiler.fold import drop_unused, fuse_pads, simplified
from compiler.ir import Graph, Operator
from compiler.kinds import BYTES, RESHAPES
from compiler.legacy import to_int8
from compiler.lower import lower_operator
from compiler.partition import HOST_ONLY
from compiler.places import alone
from compiler.planning import ROOMY, plan_places
from compiler.program import Prepared, Program, divided, input_bytes
from compiler.rules import findings
from compiler.size import PARTS, fit, store_of
from compiler.targets import TARGETS, Store, Target, line_images_per_second
from hw.config import EngineConfig


@dataclass(frozen=True)
class Examined:
    """A model and what is wrong with it on any board; ``prepared`` is None where something is."""

    graph: Graph
    profile: str
    findings: tuple[Finding, ...]
    prepared: Prepared | None

    @property
    def device(self) -> Graph:
        """What the engine has to run, or would have to, in 8 bits."""
        if self.prepared:
            return self.prepared.partition.device
        return would_be_device(self.graph, {finding.operator for finding in self.findings})


@dataclass(frozen=True)
class Verdict:
    """``reasons`` are empty where the model runs on the board; ``program`` and what follows from
    it are None where it cannot be compiled for the board's engine."""

    target: Target
    reasons: tuple[Finding, ...]
    plan: Plan | None
    program: Program | None = None
    store: Store | None = None
    area: dict[str, Estimate] = field(default_factory=dict)
    prediction: Prediction | None = None

    @property
    def fits(self) -> bool:
        """Whether the model runs there."""
        return not self.reasons


def examine(model: Graph, profile: str) -> Examined:
    """What can be said of a model without a board."""
    graph = simplified(model)
    broken = findings(graph)
    reasons = Reasons()
    prepared = None
    if not broken:
        with reasons.of():
            prepared = divided(graph)
    return Examined(graph, profile, (*broken, *reasons.findings()), prepared)


def would_be_device(graph: Graph, broken: set[int | None]) -> Graph:
    """The operators that a refused graph leaves to the engine, once they are in 8 bits; those that
    are ``broken``, None being the whole, as they are."""
    def is_hosts(op: Operator) -> bool:
        types = {graph.tensors[index].dtype for index in (*op.inputs, *op.outputs) if index >= 0}
        return op.kind in HOST_ONLY or (op.kind == "QUANTIZE" and not types <= set(BYTES))
    graph = drop_unused(fuse_pads(graph))
    operators = tuple(op for op in graph.operators if not is_hosts(op))
    made = {index for op in operators for index in op.outputs}
    read = {index for op in operators for index in op.inputs
            if index >= 0 and graph.tensors[index].data is None}
    inputs = tuple(sorted(read - made))
    outputs = tuple(sorted(made - read)) or inputs
    device = to_int8(replace(graph, operators=operators, inputs=inputs, outputs=outputs))
    return device if None in broken else fold_byte_functions(decompose(device, broken), broken)


def judge(examined: Examined, targets: Iterable[Target]) -> list[Verdict]:
    """The model on boards. Some have the same engine, for which it is compiled once."""
    compiled: dict[tuple[EngineConfig, tuple[Store, ...]], Verdict] = {}
    predicted: dict[tuple[EngineConfig, Store], Prediction] = {}
    found = []
    for target in targets:
        # (Stores matter where one of them has an engine of its own.)
        stores = target.stores if any(store.weight_words for store in target.stores) else ()
        if (target.engine, stores) not in compiled:
            compiled[target.engine, stores] = on_engine(examined, target)
        found.append(on_board(replace(compiled[target.engine, stores], target=target), predicted))
    return found


def on_engine(examined: Examined, target: Target) -> Verdict:
    """The model on a board's engine, wherever that is."""
    reasons = Reasons()
    if examined.prepared is None:
        plan = would_be_plan(examined, target.engine, reasons)
        return Verdict(target, (*examined.findings, *reasons.findings()), plan)
    with reasons.of():
        program = fit(examined.prepared, target, examined.profile)
        return Verdict(target, (), program.plan, program)
    return Verdict(target, tuple(reasons.findings()), planned(examined.device, target.engine))


def on_board(found: Verdict, predicted: dict[tuple[EngineConfig, Store], Prediction]) -> Verdict:
    """The same with what the board adds: store, device, clock. It is ``predicted`` once how an
    engine does with a store."""
    target, program = found.target, found.program
    if program is None:
        return found
    reasons = Reasons()
    store = target.store_for(program.config, program.tape)
    if (program.config, store) not in predicted:
        predicted[program.config, store] = predict(program, STEADY_IMAGES, target)
    prediction = predicted[program.config, store]
    with reasons.of():
        store = store_of(program, target)
    area = estimate(target.name, program.config, 0 if store.flash_dq else store.slot_bytes)
    return replace(found, store=store, area=area,
                   reasons=(*reasons.findings(), *too_large(target, area)),
                   prediction=prediction)


def would_be_plan(examined: Examined, engine: EngineConfig, reasons: Reasons) -> Plan | None:
    """The memory of a model that breaks a rule; what else the engine has against it is added to
    ``reasons``, of the operators that break none."""
    device = examined.device
    broken = {finding.operator for finding in examined.findings}
    place = alone(device)
    for op in device.operators:
        if not broken & {op.index, None} and op.kind not in RESHAPES:
            with reasons.of(op):
                lower_operator(device, op, place, examined.profile, engine)
    shapes = [device.tensors[index].shape for op in device.operators for index in op.outputs]
    if min((size for shape in shapes for size in shape), default=1) < 1:
        return None
    with reasons.of():
        plan_places(device, engine)
    return planned(device, engine)


def planned(device: Graph, engine: EngineConfig) -> Plan:
    """The memory plan, also where the engine's scratchpad is too small for it."""
    try:
        return plan_places(device, engine)[1]
    except ModelError:
        return plan_places(device, replace(engine, scratchpad_bytes=ROOMY))[1]


def too_large(target: Target, area: dict[str, Estimate]) -> list[Finding]:
    """A finding for each kind of cell of which the device has too few."""
    return [Finding(None, "", "", f"{found.used:,} ± {found.error:,} {kind}",
                    f"the engine for this model must fit the {found.of:,} {kind} of {target.name}",
                    "take a larger board, or a model that needs less of the engine (bits of the "
                    f"multiplier, scratchpad, {', '.join(PARTS)})")
            for kind, found in area.items() if found.used > found.of]


def would_do(examined: Examined, besides: Sequence[str] = ()) -> list[Verdict]:
    """The boards that run the model, of those not named."""
    if examined.prepared is None:
        return []
    others = (target for name, target in TARGETS.items() if name not in besides)
    return [verdict for verdict in judge(examined, others) if verdict.fits]


def memory_map(examined: Examined, plan: Plan) -> list[dict[str, Any]]:
    """Where the scratchpad holds what, and in which steps, in the order of addresses."""
    device = examined.device
    steps = [str(op) for op in device.operators if op.kind not in RESHAPES]
    names = ["input"] * len(device.inputs) + steps + ["output"] * len(device.outputs)
    rows = []
    for buffer in sorted(plan.buffers, key=lambda b: (plan.offsets[b.name], b.first_use)):
        tensor = device.tensors[int(buffer.name)]
        rows.append({"tensor": buffer.name, "name": tensor.name, "shape": list(tensor.shape),
                     "offset": plan.offsets[buffer.name], "bytes": buffer.size_bytes,
                     "whole": buffer.size_bytes == math.prod(tensor.shape),
                     "first_step": buffer.first_use, "last_step": buffer.last_use,
                     "from": names[buffer.first_use], "to": names[buffer.last_use]})
    return rows


def document(examined: Examined, verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain values."""
    target, program, plan = verdict.target, verdict.program, verdict.plan
    found: dict[str, Any] = {
        "board": target.name,
        "fits": verdict.fits,
        "reasons": [asdict(reason) | {"text": str(reason)} for reason in verdict.reasons],
        "clock_hz": target.clock_hz,
        "scratchpad": None if plan is None else {
            "bytes": (program.config if program else target.engine).scratchpad_bytes,
            "most": target.engine.scratchpad_bytes,
            "used": plan.peak_bytes, "map": memory_map(examined, plan)},
    }
    store = verdict.store
    if program is None or verdict.prediction is None or store is None:
        return found
    ends = verdict.prediction.ends
    cycles = verdict.prediction.per_image
    before = (ends[-2][-1], *ends[-1])
    room = target.store_for(program.config, program.tape)
    return found | {
        "engine": asdict(program.config),
        "macs_per_cycle": program.config.macs,
        "tape": {"bytes": len(program.tape), "room": room.slot_bytes,
                 "kept_in": "flash" if store.flash_dq else "block RAM",
                 "slot_bytes": store.slot_bytes,
                 "address": store.base if store.flash_dq else None},
        "device": {kind: asdict(verdict.area[kind]) for kind in KINDS if kind in verdict.area},
        "macs": sum(layer.macs for layer in program.layers),
        "cycles_per_image": cycles,
        "images_per_second_on_chip": target.clock_hz / cycles,
        "images_per_second_of_the_line": line_images_per_second(input_bytes(program)),
        "layers": [{"name": layer.name, "cycles": end - start, "macs": layer.macs}
                   for layer, start, end in zip(program.layers, before, ends[-1], strict=False)],
    }
