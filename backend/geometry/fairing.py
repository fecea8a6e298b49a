# SPDX-License-Identifier: GPL-3.0-or-later
"""The fairest surface over a hole: the one that solves a power of the Laplacian (Botsch and Kobbelt 2004).

Order 1 spans the rim like a soap film and meets the surface at an angle (C0), order 2 goes on in its direction (C1),
order 3 with its curvature (C2). The rings of the mesh around the hole stay where they are and are the boundary
condition. Cotangent weights make a flat surrounding give a flat patch whatever its triangles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import splu

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PASSES = 3  # the weights are those of the surface before; after three passes they no longer change visibly
STEEPEST = 60.0  # cotangents beyond that belong to needles, which would spoil the system
SMALLEST = 1e-3  # of the mean vertex area: a vertex of slivers only must not weigh as nothing


def cotangent_laplacian(vertices: Floats, faces: Ints) -> tuple[csr_matrix, Floats]:
    """(L (V, V), symmetric, rows summing to zero and positive on the diagonal; (V,) a third of the area around each
    vertex)."""
    corners = vertices[faces]
    count = len(vertices)
    row, column, weight = [], [], []
    for i in range(3):
        one, two = corners[:, (i + 1) % 3] - corners[:, i], corners[:, (i + 2) % 3] - corners[:, i]
        sine = np.linalg.norm(np.cross(one, two), axis=1)
        cotangent = np.clip((one * two).sum(1) / np.maximum(sine, 1e-300), -STEEPEST, STEEPEST)
        row.append(faces[:, (i + 1) % 3])
        column.append(faces[:, (i + 2) % 3])
        weight.append(0.5 * cotangent)
    area = 0.5 * sine
    a, b, w = np.concatenate(row), np.concatenate(column), np.concatenate(weight)
    links = coo_matrix((np.r_[w, w], (np.r_[a, b], np.r_[b, a])), shape=(count, count)).tocsr()
    mass: Floats = np.bincount(faces.ravel(), np.repeat(area / 3.0, 3), count).astype(np.float64)
    return (diags(np.asarray(links.sum(1)).ravel()) - links).tocsr(), mass


def fair(vertices: Floats, faces: Ints, free: Bools, order: int, values: Floats | None = None) -> Floats:
    """Vertices (V, 3) with the `free` ones (V,) where the Laplacian to the power of `order` (1 to 3) is zero.

    faces are those of the patch and of at least `order - 1` rings around it. Where `values` (V, C) are given, they are
    faired over the surface instead of its places. What cannot be solved stays as it is.
    """
    if order not in (1, 2, 3):
        raise ValueError(f"fairing of order {order}: choose 1, 2 or 3")
    given = vertices if values is None else values
    inner = np.flatnonzero(free)
    if not len(inner):
        return given
    held = np.flatnonzero(~free)
    result = given.astype(np.float64).copy()
    surface = vertices
    for _ in range(PASSES if values is None else 1):
        laplacian, mass = cotangent_laplacian(surface, faces)
        used = mass > 0
        mean = float(mass[used].mean()) if used.any() else 1.0
        inverse = diags(np.where(used, mean / np.maximum(mass, SMALLEST * mean), 0.0))
        system = laplacian
        for _ in range(order - 1):
            system = laplacian @ inverse @ system
        rows = system[inner]
        try:
            solved = splu(rows[:, inner].tocsc()).solve(-(rows[:, held] @ result[held]))
        except RuntimeError:  # singular: a patch without a fixed neighbour, or one of slivers only
            break
        if not np.isfinite(solved).all():
            break
        result[inner] = solved
        if values is None:
            surface = result
    return result
