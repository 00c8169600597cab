"""Places for tensors in the scratchpad: tensors that live at the same time must not overlap."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compiler.errors import ModelError

# Orders tried by hill-climbing: a few dozen tensors settle within some hundred. What a try costs
# grows with the pairs of tensors that live at the same time, so of thousands there are fewer tries.
TRIES, PAIRS_TRIED = 2000, 1 << 20
SEED = 1
MOST_NAMED = 8                                   # buffers in a refusal


@dataclass(frozen=True)
class Buffer:
    """A tensor that is written in step ``first_use`` and read for the last time in ``last_use``.

    Both steps count as live: a step never reads and writes the same bytes.
    """

    name: str | int                              # of its own, such as the tensor's index
    size_bytes: int
    first_use: int
    last_use: int


@dataclass(frozen=True)
class Plan:
    """``offsets`` in bytes by the buffers' names; ``peak_bytes`` is the end of the highest."""

    buffers: tuple[Buffer, ...]
    offsets: dict[str | int, int]
    alignment: int
    peak_bytes: int


def plan_memory(buffers: Sequence[Buffer], alignment: int, capacity_bytes: int) -> Plan:
    """The better of greedy by size and hill-climbing over orders, checked by ``verify``.

    Offsets are multiples of ``alignment`` bytes. ModelError when it does not fit in
    ``capacity_bytes``, with the buffers that live in the fullest step.
    """
    buffers = tuple(buffers)
    neighbours = meeting(buffers)
    pairs = sum(len(others) for others in neighbours)
    bound = least_bytes(buffers, alignment)
    order = sorted(range(len(buffers)), key=lambda index: -buffers[index].size_bytes)
    best = _place(buffers, neighbours, order, alignment)
    peak = _peak(buffers, best)

    rng = random.Random(SEED)
    tries = min(TRIES, PAIRS_TRIED // pairs) if pairs and bound <= capacity_bytes else 0
    for _ in range(tries):
        if peak <= bound:
            break
        trial = list(order)
        # Mostly a small step: a buffer of those at the peak moves to an earlier place.
        if rng.random() < 0.7:
            top = [at for at, index in enumerate(order)
                   if best[index] + buffers[index].size_bytes == peak]
            moved = trial.pop(rng.choice(top))
            trial.insert(rng.randrange(len(trial) + 1), moved)
        else:
            one, two = rng.sample(range(len(trial)), 2)
            trial[one], trial[two] = trial[two], trial[one]
        offsets = _place(buffers, neighbours, trial, alignment)
        if _peak(buffers, offsets) <= peak:      # a move along a plateau may open a way down
            order, best, peak = trial, offsets, _peak(buffers, offsets)

    offsets_of = {buffer.name: at for buffer, at in zip(buffers, best, strict=True)}
    assert len(offsets_of) == len(buffers)
    plan = Plan(buffers, offsets_of, alignment, peak)
    verify(plan)
    if peak > capacity_bytes:
        raise ModelError(_refusal(plan, bound if bound > capacity_bytes else peak, capacity_bytes))
    return plan


def meeting(buffers: Sequence[Buffer]) -> list[list[int]]:
    """For each buffer, the places of the others with which it shares a step."""
    first = np.array([buffer.first_use for buffer in buffers], np.int64)
    last = np.array([buffer.last_use for buffer in buffers], np.int64)
    return [[other for other in np.flatnonzero((start <= last) & (first <= end)).tolist()
             if other != index] for index, (start, end) in enumerate(zip(first, last, strict=True))]


def least_bytes(buffers: Sequence[Buffer], alignment: int = 1) -> int:
    """A lower bound of any plan's peak: what lives in the fullest step."""
    return max((_used(_live(buffers, b.first_use), alignment) for b in buffers), default=0)


def verify(plan: Plan) -> None:
    """ModelError unless offsets are aligned, inside the peak, and no two live buffers overlap.

    It sweeps the steps and looks at neighbours in address order, where ``plan_memory`` compares
    pairs.
    """
    placed = sorted(((plan.offsets[buffer.name], buffer) for buffer in plan.buffers),
                    key=lambda pair: pair[0])
    for offset, buffer in placed:
        if offset < 0 or offset % plan.alignment:
            raise ModelError(f"buffer {buffer.name} is at {offset}, which is not a multiple of "
                             f"{plan.alignment} bytes")
        if offset + buffer.size_bytes > plan.peak_bytes:
            raise ModelError(f"buffer {buffer.name} ends at {offset + buffer.size_bytes}, beyond "
                             f"the plan's {plan.peak_bytes} bytes")
    for step in sorted({buffer.first_use for buffer in plan.buffers}):
        end: int = 0
        below: str | int = ""
        for offset, buffer in placed:
            if not buffer.first_use <= step <= buffer.last_use or not buffer.size_bytes:
                continue
            if offset < end:
                raise ModelError(f"buffers {below} and {buffer.name} overlap at {offset} in "
                                 f"step {step}")
            end, below = offset + buffer.size_bytes, buffer.name


def _place(buffers: Sequence[Buffer], neighbours: Sequence[Sequence[int]], order: Sequence[int],
           alignment: int) -> list[int]:
    """Each buffer in ``order`` at the lowest address that its neighbours leave free."""
    offsets: list[int | None] = [None] * len(buffers)
    for index in order:
        taken = []
        for other in neighbours[index]:
            offset = offsets[other]
            if offset is not None:
                taken.append((offset, offset + buffers[other].size_bytes))
        at = 0
        for start, end in sorted(taken):
            if at + buffers[index].size_bytes <= start:
                break
            at = max(at, -(-end // alignment) * alignment)
        offsets[index] = at
    return [offset for offset in offsets if offset is not None]


def _peak(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    return max((offset + buffer.size_bytes
                for offset, buffer in zip(offsets, buffers, strict=True)), default=0)


def _live(buffers: Sequence[Buffer], step: int) -> list[Buffer]:
    return [buffer for buffer in buffers if buffer.first_use <= step <= buffer.last_use]


def _used(live: Sequence[Buffer], alignment: int) -> int:
    """The least bytes of buffers side by side: only the last one needs no room behind it."""
    if not live:
        return 0
    whole = [-(-buffer.size_bytes // alignment) * alignment for buffer in live]
    slack = max(up - buffer.size_bytes for up, buffer in zip(whole, live, strict=True))
    return sum(whole) - slack


def _refusal(plan: Plan, needed_bytes: int, capacity_bytes: int) -> str:
    """Who needs the scratchpad in its fullest step."""
    step = max((buffer.first_use for buffer in plan.buffers),
               key=lambda step: (_used(_live(plan.buffers, step), plan.alignment), -step))
    live = sorted(_live(plan.buffers, step), key=lambda buffer: -buffer.size_bytes)
    sizes = ", ".join(f"{buffer.name} {buffer.size_bytes}" for buffer in live[:MOST_NAMED])
    if len(live) > MOST_NAMED:
        sizes += f" and {len(live) - MOST_NAMED} more"
    return (f"the activations need {needed_bytes} bytes of scratchpad, but there are "
            f"{capacity_bytes}; step {step} holds {_used(live, plan.alignment)} bytes ({sizes}); "
            f"use a board with more memory or a smaller model")
