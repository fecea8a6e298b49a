# SPDX-License-Identifier: GPL-3.0-or-later
"""Texels of which a view sees only a part, and not the middle: they take their colour from the pixels that show them.

Asking each texel's middle which views see it misses texels that an edge cuts, and slivers of other faces in the same
texel: a handful in half a million, each a dot that had to be guessed although it stands in a picture. Here the pixels
that show such a texel are found, by their faces, and averaged.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from backend.geometry.bake import TexelMap
from backend.geometry.mesh import Mesh, face_normals
from backend.texturing.canvas import EDGE_TRUST
from backend.texturing.projection import STEEPEST, Projected, Projector, plain_layers


def add_glimpses(
    found: Projected, projector: Projector, mesh: Mesh, texels: TexelMap, pictures: torch.Tensor, exponent: float
) -> Projected:
    """`found` with colours for unseen texels that some pixel of the depth pictures shows.

    Args:
        found: of this projector for the same pictures (B, 4, H, W).
        mesh: with UVs, in the cameras' world; texels: of this mesh.
        exponent: a pixel weighs cosine^exponent.
    """
    missing = np.zeros((texels.size, texels.size), bool)
    missing[texels.rows, texels.columns] = ~found.seen
    faces = _faces_over(mesh, missing)
    if not len(faces):
        return found
    number = np.full(missing.shape, -1, np.int64)
    number[texels.rows, texels.columns] = np.arange(len(texels.points))
    chosen = torch.zeros(len(mesh.faces), dtype=torch.bool, device=projector.face.device)
    chosen[torch.from_numpy(faces).to(chosen.device)] = True
    edges, over = projector.edges(pictures), plain_layers(pictures)
    total = np.zeros((len(texels.points), 4))
    facing = found.facing.copy()
    for view in range(len(projector.cameras)):
        shown = projector.face[view]
        row, column = ((shown >= 0) & chosen[shown.clamp_min(0).long()]).nonzero(as_tuple=True)
        if not len(row):
            continue
        at, cosine = _texel_at(projector, mesh, number, missing, view, row.cpu().numpy(), column.cpu().numpy(),
                               shown[row, column].cpu().numpy())
        use = at >= 0
        if not use.any():
            continue
        kept = torch.from_numpy(use).to(row.device)
        height, width = shown.shape
        place = torch.stack([(column[kept] + 0.5) / width, (row[kept] + 0.5) / height], -1) * 2 - 1
        colour = functional.grid_sample(over[view : view + 1], place.to(over).view(1, 1, -1, 2), padding_mode="border",
                                        align_corners=False)[0, :, 0].T.cpu().numpy()
        trust = np.where(edges[view, 0][row[kept], column[kept]].cpu().numpy() > 0.25, EDGE_TRUST**2, 1.0)
        at, cosine = at[use], cosine[use]
        np.add.at(total, at, colour * (trust * cosine**exponent)[:, None])
        np.maximum.at(facing, at, cosine.astype(np.float32))
    # A pixel that by the drawn outline shows none of the object has no colour to give.
    new = (total[:, 3] > 1e-9) & ~found.seen
    values = found.values.copy()
    values[new] = np.clip(total[new, :3] / total[new, 3:], 0, 1)
    return Projected(values, np.where(new, facing, found.facing).astype(np.float32))


def _faces_over(mesh: Mesh, missing: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Faces whose box on the atlas holds a missing texel."""
    assert mesh.uvs is not None
    size = len(missing)
    corners = mesh.uvs.reshape(-1, 3, 2) * size
    low, high = np.floor(corners.min(1)).astype(int), np.floor(corners.max(1)).astype(int)
    left, right = (edge.clip(0, size - 1) for edge in (low[:, 0], high[:, 0]))
    top, bottom = (size - 1 - high[:, 1]).clip(0, size - 1), (size - 1 - low[:, 1]).clip(0, size - 1)
    summed = np.zeros((size + 1, size + 1), np.int64)
    summed[1:, 1:] = missing.cumsum(0).cumsum(1)
    inside = summed[bottom + 1, right + 1] - summed[top, right + 1] - summed[bottom + 1, left] + summed[top, left]
    return np.flatnonzero(inside > 0)


def _texel_at(
    projector: Projector, mesh: Mesh, number: NDArray[np.int64], missing: NDArray[np.bool_], view: int,
    row: NDArray[np.int64], column: NDArray[np.int64], face: NDArray[np.int32],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """((n,) the missing texel that each pixel's middle lies in, -1 for none; (n,) cosine there)."""
    assert mesh.uvs is not None
    camera = projector.cameras[view]
    pose = camera.camera_to_world[0].cpu().numpy().astype(np.float64)
    tangent = np.tan(0.5 * float(camera.fov_y[0]))
    x = ((column + 0.5) / camera.width * 2 - 1) * tangent * camera.width / camera.height
    y = (1 - (row + 0.5) / camera.height * 2) * tangent
    ray = np.stack([x, y, -np.ones_like(x)], -1) @ pose[:3, :3].T
    a, b, c = (mesh.vertices[mesh.faces[face, corner]].astype(np.float64) for corner in range(3))
    # Where the ray meets the face's plane (Moeller and Trumbore 1997).
    one, two = b - a, c - a
    across = np.cross(ray, two)
    scale = (one * across).sum(1)
    scale = np.where(np.abs(scale) < 1e-18, 1e-18, scale)
    to_origin = pose[:3, 3] - a
    u = (to_origin * across).sum(1) / scale
    v = (ray * np.cross(to_origin, one)).sum(1) / scale
    share = np.clip(np.stack([1 - u - v, u, v], 1), 0, 1)
    share /= share.sum(1, keepdims=True)
    uv = (mesh.uvs.reshape(-1, 3, 2)[face] * share[:, :, None]).sum(1) * len(missing)
    size = len(missing)
    texel_column, texel_row = (np.floor(value).astype(int).clip(0, size - 1) for value in (uv[:, 0], size - uv[:, 1]))
    flat = face_normals(mesh.vertices, mesh.faces)[face]
    cosine = -(ray * flat).sum(1) / np.linalg.norm(ray, axis=1)
    if projector.two_sided:
        cosine = np.abs(cosine)
    shows = missing[texel_row, texel_column] & (cosine > STEEPEST)
    return np.where(shows, number[texel_row, texel_column], -1), cosine
