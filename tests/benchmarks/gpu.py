# SPDX-License-Identifier: GPL-3.0-or-later
"""Every bar of the paper's scale on one GPU, in one command: a table, and all figures as JSON.

    python tests/benchmarks/gpu.py --out out/gpu [--only floor kernels step memory wall ...] [--prior sd15] [--full]
                                   [--minutes 10] [--tiny --device cpu]

Priors are public architectures at their true size with values drawn at random (`random_prior.py`): the speed and the
memory are real, the pictures are not. Each part runs in a process of its own, so that one that fails or takes too long
costs nothing but itself; what is known is written as it comes. Parts, in the order in which they run:

floor    what the networks of a preset must multiply, over the speed of a matrix product measured here
kernels  rasteriser and hash grid against nvdiffrast, where it is installed, and against plain torch
step     milliseconds of each phase of a step (device events; nobody waits in between), and what is not the prior's
memory   a short `standard` job inside 8 GB: what PyTorch takes and holds, with no more than that to be had
wall     minutes of `standard` and `paper`: jobs of two lengths; steps cost their difference, all else is counted as it
         was measured. `--full` runs them whole instead
tests    the unit tests of the kernels, renderers and fields on the device

`--tiny` with a CPU runs the same code on a few pixels, which is how it is tested.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, Python knows only this file's folder

import torch

from backend.jobs import presets
from backend.jobs.presets import Preset
from backend.priors import catalog
from backend.priors.base import Prior
from tests.benchmarks import random_prior, step
from tests.benchmarks.timing import Race, table

ROOT = Path(__file__).resolve().parents[2]
EIGHT_GB = 8e9
BARS = {"paper minutes": 15.0, "standard minutes": 3.0, "outside the prior": 0.15, "standard peak GB": 8.0}
AGAINST_NVDIFFRAST, AGAINST_TORCH = 0.8, 5.0
SHORT, LONG = 25, 75  # steps of the two jobs from which a step's cost is found; whole numbers of snapshots
UNIT_TESTS = ("tests/backend/kernels", "tests/backend/render", "tests/backend/fields",
              "tests/backend/geometry/test_tetrahedra.py")


@dataclass(frozen=True)
class Line:
    """A row of the table. bar: at most (or, with `least`, at least) this; None where nothing is demanded."""

    what: str
    value: float
    unit: str
    bar: float | None = None
    least: bool = False
    note: str = ""

    @property
    def met(self) -> bool:
        return self.bar is None or (self.value >= self.bar if self.least else self.value <= self.bar)

    def to_map(self) -> dict[str, Any]:
        return {"what": self.what, "value": self.value, "unit": self.unit, "bar": self.bar, "met": self.met,
                "note": self.note}


@dataclass(frozen=True)
class Bench:
    """What all parts are told: the device, the prior's name, a folder for its files, and whether all is tiny."""

    device: torch.device
    prior: str
    folder: Path
    tiny: bool
    full: bool
    repeats: int

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def settle(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    def preset(self, name: str) -> Preset:
        """The preset, or the same shape of one with a few pixels."""
        whole = presets.find(name)
        if not self.tiny:
            return whole
        grid = presets.HashGridSize(levels=4, log2_entries=10, base=4, finest=16, hidden=8)
        return replace(
            whole,
            coarse=replace(whole.coarse, steps=400, views=2, pixels=8, samples=16, grid=grid, occupancy=8),
            fine=replace(whole.fine, steps=300, views=2, pixels=16, tetrahedra=16, detail_grid=grid),
            finish=presets.Finish(faces=300, texture=64),
        )

    def prior_folder(self) -> Path:
        """Where the prior lies; written the first time."""
        folder = self.folder / (f"tiny-{self.prior}" if self.tiny else self.prior)
        if not (folder / "model_index.json").is_file():
            random_prior.write(self.prior, folder, torch.float32 if self.tiny else torch.bfloat16, tiny=self.tiny)
        return folder


@contextmanager
def drawn_priors() -> Iterator[None]:
    """Inside, a prior that is loaded gets values."""
    plain = catalog.load

    @functools.wraps(plain)
    def load(*args: Any, **kwargs: Any) -> Prior:
        prior = plain(*args, **kwargs)
        torch.manual_seed(0)
        random_prior.randomise(*random_prior.networks_of(prior))
        return prior

    with mock.patch.object(catalog, "load", load):
        yield


def floor(bench: Bench) -> Iterator[Line]:
    """Minutes of nothing but the networks' multiplications, at the speed of a large matrix product."""
    speed, bandwidth = step.device_speeds(bench.device, bench.settle)
    yield Line("matrix product, 16 bits", speed / 1e12, "TFLOP/s")
    yield Line("copy, bytes read and written", bandwidth / 1e9, "GB/s")
    for name in ("standard", "paper"):
        preset = bench.preset(name)
        work = 0.0
        for stage in (preset.coarse, preset.fine):
            network, encode = step.meta_work(bench.prior_folder())
            work += stage.steps * stage.views * (2 * network + encode)
        yield Line(f"{name}: floor of its networks", work / speed / 60, "min",
                   note=f"{work / 1e15:.1f} PFLOP, guidance and encoder included")


def kernels(bench: Bench) -> Iterator[Line]:
    """Forward and backward of the rasteriser at both sizes, and of the hash grid."""
    from tests.benchmarks import kernels as grids

    sizes = ((512, 4, 20_000), (64, 32, 20_000)) if not bench.tiny else ((16, 1, 300),)
    if bench.tiny:
        grids.POINTS = 512
    for pixels, views, faces in sizes:
        for one in rasterising(bench, pixels, views, faces):
            yield from _raced(one)
    for one in grids.hash_grid(bench.repeats, bench.device, bench.settle, AGAINST_TORCH):
        yield from _raced(one)


def _raced(one: Race) -> Iterator[Line]:
    print(table([one]), flush=True)
    yield Line(one.name, 1000 * one.seconds[one.ours], "ms")
    for other in one.seconds:
        if other != one.ours:
            bar = {"nvdiffrast": AGAINST_NVDIFFRAST, "pure torch": AGAINST_TORCH}.get(other)
            yield Line(f"{one.name}: against {other}", one.ratio(other), "x", bar, least=True)


def rasterising(bench: Bench, pixels: int, views: int, faces: int) -> Iterator[Race]:
    """Rasterising and interpolating three numbers a vertex, and the way back to vertices and numbers."""
    from backend.render.cameras import orbit_degrees
    from backend.render.raster import NvdiffrastRasteriser, WarpRasteriser
    from tests.benchmarks import contests, ordinary

    places, corners = (torch.from_numpy(part).to(bench.device) for part in contests.bumpy_mesh(faces))
    cameras = orbit_degrees([360.0 * view / views for view in range(views)], 20.0, pixels).to(bench.device)
    values = torch.rand(len(places), 3, generator=torch.Generator().manual_seed(1)).to(bench.device)

    def with_rasteriser(rasteriser: Any) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        def render(vertices: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
            return rasteriser.interpolate(colours, corners, rasteriser.rasterise(vertices, corners, cameras))

        return render

    def in_torch(vertices: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            seen = ordinary.every_pixel_every_face(vertices, corners, cameras)
        return ordinary.interpolated(colours, vertices, corners, seen, cameras)

    ways: dict[str, Any] = {"ours": with_rasteriser(WarpRasteriser()), "pure torch": in_torch}
    if bench.on_gpu:
        try:
            ways["nvdiffrast"] = with_rasteriser(NvdiffrastRasteriser(bench.device))
            ways["nvdiffrast's own"] = its_own(bench.device, corners, cameras)
        except ImportError:
            print("nvdiffrast is not installed; the race is run without it", flush=True)

    def back(render: Callable[..., torch.Tensor]) -> None:
        vertices, colours = places.clone().requires_grad_(), values.clone().requires_grad_()
        render(vertices, colours).square().sum().backward()

    title = f"rasteriser, {pixels} px, batch {views}, {len(corners):,} faces"
    for name, run in (("forward", lambda way: way(places, values)), ("forward and backward", back)):
        works = {way: functools.partial(run, render) for way, render in ways.items()}
        yield step.race_on(bench.settle, f"{title}, {name}", works, bench.repeats)


def its_own(device: torch.device, corners: torch.Tensor, cameras: Any) -> Callable[..., torch.Tensor]:
    """nvdiffrast as its documentation shows it, its own interpolation included."""
    import nvdiffrast.torch as dr

    context = dr.RasterizeCudaContext(device=device)

    def render(vertices: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
        clip = cameras.to_clip(vertices).contiguous()
        raster, _ = dr.rasterize(context, clip, corners, (cameras.height, cameras.width))
        image: torch.Tensor = dr.interpolate(colours[None].contiguous(), raster, corners)[0]
        return image

    return render


def phases(bench: Bench) -> Iterator[Line]:
    """The profile of a step of both stages of `standard` and `paper`."""
    speed, _ = step.device_speeds(bench.device, bench.settle)
    network, _ = step.meta_work(bench.prior_folder())
    with drawn_priors():
        for name in ("standard",) if bench.tiny else ("standard", "paper"):
            for stage_name, stage, prior, images in step.stages(bench.preset(name), str(bench.prior_folder()),
                                                                bench.device):
                found = step.measure(stage, prior, 3 if bench.tiny else 10, bench.settle, events=bench.on_gpu)[0]
                total = sum(found.values())
                outside = 1 - sum(found.get(one, 0.0) for one in step.PRIOR_PHASES) / total
                print(step.profile_table(f"{name}, {stage_name}", found), flush=True)
                yield Line(f"{name}, {stage_name}: a step", total, "ms",
                           note=json.dumps({key: round(value, 2) for key, value in found.items()}))
                yield Line(f"{name}, {stage_name}: outside the prior", outside, "of a step", BARS["outside the prior"])
                spent = found.get("prior: network", 0.0)
                yield Line(f"{name}, {stage_name}: network over its floor", spent * speed / (1000 * images * network),
                           "x")


def memory(bench: Bench) -> Iterator[Line]:
    """A short `standard` job that is told it has 8 GB, and cannot have more."""
    share, limit = 1.0, EIGHT_GB
    if bench.on_gpu:
        free, total = torch.cuda.mem_get_info(bench.device)
        share = EIGHT_GB / free
        torch.cuda.set_per_process_memory_fraction(min(EIGHT_GB / total, 1.0), bench.device)
        torch.cuda.reset_peak_memory_stats(bench.device)
    began = time.perf_counter()
    report = job(bench, bench.preset("standard"), 10, share)
    yield Line("standard in 8 GB: a short job", time.perf_counter() - began, "s",
               note=" ".join(report["warnings"]))
    if bench.on_gpu:
        yield Line("standard in 8 GB: tensors", torch.cuda.max_memory_allocated(bench.device) / 1e9, "GB",
                   BARS["standard peak GB"])
        held = torch.cuda.max_memory_reserved(bench.device)
        yield Line("standard in 8 GB: held by PyTorch", held / 1e9, "GB", BARS["standard peak GB"])
        free, total = torch.cuda.mem_get_info(bench.device)
        others = total - free - torch.cuda.memory_reserved(bench.device)
        yield Line("standard in 8 GB: held, with CUDA's own", (held + others) / 1e9, "GB", BARS["standard peak GB"],
                   note="everything else on the device counts")
        planned = report["memory"]["needed_bytes"]
        yield Line("standard in 8 GB: planned over held", planned / (held + others), "x")
    yield Line("limit", limit / 1e9, "GB")


def wall(bench: Bench) -> Iterator[Line]:
    """Minutes of whole jobs, measured or extrapolated."""
    for name in ("standard", "paper"):
        preset = bench.preset(name)
        if bench.full:
            report = job(bench, preset, 0)
            seconds = {one["name"]: one["seconds"] for one in report["stages"]}
            yield Line(f"{name} minutes", sum(seconds.values()) / 60, "min", BARS[f"{name} minutes"],
                       note=f"whole; {json.dumps(seconds)}")
            continue
        short, long = (4, 8) if bench.tiny else (SHORT, LONG)
        runs = []
        for steps in (short, short, long):  # the first warms up and does not count
            report = job(bench, preset, steps)
            runs.append({one["name"]: one["seconds"] for one in report["stages"]})
            print(name, steps, runs[-1], flush=True)
        total, parts = extrapolated(preset, runs[1], runs[2], short, long)
        yield Line(f"{name} minutes", total / 60, "min", BARS[f"{name} minutes"],
                   note=f"extrapolated from {short} and {long} steps; {json.dumps(parts)}")


def extrapolated(
    preset: Preset, short: dict[str, float], long: dict[str, float], few: int, many: int
) -> tuple[float, dict[str, float]]:
    """(seconds of the whole job, seconds of its stages) from those of two jobs with `few` and `many` steps a stage."""
    parts = {}
    for name, seconds in long.items():
        steps = {"coarse": preset.coarse.steps, "fine": preset.fine.steps}.get(name)
        pace = max(seconds - short[name], 0.0) / (many - few)
        parts[name] = round(seconds + (pace * (steps - many) if steps else 0.0), 2)
    return sum(parts.values()), parts


def job(bench: Bench, preset: Preset, steps: int, memory_share: float = 1.0) -> dict[str, Any]:
    """The report of a text-to-3D job with the preset; `steps` a stage, 0 for its own number."""
    from backend.jobs import TerminalContext, text_to_3d
    from protocol.specs import TextTo3DSpec

    chosen = preset if not steps else replace(
        preset, coarse=replace(preset.coarse, steps=steps), fine=replace(preset.fine, steps=steps))
    spec = TextTo3DSpec("a red chair", preset=preset.name, prior=str(bench.prior_folder()), seed=1)
    with TemporaryDirectory() as folder, drawn_priors(), mock.patch.object(presets, "find", lambda _: chosen):
        context = TerminalContext(Path(folder), bench.device, _cache)
        context.memory_share = memory_share
        return text_to_3d.text_to_3d(spec, context).report


_cache: dict[str, Any] = {}  # of this process: a prior is loaded once


def unit_tests(bench: Bench) -> Iterator[Line]:
    """pytest's own count of the tests marked for a GPU."""
    if not bench.on_gpu:
        yield Line("unit tests on the device", 0, "passed", note="no GPU here")
        return
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "gpu", *UNIT_TESTS], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    print(done.stdout[-4000:], flush=True)
    words = done.stdout.replace(",", " ").split()
    count = {word: int(words[place - 1]) for place, word in enumerate(words)
             if word in ("passed", "failed", "errors", "error") and words[place - 1].isdigit()}
    yield Line("unit tests on the device", count.get("passed", 0), "passed", 1.0, least=True)
    yield Line("unit tests that failed", sum(number for word, number in count.items() if word != "passed"), "failed",
               0.0)


PARTS: dict[str, Callable[[Bench], Iterator[Line]]] = {
    "floor": floor, "kernels": kernels, "step": phases, "memory": memory, "wall": wall, "tests": unit_tests,
}
SHARES = {"floor": 0.06, "kernels": 0.12, "step": 0.2, "memory": 0.12, "wall": 0.4, "tests": 0.1}


def keep(out: Path, part: str, lines: list[Line]) -> None:
    """Writes what a part knows so far."""
    (out / f"{part}.json").write_text(json.dumps([line.to_map() for line in lines], indent=1) + "\n")


def gathered(out: Path, parts: list[str]) -> dict[str, list[dict[str, Any]]]:
    """What the parts have written."""
    files = {part: out / f"{part}.json" for part in parts}
    return {part: json.loads(path.read_text()) for part, path in files.items() if path.is_file()}


def as_table(found: dict[str, list[dict[str, Any]]]) -> str:
    lines = ["| part | what | value | bar |", "|---|---|---|---|"]
    for part, rows in found.items():
        for row in rows:
            bar = "" if row["bar"] is None else f"{row['bar']:g}: {'met' if row['met'] else '**missed**'}"
            lines.append(f"| {part} | {row['what']} | {row['value']:.4g} {row['unit']} | {bar} |")
    return "\n".join(lines) + "\n"


def run_part(part: str, bench: Bench, out: Path) -> None:
    """A part in this process."""
    lines: list[Line] = []
    for line in PARTS[part](bench):
        lines.append(line)
        keep(out, part, lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=list(PARTS))
    parser.add_argument("--prior", default="sd15", choices=list(random_prior.MODELS))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, default=9.5, help="for all parts together; each has its share")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--full", action="store_true", help="whole jobs instead of extrapolated ones")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--here", action="store_true", help="parts in this process, without a limit of time")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    parts = chosen.only or list(PARTS)
    bench = Bench(torch.device(chosen.device), chosen.prior, chosen.out / "priors", chosen.tiny, chosen.full,
                  chosen.repeats)
    began = time.monotonic()
    for number, part in enumerate(parts):
        if chosen.here:
            run_part(part, bench, chosen.out)
            continue
        # What earlier parts did not use goes to the later ones.
        left = 60 * chosen.minutes - (time.monotonic() - began)
        limit = left * SHARES[part] / max(sum(SHARES[one] for one in parts[number:]), 1e-9)
        command = [sys.executable, str(Path(__file__).resolve()), *arguments, "--here", "--only", part]
        try:
            done = subprocess.run(command, timeout=limit, check=False, env={**os.environ, "PYTHONUNBUFFERED": "1"})
            if done.returncode not in (0, 1):
                print(f"{part}: ended with {done.returncode}", flush=True)
        except subprocess.TimeoutExpired:
            print(f"{part}: stopped after {limit:.0f} s", flush=True)
        print(f"{part}: {time.monotonic() - began:.0f} s so far", flush=True)
        print(as_table(gathered(chosen.out, parts)), flush=True)
    found = gathered(chosen.out, parts)
    for part in parts:
        if part not in found:
            print(f"{part} gave nothing", flush=True)
    (chosen.out / "gpu.json").write_text(json.dumps(found, indent=1) + "\n")
    (chosen.out / "gpu.md").write_text(as_table(found))
    return int(len(found) < len(parts) or not all(row["met"] for rows in found.values() for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
