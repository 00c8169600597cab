"""The simulator as its users see it: a compiled design, and machines that run it."""

import ctypes
import hashlib
import threading
import time
from functools import cached_property

import numpy as np
from amaranth.lib import wiring

from .jit import Code
from .layout import CACHE_LINE, Layout, read_word, write_word
from .netlist import Netlist, read_netlist
from .program import NOTHING_WATCHED, Rows, assertions, results, run_function, watchable
from .vcd import Recording

_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 2,
                             ctypes.c_void_p)


class SimulationError(Exception):
    """An assertion of the design does not hold."""


class Design:
    """A compiled netlist; make machines of it.

    ``cells`` is the netlist's size, ``compile_seconds`` the time it took until now (the
    code that traces is compiled when first needed), ``key`` names its content: two designs with
    the same key behave the same.
    """

    def __init__(self, netlist: Netlist, cache: bool = True):
        start = time.perf_counter()
        self.cache = cache
        self.netlist = netlist
        self.values = results(self.netlist)
        self.layout = Layout(self.netlist, {key: len(nets) for key, nets in self.values.items()})
        self.watchable = watchable(self.netlist)
        self.assertions = assertions(self.netlist)
        ir = run_function(self.netlist, self.layout)
        self.cells = len(self.netlist.cells) - 1
        ports = repr([(name, port.width, port.signed) for name, port in self.netlist.ports.items()])
        self.key = hashlib.sha256(b"\0".join(
            [ir.encode(), ports.encode(), self.layout.template.tobytes()])).hexdigest()
        self._code = Code(ir, cache)
        self.run = _FUNCTION(self._code.address("run"))
        self._lock = threading.Lock()
        self.compile_seconds = time.perf_counter() - start

    @cached_property
    def rows(self) -> Rows:
        return Rows(self.netlist)

    @property
    def trace(self):
        """As ``run``, and stores each cycle's signals in its rows, one more than the cycles."""
        with self._lock:
            if not hasattr(self, "_traced"):
                start = time.perf_counter()
                self._traced = Code(run_function(self.netlist, self.layout, self.rows), self.cache)
                self.compile_seconds += time.perf_counter() - start
        return _FUNCTION(self._traced.address("run"))

    def machine(self) -> "Machine":
        """A machine as it is after power-on."""
        return Machine(self)


def compile_design(component: wiring.Component, cache: bool = True) -> Design:
    """Compile ``component``, whose logic has one clock, or raise :class:`UnsupportedDesign`.

    With ``cache``, machine code is kept in the user's cache folder and found there again.
    """
    start = time.perf_counter()
    design = Design(read_netlist(component), cache)
    design.compile_seconds = time.perf_counter() - start
    return design


class Machine:
    """The state of one design, and what there is to do with it.

    ``machine["port"]`` reads a port of the top component, by the path of its members joined by
    ``__``; outputs follow from the present state and inputs. ``machine["port"] = value`` sets an
    input. Machines of a design are independent, and threads with a machine each run in parallel.
    """

    def __init__(self, design: Design):
        self.design = design
        layout = design.layout
        # Both areas begin where cache lines do.
        spare = np.zeros(layout.size + CACHE_LINE, np.uint8)
        start = -spare.ctypes.data % CACHE_LINE
        self._state = spare[start:start + layout.size]
        self._state[:] = layout.template
        self._registers = self._state.ctypes.data
        self._memories = self._registers + layout.memories_at
        self._settled = False            # whether the results belong to the present state
        self._exposed = False            # whether the host holds views of memories

    def __getitem__(self, name: str) -> int:
        port = self._port(name)
        if not port.width:
            return 0
        if port.is_input:
            return read_word(self._state, self.design.layout.inputs[port.start], port.signed)
        self._settle()
        return read_word(self._state, self.design.layout.results["output", name], port.signed)

    def __setitem__(self, name: str, value: int) -> None:
        port = self._port(name)
        if not port.is_input:
            raise KeyError(f"Port to set must be an input, not the output {name!r}")
        if not -(1 << port.width) >> 1 <= value < 1 << port.width:
            raise ValueError(f"Value of port {name!r} must fit in {port.width} bits, not {value}")
        if port.width:
            write_word(self._state, self.design.layout.inputs[port.start], int(value))
            self._settled = False

    def _port(self, name: str):
        try:
            return self.design.netlist.ports[name]
        except KeyError:
            raise KeyError(f"Port must be one of {', '.join(self.design.netlist.ports)}, "
                           f"not {name!r}") from None

    def run(self, cycles: int, until: str | None = None) -> int:
        """Advance by ``cycles``, or to the first cycle, perhaps this one, where ``until`` is 1.

        ``until`` names a one-bit output. Returns how many cycles passed. Raises
        :class:`SimulationError` in the cycle in which an assertion does not hold.
        """
        return self._advance(self.design.run, cycles, until, None)

    def _advance(self, function, cycles: int, until: str | None, rows) -> int:
        if cycles < 0:
            raise ValueError(f"Number of cycles must not be negative, not {cycles}")
        watch = NOTHING_WATCHED
        if until is not None:
            if until not in self.design.watchable:
                raise KeyError("Port to stop at must be a one-bit output "
                               f"({', '.join(self.design.watchable)}), not {until!r}")
            watch = self.design.watchable[until]
        done = function(self._registers, self._memories, cycles, watch, rows)
        self._settled = True
        if done < cycles and not (until and self[until]):
            self._raise_violation()
        return done

    def _settle(self) -> None:
        if not self._settled or self._exposed:
            self.design.run(self._registers, self._memories, 0, NOTHING_WATCHED, None)
            self._settled = True

    def _result(self, *key) -> int:
        return read_word(self._state, self.design.layout.results[key])

    def _raise_violation(self) -> None:
        netlist = self.design.netlist
        for index in self.design.assertions:
            if not self._result("enabled", index) or self._result("holds", index):
                continue
            message = f"Assertion from {netlist.location(index)} is violated"
            if netlist.cells[index].format:
                message += ": " + self._message(index)
            raise SimulationError(message)
        raise AssertionError

    def _message(self, index: int) -> str:
        text = ""
        for position, chunk in enumerate(self.design.netlist.cells[index].format.chunks):
            if isinstance(chunk, str):
                text += chunk
                continue
            slot = self.design.layout.results.get(("chunk", index, position))
            value = read_word(self._state, slot, chunk.signed) if slot else 0
            if chunk.format_desc.endswith("s"):
                size = (value.bit_length() + 7) // 8
                text += format(value.to_bytes(size, "little").decode(), chunk.format_desc)
            else:
                text += format(value, chunk.format_desc)
        return text

    def memory(self, name: str) -> np.ndarray:
        """The words of a memory, to read and write, alive: copy what must not change.

        ``name`` is its hierarchical name or enough of its end. Words of up to 64 bits are
        unsigned integers, wider ones are rows of bytes, the lowest first; bits above the width
        must be zero.
        """
        memories = self.design.netlist.memories
        found = [full for full in memories if f".{full}".endswith(f".{name}")]
        if name in memories:
            found = [name]
        if len(found) != 1:
            raise KeyError(f"Name must end that of one memory of {', '.join(memories) or 'none'}; "
                           f"{name!r} ends {', '.join(found) or 'none'}")
        slot = self.design.layout.cells[memories[found[0]]]
        start = self.design.layout.memories_at + slot.offset
        words = self._state[start:start + slot.bytes * slot.depth]
        self._exposed = True
        return words.view(f"<u{slot.bytes}") if slot.bytes <= 8 else words.reshape(-1, slot.bytes)

    def snapshot(self) -> np.ndarray:
        """The whole state, for :meth:`restore` on any machine of the same design."""
        return self._state.copy()

    def restore(self, snapshot: np.ndarray) -> None:
        """Go back to a snapshot; views of memories stay valid."""
        self._state[:] = snapshot
        self._settled = False

    def signals(self) -> list[str]:
        """Hierarchical names of all signals; some may name the same wire."""
        return list(self.design.netlist.signals)

    def peek(self, name: str) -> int:
        """The value of any signal in the present state."""
        return self.record(0).values(name)[0]

    def record(self, cycles: int) -> Recording:
        """Advance by ``cycles`` and return all signals in each of them.

        The recording also holds the cycle that was reached, as its last.
        """
        rows = np.zeros((max(cycles, 0) + 1, self.design.rows.size), np.uint8)
        self._advance(self.design.trace, cycles, None, rows.ctypes.data)
        slots = {name: (self.design.rows.slots[nets], signed)
                 for name, (nets, signed) in self.design.netlist.signals.items()}
        return Recording(rows, slots)
