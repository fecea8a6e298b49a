# SPDX-License-Identifier: GPL-3.0-or-later
"""How well the place of a removed piece goes on with what surrounds it: colours against the truth, and seams.

    python tests/benchmarks/removing.py [--size 512] [--only mug,checker] [--whole] [--out out/removing]

Pieces go from procedural objects (a mug's handle, a chair's leg) and from boards, drums and balls with a knob and the
nine kinds of texture that inpainting is measured with; what is under each piece is known. Each is removed twice: with
smooth colours alone, and as the job does it by default. PSNR is over the patch's texels. The seam ratio is the colour
difference across the patch's border alone, over that of the truth baked at the same size, which is what resampling
costs. The exit status is 1 when a seam is above the bar or the default is worse than smooth colours. `--out` gets a
contact sheet with a row for each removal: before, after, close up smooth, close up by default, close up the truth.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, Python knows only this file's folder

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from PIL import Image

from backend.embedded.objects import ProceduralObject, Recipe, build, evaluate
from backend.embedded.objects.meshing import mesh as surface_of
from backend.embedded.objects.model import NEW, OP
from backend.embedded.objects.tracer import distances
from backend.geometry.bake import ColourFunction, bake, sample, seam_samples, to_bytes
from backend.geometry.mesh import Mesh, face_components
from backend.geometry.simplify import simplify
from backend.geometry.unwrap import unwrap
from backend.jobs import TerminalContext, run
from backend.jobs.previews import png
from backend.jobs.results import MeshResult
from backend.render.cameras import DEFAULT_FOV, direction, look_at, orbit
from backend.render.raster import WarpRasteriser
from backend.texturing.patch import patch_texels
from backend.texturing.textured import pictures_of
from protocol.specs import RemoveSpec
from tests.backend.inpainting.textures import KINDS, texture

MOST_SEAM = 1.5  # times the floor of resampling
LEAST_FLOOR = 0.5 / 255  # a difference that 8 bits make by themselves
SLACK = 0.1  # dB by which the default may be below smooth colours: rounding
FACES = 20_000
OFF = 0.006  # distance from what is left, beyond which a face belongs to the piece
CRUMBS = 30  # faces of a piece that is only noise of the surface
FRAME = 192  # pixels of a picture on the sheet
# Kind, colour, pattern, second colour; rows of primitives that go; where to look from, degrees.
PIECES = (
    (Recipe("mug", "blue", "striped", "yellow"), (2,), (60, 15)),
    (Recipe("mug", "red", "dotted", "white"), (2,), (60, 15)),
    (Recipe("chair", "red", "striped", "white"), (2,), (-30, -25)),
    (Recipe("chair", "green", "checkered", "white"), (3,), (30, -25)),
    (Recipe("table", "yellow", "checkered", "turquoise"), (1,), (-30, -35)),
    (Recipe("table", "", "wooden", ""), (1,), (-30, -35)),
    (Recipe("teapot", "blue", "checkered", "white"), (5, 6), (60, 20)),
    (Recipe("teapot", "", "brick", ""), (3,), (30, 40)),
    (Recipe("rabbit", "orange", "striped", "white"), (2, 3), (-40, 35)),
    (Recipe("dog", "blue", "striped", "white"), (10,), (140, 30)),
)
BODIES = ("board", "drum", "ball")


@dataclass(frozen=True, eq=False)
class Case:
    """name; mesh with UVs; picture (S, S, 3) uint8; gone (F,) bool; truth of what is under the piece; view, where to
    look from in degrees."""

    name: str
    mesh: Mesh
    picture: NDArray[np.uint8]
    gone: NDArray[np.bool_]
    truth: ColourFunction
    view: tuple[float, float]


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="texels along a side (default 512)")
    parser.add_argument("--whole", action="store_true", help="every texture on every body, not on one each")
    parser.add_argument("--only", default="", help="parts of names separated by commas (default: all)")
    parser.add_argument("--out", type=Path, help="folder for the contact sheet")
    return parser.parse_args(arguments)


def cases(size: int, only: Sequence[str] = (), whole: bool = False) -> Iterator[Case]:
    """One after another; `only` those with one of these in their names; the `whole` of them, or each texture once."""
    def wanted(name: str) -> bool:
        return not only or any(one in name for one in only)

    for recipe, rows, view in PIECES:
        name = f"{recipe.kind} {recipe.pattern}"
        if wanted(name):
            yield _of_object(name, recipe, rows, view, size)
    for at, body in enumerate(BODIES):
        for number, kind in enumerate(KINDS):
            if wanted(f"{body} {kind}") and (whole or only or at == number % len(BODIES)):
                yield _with_knob(body, kind, number, size)


def _of_object(name: str, recipe: Recipe, rows: tuple[int, ...], view: tuple[float, float], size: int) -> Case:
    whole = build(recipe, np.random.default_rng(7))
    vertices, faces, _ = surface_of(whole, 110)
    mesh = simplify(Mesh(vertices, np.ascontiguousarray(faces)), FACES)
    left = np.delete(whole.primitives, rows, axis=0)
    left[0, OP] = NEW
    rest = ProceduralObject(left, recipe)
    gone = np.abs(distances(rest.primitives, mesh.vertices[mesh.faces].mean(1))) > OFF
    at = np.flatnonzero(gone)
    _, part = face_components(mesh.faces[at], len(mesh.vertices))
    gone[at[np.bincount(part)[part] < CRUMBS]] = False
    mesh, _ = unwrap(mesh, texture_size=size)
    picture = to_bytes(bake(mesh, lambda points: evaluate(whole, points)[1], size).image)
    return Case(name, mesh, picture, gone, lambda points: evaluate(rest, points)[1], view)


def _with_knob(body: str, kind: str, number: int, size: int) -> Case:
    """A body of which a knob stands out towards -Y, and a texture that lies on it as if rolled out from there."""
    if body == "ball":
        shape = trimesh.creation.icosphere(5)
    elif body == "drum":
        shape = trimesh.creation.cylinder(0.8, 1.6, 64)
    else:
        shape = trimesh.creation.box((1.7, 0.4, 1.7))
    while len(shape.faces) < FACES // 2:
        shape = trimesh.Trimesh(*trimesh.remesh.subdivide_to_size(
            shape.vertices, shape.faces, 0.9 * float(shape.edges_unique_length.max())))
        shape.merge_vertices()
    vertices = shape.vertices
    away = np.linalg.norm(_rolled_out(body, vertices), axis=1)
    away[vertices[:, 1] > -0.1] = np.inf
    rise = np.clip((0.3 - away) / 0.1, 0, 1)
    raised = vertices.copy()
    raised[:, 1] -= 0.3 * rise
    mesh, _ = unwrap(Mesh(raised, shape.faces), texture_size=size)
    paint = texture(kind, 256, np.random.default_rng(100 + number)).astype(np.float64)

    def truth(points: NDArray[np.float32]) -> NDArray[np.float64]:
        return sample(paint, np.clip(0.5 + 0.5 * _rolled_out(body, points), 0, 1))

    return Case(f"{body} {kind}", mesh, to_bytes(bake(mesh, truth, size).image), (rise[shape.faces] > 0).any(1), truth,
                (25.0, 20.0))


def _rolled_out(body: str, points: NDArray[Any]) -> NDArray[np.float64]:
    """(N, 2) where points lie on a plane that is laid against the body at its front; lengths are kept near it."""
    x, y, z = np.asarray(points, np.float64).T
    if body == "board":
        return np.stack([x, z], 1)
    if body == "drum":
        return np.stack([0.8 * np.arctan2(x, -y), z], 1)
    away = np.arccos(np.clip(-y / np.maximum(np.sqrt(x * x + y * y + z * z), 1e-9), -1, 1))
    return np.stack([x, z], 1) * (away / np.maximum(np.hypot(x, z), 1e-9))[:, None]


def removed(case: Case, **fields: Any) -> MeshResult:
    """What the job gives."""
    given = {"vertices": case.mesh.vertices, "faces": case.mesh.faces, "uvs": case.mesh.uvs,
             "base_colour": png(case.picture), "selected": case.gone.astype(np.uint8)}
    with tempfile.TemporaryDirectory() as folder:
        return run(RemoveSpec(seed=1, **fields), TerminalContext(Path(folder), inputs=given))


def skin_of(result: MeshResult) -> tuple[Mesh, NDArray[np.uint8]]:
    """(the new mesh, its texture)."""
    arrays = result.arrays
    picture = np.asarray(Image.open(io.BytesIO(arrays["base_colour"].tobytes())))
    return Mesh(arrays["vertices"], arrays["faces"], arrays["uvs"]), picture


def judged(case: Case, result: MeshResult) -> dict[str, float]:
    """PSNR over the patch's texels in dB; seam across the patch's border, its ratio to the floor, and that of all seams
    of the mesh."""
    mesh, picture = skin_of(result)
    fresh = result.arrays["face_origin"] < 0
    height, width = picture.shape[:2]
    patch = patch_texels(mesh, fresh, width, height)
    error = picture[patch.rows, patch.columns] / 255.0 - case.truth(patch.texels.points)
    one, two, corners = seam_samples(mesh)
    side = max(height, width)
    square = mesh.with_uvs((mesh.uvs * (np.array([width, height]) / side)).astype(np.float32))
    exact = bake(square, case.truth, side).image[side - height :, :width]
    border = fresh[corners // 3].any(1)
    gap, floor = (((sample(skin, one) - sample(skin, two)) ** 2).mean(1)
                  for skin in (picture / 255.0, to_bytes(exact) / 255.0))
    at_border, whole = (max(float(np.sqrt(gap[some].mean())), LEAST_FLOOR)
                        / max(float(np.sqrt(floor[some].mean())), LEAST_FLOOR) for some in (border, slice(None)))
    return {"psnr": -10 * math.log10(max(float((error**2).mean()), 1e-9)),
            "seam": float(np.sqrt(gap[border].mean())), "ratio": at_border, "whole": whole}


def row_of(case: Case, results: Sequence[MeshResult]) -> Image.Image:
    """Before and after from afar; the patch close up after each removal, and by the truth."""
    pictures = [_seen(case.mesh, case.picture, case.view)]
    after, skin = skin_of(results[-1])
    pictures.append(_seen(after, skin, case.view))
    for result in results:
        mesh, picture = skin_of(result)
        pictures.append(_seen(mesh, picture, case.view, result.arrays["face_origin"] < 0))
    side = max(skin.shape[:2])
    exact = to_bytes(bake(Mesh(after.vertices, after.faces, (after.uvs * (np.array(skin.shape[1::-1]) / side)).astype(
        np.float32)), case.truth, side).image)[side - skin.shape[0] :, : skin.shape[1]]
    pictures.append(_seen(after, exact, case.view, results[-1].arrays["face_origin"] < 0))
    return Image.fromarray(np.concatenate(pictures, 1))


def _seen(
    mesh: Mesh, picture: NDArray[np.uint8], view: tuple[float, float], part: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """A picture (FRAME, FRAME, 3): of the whole, or close up of the faces `part`."""
    azimuth, elevation = (torch.tensor([math.radians(angle)]) for angle in view)
    target, distance = torch.zeros(1, 3), 3.0
    if part is not None:
        corners = mesh.vertices[mesh.faces[part]].reshape(-1, 3)
        middle = (corners.min(0) + corners.max(0)) / 2
        target = torch.from_numpy(middle)[None]
        radius = float(np.linalg.norm(corners - middle, axis=1).max())
        distance = max(0.5, 1.8 * radius / math.tan(DEFAULT_FOV / 2))
    camera = orbit(azimuth, elevation, distance, size=FRAME)
    place = target + distance * direction(azimuth, elevation)
    camera = replace(camera, camera_to_world=look_at(place, target, torch.tensor([[0.0, 0.0, 1.0]])))
    colour, alpha, normal = pictures_of(mesh, picture[..., :3] / 255.0, camera, WarpRasteriser(), 3)
    light = torch.nn.functional.normalize(direction(azimuth - 0.6, elevation + 0.5), dim=-1)[0]
    shade = 0.75 + 0.25 * (normal * light[None, :, None, None]).sum(1, keepdim=True).clamp(0, 1)
    return to_bytes((colour * shade + 0.2 * (1 - alpha))[0].permute(1, 2, 0).numpy())


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(arguments)
    torch.set_num_threads(1)
    missed, rows = [], []
    for case in cases(chosen.size, [one for one in chosen.only.split(",") if one], chosen.whole):
        results = [removed(case, views=0), removed(case)]
        smooth, default = (judged(case, one) for one in results)
        report = results[1].report
        print(json.dumps({
            "case": case.name, "texels": report["paint"]["texels"],
            "smooth": {name: round(value, 4) for name, value in smooth.items()},
            "default": {name: round(value, 4) for name, value in default.items()},
            "paint": report["paint"],
            "seconds": round(sum(stage["seconds"] for stage in report["stages"]), 2),
        }), flush=True)
        if default["ratio"] > MOST_SEAM or default["psnr"] < smooth["psnr"] - SLACK:
            missed.append(case.name)
        if chosen.out is not None:
            rows.append(row_of(case, results))
            chosen.out.mkdir(parents=True, exist_ok=True)
            for number in range(0, len(rows), 10):
                sheet = np.concatenate([np.asarray(row) for row in rows[number : number + 10]])
                Image.fromarray(sheet).save(chosen.out / f"sheet-{number // 10 + 1}.png")
    print("missed: " + ", ".join(missed) if missed else "every bar is met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
