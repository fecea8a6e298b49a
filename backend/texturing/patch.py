# SPDX-License-Identifier: GPL-3.0-or-later
"""The texture of new faces, continued from the old ones around them, in space and to the seam.

What is known are the colours along the rim, read as a renderer reads them, and those of the faces next to it; the
texels of the patch are their harmonic continuation over the surface. So both sides of the seam show the same
colour, although they lie anywhere on the atlas. Only texels of the patch's own charts and free ones around them are
written; no other changes by a bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from backend.geometry.bake import TexelMap, sample, texel_map, to_bytes
from backend.geometry.mesh import Mesh, edge_faces, face_normals, vertex_normals
from backend.texturing.fill import fill

Bools = NDArray[np.bool_]

ALONG = 12  # samples along each edge of the rim
ACROSS = 3  # rows of samples on each face beside it
MARGIN = 4  # texels around a patch's charts that take its colour where nobody else has them


@dataclass(frozen=True, eq=False)
class PatchTexels:
    """The texels of the new faces in a picture (H, W): texels, a map of a square window of it whose faces are numbered
    as in the mesh, and the window's first row and column."""

    texels: TexelMap
    row: int
    column: int

    @property
    def rows(self) -> NDArray[np.int64]:
        """(N,) rows in the whole picture."""
        return self.texels.rows.astype(np.int64) + self.row

    @property
    def columns(self) -> NDArray[np.int64]:
        """(N,) columns in the whole picture."""
        return self.texels.columns.astype(np.int64) + self.column


def patch_texels(mesh: Mesh, fresh: Bools, width: int, height: int) -> PatchTexels:
    """The texels that the faces `fresh` (F,) touch in a picture of width x height."""
    if mesh.uvs is None:
        raise ValueError("this mesh has no UVs, so it has no texels")
    size = np.array([width, height])
    place = mesh.uvs.reshape(-1, 3, 2)[fresh].astype(np.float64) * size
    place[..., 1] = height - place[..., 1]
    low = np.maximum(np.floor(place.min((0, 1))).astype(np.int64) - 2, 0)
    side = int((np.minimum(np.ceil(place.max((0, 1))).astype(np.int64) + 2, size) - low).max())
    window = place - low
    uvs = np.stack((window[..., 0], side - window[..., 1]), -1) / side
    faces = mesh.faces[fresh]
    texels = texel_map(Mesh(mesh.vertices, faces, uvs.reshape(-1, 2).astype(np.float32)), side)
    number = np.flatnonzero(fresh)[texels.face]
    smooth = vertex_normals(mesh.vertices, mesh.faces)[mesh.faces[number]]
    normals = (smooth * texels.barycentric[:, :, None]).sum(1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    inside = (texels.rows < height - low[1]) & (texels.columns < width - low[0])
    kept = replace(texels, rows=texels.rows[inside], columns=texels.columns[inside],
                   face=number[inside].astype(np.int32), barycentric=texels.barycentric[inside],
                   points=texels.points[inside], normals=normals[inside].astype(np.float32),
                   inside=texels.inside[inside])
    return PatchTexels(kept, int(low[1]), int(low[0]))


def continue_texture(
    mesh: Mesh, fresh: Bools, picture: NDArray[np.uint8], patch: PatchTexels, taken: Bools
) -> NDArray[np.uint8]:
    """The picture (H, W, C) with the colours of the faces `fresh` continued from those around them. `taken` (H, W):
    texels that must stay. Where the patch has no rim, the mean of what is taken is used."""
    points, normals, colours = _known(mesh, fresh, picture)
    texels = patch.texels
    if len(points):
        values = np.concatenate([np.zeros((len(texels.points), picture.shape[2]), np.float32), colours])
        known = np.arange(len(values)) >= len(texels.points)
        filled = fill(np.concatenate([texels.points, points]), np.concatenate([texels.normals, normals]), values, known)
        colour = filled[: len(texels.points)]
    else:
        mean = picture[taken].mean(0) / 255.0 if taken.any() else np.full(picture.shape[2], 0.5)
        colour = np.broadcast_to(mean, (len(texels.points), picture.shape[2]))
    return laid(picture, patch, to_bytes(colour), taken)


def laid(
    picture: NDArray[np.uint8], patch: PatchTexels, colour: NDArray[np.uint8], taken: Bools
) -> NDArray[np.uint8]:
    """The picture with colours (N, C) at the patch's texels, and margins around them where nothing is taken."""
    result = picture.copy()
    own = np.zeros(picture.shape[:2], bool)
    own[patch.rows, patch.columns] = True
    result[patch.rows, patch.columns] = colour
    low = np.maximum(np.array([patch.rows.min(), patch.columns.min()]) - MARGIN, 0)
    high = np.array([patch.rows.max(), patch.columns.max()]) + MARGIN + 1
    window = (slice(low[0], high[0]), slice(low[1], high[1]))
    away, nearest = distance_transform_edt(~own[window], return_indices=True)
    near = (away > 0) & (away <= MARGIN) & ~taken[window]
    result[window][near] = result[window][nearest[0][near], nearest[1][near]]
    return result


def _known(
    mesh: Mesh, fresh: Bools, picture: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """(points (N, 3), normals (N, 3), colours (N, C)) along the rim, with the normals of both sides, and on the old
    faces beside it."""
    assert mesh.uvs is not None
    faces, vertices = mesh.faces, mesh.vertices.astype(np.float64)
    uvs = mesh.uvs.reshape(-1, 3, 2).astype(np.float64)
    flat, smooth = face_normals(mesh.vertices, faces), vertex_normals(mesh.vertices, faces)
    pairs, _, corners = edge_faces(faces, len(vertices))
    rim = fresh[pairs[:, 0]] != fresh[pairs[:, 1]]
    pairs, corners = pairs[rim], corners[rim]
    swap = fresh[pairs[:, 0]]
    old = np.where(swap, corners[:, 1], corners[:, 0])
    new = np.where(swap, pairs[:, 0], pairs[:, 1])
    face, first = old // 3, old % 3
    share = np.zeros((len(old), ALONG, 3))
    along = (np.arange(ALONG) + 0.5) / ALONG
    row = np.arange(len(old))
    share[row, :, first] = 1 - along
    share[row, :, (first + 1) % 3] = along
    touched = np.zeros(len(vertices), bool)
    touched[faces[fresh]] = True
    beside = np.flatnonzero(touched[faces].any(1) & ~fresh)
    steps = (np.arange(ACROSS) + 0.5) / ACROSS
    grid = np.array([(a, b, 1 - a - b) for a in steps for b in steps if a + b < 1])
    where = np.r_[np.repeat(face, ALONG), np.repeat(face, ALONG), np.repeat(beside, len(grid))]
    weight = np.concatenate([share.reshape(-1, 3), share.reshape(-1, 3), np.tile(grid, (len(beside), 1))])
    if not len(where):
        none = np.zeros((0, 3), np.float32)
        return none, none, np.zeros((0, picture.shape[2]), np.float32)
    points = (vertices[faces[where]] * weight[:, :, None]).sum(1)
    normals = (smooth[faces[where]] * weight[:, :, None]).sum(1)
    # On a crease the patch's texels must find the rim with their own normals too.
    normals[len(old) * ALONG : 2 * len(old) * ALONG] = np.repeat(flat[new], ALONG, axis=0)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    colours = sample(picture, (uvs[where] * weight[:, :, None]).sum(1)) / 255.0
    return points.astype(np.float32), normals.astype(np.float32), colours.astype(np.float32)
