# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inpaint job is about, checked and made ready: a mesh with its texture, and exactly which texels are wanted.

Selections come as faces, as a mask on the UVs, or as both. They become one mask of texels here, grown or shrunk over
the surface, never over the atlas. What cannot be meant (nothing selected, everything removed, texels that belong to
the selection and to the rest at once) is refused with advice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backend.geometry.bake import TexelMap, texel_map
from backend.geometry.health import check, degenerate
from backend.geometry.mesh import Mesh, face_areas
from backend.geometry.raster_2d import cover
from backend.jobs.prompt import Notes
from backend.jobs.texture_input import JUDGED_AT, MOST_OVERLAP, cameras_of, mesh_of, picture_of, tiles_problem
from backend.render.cameras import Cameras
from backend.texturing.rig import Frame
from protocol.errors import BadRequest
from protocol.specs import InpaintSpec


@dataclass(frozen=True, eq=False)
class InpaintInput:
    """mesh: in the default cameras' frame, with its UVs. texels: of it at the texture's size. picture: (S, S, 3) uint8
    and opacity (S, S) uint8 or None, the base colour. hole: (S, S) bool, texels that are made anew; fresh: (S, S)
    float32 0..1, how much of the new each of them takes. cameras: those that came in, or None. facts: for the report.
    """

    mesh: Mesh
    texels: TexelMap
    picture: NDArray[np.uint8]
    opacity: NDArray[np.uint8] | None
    hole: NDArray[np.bool_]
    fresh: NDArray[np.float32]
    two_sided: bool
    cameras: Cameras | None
    facts: dict[str, Any]

    @property
    def wanted(self) -> NDArray[np.bool_]:
        """(N,) bool: the texels of the surface that are made anew."""
        return self.hole[self.texels.rows, self.texels.columns]


def read_inpaint(spec: InpaintSpec, inputs: Mapping[str, NDArray[Any]], notes: Notes) -> InpaintInput:
    """Checks what came in. Raises BadRequest or TooLarge naming the input."""
    bare = mesh_of(inputs)
    assert bare.uvs is not None
    health = check(bare.vertices, bare.faces)
    if health.degenerate_faces:
        notes.add(f"{health.degenerate_faces} faces have no area; they have no texels of their own.")
    if not health.closed or not health.manifold:
        notes.add("The mesh is not closed and manifold everywhere; its surfaces are painted on the side that is seen.")
    picture, opacity = read_colour(inputs, "base_colour")
    size = picture.shape[0]
    if picture.shape[1] != size:
        raise BadRequest(f"The base colour is {picture.shape[1]} x {size} texels; it must be square to be inpainted.",
                         path="inputs.base_colour", hint="Resize the picture to a square; UVs stay as they are.")
    frame = Frame.of(bare.vertices)
    mesh = Mesh(frame.vertices(bare.vertices), bare.faces, bare.uvs)
    problem = tiles_problem(mesh)
    if problem is not None:
        raise BadRequest(f"{problem} A texture can be inpainted only on UVs between 0 and 1.", path="inputs.uvs",
                         hint="Send one tile at a time: its faces, their UVs moved to the first tile, and its picture.")
    texels = texel_map(mesh, size)
    if not len(texels.points):
        raise BadRequest("The UVs cover nothing of the base colour.", path="inputs.uvs",
                         hint="Unwrap the mesh, or texture it anew with a texture job.")
    chosen = _selection(inputs, mesh, texels, size)
    chosen = _grown(chosen, texels, mesh, spec.grow)
    hole = ~chosen if spec.verb == "replace" else chosen
    _check_extent(spec, chosen, texels)
    _check_overlap(inputs, mesh, hole, notes)
    two_sided = not health.closed or bool(health.inward_parts or health.mismatched_edges)
    fresh = _fresh(hole, texels, mesh, spec.feather)
    wanted = hole[texels.rows, texels.columns]
    facts = {"mesh": health.to_map(), "texture_size": size, "selected_texels": int(chosen.sum()),
             "changed_texels": int(hole.sum()), "changed_share": round(float(wanted.mean()), 4)}
    cameras = cameras_of(spec.rig, inputs, frame)
    return InpaintInput(mesh, texels, picture, opacity, hole, fresh, two_sided, cameras, facts)


def read_colour(
    inputs: Mapping[str, NDArray[Any]], name: str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """((H, W, 3) colours, (H, W) opacity or None) of a picture that came in. Raises BadRequest."""
    whole = picture_of(inputs, name, "RGBA")
    assert whole is not None
    opacity = whole[..., 3]
    return np.ascontiguousarray(whole[..., :3]), None if (opacity == 255).all() else opacity


def read_mask(inputs: Mapping[str, NDArray[Any]], shape: tuple[int, ...], of: str) -> NDArray[np.bool_] | None:
    """(H, W) bool, the white of the mask, where one came in. Raises BadRequest when its size is another."""
    mask = picture_of(inputs, "mask", "L")
    if mask is None:
        return None
    if mask.shape != shape[:2]:
        raise BadRequest(f"The mask is {mask.shape[1]} x {mask.shape[0]} and the {of} {shape[1]} x {shape[0]}; they "
                         "must match.", path="inputs.mask")
    return np.asarray(mask > 127)


def extent_problem(spec: InpaintSpec, chosen: int, whole: int) -> str | None:
    """What is wrong with a selection of `chosen` out of `whole`, as a sentence; None when it can be meant."""
    if chosen == 0:
        return "The selection is empty: nothing of it lies on the surface or in the picture."
    if chosen == whole and spec.verb == "remove":
        return "Everything is selected, so nothing is left that could be continued."
    if chosen == whole and spec.verb == "replace":
        return "Everything is selected, so nothing is left to replace."
    return None


def _selection(
    inputs: Mapping[str, NDArray[Any]], mesh: Mesh, texels: TexelMap, size: int
) -> NDArray[np.bool_]:
    """(S, S) bool, what the user has selected: faces, mask, or what both have in common."""
    mask = read_mask(inputs, (size, size), "base colour")
    chosen = np.ones((size, size), bool) if mask is None else mask
    if "selected" in inputs:
        selected = np.asarray(inputs["selected"]) != 0
        if len(selected) != len(mesh.faces):
            raise BadRequest(f"{len(selected)} faces are marked as selected or not, and the mesh has "
                             f"{len(mesh.faces)}.", path="inputs.selected")
        # A face without area touches texels, but shows none.
        selected = selected & ~degenerate(mesh.vertices, mesh.faces)
        on_faces = np.zeros((size, size), bool)
        on_faces[texels.rows, texels.columns] = selected[texels.face]
        chosen = chosen & on_faces
    return chosen


def _grown(chosen: NDArray[np.bool_], texels: TexelMap, mesh: Mesh, steps: int) -> NDArray[np.bool_]:
    """The selection grown (or shrunk, below 0) by so many texels over the surface."""
    inside = chosen[texels.rows, texels.columns]
    if not steps or not inside.any() or inside.all():
        return chosen
    reach = (abs(steps) + 0.01) * texel_side(texels, mesh)
    source, asked = (inside, ~inside) if steps > 0 else (~inside, inside)
    distance, _ = cKDTree(texels.points[source]).query(texels.points[asked], distance_upper_bound=reach)
    near = np.flatnonzero(asked)[np.isfinite(distance)]
    grown = chosen.copy()
    grown[texels.rows[near], texels.columns[near]] = steps > 0
    return grown


def _fresh(hole: NDArray[np.bool_], texels: TexelMap, mesh: Mesh, feather: int) -> NDArray[np.float32]:
    """(S, S) how much of the new each texel takes: 0 outside the hole, 1 inside, rising over `feather` texels."""
    fresh = hole.astype(np.float32)
    wanted = hole[texels.rows, texels.columns]
    if feather and wanted.any() and not wanted.all():
        distance, _ = cKDTree(texels.points[~wanted]).query(texels.points[wanted])
        share = np.clip(distance / (feather * texel_side(texels, mesh)), 0, 1)
        fresh[texels.rows[wanted], texels.columns[wanted]] = share * share * (3 - 2 * share)
    return fresh


def texel_side(texels: TexelMap, mesh: Mesh) -> float:
    """Side of a texel on the surface, on the mean."""
    return float(np.sqrt(face_areas(mesh.vertices, mesh.faces).sum() / max(1, int(texels.inside.sum()))))


def _check_extent(spec: InpaintSpec, chosen: NDArray[np.bool_], texels: TexelMap) -> None:
    count = int(chosen[texels.rows, texels.columns].sum())
    problem = extent_problem(spec, count, len(texels.points))
    if problem is not None:
        raise BadRequest(problem, path="inputs.selected",
                         hint="Select some faces with area and UVs, or paint the mask white where the selection is.")


def _check_overlap(
    inputs: Mapping[str, NDArray[Any]], mesh: Mesh, hole: NDArray[np.bool_], notes: Notes
) -> None:
    """Whether painting the hole would paint what is not meant, because faces share texels."""
    assert mesh.uvs is not None
    triangles = mesh.uvs.astype(np.float64).reshape(-1, 3, 2) * JUDGED_AT
    triangles[:, :, 1] = JUDGED_AT - triangles[:, :, 1]
    face, x, y = cover(triangles, JUDGED_AT, JUDGED_AT)
    place = y * JUDGED_AT + x
    size = len(hole)
    wanted = hole[(y * size + size // 2) // JUDGED_AT, (x * size + size // 2) // JUDGED_AT]
    times = np.bincount(place, minlength=JUDGED_AT**2)
    if "selected" in inputs:
        of_selected = np.bincount(place[inputs["selected"][face] != 0], minlength=JUDGED_AT**2)
        mixed = (of_selected > 0) & (of_selected < times)
        share = float(mixed.sum() / max(1, min((of_selected > 0).sum(), (times > of_selected).sum())))
        if share > MOST_OVERLAP:
            raise BadRequest(f"The UVs overlap: {share:.0%} of the selected texels also belong to faces that are not "
                             "selected, so painting one would paint the other.", path="inputs.uvs",
                             hint="Select the faces that share these texels too, or give the object UVs of its own.")
    shared = (times > 1)[place[wanted]]
    if len(shared) and shared.mean() > MOST_OVERLAP:
        notes.add(f"{shared.mean():.0%} of the texels that change belong to several faces, which all change.")
