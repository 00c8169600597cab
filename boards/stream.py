"""Streams images to a board, and says what it made of them."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from boards.boards import Board
from boards.driver import Driver
from boards.session import open_session
from compiler.arrays import read_inputs, write_outputs
from compiler.errors import DataError
from compiler.golden import Golden
from compiler.ir import Graph
from sim.compare import equal_images
from sim.data import load, quantize_input
from sim.host import Host
from sim.run import SAMPLE_IMAGES, hits

WHITE = 0xffff                 # of pictures with 16 bits
SHOWN = 10                     # images that the report names one by one


@dataclass(frozen=True)
class Images:
    """What to stream: the model's inputs, what they are called, and their labels if known."""

    inputs: list[np.ndarray]
    names: list[str]
    labels: np.ndarray | None
    source: str


def from_data(graph: Graph, data: str, limit: int | None) -> Images:
    """Images of a dataset (sim/data.py)."""
    dataset = load(data)
    limit = limit or (SAMPLE_IMAGES if data == "sample" else None)
    inputs = quantize_input(dataset.images[:limit], graph.tensors[graph.inputs[0]])
    return Images([inputs], [str(index) for index in range(len(inputs))],
                  dataset.labels[:limit], dataset.name)


def from_array(graph: Graph, path: Path, limit: int | None) -> Images:
    """The model's own inputs."""
    inputs = [array[:limit] for array in read_inputs(path, graph)]
    return Images(inputs, [str(index) for index in range(len(inputs[0]))], None, str(path))


def from_pictures(graph: Graph, paths: list[Path]) -> Images:
    """PNG and PGM files, made grey and resized to 28 x 28 as MNIST's are."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError("pictures need Pillow; install it with pip install pillow") from None
    images = []
    for path in paths:
        try:
            with Image.open(path) as picture:
                if picture.mode.startswith("I"):     # 16 bits, of which `convert` makes white
                    wide = np.asarray(picture).clip(0, WHITE)
                    picture = Image.fromarray((wide // (WHITE // 255)).astype(np.uint8))
                images.append(np.asarray(picture.convert("L").resize((28, 28)), np.uint8))
        except Exception as error:               # Pillow's parsers raise all kinds
            reason = getattr(error, "strerror", None) or (
                "it has too many pixels" if isinstance(error, Image.DecompressionBombError)
                else "it is no picture")
            raise DataError(f"{path} cannot be read: {reason}") from None
    inputs = quantize_input(np.stack(images), graph.tensors[graph.inputs[0]])
    return Images([inputs], [path.name for path in paths], None, f"{len(paths)} pictures")


def stream(board: Board, port: str, model: Path, images: Images, *, profile: str, silence: float,
           outputs_path: Path | None = None) -> dict:
    """Runs the images on the board and compares every byte with the golden model; the report."""
    with Driver(port, silence=silence) as driver:
        session = open_session(board, driver, model, profile)
        program = session.program
        host = Host(program)
        device_inputs = host.to_device(images.inputs)
        start = time.monotonic()
        with tqdm(desc=board.name, total=len(images.names), unit="image", delay=2, disable=None,
                  leave=False) as bar:
            device_outputs, cycles, _ = session.run(device_inputs, bar.update)
        seconds = time.monotonic() - start
    outputs = host.from_device(device_outputs)
    wanted = Golden(program.partition.device, program.profile).run(device_inputs)
    equal = equal_images(device_outputs, wanted)
    if outputs_path:
        write_outputs(outputs_path, outputs)
    scores = outputs[0].reshape(len(equal), -1)
    return {
        "board": board.name, "port": port, "model": program.graph.name, "source": images.source,
        "images": len(equal), "equal_to_golden": int(equal.sum()),
        "correct": hits(outputs[0], images.labels),
        "cycles_after_input": sorted(set(cycles.tolist())),
        "clock_hz": session.info.clock_hz, "seconds": round(seconds, 3),
        "images_per_second": round(len(equal) / seconds, 1),
        "link_errors": asdict(driver.errors),
        "answers": [{"image": name, "class": int(row.argmax()),
                     "confidence": confidence(row, program.graph)}
                    for name, row in zip(images.names, scores, strict=True)],
    }


def confidence(row: np.ndarray, graph: Graph) -> float | None:
    """The largest output as a real number; None where the output has no scale."""
    quantization = graph.tensors[graph.outputs[0]].quantization
    if row.dtype.kind == "f":
        return round(float(row.max()), 4)
    if quantization is None:
        return None
    return round(float(quantization.scale[0])
                 * (int(row.max()) - int(quantization.zero_point[0])), 4)


def text(report: dict) -> str:
    """The report for people."""
    count, errors = report["images"], report["link_errors"]
    lines = [f"board      {report['board']} on {report['port']}, {report['clock_hz'] / 1e6:g} MHz",
             f"model      {report['model']}, {count:,} images of {report['source']}"]
    shown = report["answers"][:SHOWN]
    lines.append("classes    " + ", ".join(
        f"{one['image']}: {one['class']}"
        + (f" ({one['confidence']:.2f})" if one["confidence"] is not None else "")
        for one in shown) + (", ..." if count > SHOWN else ""))
    if report["correct"] is not None:
        lines.append(f"accuracy   {report['correct'] / count:.2%}: {report['correct']:,} of "
                     f"{count:,}")
    lines += [f"agreement  {report['equal_to_golden']:,} of {count:,} images equal to the golden "
              "model in every byte",
              "cycles     " + " to ".join(f"{cycles:,}" for cycles in dict.fromkeys(
                  (report["cycles_after_input"][0], report["cycles_after_input"][-1])))
              + " from an image's last byte to its result's",
              f"speed      {report['images_per_second']:,} images/s over the line",
              "link       " + ("no errors" if not sum(errors.values()) else
                               f"{errors['damaged']} damaged frames, {errors['refused']} refused, "
                               f"{errors['silences']} silences, {errors['lost_results']} images "
                               "sent again")]
    return "\n".join(lines)
