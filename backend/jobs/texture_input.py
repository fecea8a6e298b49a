# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh that a texture job is about, checked and made ready: in the default frame, with UVs that can be painted on.

Meshes come from people: with holes, loose and inside-out parts, faces without area, UVs that overlap, or none. What
can be worked with is, and the report says what was found; what cannot is refused with advice.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from backend.geometry.health import check, degenerate
from backend.geometry.mesh import Mesh, compact
from backend.geometry.unwrap import unwrap
from backend.geometry.uv_quality import measure
from backend.jobs.prompt import Notes
from backend.render.cameras import Cameras
from backend.texturing.painted import Ground
from backend.texturing.rig import Frame
from protocol.errors import BadRequest, TooLarge
from protocol.specs import TextureSpec

MOST_FACES = 2_000_000
MOST_OVERLAP = 0.02  # share of the covered texels that may lie in two faces: rounding at borders, no mirrored halves
JUDGED_AT = 512  # texels along a side at which UVs are judged
SMALLEST_PICTURE = 16


@dataclass(frozen=True, eq=False)
class TextureInput:
    """mesh: in the default cameras' frame, with UVs. new_uvs: they are ours. two_sided: the mesh is open or wound
    inwards. ground: what is painted upon, or None. cameras: those that came in, or None. size: of the texture.
    facts: for the report."""

    mesh: Mesh
    new_uvs: bool
    two_sided: bool
    ground: Ground | None
    cameras: Cameras | None
    size: int
    facts: dict[str, Any]


def read_input(spec: TextureSpec, inputs: Mapping[str, NDArray[Any]], size: int, notes: Notes) -> TextureInput:
    """Checks what came in. `size` is that of the texture where nothing else says it. Raises BadRequest."""
    bare = mesh_of(inputs)
    health = check(bare.vertices, bare.faces)
    if health.degenerate_faces:
        notes.add(f"{health.degenerate_faces} faces have no area; they get the colour of their neighbours.")
    if not health.closed or not health.manifold:
        notes.add("The mesh is not closed and manifold everywhere; its surfaces are painted on the side that is seen.")
    elif health.inward_parts:
        notes.add(f"{health.inward_parts} parts are wound inwards (their normals point in); painted all the same.")
    picture = picture_of(inputs, "base_colour", "RGB")
    keep = picture_of(inputs, "keep", "L")
    if keep is not None and picture is None:
        raise BadRequest("`keep` says what stays of the base colour, but there is no base colour.", path="inputs.keep",
                         hint="Send base_colour too, or leave keep out.")
    if keep is not None and picture is not None and keep.shape != picture.shape[:2]:
        raise BadRequest(f"`keep` is {_by(keep)} and the base colour {_by(picture)} texels; they must match.",
                         path="inputs.keep")
    frame = Frame.of(bare.vertices)
    framed = Mesh(frame.vertices(bare.vertices), bare.faces, bare.uvs)
    problem = uv_problem(framed)
    new = spec.uvs == "new" or (spec.uvs == "auto" and problem is not None)
    if problem is not None and spec.uvs == "given":
        raise BadRequest(f"{problem} The texture can't be painted on these UVs.", path="inputs.uvs",
                         hint="Set `uvs` to new or auto to get UVs in a layer of their own.")
    if new and keep is not None:
        raise BadRequest(f"{problem or 'New UVs are asked for.'} A part of the old texture can be kept only on its own "
                         "UVs.", path="uvs", hint="Unwrap the object first, or leave keep out.")
    size = spec.texture_size or (min(picture.shape[:2]) if picture is not None else size)
    if keep is not None and picture is not None:
        if picture.shape[0] != picture.shape[1] or size != picture.shape[0]:
            raise BadRequest(f"The base colour is {_by(picture)} texels and the texture {size} x {size}; where parts "
                             "are kept they must be the same, and square.", path="texture_size")
        size = picture.shape[0]
    ground = None if picture is None else Ground(picture, None if keep is None else keep > 127)
    facts: dict[str, Any] = {"mesh": health.to_map()}
    if new:
        if problem is not None:
            notes.add(f"{problem} New UVs were made beside them.")
        if ground is not None:
            notes.add("The base colour lies on other UVs than the new texture, so painting began without it.")
            ground = None
        framed, facts["uv"] = unwrapped(Mesh(framed.vertices, framed.faces), size)
    two_sided = not health.closed or bool(health.inward_parts or health.mismatched_edges)
    return TextureInput(framed, new, two_sided, ground, cameras_of(spec.rig, inputs, frame), size, facts)


def uv_problem(mesh: Mesh) -> str | None:
    """Why these UVs cannot be painted on, as a sentence; None when they can. Mirrored charts can."""
    problem = tiles_problem(mesh)
    if problem is not None:
        return problem
    found = measure(mesh, JUDGED_AT)
    covered = found.utilisation * JUDGED_AT**2
    if covered < 16:
        return "The UVs cover nothing."
    if found.overlap_texels > MOST_OVERLAP * covered:
        return f"The UVs overlap: {found.overlap_texels / covered:.0%} of the texture belongs to several faces."
    return None


def tiles_problem(mesh: Mesh) -> str | None:
    """Why these UVs do not lie on one texture, as a sentence; None when they do."""
    if mesh.uvs is None:
        return "The mesh has no UVs."
    if not np.isfinite(mesh.uvs).all():
        return "Some UVs are not finite."
    low, high = mesh.uvs.min(0), mesh.uvs.max(0)
    if low.min() < -1e-4 or high.max() > 1 + 1e-4:
        tiles = np.unique(np.floor(mesh.uvs.reshape(-1, 3, 2).mean(1)), axis=0)
        kind = f"lie on {len(tiles)} tiles (UDIM)" if len(tiles) > 1 else "reach outside the square from 0 to 1"
        return f"The UVs {kind}."
    return None


def unwrapped(mesh: Mesh, size: int) -> tuple[Mesh, dict[str, Any]]:
    """The mesh with UVs of our own, and how good they are. Faces without area, which no flattening can place, get the
    UVs that their vertices have elsewhere."""
    flat = degenerate(mesh.vertices, mesh.faces)
    vertices, faces, number = compact(mesh.vertices, mesh.faces[~flat], np.arange(len(mesh.vertices)))
    sound, report = unwrap(Mesh(vertices, faces), texture_size=size)
    assert sound.uvs is not None
    uvs = np.zeros((len(mesh.faces), 3, 2), np.float32)
    uvs[~flat] = sound.uvs.reshape(-1, 3, 2)
    of_vertex = np.zeros((len(mesh.vertices), 2), np.float32)
    of_vertex[number[faces.ravel()]] = sound.uvs
    uvs[flat] = of_vertex[mesh.faces[flat]]
    return mesh.with_uvs(uvs.reshape(-1, 2)), report.to_map()


def mesh_of(inputs: Mapping[str, NDArray[Any]]) -> Mesh:
    """The mesh that came in, in its own frame; UVs that are not finite are infinite. Raises BadRequest or TooLarge."""
    vertices, faces, uvs = inputs["vertices"], inputs["faces"], inputs.get("uvs")
    if len(faces) > MOST_FACES:
        raise TooLarge(f"The mesh has {len(faces):,} triangles, at most {MOST_FACES:,} can be painted.",
                       path="inputs.faces", hint="Decimate the mesh, or paint it below its subdivision modifier.",
                       detail={"limit": MOST_FACES, "got": len(faces)})
    if uvs is not None and len(uvs) != 3 * len(faces):
        raise BadRequest(f"There are {len(uvs)} UVs for {3 * len(faces)} face corners.", path="inputs.uvs")
    try:
        finite = None if uvs is None else np.nan_to_num(uvs, nan=np.inf)
        mesh = Mesh(vertices, faces, finite)
    except ValueError as problem:
        raise BadRequest(f"The mesh cannot be used: {problem}.", path="inputs.vertices") from problem
    if degenerate(mesh.vertices, mesh.faces).all():
        raise BadRequest("No face of the mesh has any area.", path="inputs.faces")
    return mesh


def picture_of(inputs: Mapping[str, NDArray[Any]], name: str, mode: str) -> NDArray[np.uint8] | None:
    """A picture that came in as a file, (H, W, channels of Pillow's `mode`), or None. Raises BadRequest."""
    if name not in inputs:
        return None
    try:
        picture = Image.open(io.BytesIO(np.asarray(inputs[name], np.uint8).tobytes())).convert(mode)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as problem:
        raise BadRequest(f"The picture {name} cannot be read: {problem}.", path=f"inputs.{name}",
                         hint="Send a PNG or JPEG file as bytes.") from problem
    if min(picture.size) < SMALLEST_PICTURE:
        raise BadRequest(f"The picture {name} is only {picture.size[0]} x {picture.size[1]} texels.",
                         path=f"inputs.{name}")
    return np.asarray(picture)


def cameras_of(rig: str, inputs: Mapping[str, NDArray[Any]], frame: Frame) -> Cameras | None:
    """Those that came in, where the rig is `cameras`. Raises BadRequest."""
    if rig != "cameras":
        return None
    if "cameras" not in inputs or "fields_of_view" not in inputs:
        raise BadRequest("The rig is `cameras`, but none came in.", path="inputs.cameras",
                         hint="Send cameras and fields_of_view, or set `rig` to turntable or coverage.")
    poses, angles = inputs["cameras"], inputs["fields_of_view"]
    if len(poses) != len(angles):
        raise BadRequest(f"There are {len(poses)} cameras and {len(angles)} fields of view.",
                         path="inputs.fields_of_view")
    turn = poses[:, :3, :3].astype(np.float64)
    straight = np.abs(turn.transpose(0, 2, 1) @ turn - np.eye(3)).max() < 1e-3 if np.isfinite(turn).all() else False
    if not straight or not np.isfinite(poses).all() or not ((angles > 0.01) & (angles < 3.1)).all():
        raise BadRequest("A camera's matrix must be a rotation and a place, without scale, and its field of view "
                         "between 0.01 and 3.1 radians.", path="inputs.cameras")
    return frame.cameras(poses, angles)


def _by(picture: NDArray[Any]) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]}"
