# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette make KIND`: any kind of job from the shell, its files in a folder.

    maquette make texture --mesh chair.glb --set prompt="a mossy chair" --out out/chair
    maquette make avatar --set prompt="a tall woman in a red coat" --set motion="walks" --out out/her
"""

from __future__ import annotations

import time
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click

from backend.cli import blends
from backend.cli.generate import absolute_prior, follow, write_files
from backend.cli.inputs import load_inputs, load_stage
from backend.cli.options import one_job_options
from backend.cli.private_hub import any_hub, leave
from protocol.batch import inputs, manifest
from protocol.batch.asked import request_of
from protocol.specs import KINDS, Spec

FILES = {"mesh": "a .glb, .obj, .ply or .stl file", "skeleton": "the arrays.npz of a rig or an avatar"}


@click.command()
@click.argument("kind", metavar="KIND")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of this kind of job.")
@click.option("--input", "files", multiple=True, metavar="NAME=FILE", help="A file that goes in with it.")
@click.option("--mesh", default="", metavar="FILE", help="The same as --input mesh=FILE: .glb, .obj, .ply, .stl.")
@click.option("--picture", default="", metavar="FILE", help="The same as --input picture=FILE: a PNG or JPEG.")
@click.option("--mask", default="", metavar="FILE", help="The same as --input mask=FILE: a PNG, white where selected.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=None, help="Folder for the files.")
@click.option("--blend", is_flag=True, help="Write scene.blend too: what the add-on would have in the scene.")
@click.option("--explain", is_flag=True, help="Show the settings and inputs of this kind, and end.")
@one_job_options
def make(kind: str, settings: tuple[str, ...], files: tuple[str, ...], mesh: str, picture: str, mask: str,
         out: Path | None, blend: bool, explain: bool, data: Path | None, alone: bool, hub: Path | None,
         timeout: float | None, detach: bool) -> None:
    """Do one job of any KIND: text_to_3d, variations, texture, inpaint, remove, segment, edit, learn, avatar, rig,
    animate.

    Writes what it makes: model.glb, base_colour.png, preview.png, picture.png, mask.png, identity.safetensors,
    arrays.npz with everything else (a skeleton, weights, a motion, a selection), and report.json. Where this
    environment has Blender, model.glb holds skeleton and motion too. Ctrl-C cancels.
    """
    if kind not in KINDS:
        raise click.UsageError(f"There is no kind of job called {kind}. Known: {', '.join(sorted(KINDS))}.")
    if explain:
        click.echo(explanation(KINDS[kind]))
        return
    if out is None and not detach:
        raise click.UsageError("Say with --out where the files shall go.")
    given = dict(pair(one, "--input") for one in files)
    given |= {name: file for name, file in (("mesh", mesh), ("picture", picture), ("mask", mask)) if file}
    entry = {**dict(pair(one, "--set") for one in settings), "kind": kind, "out": "result", "inputs": given}
    spec = manifest.single(entry).spec
    if getattr(spec, "prior", ""):
        spec = type(spec)(**{**spec.to_map(), "prior": absolute_prior(spec.prior)})  # type: ignore[attr-defined]
    if blend:
        blends.command()  # raises where there is no Blender, before anything starts
    found, _ = inputs.located(given, Path.cwd())
    arrays = load_inputs(kind, found)
    if detach or out is None:
        leave(data, hub, spec, arrays)
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise click.UsageError(f"--out {out}: {problem.strerror}") from problem
    began = time.monotonic()
    with any_hub(data, alone, pairing=hub) as client:
        result = follow(client, client.submit(spec, arrays), timeout)
    facts = {"seconds": round(time.monotonic() - began, 2), "request": request_of(spec, found)}
    names = write_files(out, result, facts, arrays)
    names += [name for name in blends.bring(out, spec, result, *load_stage(kind, found), blend=blend)
              if name not in names]
    click.echo(f"{', '.join(names)} in {out}")


def pair(text: str, option: str) -> tuple[str, str]:
    """The two sides of NAME=VALUE. Raises UsageError naming the option."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.UsageError(f"{option} {text}: it has the form NAME=VALUE.")
    return name.strip(), value.strip()


def explanation(kind: type[Spec]) -> str:
    """What a kind takes, as its spec says it."""
    lines = [(kind.__doc__ or "").strip().replace("\n    ", "\n"), "", "Settings:"]
    for one in fields(kind):
        default: Any = one.default
        value = "needed" if default is MISSING and one.default_factory is MISSING else f"{default!r}"
        lines.append(f"  {one.name:<18} {value}")
    lines += ["", "Inputs:"]
    bundled = [name for name, parts in inputs.BUNDLES.items() if {one.name for one in kind.INPUTS} & set(parts)]
    lines += [f"  {name:<18} {FILES[name]}, which brings {', '.join(inputs.BUNDLES[name])}" for name in bundled]
    lines += [f"  {one.name:<18} {'needed' if one.required else 'optional'}" for one in kind.INPUTS]
    return "\n".join(lines if kind.INPUTS else [*lines[:-1], "No inputs."])
