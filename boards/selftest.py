"""Golden vectors on a board, and where it goes wrong if it does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from boards.boards import Board
from boards.driver import Driver
from boards.session import Session, open_session
from compiler.cycles import latencies
from compiler.golden import Golden
from hw.config import ALL_LAYERS
from sim.compare import equal_images
from sim.made import crc_of_made

VECTORS = 8


def selftest(board: Board, port: str, model: Path, *, profile: str, silence: float,
             note: Callable[[str], object]) -> dict:
    """Random images through the board: outputs, the CRC of all that every layer made, cycles.

    Where a CRC differs, the first layer that does is found by halving: the board is asked for the
    CRC of the layers below ever other limits.
    """
    with Driver(port, silence=silence) as driver:
        session = open_session(board, driver, model, profile)
        program = session.program
        rng = np.random.default_rng(0)
        device = program.partition.device
        inputs = [rng.integers(-128, 128, (VECTORS, *device.tensors[index].shape)).astype(np.int8)
                  for index in device.inputs]
        outputs, cycles, crcs = session.run(inputs, limit=ALL_LAYERS)
        wanted = Golden(device, program.profile).run(inputs)
        right = np.array(crc_of_made(program, inputs)) == crcs
        equal = equal_images(outputs, wanted) & right
        predicted = latencies(program, session.target)
        report = {
            "board": board.name, "port": port, "model": program.graph.name, "vectors": VECTORS,
            "equal": int(equal.sum()), "layers": len(program.layers),
            "cycles_after_input": sorted(set(cycles.tolist())), "predicted_cycles": predicted,
            "first_wrong_layer": None,
        }
        if not equal.all():
            image = int(np.argmin(equal))
            note(f"vector {image} is wrong; looking for the layer")
            report["first_wrong_layer"] = first_wrong(session, [x[image:image + 1] for x in inputs])
    return report


def first_wrong(session: Session, inputs: list[np.ndarray]) -> str:
    """The name of the first layer whose bytes are not the golden model's."""
    layers = session.program.layers
    low, high = 0, len(layers)                   # the layers below `low` are right
    while low < high:
        middle = (low + high) // 2 + 1
        _, _, crcs = session.run(inputs, limit=middle)
        if crcs[0] == crc_of_made(session.program, inputs, middle)[0]:
            low = middle
        else:
            high = middle - 1
    return layers[low].name if low < len(layers) else "none: the output alone differs"


def either(numbers: list[int]) -> str:
    """Some numbers for people."""
    return " or ".join(f"{number:,}" for number in numbers)


def text(report: dict) -> str:
    """The report for people."""
    lines = [f"board      {report['board']} on {report['port']}",
             f"model      {report['model']}, {report['layers']} layers",
             f"vectors    {report['equal']} of {report['vectors']} right in every byte of every "
             "layer",
             f"cycles     {either(report['cycles_after_input'])}; "
             f"{either(report['predicted_cycles'])} predicted"]
    if report["first_wrong_layer"]:
        lines.append(f"wrong      the first layer that differs is {report['first_wrong_layer']}")
    return "\n".join(lines)
