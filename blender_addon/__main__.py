# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on without a window: `python -m blender_addon "a red mushroom" --out out`.

Does what an artist does, with the real add-on in `import bpy`: sets the panel's properties, presses Generate, lets
the link work while the hub and its worker run as processes of their own, and keeps what comes. Writes

    scene.blend   the scene with the finished object        preview.png   a contact sheet from all around
    model.glb     the object, by Blender's own exporter     report.json   the job's report and what this run measured

Exit code 0, or 1 with a message that says what to do, or 130 when it was interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

try:
    import psutil
except ImportError:  # Blender's own Python has none; only the memory figure is then missing
    psutil = None

PACKAGE = "blender_addon"
SHORT_EFFORT = 0.05
LINE_EVERY_S = 2.0
"""Between progress lines where the output is not a terminal."""


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description="A sentence becomes a textured mesh in a Blender scene.")
    parser.add_argument("prompt")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder for the results (out)")
    parser.add_argument("--seed", type=int, default=0, help="same prompt, settings and seed: same object (0)")
    parser.add_argument("--preset", default="draft", choices=("draft", "standard", "best", "paper"))
    parser.add_argument("--prior", default="", metavar="PATH_OR_ID", help="image model; empty for the one that ships")
    parser.add_argument("--negative", default="", metavar="TEXT", help="what the object should not look like")
    parser.add_argument("--size", type=float, default=1.0, metavar="METRES", help="largest dimension (1.0)")
    parser.add_argument("--short", action="store_true", help="a quick, rough run that shows that everything works")
    parser.add_argument("--timeout", type=float, default=3600.0, metavar="SECONDS", help="give up after this (3600)")
    return parser.parse_args(arguments)


class Watch:
    """Prints progress and samples memory while the job runs."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.peak_bytes = 0
        self._live = sys.stdout.isatty()
        self._last_line, self._last_sample, self._last_text = 0.0, 0.0, ""

    def __call__(self, job: Any) -> None:
        now = time.monotonic()
        if now - self._last_sample > 0.25:
            self._last_sample = now
            self.sample()
        self.show(job, now)

    def sample(self) -> None:
        """Add up the resident memory of this process and all its descendants (shared pages count in each)."""
        if psutil is None:
            return
        me = psutil.Process()
        total = 0
        for process in (me, *me.children(recursive=True)):
            try:
                total += process.memory_info().rss
            except psutil.Error:  # it ended between the listing and the look
                continue
        self.peak_bytes = max(self.peak_bytes, total)

    def show(self, job: Any, now: float) -> None:
        from . import words

        text = f"{job.fraction:5.0%}  {words.progress(job)}"
        if job.text and job.state == "RUNNING":
            text += f"  ({job.text})"
        if text == self._last_text or (not self._live and now - self._last_line < LINE_EVERY_S):
            return
        self._last_line, self._last_text = now, text
        line = f"[{now - self.started:6.1f} s] {text}"
        print(f"\r{line:<100.100}" if self._live else line, end="" if self._live else "\n", flush=True)

    def end_line(self) -> None:
        if self._live:
            print(flush=True)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what Blender itself prints (a line a render tile) off the terminal; it writes past Python's own streams."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(nowhere)
        os.close(kept)


def generate(options: argparse.Namespace, watch: Watch) -> Any:
    """Fill in the panel, press Generate, wait; returns the job, whose object stands in the scene."""
    from . import link
    from .capture import text

    properties = bpy.context.scene.maquette
    properties.prompt = options.prompt
    properties.negative_prompt = options.negative
    properties.preset, properties.prior = options.preset, options.prior
    properties.seed, properties.randomise = options.seed, False
    properties.size_metres, properties.place = options.size, "ORIGIN"
    properties.effort = SHORT_EFFORT if options.short else 1.0
    text.spec_from(properties)  # says what is wrong with the settings better than a greyed-out button can here
    bpy.ops.maquette.generate()
    job = link.current().jobs.newest()
    assert job is not None  # the operator would have raised
    return link.current().wait(job.id, options.timeout, watch)


def frame(item: Any) -> None:
    """Let whoever opens the file look at the object with its texture on."""
    for screen in bpy.data.screens:
        for area in screen.areas:
            if area.type == "VIEW_3D":
                space = area.spaces.active
                space.shading.type = "MATERIAL"
                space.region_3d.view_location = (*item.location[:2], item.location.z + item.dimensions.z / 2.0)
                space.region_3d.view_distance = 3.0 * max(item.dimensions)


def write(options: argparse.Namespace, job: Any, watch: Watch, seconds: dict[str, float]) -> None:
    """scene.blend, model.glb, preview.png and report.json into the folder."""
    from . import turntable

    item = bpy.data.objects[job.object_name]
    bpy.context.view_layer.update()
    frame(item)

    def timed(name: str, begin: float) -> None:
        seconds[name] = round(time.monotonic() - begin, 3)
        watch.sample()

    begin = time.monotonic()
    bpy.ops.wm.save_as_mainfile(filepath=str(options.out / "scene.blend"), check_existing=False, copy=True)
    timed("scene_blend", begin)
    begin = time.monotonic()
    item.select_set(True)
    bpy.ops.export_scene.gltf(filepath=str(options.out / "model.glb"), export_format="GLB", use_selection=True)
    timed("model_glb", begin)
    begin = time.monotonic()
    sheet = turntable.Sheet(views=4, size=160, samples=4) if options.short else turntable.Sheet()
    turntable.render_sheet(item, options.out / "preview.png", sheet)
    timed("preview_png", begin)

    report = dict(job.report)
    report["demo"] = {
        "blender": bpy.app.version_string,
        "seconds": seconds,
        "first_preview_seconds": None if job.first_preview is None else round(job.first_preview - job.pressed, 3),
        "previews": job.previews,
        "peak_memory_bytes_all_processes": watch.peak_bytes,
        "object": {"name": item.name, "dimensions_metres": [round(value, 4) for value in item.dimensions]},
    }
    (options.out / "report.json").write_text(json.dumps(report, indent=1, sort_keys=True, default=str) + "\n")


def run(options: argparse.Namespace) -> int:
    """The whole demo with the add-on enabled; returns the exit code."""
    from . import wire, words

    watch = Watch(time.monotonic())
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        job = generate(options, watch)
        watch.end_line()
        if job.error is not None:
            raise job.error
        seconds = {"in_the_scene": round(job.ended - job.pressed, 3)}
        print(f"{job.object_name!r} is in the scene after {seconds['in_the_scene']:.0f} s; writing files.", flush=True)
        with quiet():
            write(options, job, watch, seconds)
    except wire.errors.MaquetteError as error:
        watch.end_line()
        message, hint = words.problem(error)
        print(f"demo: {message}\n{hint}".rstrip(), file=sys.stderr)
        return 1
    except RuntimeError as error:  # what bpy.ops raises when an operator reports an error
        watch.end_line()
        print(f"demo: {error}", file=sys.stderr)
        return 1
    for warning in job.warnings:
        print(f"note: {warning}")
    print(f"wrote scene.blend, model.glb, preview.png and report.json to {options.out}")
    return 0


def keep_logs(data: Path, out: Path) -> None:
    """Copy the hub's and the worker's logs to where the user finds them after a failure."""
    shutil.rmtree(out, ignore_errors=True)  # those of an earlier run
    logs = sorted(data.rglob("*.log"))
    for log in logs:
        target = out / log.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(log, target)
    if logs:
        print(f"The logs are in {out}.", file=sys.stderr)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    options.out = options.out.resolve()
    # A hub of its own: no other jobs in its queue, and nothing left behind.
    data = Path(tempfile.mkdtemp(prefix="maquette-demo-"))
    os.environ["MAQUETTE_DATA"] = str(data)
    code = 1
    import addon_utils

    bpy.ops.wm.read_factory_settings(use_empty=True)
    with quiet():
        addon_utils.enable(PACKAGE, default_set=False)
    try:
        code = run(options)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        code = 130
    finally:
        addon_utils.disable(PACKAGE)
        if code not in (0, 130):
            keep_logs(data, options.out / "logs")
        shutil.rmtree(data, ignore_errors=True)
    return code


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)  # an ordinary end waits for ever in bpy 4.5 when anything is still registered
