"""IR text to machine code in this process, by way of a cache of object files."""

import hashlib

import llvmlite
import llvmlite.binding as llvm

from compiler.files import keep, kept

OPTIMIZATION = 2


class Code:
    """Loaded machine code; it stays as long as this object."""

    def __init__(self, ir: str, cache: bool = True):
        machine = _target_machine()
        image = _cached(ir) if cache else None
        if image is None:
            image = _compile(ir, machine)
            if cache:
                keep(_cache_name(ir), hashlib.sha256(image).digest() + image)
        with llvm.parse_assembly("") as empty:
            self._engine = llvm.create_mcjit_compiler(empty.clone(), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(image))
        self._engine.finalize_object()

    def address(self, function: str) -> int:
        return self._engine.get_function_address(function)


def _host() -> dict[str, str]:
    return {"cpu": llvm.get_host_cpu_name(), "features": llvm.get_host_cpu_features().flatten()}


def _target_machine() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        opt=OPTIMIZATION, codemodel="jitdefault", jit=True, **_host())


def _compile(ir: str, machine: llvm.TargetMachine) -> bytes:
    module = llvm.parse_assembly(ir)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=OPTIMIZATION)
    options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)


# The cache: a file is the digest of an object file, then the object file. LLVM ends the process
# over a bad object file, so a damaged one must not reach it.

def _cache_name(ir: str) -> str:
    host = _host()
    identity = "\n".join([llvmlite.__version__, str(llvm.llvm_version_info), host["cpu"],
                          host["features"], str(OPTIMIZATION), ir])
    return f"{hashlib.sha256(identity.encode()).hexdigest()}.o"


def _cached(ir: str) -> bytes | None:
    content = kept(_cache_name(ir))
    digest, image = content[:32], content[32:]
    return image if hashlib.sha256(image).digest() == digest else None
