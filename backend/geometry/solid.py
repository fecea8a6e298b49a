# SPDX-License-Identifier: GPL-3.0-or-later
"""What is inside of a mesh that people made? A signed distance for closed, open, thin and non-manifold meshes alike.

Parts that enclose something are solid, small holes or not: the generalised winding number says what is inside of
them. Parts that do not (a sheet of paper, a cup without thickness, a leaf), walls thinner than what the asker can
resolve, and fins on solid bodies have no inside that could be found; they are taken for sheets and given a thickness.
So nothing of the object vanishes, and nothing hollow is filled.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from backend.geometry.clean import orient_together, weld
from backend.geometry.health import degenerate
from backend.geometry.mesh import Mesh, compact, face_areas, face_components, face_normals, face_vectors, half_edge_keys
from backend.kernels.winding import NearestSurface

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WELD = 1e-6  # of the diagonal: vertices that importers doubled at seams
MOST_OPEN = 0.1  # of a part's area may be missing as caps of its holes: a bottle is solid (3 %), a cup open (20 %)
THIN = 0.75  # walls below this many `thickness`es are sheets
CHUNK = 1 << 17  # points a question


class Solid:
    """The signed distance of a mesh, negative inside.

    Attributes:
        sheet_share: share of the area that was taken for sheets, 0..1.

    Args:
        mesh: any triangles; raises ValueError when none has an area.
        thickness: of sheets, in the mesh's units; about the size of a cell of the grid that will hold the distance.
    """

    def __init__(self, mesh: Mesh, thickness: float, device: torch.device | str = "cpu") -> None:
        vertices, faces = _tidy(mesh)
        self.thickness = thickness
        area = face_areas(vertices, faces)
        sheet = _open_parts(vertices, faces, area)
        points = torch.from_numpy(vertices.astype(np.float32)).to(device)
        self._solid = _surface(points, faces[~sheet])
        if self._solid is not None:
            sheet[~sheet] = self._thin(vertices, faces[~sheet], device)
        self._sheets = _surface(points, faces[sheet])
        self.sheet_share = float(area[sheet].sum() / area.sum())

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """(N,) float32 at points (N, 3), on their device."""
        found = []
        for part in points.split(CHUNK):
            near = torch.full((len(part),), torch.inf, device=part.device)
            if self._solid is not None:
                answer = self._solid.ask(part)
                near = torch.where(answer.inside, -answer.distance, answer.distance)
            if self._sheets is not None:
                near = torch.minimum(near, self._sheets.ask(part).distance - 0.5 * self.thickness)
            found.append(near)
        return torch.cat(found) if found else points.new_zeros(0)

    def _thin(self, vertices: Floats, faces: Ints, device: torch.device | str) -> NDArray[np.bool_]:
        """(F,) faces of the solid parts with nothing behind them at the depth that counts as thin."""
        assert self._solid is not None
        middle = vertices[faces].mean(1)
        behind = middle - THIN * self.thickness * face_normals(vertices, faces)
        return ~self._solid.ask(torch.from_numpy(behind.astype(np.float32)).to(device)).inside.cpu().numpy()


def _surface(points: torch.Tensor, faces: Ints) -> NearestSurface | None:
    return NearestSurface(points, torch.from_numpy(faces).to(points.device)) if len(faces) else None


def _tidy(mesh: Mesh) -> tuple[Floats, Ints]:
    """Without double vertices and faces without area, neighbours wound alike and every part outward."""
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
    vertices, faces = weld(vertices, faces, WELD * max(mesh.diagonal, 1e-30))
    sound = faces[~degenerate(vertices, faces, 1e-7)]
    if not len(sound):
        raise ValueError("no face of the mesh has any area")
    vertices, used = compact(vertices, sound)
    faces = orient_together(used.astype(np.int64), len(vertices))
    number, part = face_components(faces, len(vertices))
    corner = vertices[faces[:, 0]]
    # From the part's own middle, so that an open part has a sensible volume too.
    middle = np.stack([np.bincount(part, corner[:, k], number) for k in range(3)], 1) / np.bincount(part)[:, None]
    volume = np.bincount(part, ((corner - middle[part]) * face_vectors(vertices, faces)).sum(1), number)
    # Inner walls turn outward too: a bubble that nobody sees is filled.
    inward = (volume < 0)[part]
    faces[inward] = faces[inward][:, [0, 2, 1]]
    return vertices, faces


def _open_parts(vertices: Floats, faces: Ints, area: Floats) -> NDArray[np.bool_]:
    """(F,) whether a face belongs to a part that misses more than MOST_OPEN of its area as holes.

    The size of a hole is the length of its loop's area vector, which is the area where the loop is flat.
    """
    keys, _ = half_edge_keys(faces, len(vertices))
    _, inverse, uses = np.unique(keys, return_inverse=True, return_counts=True)
    single = np.flatnonzero(uses[inverse.ravel()] == 1)
    number, part = face_components(faces, len(vertices))
    missing = np.zeros(number)
    if len(single):
        start, end = faces.ravel()[single], faces.ravel()[single // 3 * 3 + (single % 3 + 1) % 3]
        size = len(vertices)
        links = coo_matrix((np.ones(len(start), np.int8), (start, end)), shape=(size, size))
        _, label = connected_components(links, directed=False)
        loops, first, loop = np.unique(label[start], return_index=True, return_inverse=True)
        vectors = 0.5 * np.cross(vertices[start], vertices[end])
        total = np.stack([np.bincount(loop.ravel(), vectors[:, k], len(loops)) for k in range(3)], 1)
        missing += np.bincount(part[single[first] // 3], np.linalg.norm(total, axis=1), number)
    return (missing > MOST_OPEN * np.bincount(part, area, number))[part]
