# SPDX-License-Identifier: GPL-3.0-or-later
"""What editing changes and what it leaves: objects told to become another colour, at several settings of `reshape`.

    python tests/benchmarks/editing.py [--reshape 0,0.3,0.7,1] [--things 3] [--threads 2] [--seed 1] [--out out/editing]

Procedural objects are made meshes, unwrapped and textured exactly; each is edited with a prompt that names another
colour. Measured: how far the surface moved (mean distance both ways, as a share of the bounding sphere's diameter),
which must not fall as `reshape` rises and is 0 at 0; the colour that the independent scorer reads; where the result
stands; seconds, and seconds of the processor, beside those of a draft generation of the same prompt with --compare. The
exit status is 1 when a bar is missed. A sheet shows every object before and after.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, Python knows only this file's folder

import numpy as np
import torch
from PIL import Image

from backend.embedded.objects import Recipe, build, evaluate
from backend.embedded.objects.meshing import mesh as surface_of
from backend.embedded.scorer import Scorer
from backend.geometry.bake import bake, to_bytes
from backend.geometry.mesh import Mesh
from backend.geometry.simplify import simplify
from backend.geometry.unwrap import unwrap
from backend.jobs import TerminalContext, run
from backend.jobs.previews import png
from backend.render.cameras import orbit_degrees
from backend.render.lighting import shade
from backend.render.raster import WarpRasteriser
from backend.texturing.rig import Frame
from backend.texturing.textured import pictures_of
from protocol.specs import EditSpec, TextTo3DSpec

THINGS = (
    (Recipe("mug", "blue", "striped", "yellow"), "red"),
    (Recipe("chair", "green", "checkered", "white"), "purple"),
    (Recipe("mushroom", "red", "dotted", "white"), "blue"),
    (Recipe("house", "white", "plain", "red"), "green"),
    (Recipe("teapot", "yellow", "plain", "white"), "turquoise"),
)
FACES, TEXTURE, TILE = 8000, 512, 144
AZIMUTHS = (30.0, 150.0, 270.0)
ELSEWHERE, SIZE = np.array([4.0, -3.0, 2.0], np.float32), 0.35  # where the objects stand, and their scale
MOST_SHIFT = 0.15  # of the object's size, of the middle of its box at any `reshape`


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reshape", default="0,0.3,0.7,1", help="settings, rising (default 0,0.3,0.7,1)")
    parser.add_argument("--things", type=int, default=3, help=f"objects, at most {len(THINGS)} (default 3)")
    parser.add_argument("--effort", type=float, default=1.0)
    parser.add_argument("--compare", action="store_true", help="time a draft generation of each prompt too")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder for sheets")
    return parser.parse_args(arguments)


def subject(recipe: Recipe) -> dict[str, np.ndarray]:
    """The true object as the inputs of a job: not at the origin, and not of the size that fields have."""
    thing = build(recipe, np.random.default_rng(7))
    vertices, faces, _ = surface_of(thing, 100)
    mesh = unwrap(simplify(Mesh(vertices, np.ascontiguousarray(faces)), FACES), texture_size=TEXTURE)[0]
    assert mesh.uvs is not None
    picture = to_bytes(bake(mesh, lambda points: evaluate(thing, points)[1], TEXTURE).image)
    return {"vertices": mesh.vertices * SIZE + ELSEWHERE, "faces": mesh.faces, "uvs": mesh.uvs,
            "base_colour": png(picture)}


def views(arrays: Mapping[str, np.ndarray], frame: Frame, lit: bool, size: int = TILE) -> torch.Tensor:
    """(3, size, size, 3) a textured mesh from around, over light grey."""
    picture = np.asarray(Image.open(io.BytesIO(arrays["base_colour"].tobytes())).convert("RGB")) / 255.0
    mesh = Mesh(frame.vertices(arrays["vertices"]), arrays["faces"], arrays["uvs"])
    cameras = orbit_degrees(list(AZIMUTHS), 20.0, size=size)
    colour, alpha, normal = (layer.permute(0, 2, 3, 1) for layer in pictures_of(mesh, picture, cameras,
                                                                                WarpRasteriser(), 2))
    if lit:
        light = torch.nn.functional.normalize(cameras.positions + torch.tensor([0.0, 0.0, 1.5]), dim=-1)
        colour = shade(colour, normal, light, opacity=alpha)
    return (colour + (1 - alpha) * 0.85).clamp(0, 1)


def measured(
    inputs: Mapping[str, np.ndarray], kind: str, colour: str, reshape: float, chosen: argparse.Namespace,
    cache: dict[str, Any], scorer: Scorer,
) -> tuple[dict[str, Any], torch.Tensor]:
    """(figures, views of the result) of one edit."""
    began, spent = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        context = TerminalContext(Path(folder), cache=cache, inputs=inputs)
        spec = EditSpec(f"a {colour} {kind}", reshape=reshape, seed=chosen.seed, effort=chosen.effort)
        result = run(spec, context)
    seconds, spent = time.monotonic() - began, time.process_time() - spent
    frame = Frame.of(inputs["vertices"])
    reading = scorer.read_kind_colour(views(result.arrays, frame, lit=False), together=True)[0]
    middles = [0.5 * (one["vertices"].min(0) + one["vertices"].max(0)) for one in (inputs, result.arrays)]
    shift = float(np.linalg.norm(middles[1] - middles[0]) / (2 * SIZE))
    same = reshape > 0 or all(np.array_equal(result.arrays[name], inputs[name])
                              for name in ("vertices", "faces", "uvs"))
    figures = {"kind": reading.kind, "colour": reading.colour, "moved": result.report["scores"]["moved"],
               "shift": round(shift, 4), "same_mesh": same, "seconds": round(seconds, 1), "processor": round(spent, 1)}
    return figures, views(result.arrays, frame, lit=True)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(arguments)
    torch.set_num_threads(chosen.threads)
    settings = sorted(float(text) for text in chosen.reshape.split(","))
    cache: dict[str, Any] = {}
    scorer = Scorer.load()
    missed: list[str] = []
    for recipe, colour in THINGS[: chosen.things]:
        inputs = subject(recipe)
        rows = [views(inputs, Frame.of(inputs["vertices"]), lit=True)]
        moved = []
        for reshape in settings:
            figures, seen = measured(inputs, recipe.kind, colour, reshape, chosen, cache, scorer)
            print(f"{recipe.kind} to {colour}, reshape {reshape:g}: {figures}", flush=True)
            rows.append(seen)
            moved.append(figures["moved"])
            if figures["colour"] != colour:
                missed.append(f"{recipe.kind} at {reshape:g} reads as {figures['colour']}, told {colour}")
            if not figures["same_mesh"] or figures["shift"] > MOST_SHIFT:
                missed.append(f"{recipe.kind} at {reshape:g} does not stay where it must")
        if moved != sorted(moved):
            missed.append(f"{recipe.kind}: the distance is not monotone, {moved}")
        if chosen.compare:
            began, spent = time.monotonic(), time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                run(TextTo3DSpec(f"a {colour} {recipe.kind}", seed=chosen.seed, effort=chosen.effort),
                    TerminalContext(Path(folder), cache=cache))
            print(f"{recipe.kind}: a draft generation takes {time.monotonic() - began:.1f} s, of the processor "
                  f"{time.process_time() - spent:.1f} s", flush=True)
        if chosen.out is not None:
            chosen.out.mkdir(parents=True, exist_ok=True)
            sheet = torch.cat([torch.cat(list(row), 1) for row in rows])
            Image.fromarray(to_bytes(sheet.numpy())).save(chosen.out / f"{recipe.kind}.png")
    for one in missed:
        print(f"missed: {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
