# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette generate "a red mushroom" --out DIR`: one job from the shell, its files in a folder."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import click
import numpy as np

from backend.cli.options import one_job_options
from backend.cli.private_hub import any_hub, leave
from protocol.batch.asked import request_of
from protocol.client import Client
from protocol.errors import OutOfSpace
from protocol.messages import TextTo3DSpec
from protocol.specs.variations import VariationsSpec, names_of
from protocol.updates import ConnectionChanged, JobChanged, JobProgress, JobWarning, Result, Update

PATIENCE_AFTER_CANCEL = 20.0  # the hub kills a worker that does not stop within 15 s


@click.command()
@click.argument("prompt")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=None, help="Folder for the files.")
@click.option("--seed", type=int, default=None, help="Number that decides all chance; the same gives the same mesh.")
@click.option("--preset", default="draft", show_default=True, help="draft, standard, best or paper.")
@click.option("--prior", default="", help="Folder or id of another prior; two, with a comma, for coarse and fine.")
@click.option("--negative-prompt", default="", help="What to avoid.")
@click.option("--size", type=float, default=1.0, show_default=True, help="Largest dimension in metres.")
@click.option("--texture", type=int, default=0, help="Pixels along an edge of the texture; 0 for the preset's own.")
@click.option("--effort", type=float, default=1.0, show_default=True, help="Multiplies the preset's steps.")
@click.option("--count", type=click.IntRange(1, 8), default=1, show_default=True,
              help="How many, from this seed on upwards; each in a folder of its own.")
@one_job_options
def generate(prompt: str, out: Path | None, seed: int | None, preset: str, prior: str, negative_prompt: str,
             size: float, texture: int, effort: float, count: int, data: Path | None, alone: bool, hub: Path | None,
             timeout: float | None, detach: bool) -> None:
    """Make a textured mesh from PROMPT.

    Writes model.glb, base_colour.png, preview.png and report.json. Uses the hub that runs on this machine, or
    starts one for the time of the command. Ctrl-C cancels.
    """
    one = TextTo3DSpec(
        prompt, negative_prompt=negative_prompt, preset=preset, prior=absolute_prior(prior), seed=seed,
        size_metres=size, texture_size=texture, effort=effort,
    )
    spec = one if count == 1 else VariationsSpec(**one.to_map(), count=count)
    if detach:
        leave(data, hub, spec, {})
        return
    if out is None:
        raise click.UsageError("Say with --out where the files shall go.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise click.UsageError(f"--out {out}: {problem.strerror}") from problem
    began = time.monotonic()
    with any_hub(data, alone, pairing=hub) as client:
        result = follow(client, client.submit(spec), timeout)
    facts = {"seconds": round(time.monotonic() - began, 2), "request": request_of(spec, {})}
    files = write_files(out, result, facts)
    click.echo(f"{', '.join(files)} in {out}")
    known = result.report.get("nearest_known")
    if type(known) is dict and known.get("sure") is False:
        things = [str(one) for one in (known.get("kind"), *known.get("alternatives", ())) if one]
        click.echo(f"The prior does not know this well. Nearest to it: {', '.join(things) or 'nothing'}")


def absolute_prior(prior: str) -> str:
    """A folder given relative to here, as the worker (which runs elsewhere) can find it; ids stay as they are."""
    parts = [part.strip() for part in prior.split(",")]
    return ", ".join(
        str(Path(part).expanduser().resolve()) if part and Path(part).expanduser().exists() else part for part in parts
    )


def follow(client: Client, job: str, timeout: float | None) -> Result:
    """Show the job's progress until it has ended; Ctrl-C and the time-out cancel it first. Raises the job's error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    interrupted: list[int] = []

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        interrupted.append(number)

    previous = signal.signal(signal.SIGINT, on_interrupt)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"), console=console, disable=not console.is_terminal,
    )
    task = bar.add_task("waiting", total=1.0, left="")
    said = {"stage": ""}

    def show(update: Update) -> None:
        if isinstance(update, JobProgress):
            left = "" if update.seconds_left is None else f"about {update.seconds_left:.0f} s left"
            bar.update(task, completed=update.fraction, description=update.stage, left=left)
            if not console.is_terminal and update.stage != said["stage"]:
                console.print(f"{update.fraction:4.0%} {update.stage} {left}".rstrip(), highlight=False)
            said["stage"] = update.stage
        elif isinstance(update, JobWarning):
            console.print(f"Warning: {update.text}", highlight=False)
        elif isinstance(update, JobChanged) and update.text:
            console.print(update.text, highlight=False)
        elif isinstance(update, ConnectionChanged) and update.problem is not None:
            console.print(update.problem.message, highlight=False)

    began = time.monotonic()
    cancelled_at: float | None = None
    try:
        with bar:
            while not client.jobs[job].over:
                for update in client.poll(0.05):
                    show(update)
                now = time.monotonic()
                late = timeout is not None and now - began > timeout
                if (interrupted or late) and cancelled_at is None:
                    cancelled_at = now
                    console.print("Cancelling ...")
                    client.cancel(job)
                if cancelled_at is not None and now - cancelled_at > PATIENCE_AFTER_CANCEL:
                    break
                time.sleep(0.03)
    finally:
        signal.signal(signal.SIGINT, previous)
    return client.wait(job, timeout=0.0)


PICTURES = {"base_colour": "base_colour.png", "thumbnail": "preview.png", "picture": "picture.png", "mask": "mask.png",
            "identity": "identity.safetensors"}  # arrays that are files as they are
IN_GLB = ("vertices", "faces", "uvs", "normals", "edges", "corner_edges")


def write_files(
    out: Path, result: Result, extra: dict[str, Any], inputs: Mapping[str, np.ndarray] | None = None
) -> list[str]:
    """Write what the job made; gives the file names. inputs: what went in; a texture goes back onto its mesh.

    Several results in one (`variations`) get a folder each: 1, 2, ... Raises OutOfSpace when the disk is full.
    """
    parts = result.report.get("variations")
    if isinstance(parts, list) and parts:
        written = []
        for index, report in enumerate(parts):
            arrays = {name: result.arrays[long] for name, long in names_of(index, list(result.arrays)).items()}
            folder = out / str(index + 1)
            folder.mkdir(parents=True, exist_ok=True)
            written += [f"{index + 1}/{name}" for name in _write(folder, arrays, dict(report), {})]
        return [*written, *_write(out, {}, {**result.report, **extra}, {})]
    return _write(out, dict(result.arrays), {**result.report, **extra}, inputs or {})


def _write(
    out: Path, arrays: dict[str, np.ndarray], report: dict[str, Any], inputs: Mapping[str, np.ndarray]
) -> list[str]:
    written = []
    try:
        mesh = {name: array for name, array in {**inputs, **arrays}.items() if name in IN_GLB}
        if "vertices" in mesh and ("vertices" in arrays or "base_colour" in arrays):
            texture = {"base_colour": arrays["base_colour"]} if "base_colour" in arrays else {}
            write_glb(out / "model.glb", {**mesh, **texture}, report)
            written.append("model.glb")
        for array, name in PICTURES.items():
            if array in arrays:
                (out / name).write_bytes(arrays[array].tobytes())
                written.append(name)
        rest = {name: array for name, array in arrays.items() if name not in PICTURES and name not in IN_GLB}
        if rest:
            np.savez(out / "arrays.npz", **rest)  # type: ignore[arg-type,unused-ignore]
            written.append("arrays.npz")
        (out / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
    except OSError as problem:
        raise OutOfSpace(f"The files could not be written to {out}: {problem.strerror}.",
                         hint="Free some space or choose another --out.") from problem
    return [*written, "report.json"]


def write_glb(path: Path, arrays: Mapping[str, np.ndarray], report: Mapping[str, Any]) -> None:
    """The mesh with its texture and material as one glTF binary file."""
    import io

    from PIL import Image

    from backend.geometry.files import Material, write_mesh
    from backend.geometry.mesh import Mesh

    mesh = Mesh(arrays["vertices"], arrays["faces"], uvs=arrays.get("uvs"))
    picture = None
    if "base_colour" in arrays:
        picture = np.asarray(Image.open(io.BytesIO(arrays["base_colour"].tobytes())).convert("RGB"))
    given = report.get("material") or {}
    default = Material()
    material = Material(
        roughness=float(given.get("roughness", default.roughness)),
        metallic=float(given.get("metallic", default.metallic)),
    )
    write_mesh(path, mesh, picture, material)
