"""Cycles, utilization and memory of models on a board's engine: ``python -m bench.engine``.

Without arguments, the shipped models; ``--simulate`` runs two images on the RTL beside the
prediction, ``--layers`` shows every layer. Cycles are the engine's with its tape in memory beside
it; "on board" they are those with the tape where the board has it.
"""

import argparse
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

from compiler.cycles import predict
from compiler.errors import ModelError
from compiler.program import Program, compile_model
from compiler.targets import DEFAULT, TARGETS
from sim.rtl import RtlEngine

SHIPPED = sorted((Path(__file__).parents[1] / "models").glob("*.tflite"))
IMAGES = 2                       # the second one finds the engine as every later one does


def simulated(program: Program) -> int:
    """Cycles of the second image, on the RTL, with inputs of zero."""
    device = program.partition.device
    inputs = [np.zeros((IMAGES, *device.tensors[index].shape), np.int8)
              for index in device.inputs]
    return int(RtlEngine(program, threads=1).run(inputs).cycles_per_image)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL", default=SHIPPED)
    parser.add_argument("--board", choices=TARGETS, default=DEFAULT.name)
    parser.add_argument("--simulate", action="store_true", help="simulated cycles beside them")
    parser.add_argument("--layers", action="store_true", help="a row for each layer")
    args = parser.parse_args()
    target = TARGETS[args.board]
    config = target.engine

    print(f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
          + ", ".join(f"{name} {version(name)}" for name in ("amaranth", "numpy", "llvmlite")))
    print(f"{target.name}: {config.rows} x {config.columns} x {config.lanes} = {config.macs} MACs "
          f"a cycle at {target.clock_hz / 1e6:g} MHz\n")
    print(f"{'model':28}{'cycles':>10}{'simulated':>11}{'on board':>10}{'images/s':>10}{'array':>8}"
          f"{'tape':>10}{'scratchpad':>12}")
    agree = True
    for path in args.models:
        try:
            program = compile_model(path, config)
        except ModelError as error:
            print(f"{path.stem:28}{str(error).splitlines()[0]}")
            continue
        prediction = predict(program, IMAGES)
        cycles, macs = prediction.per_image, sum(layer.macs for layer in program.layers)
        on_board = predict(program, IMAGES, target).per_image
        found = simulated(program) if args.simulate else None
        agree &= found in (None, cycles)
        print(f"{path.stem:28}{cycles:10,}{'' if found is None else f'{found:,}':>11}"
              f"{on_board:10,}{target.clock_hz / on_board:10,.0f}{macs / cycles / config.macs:8.1%}"
              f"{len(program.tape):10,}{program.plan.peak_bytes:12,}")
        if args.layers:
            before = prediction.ends[0][-1]
            for layer, end in zip(program.layers, prediction.ends[1], strict=True):
                took, before = end - before, end
                print(f"  {layer.name:26}{took:10,}{'':21}{layer.macs / took / config.macs:8.1%}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
