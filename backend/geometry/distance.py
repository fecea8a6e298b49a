# SPDX-License-Identifier: GPL-3.0-or-later
"""Distances from points to triangles, exact per triangle, with a k-d tree to find the few triangles that matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


def closest_on_triangles(
    points: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Row by row, the point of triangle (a, b, c) nearest to `points`, all (N, D) with D = 2 or 3.

    Returns (closest (N, D), barycentric (N, 3)). Ericson 2005, Real-Time Collision Detection, section 5.1.5: the
    projection where it falls inside, else the nearest of the three clamped edges.
    """
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = (ab * ab).sum(1), (ab * ac).sum(1), (ac * ac).sum(1)
    d20, d21 = (ap * ab).sum(1), (ap * ac).sum(1)
    determinant = d00 * d11 - d01 * d01
    flat = determinant <= 1e-18 * d00 * d11
    safe = np.where(flat, 1.0, determinant)
    v, w = (d11 * d20 - d01 * d21) / safe, (d00 * d21 - d01 * d20) / safe
    barycentric = np.stack((1.0 - v - w, v, w), 1)
    outside = flat | (barycentric < 0.0).any(1)
    if outside.any():
        best = np.full(int(outside.sum()), np.inf)
        corners, p = [x[outside] for x in (a, b, c)], points[outside]
        rows = np.zeros((len(p), 3))
        for i in range(3):
            j = (i + 1) % 3
            along = corners[j] - corners[i]
            length = (along * along).sum(1)
            t = np.clip(((p - corners[i]) * along).sum(1) / np.where(length > 0, length, 1.0), 0.0, 1.0)
            gap = (corners[i] + t[:, None] * along - p) ** 2
            nearer = gap.sum(1) < best
            best = np.where(nearer, gap.sum(1), best)
            candidate = np.zeros_like(rows)
            candidate[:, i], candidate[:, j] = 1.0 - t, t
            rows[nearer] = candidate[nearer]
        barycentric[outside] = rows
    closest = barycentric[:, :1] * a + barycentric[:, 1:2] * b + barycentric[:, 2:] * c
    return closest, barycentric


def distance_to_mesh(
    points: NDArray[np.floating], vertices: NDArray[np.floating], faces: NDArray[np.integer], candidates: int = 8
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """(distance (N,), nearest face (N,), barycentric (N, 3)) from points (N, 3) to a mesh of triangles of like size.

    Exact among the `candidates` faces with the nearest centroids, which is exact altogether on an even triangulation
    such as a marched surface; long slivers beside small triangles can hide.
    """
    corners = np.asarray(vertices, np.float64)[faces]
    queries = np.asarray(points, np.float64)
    count = min(candidates, len(faces))
    _, index = cKDTree(corners.mean(1)).query(queries, k=count)
    index = np.asarray(index).reshape(len(queries), count)
    repeated = np.repeat(queries, count, axis=0)
    triangle = corners[index.ravel()]
    closest, barycentric = closest_on_triangles(repeated, triangle[:, 0], triangle[:, 1], triangle[:, 2])
    gap = np.linalg.norm(closest - repeated, axis=1).reshape(-1, count)
    best = gap.argmin(1)
    row = np.arange(len(queries))
    return gap[row, best], index[row, best], barycentric.reshape(-1, count, 3)[row, best]
