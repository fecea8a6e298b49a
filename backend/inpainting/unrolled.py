# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a surface and what surrounds it, unrolled onto one picture, whatever charts they lie on.

Pictures can be continued; surfaces cannot. So the faces around the part are taken, the nearest first, where a turn of
the surface counts as a way as well, and all are flattened together as rigidly as they allow. The picture has the
texture's own density and lies over the part's chart as it is, so that reading what was continued back into the chart
hardly blurs it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from backend.geometry.bake import sample
from backend.geometry.charts import face_graph
from backend.geometry.mesh import Mesh, compact, face_areas
from backend.geometry.parameterise import discs, flatten, signed_areas, singular_values
from backend.geometry.raster_2d import barycentric, cover
from backend.geometry.seams import chart_vertices
from backend.geometry.unwrap import overlapping_faces

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

AROUND = 7.0  # areas of the part that are taken from around it
LEAST = 72  # texels: at least so large a square is taken around it
FARTHEST = 4.0  # radii of the part, and a least square, beyond which nothing is taken
TURN = 1.0  # a turn by one radian is as far as so many radii of the part
SHARP = 0.5  # radians at one edge, from which it counts as a crease, and by far more
STRETCH = 1.7  # faces that are stretched or squeezed by more count as unknown; a part that is can't be unrolled
SPOILT = 0.02  # of the part's area that may be folded, covered or stretched
SLIVER = 4.0  # texels: the area of a face below which its shape in the plane does not matter
SHRUNK = (1.0, 0.5, 0.25)  # shares of the surroundings that are tried until the part lies well
LARGEST = 640  # pixels along a side; beyond, the picture is coarser than the texture


@dataclass(frozen=True, eq=False)
class Unrolled:
    """picture (H, W, C) float32 in 0..1; hole (H, W), the part; beside (H, W), all else without colours. faces (n,):
    the part's faces, by the mesh's numbers; corners (n, 3, 2): where they lie, in pixels, y down."""

    picture: NDArray[np.float32]
    hole: Bools
    beside: Bools
    faces: NDArray[np.int64]
    corners: Floats

    def place(self, face: NDArray[np.integer], share: NDArray[np.floating]) -> Floats:
        """(N, 2) uv in the picture, v up, of points of the part's faces with barycentric coordinates (N, 3)."""
        row = np.searchsorted(self.faces, face)
        point = (self.corners[row] * share[:, :, None]).sum(1)
        height, width = self.hole.shape
        return np.stack([point[:, 0] / width, 1 - point[:, 1] / height], 1)


def unroll(
    mesh: Mesh, picture: NDArray[np.uint8], blank: Bools, part: Bools, charted: Floats, density: float
) -> Unrolled | None:
    """The part and its surroundings on one picture; None where they do not unroll without folds or too much stretch.

    Args:
        mesh: with UVs; picture (H, W, C) on them.
        blank: (F,) faces without colours as yet, those of the part among them.
        part: (F,) faces, one connected chart.
        charted: (n, 3, 2) where the part's faces lie on the texture, in texels, y down.
        density: texels per unit of length.
    """
    for share in SHRUNK:
        taken = _surroundings(mesh, part, share, density)
        flat = _flattened(mesh, taken, part, density)
        if flat is not None:
            return _drawn(mesh, picture, blank, part, charted, taken, *flat)
    return None


def _surroundings(mesh: Mesh, part: Bools, share: float, density: float) -> NDArray[np.int64]:
    """(n,) faces of the part and around it, ascending."""
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
    own = vertices[faces[part]].reshape(-1, 3)
    middle = own.mean(0)
    area = face_areas(vertices, faces)
    radius = float(np.sqrt(area[part].sum() / np.pi))
    limit = FARTHEST * radius + LEAST / density
    reach = float(np.linalg.norm(own - middle, axis=1).max()) + limit
    near = np.flatnonzero((np.linalg.norm(vertices[faces] - middle, axis=2) < reach).any(1) | part)
    graph = face_graph(*compact(vertices, faces[near]))
    centre = vertices[faces[near]].mean(1)
    a, b = graph.pairs.T
    turn = np.arccos(np.clip(1.0 - graph.crease, -1, 1))
    turn = turn * (1 + (turn / SHARP) ** 2)
    way = np.linalg.norm(centre[a] - centre[b], axis=1) + TURN * radius * turn + 1e-9 * radius
    matrix = coo_matrix((way, (a, b)), shape=(len(near), len(near))).tocsr()
    distance = dijkstra(matrix, directed=False, indices=np.flatnonzero(part[near]), min_only=True, limit=limit)
    order = np.argsort(distance, kind="stable")
    order = order[np.isfinite(distance[order])]
    known = np.cumsum(np.where(part[near[order]], 0.0, area[near[order]]))
    wanted = share * max(AROUND * float(area[part].sum()), (LEAST / density) ** 2)
    return np.sort(near[order[: int(np.searchsorted(known, wanted)) + 1]])


def _flattened(
    mesh: Mesh, taken: NDArray[np.int64], part: Bools, density: float
) -> tuple[Floats, Bools] | None:
    """((n, 3, 2) corners of the faces in texels, y down; (n,) which lie well), or None."""
    vertices, faces = compact(mesh.vertices.astype(np.float64), mesh.faces[taken])
    faces = faces.astype(np.int64)
    graph = face_graph(vertices, faces)
    label = np.zeros(len(faces), np.int64)
    _, corner = chart_vertices(faces, graph, label, np.zeros(len(graph.pairs), bool))
    parts = discs(vertices, faces, corner, label)
    try:
        uv = flatten(parts)
    except (RuntimeError, np.linalg.LinAlgError, IndexError):
        return None  # a system without a solution: some faces hang on by a corner
    if not np.isfinite(uv).all():
        return None
    large, small = singular_values(parts, uv)
    well = (signed_areas(parts, uv) > 0) & (large < STRETCH) & (small > 1 / STRETCH)
    well &= ~overlapping_faces(uv[corner], label, density)
    area, own = face_areas(vertices, faces), part[taken]
    # Slivers are always stretched, and their colours are their neighbours'.
    well |= area * density**2 < SLIVER
    if area[own & ~well].sum() > SPOILT * area[own].sum():
        return None
    return uv[corner] * density * np.array([1.0, -1.0]), well


def _drawn(
    mesh: Mesh, picture: NDArray[np.uint8], blank: Bools, part: Bools, charted: Floats,
    taken: NDArray[np.int64], corners: Floats, well: Bools,
) -> Unrolled:
    assert mesh.uvs is not None
    own = part[taken]
    corners = _laid_over(corners, corners[own], charted)
    low = np.floor(corners.min((0, 1)))
    corners = corners - low
    side = float(corners.max())
    if side > LARGEST:
        corners = corners * (LARGEST / side)
    width, height = (int(np.ceil(one)) for one in corners.max((0, 1)))
    face, x, y = cover(corners, width, height)
    share = barycentric(corners, face, x, y)
    filled = np.zeros((height, width, picture.shape[2]), np.float32)
    hole, beside = np.zeros((height, width), bool), np.ones((height, width), bool)
    coloured = well[face] & ~blank[taken[face]]
    mine = own[face]
    uv = (mesh.uvs.reshape(-1, 3, 2)[taken[face]].astype(np.float64) * share[:, :, None]).sum(1)
    filled[y[coloured], x[coloured]] = sample(picture, uv[coloured]) / 255.0
    beside[y[coloured], x[coloured]] = False
    hole[y[mine], x[mine]] = True
    beside &= ~hole
    return Unrolled(filled, hole, beside, taken[own], corners[own])


def _laid_over(corners: Floats, own: Floats, charted: Floats) -> Floats:
    """Corners (n, 3, 2) turned and moved so that those of the part lie over its chart (Kabsch 1976)."""
    one, two = own.reshape(-1, 2), charted.reshape(-1, 2)
    from_, to = one.mean(0), two.mean(0)
    left, _, right = np.linalg.svd((one - from_).T @ (two - to))
    turn = left @ np.diag([1.0, np.sign(np.linalg.det(left @ right))]) @ right
    return (corners - from_) @ turn + to
