# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a mesh is torn open when faces are taken out of it: closed rims, each one hole to close.

A rim is walked through the faces that go, not along those that stay: at a vertex where several holes meet, each hole
keeps its own sector, so that what closes it takes the very place of what went, and a manifold stays one. Borders that
the mesh had before are no rims; a rim that runs into one stays open. Pieces that are left standing like islands inside
a hole are joined to its rim by a bridge, so that the patch goes around them instead of through them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from backend.geometry.health import corner_fans
from backend.geometry.mesh import edge_faces, face_normals, half_edge_keys

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST_ISLANDS = 64  # of one hole: a selection like a sieve gets every rim closed by itself, or it would take hours
LOOKED_AT = 1500  # entries of a rim between which the shortest bridge is looked for
TUBE = 0.5  # mean cosine below which the surface around a rim is a tube
NARROW = 0.7  # of a rim's radius: a gap between two rims that is wider is none to bridge
ISLAND = -0.3  # mean cosine between where the surface goes on and the inside of a rim, below which it is an island


class TangledRim(ValueError):
    """Faces around the rim do not form a surface: more than two at an edge, or neighbours that wind differently."""


@dataclass(frozen=True, eq=False)
class Rim:
    """One hole. loop (n,) vertices in the order in which the faces of a patch run along it, each edge from one entry
    to the next; a vertex (of a bridge, or where a hole meets itself) may appear twice. onward (n, 3) unit directions
    in which the surface that stays goes on over each edge, zero on a bridge. piece: which connected piece of what went
    it belongs to. joined: whether several rims were bridged to this one.
    """

    loop: Ints
    onward: Floats
    piece: int
    joined: bool = False


@dataclass(frozen=True, eq=False)
class Rims:
    """The holes, and how many rims ran into a border that was there before and stay open."""

    closed: tuple[Rim, ...]
    open: int


def find_rims(vertices: Floats, faces: Ints, gone: Bools) -> Rims:
    """The rims that taking out the faces `gone` (F,) leaves. Raises TangledRim where they cannot be walked."""
    count = len(vertices)
    keys, forward = half_edge_keys(faces, count)
    _, edge, uses = np.unique(keys, return_inverse=True, return_counts=True)
    edge = edge.reshape(-1)
    of_gone = np.repeat(gone, 3)
    taken = np.bincount(edge, of_gone, len(uses)).astype(np.int64)
    at_rim = (taken >= 1) & (uses - taken == 1)
    crowded = int((at_rim & (uses > 2)).sum())
    if crowded:
        raise TangledRim(f"{crowded} edges at the rim of the selection have more than two faces")
    ours = np.flatnonzero(of_gone & at_rim[edge])  # corners of faces that go, with an edge to one that stays
    if not len(ours):
        return Rims((), 0)
    theirs = np.zeros(len(uses), np.int64)
    kept = np.flatnonzero(~of_gone & at_rim[edge])
    theirs[edge[kept]] = kept
    across = theirs[edge[ours]]
    alike = int((forward[ours] == forward[across]).sum())
    if alike:
        raise TangledRim(f"at {alike} edges of the selection's rim the normals of the two sides contradict each other")
    rows = np.flatnonzero(gone)
    row_of = np.zeros(len(faces), np.int64)
    row_of[rows] = np.arange(len(rows))
    fans, fan = corner_fans(faces[rows], count)
    local = 3 * row_of[ours // 3] + ours % 3
    begins = np.full(fans, -1)
    begins[fan[local]] = np.arange(len(ours))
    following = begins[fan[local // 3 * 3 + (local % 3 + 1) % 3]]
    piece = _pieces(faces[rows], count)[local // 3]
    onward = _onward(vertices, faces, across)
    start = faces.ravel()[ours]
    loops, torn = _walk(following)
    return Rims(tuple(Rim(start[loop], onward[loop], int(piece[loop[0]])) for loop in loops), torn)


def _walk(following: Ints) -> tuple[list[Ints], int]:
    """(cycles of a partial injective map, each from its lowest entry; number of chains that end)."""
    after = following.tolist()
    todo = [True] * len(after)
    has_before = np.zeros(len(after), bool)
    has_before[following[following >= 0]] = True
    torn = 0
    for first in np.flatnonzero(~has_before).tolist():
        torn += 1
        at = first
        while at >= 0:
            todo[at] = False
            at = after[at]
    loops = []
    for first in range(len(after)):
        if todo[first]:
            loop, at = [], first
            while todo[at]:
                todo[at] = False
                loop.append(at)
                at = after[at]
            loops.append(np.array(loop))
    return loops, torn


def _pieces(faces: Ints, count: int) -> Ints:
    """(F,) piece of each face; faces of one piece are connected over edges."""
    pairs, _, _ = edge_faces(faces, count)
    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(faces), len(faces)))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _onward(vertices: Floats, faces: Ints, corners: Ints) -> Floats:
    """Unit directions out of the faces over the edges that start at `corners`, in the faces' planes."""
    face = corners // 3
    start = vertices[faces.ravel()[corners]]
    end = vertices[faces.ravel()[face * 3 + (corners % 3 + 1) % 3]]
    out = np.cross(end - start, face_normals(vertices, faces[face]))
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-300)


def plane_of(points: Floats) -> tuple[Floats, float]:
    """(unit normal about which a closed polygon (n, 3) runs counter-clockwise, its flatness: the largest distance
    from its plane over its diameter)."""
    middle = points.mean(0)
    around = points - middle
    normal = np.cross(around, np.roll(around, -1, axis=0)).sum(0)
    length = float(np.linalg.norm(normal))
    across = 2.0 * float(np.linalg.norm(around, axis=1).max())
    if length <= 1e-12 * max(across, 1e-150) ** 2:
        return np.array([0.0, 0.0, 1.0]), 1.0
    normal /= length
    return normal, float(np.abs(around @ normal).max()) / max(across, 1e-300)


def inwardness(points: Floats, onward: Floats) -> float:
    """How far the surface around a rim goes on towards the inside of it: 1 straight inwards, 0 as a tube does, below 0
    away from it, as at an island."""
    step = np.roll(points, -1, axis=0) - points
    length = np.linalg.norm(step, axis=1)
    inner = np.cross(plane_of(points)[0], step / np.maximum(length, 1e-300)[:, None])
    return float(((inner * onward).sum(1) * length).sum() / max(float(length.sum()), 1e-300))


def bridge_islands(vertices: Floats, rims: tuple[Rim, ...], joined: Ints) -> tuple[Rim, ...]:
    """Rims with the islands of each piece bridged to the rim that is nearest. `joined` are the sorted keys
    `low * V + high` of the edges that there are: a bridge is never one of them.
    """
    result: list[Rim] = []
    for piece in sorted({rim.piece for rim in rims}):
        own = [rim for rim in rims if rim.piece == piece]
        if not 2 <= len(own) <= MOST_ISLANDS:
            result += own
            continue
        alone = [inwardness(vertices[rim.loop], rim.onward) < ISLAND for rim in own]
        if all(alone):
            alone[int(np.argmax([len(rim.loop) for rim in own]))] = False
        roots = [rim for rim, island in zip(own, alone, strict=True) if not island]
        islands = [rim for rim, island in zip(own, alone, strict=True) if island]
        while islands:
            spans = [[_bridge(vertices, root, island, joined) for root in roots] for island in islands]
            length = np.array([[span[0] for span in row] for row in spans])
            which, to = np.unravel_index(int(length.argmin()), length.shape)
            _, i, j = spans[which][to]
            island = islands.pop(int(which))
            if i < 0:
                roots.append(island)  # every way to it is an edge already; it is closed by itself
                continue
            roots[to] = _bridged(roots[to], island, i, j)
        result += _hoops(vertices, roots, joined)
    return tuple(result)


def _hoops(vertices: Floats, rims: list[Rim], joined: Ints) -> list[Rim]:
    """Rims of one piece with those joined that face each other across a narrow gap, as where a hoop went from a barrel:
    the surface goes on from one to the other instead of closing in each."""
    result = list(rims)
    for one in rims:
        for two in rims:
            near = next((at for at, rim in enumerate(result) if rim is one), -1)
            other = next((at for at, rim in enumerate(result) if rim is two), -1)
            if near < 0 or other <= near or not _face_each_other(vertices[one.loop], vertices[two.loop], one, two):
                continue
            _, i, j = _bridge(vertices, one, two, joined)
            if i >= 0:
                result[near] = _bridged(one, two, i, j)
                del result[other]
                break
    return result


def _face_each_other(a: Floats, b: Floats, one: Rim, two: Rim) -> bool:
    if max(abs(inwardness(a, one.onward)), abs(inwardness(b, two.onward))) > TUBE:
        return False
    radius = min(float(np.linalg.norm(points - points.mean(0), axis=1).mean()) for points in (a, b))
    apart = [cKDTree(q).query(p) for p, q in ((a, b), (b, a))]
    if max(float(distance.mean()) for distance, _ in apart) > NARROW * radius:
        return False
    way = b[apart[0][1]] - a
    return float((way * one.onward).sum()) > 0.5 * float(np.linalg.norm(way, axis=1).sum())


def _bridge(vertices: Floats, one: Rim, two: Rim, joined: Ints) -> tuple[float, int, int]:
    """(length, entry of one, entry of two) of the shortest bridge, with -1 where there is none."""
    some, others = (np.arange(0, len(rim.loop), -(-len(rim.loop) // LOOKED_AT)) for rim in (one, two))
    a, b = one.loop[some], two.loop[others]
    low, high = np.minimum(a[:, None], b), np.maximum(a[:, None], b)
    gap = np.linalg.norm(vertices[a][:, None] - vertices[b], axis=2)
    key = low * len(vertices) + high
    place = np.searchsorted(joined, key).clip(max=len(joined) - 1)
    gap[(low == high) | (joined[place] == key)] = np.inf
    i, j = np.unravel_index(int(gap.argmin()), gap.shape)
    if not np.isfinite(gap[i, j]):
        return np.inf, -1, -1
    return float(gap[i, j]), int(some[i]), int(others[j])


def _bridged(one: Rim, two: Rim, i: int, j: int) -> Rim:
    """Along one up to entry i, over the bridge, once around two, back, and on."""
    around = np.r_[np.arange(j, len(two.loop)), np.arange(j)]
    none = np.zeros((1, 3))
    loop = np.r_[one.loop[: i + 1], two.loop[around], two.loop[j], one.loop[i:]]
    onward = np.concatenate([one.onward[:i], none, two.onward[around], none, one.onward[i:]])
    return Rim(loop, onward, one.piece, True)
