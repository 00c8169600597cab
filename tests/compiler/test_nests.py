"""Loops of copies and lists of indices, against numpy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compiler.nests import Nest, nest, passes
from compiler.runs import runs
from hw.config import EngineConfig

CONFIG = EngineConfig(rows=2, columns=1, lanes=4, tape_rows=2, scratchpad_bytes=1 << 15)


def copied(whole: Nest, memory: np.ndarray) -> np.ndarray:
    """What a nest makes of a memory."""
    memory = memory.copy()
    for turns in np.ndindex(*(loop.count for loop in whole.loops)):
        source = whole.source + sum(
            turn * loop.source for turn, loop in zip(turns, whole.loops, strict=True))
        output = whole.output + sum(
            turn * loop.output for turn, loop in zip(turns, whole.loops, strict=True))
        memory[output:output + whole.run] = memory[source:source + whole.run].copy()
    return memory


@st.composite
def views(draw):
    """A memory, and two views of one shape of parts that do not overlap."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    memory = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, 200_000, np.uint8)
    found = []
    for first in (0, 100_000):
        order = draw(st.permutations(range(len(shape))))
        steps = draw(st.lists(st.sampled_from((1, 1, 2, -1)), min_size=len(shape),
                              max_size=len(shape)))
        sizes = [shape[axis] * abs(steps[axis]) for axis in order]
        whole = memory[first:first + int(np.prod(sizes))].reshape(sizes)
        parts = tuple(slice(None, None, steps[axis]) for axis in order)
        found.append(whole[parts].transpose(np.argsort(order)))
    if draw(st.booleans()):                      # one value over and over
        axis = draw(st.integers(0, len(shape) - 1))
        one = found[0][(slice(None),) * axis + (slice(0, 1),)]
        found[0] = np.broadcast_to(one, found[0].shape)
    return memory, *found


@given(views())
def test_passes_copy_what_numpy_copies(case):
    memory, source, destination = case
    whole = nest(destination, source, memory)
    assert whole.size == source.size
    found = memory
    for part in passes(whole, CONFIG):
        assert len(part.loops) <= 3 and all(loop.count > 1 for loop in part.loops)
        found = copied(part, found)
    destination[...] = source.copy()
    assert np.array_equal(found, memory)


def test_contiguous_bytes_need_no_loop():
    memory = np.zeros(1000, np.uint8)
    image = memory[:240].reshape(4, 5, 12)
    assert nest(memory[500:740].reshape(4, 5, 12), image, memory) == Nest(0, 500, 240, ())
    rows = nest(memory[500:620].reshape(2, 5, 12), image[1:3], memory)
    assert rows == Nest(60, 500, 120, ())


def test_long_loops_are_cut():
    memory = np.zeros(30_000, np.uint8)
    columns = memory[:9009].reshape(3003, 3).T
    parts = list(passes(nest(memory[15_000:24_009].reshape(3, 3003), columns, memory), CONFIG))
    assert max(loop.count for part in parts for loop in part.loops) == 1024
    assert sum(part.size for part in parts) == 9009


@given(st.lists(st.integers(0, 12), min_size=1, max_size=40))
def test_runs_are_the_list(indices):
    assert listed(indices) == indices


def listed(indices) -> list[int]:
    found = [None] * len(indices)
    for run in runs(indices):
        for turns in np.ndindex(*(loop.count for loop in run.loops)):
            at = run.output + sum(t * loop.output for t, loop in zip(turns, run.loops, strict=True))
            assert found[at] is None
            found[at] = run.source + sum(
                t * loop.source for t, loop in zip(turns, run.loops, strict=True))
    return found


def test_regular_lists_are_few_runs():
    assert len(runs(np.arange(50))) == len(runs(np.arange(50)[::-3])) == 1
    assert len(runs(np.repeat(np.arange(50), 3))) == 1
    fifths = np.arange(60) * 3 // 5                  # 0 0 1 1 2, and again
    assert len(runs(fifths)) == 2 and listed(fifths) == fifths.tolist()
