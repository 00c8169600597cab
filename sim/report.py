"""What a run found out, as text for people and as JSON for programs."""

import itertools
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from compiler.cycles import STEADY_IMAGES, Prediction, latencies, predict, steady_cycles
from compiler.layer_time import CAUSES
from compiler.program import Prepared, Program
from compiler.size import fit
from sim.compare import Difference
from sim.device import DeviceRun

if TYPE_CHECKING:
    from sim.run import Job


@dataclass(frozen=True)
class Report:
    """``correct`` is None without labels, ``device_run`` with the golden model alone, and
    ``program`` where the engine cannot run the model. ``seconds`` is the simulation's time."""

    job: "Job"
    program: Program | None
    source: str
    images: int
    equal: int
    output_bytes: int
    correct: int | None
    difference: Difference | None
    device_run: DeviceRun | None
    seconds: float | None
    wall_seconds: float

    @property
    def schedule(self) -> DeviceRun | None:
        """The device's run where it tells when each layer ended."""
        return self.device_run if self.device_run and self.device_run.ends is not None else None

    @property
    def agrees(self) -> bool:
        """Whether every output byte is the golden model's."""
        return self.equal == self.images

    @cached_property
    def prediction(self) -> Prediction | None:
        """The compiler's, of the first images; the schedule is static."""
        return None if self.program is None \
            else predict(self.program, min(self.images, STEADY_IMAGES))

    @property
    def predicted_cycles(self) -> int | None:
        """From reset to the last output byte of all images."""
        few = self.prediction
        return few and few.total + (self.images - len(few.ends)) * few.per_image

    @cached_property
    def on_board(self) -> Program | None:
        """The program of the board's build, whose engine has nothing that the model does not need;
        of another array, the same one."""
        if self.program is None or self.job.config != self.job.target.engine:
            return self.program
        prepared = Prepared(self.program.graph, self.program.partition)
        return fit(prepared, self.job.target, self.job.profile)

    @property
    def predicted_after_input(self) -> list[int] | None:
        """On the board, from an image's last byte of input to its last byte of output."""
        return None if self.on_board is None else latencies(self.on_board, self.job.target)

    @property
    def cycles_per_image(self) -> float | None:
        """Of one image after the other; simulated, not predicted."""
        if self.schedule is None:
            return None
        cycles = self.schedule.cycles_per_image
        return int(cycles) if cycles == int(cycles) else cycles

    @cached_property
    def board_cycles_per_image(self) -> int | None:
        """The same of the board's build, its tape coming from where the board has it; predicted."""
        return None if self.on_board is None \
            else steady_cycles(self.on_board, self.job.target)

    @property
    def in_flash(self) -> bool:
        """Whether the board keeps the tape in its flash chip."""
        return self.on_board is not None \
            and self.job.target.store_for(self.on_board.config, self.on_board.tape).flash_dq > 0

    @property
    def images_per_second(self) -> float | None:
        """What the board's chip would reach at its clock."""
        return None if self.schedule is None or self.board_cycles_per_image is None \
            else self.job.target.clock_hz / self.board_cycles_per_image

    @property
    def layers(self) -> list[dict[str, Any]]:
        """A row for each layer; the passes of one that runs in several are added up. ``spent``
        has its cycles by their causes, which make up all of them."""
        if self.schedule is None or self.prediction is None:
            return []
        rows = []
        passes_of = zip(self.program.layers, self.schedule.layer_cycles, self.prediction.spent,
                        strict=True)
        for (name, tensor), passes in itertools.groupby(
                passes_of, lambda one: (one[0].name, one[0].tensor)):
            layers, cycles, causes = zip(*passes, strict=True)
            rows.append(self.row(name, sum(layer.macs for layer in layers), sum(cycles),
                                 {cause: sum(one[cause] for one in causes) for cause in CAUSES})
                        | {"tensor": tensor, "passes": len(layers)})
        return rows

    def row(self, name: str, macs: int, cycles: int, spent: dict[str, int]) -> dict[str, Any]:
        """What the table says of a layer, or of all of them."""
        return {"name": name, "cycles": cycles, "macs": macs,
                "utilization": macs / (cycles * self.job.config.macs), "spent": spent}


def document(report: Report) -> dict[str, Any]:
    """All of it in plain values."""
    job, device, config = report.job, report.schedule, report.job.config
    run = report.device_run
    return {
        "model": str(job.model),
        "engine": job.engine,
        "board": job.target.name,
        "geometry": f"{config.rows}x{config.columns}x{config.lanes}",
        "macs_per_cycle": config.macs,
        "clock_hz": job.target.clock_hz,
        "profile": job.profile,
        "data": report.source,
        "images": report.images,
        "correct": report.correct,
        "accuracy": None if report.correct is None else report.correct / report.images,
        "agrees": report.agrees,
        "equal_images": report.equal,
        "output_bytes": report.output_bytes,
        "first_difference": None if report.difference is None
        else asdict(report.difference) | {"text": str(report.difference)},
        "macs": None if report.program is None else sum(x.macs for x in report.program.layers),
        "tape_bytes": None if report.program is None else len(report.program.tape),
        "cycles": device and device.cycles,
        "predicted_cycles": report.predicted_cycles,
        "first_image_cycles": device and device.first_image_cycles,
        "cycles_per_image": report.cycles_per_image,
        "board_cycles_per_image": report.board_cycles_per_image,
        "images_per_second": report.images_per_second,
        "cycles_after_input": sorted(set(run.after_input)) if run else [],
        "predicted_cycles_after_input": report.predicted_after_input,
        "layers": report.layers,
        "simulated_cycles": run and run.simulated_cycles,
        "simulated_cycles_per_second": run and run.simulated_cycles / report.seconds,
        "seconds": report.seconds,
        "wall_seconds": report.wall_seconds,
    }


def text(report: Report) -> str:
    """All of it in lines."""
    job, device, config = report.job, report.device_run, report.job.config
    count = f"{report.images:,} image{'s' * (report.images != 1)}"
    board = f"{job.target.name} at {job.target.clock_hz / 1e6:g} MHz"
    lines = [f"model      {job.model.stem}, profile {job.profile}"]
    if device is None:
        lines.append("engine     golden: integer numpy, no cycles")
    else:
        lines.append(f"engine     {job.engine}: {config.rows} x {config.columns} x {config.lanes} "
                     f"= {config.macs} MACs a cycle, {board}")
    if report.correct is not None:
        lines.append(f"accuracy   {report.correct / report.images:.2%}: {report.correct:,} of "
                     f"{count} of {report.source}")
    if device is not None:
        lines.append(f"agreement  {report.equal:,} of {count} equal to the golden model in every "
                     f"byte ({report.output_bytes:,} bytes)")
    if report.difference is not None:
        lines.append(f"first difference: {report.difference}")
    if report.schedule is not None:
        lines += timing(report, report.schedule, count, board)
    elif device is not None:
        lines += [
            f"cycles     {', '.join(f'{n:,}' for n in sorted(set(device.after_input)))} from an "
            "image's last byte in to its last one out, "
            f"{' or '.join(f'{n:,}' for n in report.predicted_after_input or ())} predicted",
            f"simulated  {device.simulated_cycles:,} cycles in {report.seconds:.1f} s: "
            f"{device.simulated_cycles / report.seconds / 1e6:,.2f} million a second"]
    lines.append(f"took       {report.wall_seconds:.1f} s")
    return "\n".join(lines)


def timing(report: Report, device: DeviceRun, count: str, board: str) -> list[str]:
    """The lines about cycles."""
    rows = report.layers
    width = max(len(row["name"]) for row in rows)
    rows.append(report.row(
        "total", sum(row["macs"] for row in rows), sum(row["cycles"] for row in rows),
        {cause: sum(row["spent"][cause] for row in rows) for cause in CAUSES}))
    causes = [cause for cause in CAUSES if rows[-1]["spent"][cause]]
    return [
        f"cycles     {report.cycles_per_image:,} an image; {device.cycles:,} for {count}, "
        f"{report.predicted_cycles:,} predicted",
        f"speed      {report.images_per_second:,.1f} images/s on {board}, its tape coming from "
        + ("flash: " if report.in_flash else "block RAM: ")
        + f"{report.board_cycles_per_image:,} cycles an image",
        "",
        f"{'layer':<{width}} {'MACs':>11} {'array':>6} {'cycles':>10}  of these:"
        + "".join(f"{cause:>{max(len(cause), 7) + 1}}" for cause in causes),
        *(f"{row['name']:<{width}} {row['macs']:>11,} {row['utilization']:>6.1%} "
          f"{row['cycles']:>10,}{'':11}"
          + "".join(f"{row['spent'][cause]:>{max(len(cause), 7) + 1},}" for cause in causes)
          for row in rows),
        "",
        f"simulated  {device.simulated_cycles:,} cycles in {report.seconds:.1f} s: "
        f"{device.simulated_cycles / report.seconds / 1e6:,.2f} million a second",
    ]
