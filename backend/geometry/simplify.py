# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer faces at the least change of shape, and a closed manifold stays one.

Quadric error edge collapse (Garland and Heckbert 1997) in batches of independent edges. The usual decimators skip the
link condition and hand back pinched vertices and doubled faces; here every collapse satisfies it, so nothing needs
mending after.
"""

from __future__ import annotations

import numpy as np

from backend.geometry.mesh import Mesh, compact, face_vectors
from backend.geometry.remesh import (
    Floats,
    Ints,
    collapse,
    edge_table,
    flip_edges,
    free_vertices,
    independent,
    keeps_shape,
    link_condition,
    remove_slivers,
    vertex_faces,
)

# Share of all edges that compete in one round: small keeps close to the best order, large makes fewer rounds.
COMPETING = 0.35
# A face may turn by about 70 degrees in one collapse, more is a fold.
LEAST_COSINE = 0.35
# Weight of the pull towards the edge's middle against the quadric: it settles flat regions, where any point is as good.
MIDDLE_PULL = 1e-3
# Some 15 rounds do a factor of six; where hardly anything can go any more, more rounds do not help.
MOST_ROUNDS = 150


def simplify(mesh: Mesh, face_budget: int, *, even: float = 0.3) -> Mesh:
    """The mesh with at most `face_budget` faces, as near as the topology allows (a handful of faces above it at the
    worst).

    even: how much long edges are charged, 0 not at all. The default costs no shape that can be measured and keeps flat
    parts from falling into slivers, which deform, paint and shade badly. Colours and UVs are dropped, because vertices
    move; bake after simplifying. A mesh within its budget only loses slivers.
    """
    if face_budget < 4:
        raise ValueError(f"a closed mesh needs at least 4 faces, not {face_budget}: raise the face budget")
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
    quadrics = _quadrics(vertices, faces)
    scale = mesh.diagonal
    blocked = np.zeros(0, np.int64)
    idle = 0
    for _ in range(MOST_ROUNDS):
        if len(faces) <= face_budget or idle == 2:
            break
        need = -(-(len(faces) - face_budget) // 2)
        table = edge_table(faces, len(vertices))
        points, cost = _placement(vertices, quadrics, table.ends)
        if even > 0.0:
            length = ((vertices[table.ends[:, 0]] - vertices[table.ends[:, 1]]) ** 2).sum(1)
            cost = cost + even * 1e-4 * length * length / max(scale * scale, 1e-300)
        free = free_vertices(faces, len(vertices))
        open_to = free[table.ends].all(1)
        key = table.ends[:, 0] * len(vertices) + table.ends[:, 1]
        if idle == 0 and len(blocked):
            open_to &= ~np.isin(key, blocked)
        which = np.flatnonzero(open_to)
        competing = len(which) if idle else min(int(COMPETING * len(table.ends)) + 8, max(16 * need, 64))
        which = which[np.argsort(cost[which], kind="stable")][:competing]
        which = which[link_condition(table, len(vertices), which)] if len(which) else which
        which = which[independent(table.ends[which], table, len(vertices))]
        around = vertex_faces(faces, len(vertices))
        fit = keeps_shape(vertices, faces, table.ends[which], points[which], LEAST_COSINE, around)
        blocked = np.r_[blocked, key[which[~fit]]][-200_000:]
        which = which[fit][:need]
        if not len(which):
            # Nothing left among the cheap ones: let all compete, and give the blocked another chance.
            blocked, idle = blocked[:0], idle + 1
            continue
        idle = 0
        ends = table.ends[which]
        vertices, faces = collapse(vertices, faces, ends, points[which])
        quadrics[ends[:, 0]] += quadrics[ends[:, 1]]
    faces = flip_edges(vertices, faces)
    vertices = vertices.astype(np.float32).astype(np.float64)
    vertices, faces = remove_slivers(vertices, faces)
    positions, kept = compact(vertices, faces)
    return Mesh(positions.astype(np.float32), kept)


def _quadrics(vertices: Floats, faces: Ints) -> Floats:
    """(V, 10) sums of area-weighted plane quadrics: xx xy xz xw yy yz yw zz zw ww with w the plane's offset."""
    vector = face_vectors(vertices, faces)
    double = np.linalg.norm(vector, axis=1, keepdims=True)
    normal = np.divide(vector, double, out=np.zeros_like(vector), where=double > 0)
    offset = -(normal * vertices[faces[:, 0]]).sum(1, keepdims=True)
    plane = np.concatenate((normal, offset), 1)
    rows, columns = np.triu_indices(4)
    outer = plane[:, rows] * plane[:, columns] * (0.5 * double)
    total = np.zeros((len(vertices), 10))
    for corner in range(3):
        for k in range(10):
            total[:, k] += np.bincount(faces[:, corner], outer[:, k], len(vertices))
    return total


def _placement(vertices: Floats, quadrics: Floats, ends: Ints) -> tuple[Floats, Floats]:
    """(best point (E, 3), its quadric error (E,)) for drawing each edge together."""
    q = quadrics[ends[:, 0]] + quadrics[ends[:, 1]]
    middle = vertices[ends].mean(1)
    pull = MIDDLE_PULL * (q[:, 0] + q[:, 4] + q[:, 7]) + 1e-30
    xx, xy, xz, xw, yy, yz, yw, zz, zw, ww = q.T
    axx, ayy, azz = xx + pull, yy + pull, zz + pull
    right = pull[:, None] * middle - np.stack((xw, yw, zw), 1)
    # Symmetric 3 x 3 by cofactors; the pull keeps it positive definite.
    c00, c01, c02 = ayy * azz - yz * yz, xz * yz - xy * azz, xy * yz - xz * ayy
    c11, c12, c22 = axx * azz - xz * xz, xy * xz - axx * yz, axx * ayy - xy * xy
    determinant = axx * c00 + xy * c01 + xz * c02
    x, y, z = right.T
    point = np.stack((c00 * x + c01 * y + c02 * z, c01 * x + c11 * y + c12 * z, c02 * x + c12 * y + c22 * z), 1)
    point /= np.maximum(determinant, 1e-300)[:, None]
    # A point far from its edge is the intersection of nearly parallel planes, not a corner.
    span = np.linalg.norm(vertices[ends[:, 0]] - vertices[ends[:, 1]], axis=1)
    far = np.linalg.norm(point - middle, axis=1) > 1.5 * span
    point[far] = middle[far]
    x, y, z = point.T
    error = xx * x * x + yy * y * y + zz * z * z + 2 * (xy * x * y + xz * x * z + yz * y * z)
    error += 2 * (xw * x + yw * y + zw * z) + ww
    return point, np.maximum(error, 0.0) + pull * ((point - middle) ** 2).sum(1)
