# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove Anything 3D: a selected piece goes, the surface closes over it, and its texture goes on over the patch."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.atlas_space import NoRoom, Placed, continued_uvs, place_charts
from backend.geometry.bake import seam_error
from backend.geometry.fillet import with_fillet
from backend.geometry.health import check
from backend.geometry.mesh import Mesh
from backend.geometry.removal import Removal, remove_faces
from backend.geometry.rims import TangledRim
from backend.jobs.context import JobContext
from backend.jobs.finish import Asset, arrays_at, portrait
from backend.jobs.prompt import Notes
from backend.jobs.remove_input import RemoveInput, read_remove
from backend.jobs.remove_paint import Brush, paint_patch
from backend.jobs.results import MeshResult, versions
from backend.jobs.stopwatch import Stopwatch
from backend.render.raster import choose_rasteriser
from backend.texturing.patch import PatchTexels, patch_texels
from backend.texturing.rig import Frame
from protocol.errors import BadRequest
from protocol.specs import RemoveSpec

PLAIN = 204  # grey of the portrait of a mesh without texture
PLAN = {"read the mesh": 0.5, "close the surface": 1.0, "unwrap the patch": 1.0, "paint the patch": 4.0, "deliver": 0.5}


@dataclass(frozen=True, eq=False)
class _Skin:
    """The new mesh's UVs (3F, 2) and texture (H, W, C), None where it has none, with facts for the report."""

    uvs: NDArray[np.float32] | None
    picture: NDArray[np.uint8] | None
    facts: dict[str, Any]


def remove(spec: RemoveSpec, context: JobContext) -> MeshResult:
    """The whole recipe. Raises MaquetteError for the user's eyes."""
    seed = spec.seed if spec.seed is not None else secrets.randbelow(2**31)
    watch = Stopwatch(context, PLAN)
    notes = Notes(context)
    rasteriser = choose_rasteriser(context.device)
    with watch.stage("read the mesh", "looking at the mesh and what is selected"):
        given = read_remove(context.inputs, notes)
    with watch.stage("close the surface", "closing the surface") as tell:
        removal, trimmed = _close(spec, given, lambda share: tell(share, "closing the surface"))
        _explain(given, removal, trimmed, notes)
        if context.ranks.first:
            context.preview_mesh(removal.vertices, removal.faces, _plain_colours(removal))
    with watch.stage("unwrap the patch", "finding room in the texture"):
        skin, patch, placed = _laid_out(given, removal, notes)
    with watch.stage("paint the patch", "continuing the colours around it") as say:
        skin = _painted(skin, removal, patch, placed, Brush(spec, rasteriser, context, say))
    with watch.stage("deliver", "taking its picture"):
        frame = Frame.of(removal.vertices)
        uvs = np.zeros((3 * len(removal.faces), 2), np.float32) if skin.uvs is None else skin.uvs
        picture = np.full((16, 16, 3), PLAIN, np.uint8) if skin.picture is None else skin.picture
        asset = Asset(Mesh(frame.vertices(removal.vertices), removal.faces, uvs), picture, {})
        face = portrait(Asset(asset.mesh, np.ascontiguousarray(picture[..., :3]), {}), context.device, rasteriser)
        arrays = arrays_at(removal.vertices, asset, face)
        arrays["vertex_origin"], arrays["face_origin"] = removal.vertex_origin, removal.face_origin
        if skin.uvs is None:
            del arrays["uvs"]
        if skin.picture is None:
            del arrays["base_colour"]
    report = {
        "seed": seed,
        "closing": spec.closing,
        "versions": versions(),
        "device": str(context.device),
        "stages": [record.to_map() for record in watch.records],
        "removed_faces": len(given.mesh.faces) - int((removal.face_origin >= 0).sum()),
        "trimmed_faces": trimmed,
        "patches": [
            {"closing": one.closing, "rim": len(one.rim), "faces": one.faces, "vertices": one.vertices}
            for one in removal.patches
        ],
        "open_rims": removal.open_rims,
        "mesh": check(removal.vertices, removal.faces).to_map(),
        "mesh_before": given.health.to_map(),
        **skin.facts,
        "warnings": notes.warnings,
    }
    context.progress("done", 1.0, "finished", 0.0)
    return MeshResult(arrays, report)


def _close(spec: RemoveSpec, given: RemoveInput, tell: Callable[[float], None]) -> tuple[Removal, int]:
    """(the mesh without the piece, how many faces beside it went too)."""
    mesh, gone = given.mesh, given.gone
    wider = with_fillet(mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64), gone) if spec.trim else gone
    try:
        try:
            return remove_faces(mesh.vertices, mesh.faces, wider, spec.closing, tell), int((wider & ~gone).sum())
        except TangledRim:
            if not (wider & ~gone).any():
                raise
            return remove_faces(mesh.vertices, mesh.faces, gone, spec.closing, tell), 0
    except TangledRim as problem:
        raise BadRequest(
            f"The hole cannot be closed: {problem}.", path="inputs.selected",
            hint="Merge vertices by distance and recalculate the normals (Mesh > Clean Up, Mesh > Normals), or move "
                 "the border of the selection to a part where the surface is whole.",
        ) from problem


def _explain(given: RemoveInput, removal: Removal, trimmed: int, notes: Notes) -> None:
    if trimmed:
        notes.add(f"{trimmed} narrow faces beside the selection only led up to it and went too; set `trim` to false "
                  "to keep them.")
    if removal.open_rims:
        notes.add(f"{removal.open_rims} rims of the hole run into an open border of the mesh and stay open.")
    if not removal.patches and not removal.open_rims:
        notes.add("What was selected hung together with nothing else, so there was nothing to close.")
    after = check(removal.vertices, removal.faces)
    if given.health.closed and not after.closed:
        notes.add("The mesh was closed before and is not any more.")


def _plain_colours(removal: Removal) -> NDArray[np.uint8]:
    colours = np.full((len(removal.vertices), 4), 255, np.uint8)
    colours[:, :3] = PLAIN
    return colours


def _laid_out(given: RemoveInput, removal: Removal, notes: Notes) -> tuple[_Skin, PatchTexels | None, Placed | None]:
    """UVs for all faces; and where the patch has texels of its own, these and the room they were found in."""
    before = given.mesh.uvs
    if before is None:
        return _Skin(None, None, {}), None, None
    mesh = Mesh(removal.vertices, removal.faces)
    fresh = removal.patch >= 0
    old = np.zeros((len(removal.faces), 3, 2), np.float32)
    old[~fresh] = before.reshape(-1, 3, 2)[removal.face_origin[~fresh]]
    if not fresh.any():
        return _Skin(old.reshape(-1, 2), given.picture, {}), None, None
    if given.picture is not None and not given.repeats:
        height, width = given.picture.shape[:2]
        gone = np.setdiff1d(np.arange(len(given.mesh.faces)), removal.face_origin)
        try:
            placed = place_charts(mesh, old, fresh, before.reshape(-1, 3, 2)[gone], width, height)
        except NoRoom as problem:
            notes.add(f"The texture has no room for the patch: {problem}. The patch goes on with the UVs around it.")
        else:
            if placed.scale != (1.0, 1.0):
                notes.add(f"The texture had no room for the patch and grew to {placed.width} x {placed.height} texels.")
            picture = _grown(given.picture, placed)
            uvs = placed.uvs.reshape(-1, 2)
            facts = {"atlas": {"scale": list(placed.scale), "width": placed.width, "height": placed.height,
                               "charts": placed.charts}}
            patch = patch_texels(mesh.with_uvs(uvs), fresh, placed.width, placed.height)
            return _Skin(uvs, picture, facts), patch, placed
    return _Skin(continued_uvs(mesh, old, fresh).reshape(-1, 2), given.picture, {}), None, None


def _grown(picture: NDArray[np.uint8], placed: Placed) -> NDArray[np.uint8]:
    """The picture in the lower left corner of one of the placed size; the rest has its mean colour."""
    result = np.empty((placed.height, placed.width, picture.shape[2]), np.uint8)
    result[:] = np.rint(picture.reshape(-1, picture.shape[2]).mean(0)).astype(np.uint8)
    result[placed.row :, : picture.shape[1]] = picture
    return result


def _painted(
    skin: _Skin, removal: Removal, patch: PatchTexels | None, placed: Placed | None, brush: Brush
) -> _Skin:
    if patch is None or placed is None or skin.picture is None:
        return skin
    mesh = Mesh(removal.vertices, removal.faces, skin.uvs)
    picture, facts = paint_patch(mesh, removal.patch >= 0, skin.picture, patch, placed, brush)
    seams = seam_error(mesh, picture / 255.0)
    return _Skin(skin.uvs, picture,
                 {**skin.facts, "paint": facts, "seams": {"rms": round(seams.rms, 5), "edges": seams.edges}})
