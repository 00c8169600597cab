import random
import time
from itertools import permutations

import pytest

from compiler.allocate import Buffer, Plan, least_bytes, plan_memory, verify
from compiler.errors import ModelError

PLENTY = 1 << 40


def random_buffers(rng, count, steps=10, most=40):
    buffers = []
    for index in range(count):
        first = rng.randrange(steps)
        buffers.append(Buffer(f"b{index}", rng.randrange(1, most), first,
                              min(steps - 1, first + rng.randrange(4))))
    return buffers


def meet(one, other):
    """Whether there is a step in which both live."""
    return one.first_use <= other.last_use and other.first_use <= one.last_use


def best_of_all_orders(buffers, alignment):
    """First fit over every order reaches an optimal plan: sort an optimal one by address."""
    best = PLENTY
    for order in permutations(buffers):
        placed = []
        for buffer in order:
            at = 0
            for start, other in sorted(placed, key=lambda pair: pair[0]):
                if meet(buffer, other) and start < at + buffer.size_bytes:
                    at = max(at, -(-(start + other.size_bytes) // alignment) * alignment)
            placed.append((at, buffer))
        best = min(best, max(at + buffer.size_bytes for at, buffer in placed))
    return best


def check_pairs(plan):
    """No two that live together overlap: pair by pair, byte by byte."""
    placed = [(plan.offsets[buffer.name], buffer) for buffer in plan.buffers]
    for one, a in placed:
        assert one % plan.alignment == 0 and one + a.size_bytes <= plan.peak_bytes
        for two, b in placed:
            steps = range(max(a.first_use, b.first_use), min(a.last_use, b.last_use) + 1)
            if a is not b and len(steps):
                assert not (set(range(one, one + a.size_bytes))
                            & set(range(two, two + b.size_bytes)))


def test_chain_uses_both_ends():
    sizes = [784, 6912, 1728, 10]
    chain = [Buffer(f"t{i}", size, i, i + 1) for i, size in enumerate(sizes)]
    plan = plan_memory(chain, 1, PLENTY)
    assert plan.peak_bytes == 6912 + 1728 == least_bytes(chain)


def test_empty():
    assert plan_memory([], 1, 0).peak_bytes == 0


@pytest.mark.parametrize("seed", range(60))
def test_tiny_cases_are_optimal(seed):
    rng = random.Random(seed)
    alignment = rng.choice([1, 4, 8])
    buffers = random_buffers(rng, rng.randrange(1, 7), steps=6)
    plan = plan_memory(buffers, alignment, PLENTY)
    check_pairs(plan)
    assert least_bytes(buffers, alignment) <= plan.peak_bytes
    assert plan.peak_bytes == best_of_all_orders(buffers, alignment)


@pytest.mark.parametrize("seed", range(20))
def test_random_cases(seed):
    rng = random.Random(seed)
    alignment = rng.choice([1, 2, 4, 16])
    buffers = random_buffers(rng, 40, steps=30, most=200)
    plan = plan_memory(buffers, alignment, PLENTY)
    check_pairs(plan)
    bound = least_bytes(buffers, alignment)
    assert bound <= plan.peak_bytes <= 1.15 * bound
    assert plan_memory(buffers, alignment, PLENTY) == plan         # a fixed seed


def test_speed():
    buffers = random_buffers(random.Random(1), 120, steps=100, most=20000)
    start = time.process_time()
    plan = plan_memory(buffers, 4, PLENTY)
    print(f"120 buffers in {time.process_time() - start:.2f} s: "
          f"{plan.peak_bytes} bytes, bound {least_bytes(buffers, 4)}")


def test_refuses_what_does_not_fit():
    buffers = [Buffer("image", 1000, 0, 1), Buffer("conv", 3000, 1, 3), Buffer("pool", 500, 2, 3)]
    with pytest.raises(ModelError, match=(
            r"^the activations need 4000 bytes of scratchpad, but there are 3999; step 1 holds "
            r"4000 bytes \(conv 3000, image 1000\); use a board with more memory or a smaller "
            r"model$")):
        plan_memory(buffers, 1, 3999)
    assert plan_memory(buffers, 1, 4000).peak_bytes == 4000


@pytest.mark.parametrize("offsets, alignment, peak, message", [
    ((0, 8), 4, 20, r"^buffers a and b overlap at 8 in step 1$"),
    ((0, 10), 4, 20, r"^buffer b is at 10, which is not a multiple of 4 bytes$"),
    ((0, -4), 4, 20, r"^buffer b is at -4, which is not a multiple of 4 bytes$"),
    ((0, 12), 4, 16, r"^buffer b ends at 17, beyond the plan's 16 bytes$"),
])
def test_verify_finds(offsets, alignment, peak, message):
    buffers = (Buffer("a", 10, 0, 1), Buffer("b", 5, 1, 2))
    verify(Plan(buffers, {"a": 0, "b": 12}, 4, 17))
    with pytest.raises(ModelError, match=message):
        verify(Plan(buffers, dict(zip("ab", offsets, strict=True)), alignment, peak))
