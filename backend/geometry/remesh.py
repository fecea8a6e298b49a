# SPDX-License-Identifier: GPL-3.0-or-later
"""Local operations on triangle meshes, many at a time: edge collapses and edge flips that keep a manifold a manifold.

A batch is a set of edges that do not see each other, so that doing them at once is the same as one after another. A
collapse is allowed only under the link condition (Dey et al. 1999): the ends of the edge share exactly the two
vertices opposite to it. A flip is allowed only where the new edge does not exist yet. Edges that do not have exactly
two faces, and vertices on them, are left alone. Arrays of float64 positions and int64 faces; each call costs a few
sorts of 3F keys.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from backend.geometry.health import FLATNESS, degenerate
from backend.geometry.mesh import edge_faces, face_vectors, half_edge_keys

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class EdgeTable(NamedTuple):
    """Edges with exactly two faces: ends (E, 2), faces (E, 2), opposite (E, 2) the third vertices, corners (E, 2)."""

    ends: Ints
    faces: Ints
    opposite: Ints
    corners: Ints


def edge_table(faces: Ints, count: int) -> EdgeTable:
    """All edges that have exactly two faces."""
    pairs, ends, corners = edge_faces(faces, count)
    third = corners // 3 * 3 + (corners % 3 + 2) % 3
    return EdgeTable(ends.astype(np.int64), pairs.astype(np.int64), faces.ravel()[third], corners)


def free_vertices(faces: Ints, count: int) -> NDArray[np.bool_]:
    """(count,) vertices all of whose edges have exactly two faces."""
    keys, _ = half_edge_keys(faces, count)
    unique, uses = np.unique(keys, return_counts=True)
    odd = unique[uses != 2]
    free = np.ones(count, bool)
    free[odd // count] = False
    free[odd % count] = False
    return free


def link_condition(table: EdgeTable, count: int, which: Ints) -> NDArray[np.bool_]:
    """For the edges `which` of the table: may they be collapsed without harm to the topology?"""
    a, b = table.ends.T
    matrix = csr_matrix((np.ones(2 * len(a), np.int32), (np.r_[a, b], np.r_[b, a])), shape=(count, count))
    one, two = a[which], b[which]
    common = np.asarray(matrix[one].multiply(matrix[two]).sum(1)).ravel()
    valence = np.diff(matrix.indptr)
    # A lone tetrahedron satisfies the count and would fold flat.
    return (common == 2) & ~((valence[one] == 3) & (valence[two] == 3))


def vertex_faces(faces: Ints, count: int) -> tuple[Ints, Ints]:
    """(start (count + 1,), faces (3F,)): the faces around vertex v are faces[start[v]:start[v + 1]]."""
    order = np.argsort(faces.ravel(), kind="stable")
    start = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(faces.ravel(), minlength=count), out=start[1:])
    return start, order // 3


def _ranges(start: Ints, length: Ints) -> tuple[Ints, Ints]:
    """Concatenated ranges: (owner of each entry, entry)."""
    owner = np.repeat(np.arange(len(start)), length)
    offset = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    return owner, np.repeat(start, length) + offset


def independent(ends: Ints, table: EdgeTable, count: int, passes: int = 3) -> Ints:
    """Of edges `ends` (K, 2) in order of preference, rows (ascending) of a set in which no two share a face around
    their ends. Luby's way: whoever beats all rivals within reach wins and silences them, then the rest tries
    again.
    """
    a, b = table.ends.T
    alive = np.arange(len(ends))
    won: list[Ints] = []
    for _ in range(passes):
        one, two = ends[alive].T
        at = np.full(count, len(ends))
        # Written in falling order of preference, so that the last write, the most preferred, stays.
        at[one[::-1]] = alive[::-1]
        np.minimum.at(at, two, alive)
        around = at.copy()
        np.minimum.at(around, a, at[b])
        np.minimum.at(around, b, at[a])
        wins = (around[one] == alive) & (around[two] == alive)
        won.append(alive[wins])
        loud = np.zeros(count, bool)
        loud[ends[won[-1]].ravel()] = True
        near = loud.copy()
        near[a[loud[b]]] = True
        near[b[loud[a]]] = True
        alive = alive[~(near[one] | near[two])]
        if not len(alive):
            break
    return np.sort(np.concatenate(won))


def keeps_shape(
    vertices: Floats, faces: Ints, ends: Ints, points: Floats, least_cosine: float, around: tuple[Ints, Ints]
) -> NDArray[np.bool_]:
    """For each edge (K, 2) about to be drawn together at `points` (K, 3): does no face around it turn by more than
    the angle of `least_cosine`, or become a sliver?
    """
    start, owners = around
    good = np.ones(len(ends), bool)
    for side in range(2):
        here, other = ends[:, side], ends[:, 1 - side]
        edge, slot = _ranges(start[here], start[here + 1] - start[here])
        ring = faces[owners[slot]]
        stays = ~(ring == other[edge, None]).any(1)
        edge, ring = edge[stays], ring[stays]
        before = face_vectors(vertices, ring)
        corners = vertices[ring]
        moved = np.where((ring == here[edge, None])[:, :, None], points[edge, None, :], corners)
        after = np.cross(moved[:, 1] - moved[:, 0], moved[:, 2] - moved[:, 0])
        size = np.linalg.norm(after, axis=1)
        longest = ((moved - np.roll(moved, -1, axis=1)) ** 2).sum(2).max(1)
        turned = (before * after).sum(1) < least_cosine * np.linalg.norm(before, axis=1) * size
        good[edge[turned | (size < 20 * FLATNESS * longest)]] = False
    return good


def collapse(vertices: Floats, faces: Ints, ends: Ints, points: Floats) -> tuple[Floats, Ints]:
    """Draw independent edges (K, 2) together at `points`; the second end goes out of use, the arrays keep their
    length.
    """
    moved = vertices.copy()
    moved[ends[:, 0]] = points
    target = np.arange(len(vertices))
    target[ends[:, 1]] = ends[:, 0]
    renamed = target[faces]
    a, b, c = renamed.T
    return moved, renamed[(a != b) & (b != c) & (c != a)]


def _corner_angle(vertices: Floats, at: Ints, one: Ints, two: Ints) -> Floats:
    u, v = vertices[one] - vertices[at], vertices[two] - vertices[at]
    return np.arctan2(np.linalg.norm(np.cross(u, v), axis=1), (u * v).sum(1))


def flip_edges(
    vertices: Floats, faces: Ints, rounds: int = 4, least_cosine: float = 0.9, barred: Ints | None = None
) -> Ints:
    """Faces with edges flipped towards Delaunay where the surface is nearly flat: neighbours' normals, before and
    after, agree to within `least_cosine`. Fewer slivers at the same shape. No edge with a key `low * V + high` in
    `barred` is made.
    """
    count = len(vertices)
    for _ in range(rounds):
        table = edge_table(faces, count)
        a, b = table.ends.T
        c, d = table.opposite.T
        opposite = _corner_angle(vertices, c, a, b) + _corner_angle(vertices, d, a, b)
        gain = opposite - np.pi
        which = np.flatnonzero(gain > 0.05)
        flipped = _flip(vertices, faces, table, which[np.argsort(-gain[which], kind="stable")], least_cosine, barred)
        if flipped is None:
            break
        faces = flipped
    return faces


def _flip(
    vertices: Floats, faces: Ints, table: EdgeTable, which: Ints, least_cosine: float, barred: Ints | None = None
) -> Ints | None:
    """Flip what may be flipped of the table's edges `which`, best first; None when nothing may."""
    if not len(which):
        return None
    count = len(vertices)
    (f, g), (p, q) = table.faces[which].T, table.corners[which].T
    # In face f the edge runs start -> end, so f = (start, end, c), and g = (end, start, d).
    start, end = faces.ravel()[p], faces.ravel()[p // 3 * 3 + (p % 3 + 1) % 3]
    c, d = table.opposite[which].T
    consistent = faces.ravel()[q] == end
    low, high = np.minimum(c, d), np.maximum(c, d)
    key = low * count + high
    existing = table.ends[:, 0] * count + table.ends[:, 1]
    if barred is not None:
        existing = np.r_[existing, barred]
    first = np.stack((c, start, d), 1)
    second = np.stack((d, end, c), 1)
    old, new = (
        [face_vectors(vertices, x) for x in (faces[f], faces[g])],
        [face_vectors(vertices, x) for x in (first, second)],
    )
    mean = old[0] + old[1]
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-300)
    flat = np.ones(len(which), bool)
    for vector in (*new, *(old if least_cosine > 0 else [])):
        size = np.linalg.norm(vector, axis=1)
        # Slivers have no direction worth asking for, but a flip must not make one.
        flat &= (vector * mean).sum(1) >= least_cosine * size
    for face, vector in zip((first, second), new, strict=True):
        corners = vertices[face]
        longest = ((corners - np.roll(corners, -1, axis=1)) ** 2).sum(2).max(1)
        flat &= np.linalg.norm(vector, axis=1) > 2 * FLATNESS * longest
    allowed = np.flatnonzero(consistent & flat & (c != d) & ~np.isin(key, existing))
    if not len(allowed):
        return None
    rank = np.arange(len(allowed))
    best = np.full(len(faces), len(allowed))
    np.minimum.at(best, f[allowed], rank)
    np.minimum.at(best, g[allowed], rank)
    chosen = allowed[(best[f[allowed]] == rank) & (best[g[allowed]] == rank)]
    _, once = np.unique(key[chosen], return_index=True)
    chosen = chosen[np.sort(once)]
    result = faces.copy()
    result[f[chosen]], result[g[chosen]] = first[chosen], second[chosen]
    return result


def remove_slivers(vertices: Floats, faces: Ints, flatness: float = FLATNESS, rounds: int = 60) -> tuple[Floats, Ints]:
    """Without degenerate faces where the topology allows: needles lose their shortest edge, caps flip their longest.

    Edges below a thousandth of the mean length go too: a marched surface has whole bunches of them where it passes
    through a grid vertex. Positions move by no more than such an edge or the height of a sliver.
    """
    count = len(vertices)
    free = free_vertices(faces, count)
    for _ in range(rounds):
        corners = vertices[faces]
        length = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
        bad = degenerate(vertices, faces, flatness)
        tiny = 1e-3 * length.mean()
        # Twice the height of a triangle is below its shortest side, so a needle is what a short side explains.
        needle = length.min(1) <= np.maximum(tiny, np.where(bad, 0.2 * length.max(1), 0.0))
        if not needle.any() and not bad.any():
            break
        table = edge_table(faces, count)
        number = np.full(3 * len(faces), -1)
        number[table.corners[:, 0]] = number[table.corners[:, 1]] = np.arange(len(table.ends))
        rows = np.flatnonzero(needle)
        ends = _collapsible(vertices, table, count, free, number[3 * rows + length[rows].argmin(1)])
        if len(ends):
            vertices, faces = collapse(vertices, faces, ends, vertices[ends].mean(1))
            continue
        rows = np.flatnonzero(bad)
        wanted = number[3 * rows + length[rows].argmax(1)]
        flipped = _flip(vertices, faces, table, np.unique(wanted[wanted >= 0]), -2.0)
        if flipped is not None:
            faces = flipped
            continue
        # Neither helps at once: any edge of a bad face that may go.
        ends = _collapsible(vertices, table, count, free, number[(3 * rows[:, None] + np.arange(3)).ravel()])
        if not len(ends):
            break
        vertices, faces = collapse(vertices, faces, ends[:1], vertices[ends[:1]].mean(1))
    return vertices, faces


def _collapsible(vertices: Floats, table: EdgeTable, count: int, free: NDArray[np.bool_], which: Ints) -> Ints:
    """(K, 2) independent edges, shortest first, of those rows of the table that may be collapsed."""
    which = np.unique(which[which >= 0])
    which = which[free[table.ends[which]].all(1)]
    if len(which):
        which = which[link_condition(table, count, which)]
    if not len(which):
        return np.zeros((0, 2), np.int64)
    span = np.linalg.norm(vertices[table.ends[which, 0]] - vertices[table.ends[which, 1]], axis=1)
    ends = table.ends[which[np.argsort(span, kind="stable")]]
    return ends[independent(ends, table, count)]
