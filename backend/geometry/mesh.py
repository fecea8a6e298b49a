# SPDX-License-Identifier: GPL-3.0-or-later
"""The triangle mesh that the finishing stages pass along, and the facts every stage asks for.

`Mesh` is plain NumPy and frozen. The functions give normals, areas, the edges in Blender's own order, face neighbours
and connected parts, all by sorting packed 64-bit keys (one sort of 3F integers) instead of comparing rows or walking
Python sets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in space.

    vertices (V, 3) float32; faces (F, 3) int32, counter-clockwise seen from outside; uvs (3F, 2) float32, one per
    face corner, v up, or None; colours (V, 3) float32 sRGB in 0..1, or None. Indices and finiteness are checked here,
    once.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    uvs: NDArray[np.float32] | None = None
    colours: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        vertices = np.ascontiguousarray(self.vertices, dtype=np.float32)
        faces = np.ascontiguousarray(self.faces, dtype=np.int32)
        if vertices.ndim != 2 or vertices.shape[1] != 3:
            raise ValueError(f"vertices must be (V, 3), not {vertices.shape}")
        if faces.ndim != 2 or faces.shape[1] != 3:
            raise ValueError(f"faces must be (F, 3), not {faces.shape}")
        if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
            raise ValueError(f"faces name vertices {faces.min()} to {faces.max()}, but there are {len(vertices)}")
        if not np.isfinite(vertices).all():
            raise ValueError("some vertices are not finite")
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)
        for name, rows, columns in (("uvs", 3 * len(faces), 2), ("colours", len(vertices), 3)):
            value = getattr(self, name)
            if value is None:
                continue
            value = np.ascontiguousarray(value, dtype=np.float32)
            if value.shape != (rows, columns):
                raise ValueError(f"{name} must be ({rows}, {columns}), not {value.shape}")
            object.__setattr__(self, name, value)

    def with_uvs(self, uvs: NDArray[np.float32]) -> Mesh:
        """The same triangles with another UV per corner (3F, 2)."""
        return replace(self, uvs=uvs)

    @property
    def diagonal(self) -> float:
        """Length of the bounding box's diagonal, 0 for a mesh without vertices."""
        if not len(self.vertices):
            return 0.0
        return float(np.linalg.norm(self.vertices.max(0).astype(np.float64) - self.vertices.min(0)))


def face_vectors(vertices: Array, faces: Array) -> NDArray[np.float64]:
    """(F, 3) face normals times twice the face area."""
    a, b, c = (np.asarray(vertices, np.float64)[faces[:, i]] for i in range(3))
    return np.cross(b - a, c - a)


def face_areas(vertices: Array, faces: Array) -> NDArray[np.float64]:
    """(F,) areas."""
    return 0.5 * np.linalg.norm(face_vectors(vertices, faces), axis=1)


def face_normals(vertices: Array, faces: Array) -> NDArray[np.float64]:
    """(F, 3) unit normals; zero where a face has no area."""
    vectors = face_vectors(vertices, faces)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def signed_volume(vertices: Array, faces: Array) -> float:
    """Enclosed volume of a closed mesh, positive where it winds outward."""
    corner = np.asarray(vertices, np.float64)[faces[:, 0]]
    return float((corner * face_vectors(vertices, faces)).sum() / 6.0)


def vertex_normals(vertices: Array, faces: Array) -> NDArray[np.float32]:
    """(V, 3) float32 unit normals, faces weighted by their angle at the vertex (Thurmer and Wuthrich 1998), so that
    they do not depend on how a flat part is triangulated. Vertices without a face get +Z."""
    corners = np.asarray(vertices, np.float64)[faces]  # (F, 3, 3)
    normals = face_normals(vertices, faces)
    total = np.zeros((len(vertices), 3))
    for i in range(3):
        one, two = corners[:, (i + 1) % 3] - corners[:, i], corners[:, (i + 2) % 3] - corners[:, i]
        angle = np.arctan2(np.linalg.norm(np.cross(one, two), axis=1), (one * two).sum(1))
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, i], normals[:, axis] * angle, len(vertices))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    up = np.broadcast_to(np.array([0.0, 0.0, 1.0]), total.shape).copy()
    return np.divide(total, length, out=up, where=length > 1e-20).astype(np.float32)


def half_edge_keys(faces: Array, count: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """((3F,) undirected edge keys `low * count + high` in corner order, (3F,) bool: the corner runs from low to
    high)."""
    start = faces.astype(np.int64)
    end = np.roll(start, -1, axis=1)
    start, end = start.ravel(), end.ravel()
    forward = start < end
    return np.where(forward, start * count + end, end * count + start), forward


def edges_and_corners(faces: Array, count: int | None = None) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(edges (E, 2) int32 with the lower vertex first and rows ascending, corner_edges (3F,) int32): what Blender
    wants.

    Corner i of a face owns the edge from its vertex to the next corner's, as Blender's loops do. `count` is the
    number of vertices (default: the highest used plus one).
    """
    number = int(faces.max()) + 1 if count is None and faces.size else int(count or 0)
    keys, _ = half_edge_keys(faces, number)
    unique, inverse = np.unique(keys, return_inverse=True)
    edges = np.stack((unique // max(number, 1), unique % max(number, 1)), 1).astype(np.int32)
    return edges, inverse.astype(np.int32).reshape(-1)


def edge_faces(faces: Array, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """The two faces of every edge that has exactly two: (pairs (P, 2) faces, edges (P, 2) vertices, corners (P, 2)
    which of the 3F corners own the edge in either face)."""
    keys, _ = half_edge_keys(faces, count)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    fresh = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, np.int64)
    pair = fresh[np.diff(np.r_[fresh, len(ordered)]) == 2]
    corners = np.stack((order[pair], order[pair + 1]), 1)
    key = ordered[pair]
    ends = np.stack((key // max(count, 1), key % max(count, 1)), 1)
    return (corners // 3).astype(np.int32), ends.astype(np.int32), corners


def face_components(faces: Array, count: int) -> tuple[int, NDArray[np.int32]]:
    """(number of parts, (F,) part of each face); faces belong together when they share a vertex."""
    if not len(faces):
        return 0, np.zeros(0, np.int32)
    a, b, c = faces.T
    links = coo_matrix((np.ones(2 * len(faces), np.int8), (np.r_[a, b], np.r_[b, c])), shape=(count, count))
    _, label = connected_components(links, directed=False)
    used, part = np.unique(label[a], return_inverse=True)
    return len(used), part.astype(np.int32).reshape(-1)


def compact(vertices: Array, faces: Array, *attributes: Array) -> tuple[Array, ...]:
    """Without the vertices that no face uses: (vertices, faces int32, *per-vertex attributes), order kept."""
    used = np.zeros(len(vertices), bool)
    used[faces.ravel()] = True
    number = np.cumsum(used) - 1
    return (vertices[used], number[faces].astype(np.int32).reshape(-1, 3), *(values[used] for values in attributes))
