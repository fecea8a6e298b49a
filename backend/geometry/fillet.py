# SPDX-License-Identifier: GPL-3.0-or-later
"""Which faces beside a selection only lead over to it, although nobody selected them.

Where a handle meets a mug there is a narrow band of faces that belong to neither: the fillet of a modelled joint, or
the row of slanted faces that every marched or remeshed surface has there. Left standing, it is a scar around the
patch, because a fair surface goes on in its direction. So the selection may grow by a few rings of narrow faces, as
long as that makes the rim much calmer; where nothing is gained it stays as it was drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.spatial import cKDTree

from backend.geometry.mesh import face_areas, face_normals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST_RINGS = 3
CALM = np.radians(6.0)  # a rim whose faces turn by less than that from what lies beyond is left as it is
NATURAL = np.radians(2.0)  # so much any curved surface turns from face to face
GAIN = 0.7  # the share of its unrest that a grown rim may keep
NARROW = 0.3  # of the root of the area that was selected: faces that reach farther out are never taken


def with_fillet(vertices: Floats, faces: Ints, gone: Bools) -> Bools:
    """(F,) the faces `gone`, with the rings around them that only lead over to them."""
    reach = NARROW * float(np.sqrt(face_areas(vertices, faces[gone]).sum()))
    start = cKDTree(vertices[np.unique(faces[gone])])
    grown = [gone]
    unrest = [_unrest(vertices, faces, gone)]
    for _ in range(MOST_RINGS):
        if unrest[0] < CALM:
            return gone
        wider = _wider(vertices, faces, grown[-1], start, reach)
        if wider.all() or (wider == grown[-1]).all():
            break
        grown.append(wider)
        unrest.append(_unrest(vertices, faces, wider))
    best = min(unrest)
    if best > GAIN * unrest[0]:
        return gone
    # The least growth that does nearly as well as the best.
    return grown[next(i for i, one in enumerate(unrest) if one <= max(1.25 * best, NATURAL))]


def _wider(vertices: Floats, faces: Ints, gone: Bools, start: cKDTree, reach: float) -> Bools:
    """With the faces that touch `gone` and lie within `reach` of the vertices that were selected, and the notches that
    this leaves."""
    touched = np.zeros(len(vertices), bool)
    touched[faces[gone]] = True
    ring = np.flatnonzero(touched[faces].any(1) & ~gone)
    far = start.query(vertices[faces[ring]].reshape(-1, 3))[0].reshape(-1, 3).max(1)
    result = gone.copy()
    result[ring[far < reach]] = True
    return result


def _unrest(vertices: Floats, faces: Ints, gone: Bools) -> float:
    """Root mean square of the angles by which faces at the rim turn from all that lies beyond them, radians, weighted
    by area."""
    touched = np.zeros(len(vertices), bool)
    touched[faces[gone]] = True
    first = touched[faces].any(1) & ~gone
    touched[faces[first]] = True
    second = touched[faces].any(1) & ~gone & ~first
    near = np.flatnonzero(first | second)
    if not first.any() or not second.any():
        return 0.0
    inner = first[near]
    normals = face_normals(vertices, faces[near])
    beside = _beside(faces[near], len(vertices))
    pair = inner[beside.row] & ~inner[beside.col]
    row, column = beside.row[pair], beside.col[pair]
    angle = np.full(len(near), np.inf)
    np.minimum.at(angle, row, np.arccos(np.clip((normals[row] * normals[column]).sum(1), -1.0, 1.0)))
    known = np.isfinite(angle)
    area = face_areas(vertices, faces[near])[known]
    return float(np.sqrt((area * angle[known] ** 2).sum() / max(float(area.sum()), 1e-300)))


def _beside(faces: Ints, count: int) -> coo_matrix:
    """Pairs of faces that share a vertex."""
    row = np.repeat(np.arange(len(faces)), 3)
    at = csr_matrix((np.ones(3 * len(faces), np.int32), (row, faces.ravel())), shape=(len(faces), count))
    return (at @ at.T).tocoo()
