# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting a surface into few charts that an artist would have cut: along creases, round, and nearly developable.

Faces are merged bottom up, many pairs at a time and the cheapest first (Garland et al. 2001, hierarchical face
clustering). What a merge may cost is read from the area-weighted second moment of the normals: its smallest
eigenvalue is zero for planes, cylinders and anything else that unrolls without stretch, and grows with double
curvature. Opening charts that are not discs is left to `seams`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags, identity
from scipy.sparse.csgraph import connected_components, dijkstra

from backend.geometry.mesh import edge_faces, face_areas, face_normals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ChartLimits:
    """What a chart may be. bend: smallest eigenvalue of the normals' second moment, 0 flat or unrollable, 1/3 a whole
    sphere (0.12 is a cap of about 45 degrees around its middle). spread: least |mean normal| of a chart that is
    doubly curved. crease: mean 1 - cos of the edges between two charts above which they stay apart. raggedness:
    perimeter^2 / (4 pi area).
    """

    bend: float = 0.14
    unrollable: float = 0.03
    spread: float = 0.35
    crease: float = 0.4
    raggedness: float = 7.0
    smallest_share: float = 0.004


@dataclass(frozen=True, eq=False)
class FaceGraph:
    """Edges between faces: pairs (P, 2), ends (P, 2) vertices, corners (P, 2), length (P,), crease (P,) 1 - cos."""

    pairs: Ints
    ends: Ints
    corners: Ints
    length: Floats
    crease: Floats
    areas: Floats
    normals: Floats


def face_graph(vertices: Floats, faces: Ints) -> FaceGraph:
    """The edges with exactly two faces that wind alike, with what chart making asks of them."""
    pairs, ends, corners = edge_faces(faces, len(vertices))
    alike = faces.ravel()[corners[:, 0]] != faces.ravel()[corners[:, 1]]
    pairs, ends, corners = pairs[alike], ends[alike], corners[alike]
    normals = face_normals(vertices, faces)
    length = np.linalg.norm(vertices[ends[:, 0]] - vertices[ends[:, 1]], axis=1)
    crease = 1.0 - (normals[pairs[:, 0]] * normals[pairs[:, 1]]).sum(1)
    return FaceGraph(
        pairs.astype(np.int64), ends.astype(np.int64), corners, length, crease, face_areas(vertices, faces), normals
    )


def _smooth_normals(graph: FaceGraph, rounds: int) -> Floats:
    """Normals averaged over neighbours, so that fine bumps do not decide where the seams go."""
    total = len(graph.areas)
    a, b = graph.pairs.T
    # Creases stay sharp: the link fades with the angle.
    weight = graph.length * np.exp(-graph.crease / 0.15)
    matrix = coo_matrix((np.r_[weight, weight], (np.r_[a, b], np.r_[b, a])), shape=(total, total)).tocsr()
    strength = np.maximum(np.asarray(matrix.sum(1)).ravel(), 1e-300)
    normals = graph.normals.copy()
    for _ in range(rounds):
        normals = 0.4 * normals + 0.6 * (matrix @ normals) / strength[:, None]
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return normals


def _smallest_eigenvalue(moment: Floats) -> Floats:
    """Of symmetric 3 x 3 matrices given as rows xx xy xz yy yz zz, in closed form (Smith 1961)."""
    xx, xy, xz, yy, yz, zz = moment.T
    mean = (xx + yy + zz) / 3.0
    off = xy * xy + xz * xz + yz * yz
    size = np.sqrt(((xx - mean) ** 2 + (yy - mean) ** 2 + (zz - mean) ** 2 + 2.0 * off) / 6.0)
    safe = np.maximum(size, 1e-300)
    a, b, c = (xx - mean) / safe, (yy - mean) / safe, (zz - mean) / safe
    d, e, f = xy / safe, xz / safe, yz / safe
    half = 0.5 * (a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e))
    angle = np.arccos(np.clip(half, -1.0, 1.0)) / 3.0
    return mean + 2.0 * size * np.cos(angle + 2.0 * np.pi / 3.0)


class _Clusters:
    """Charts being merged: their sums, and the borders between neighbours."""

    def __init__(self, graph: FaceGraph, normals: Floats, label: Ints, limits: ChartLimits) -> None:
        self.limits, self.label = limits, label
        number = int(label.max()) + 1
        x, y, z = normals.T
        columns = [np.ones_like(x), x, y, z, x * x, x * y, x * z, y * y, y * z, z * z]
        self.sums = np.stack([np.bincount(label, graph.areas * c, number) for c in columns], 1)
        self.total = max(float(graph.areas.sum()), 1e-300)
        a, b = label[graph.pairs[:, 0]], label[graph.pairs[:, 1]]
        apart = a != b
        self.border = np.zeros(number)
        self._set_pairs(a[apart], b[apart], graph.length[apart], (graph.length * graph.crease)[apart])
        for side in (self.low, self.high):
            self.border += np.bincount(side, self.length, number)

    def _set_pairs(self, a: Ints, b: Ints, length: Floats, crease: Floats) -> None:
        key = np.minimum(a, b) * len(self.sums) + np.maximum(a, b)
        unique, inverse = np.unique(key, return_inverse=True)
        self.low, self.high = unique // len(self.sums), unique % len(self.sums)
        self.length = np.bincount(inverse, length, len(unique))
        self.crease = np.bincount(inverse, crease, len(unique))

    def costs(self, slack: float) -> Floats:
        """Cost of each merge, infinite where a limit (times `slack`) forbids it."""
        limits = self.limits
        both = self.sums[self.low] + self.sums[self.high]
        area = np.maximum(both[:, 0], 1e-300)
        bend = np.maximum(_smallest_eigenvalue(both[:, 4:] / area[:, None]), 0.0)
        mean = np.linalg.norm(both[:, 1:4], axis=1) / area
        border = self.border[self.low] + self.border[self.high] - 2.0 * self.length
        ragged = border * border / (4.0 * np.pi * area)
        crease = self.crease / np.maximum(self.length, 1e-300)
        share = area / self.total
        smaller = np.minimum(self.sums[self.low, 0], self.sums[self.high, 0]) / self.total
        allowed = bend <= limits.bend * slack
        allowed &= (mean >= limits.spread / slack) | (bend <= limits.unrollable * slack)
        allowed &= (ragged <= limits.raggedness * slack) | (smaller < limits.smallest_share)
        allowed &= (crease <= limits.crease * slack) | (smaller < 0.1 * limits.smallest_share)
        cost = (bend + 0.3 * (1.0 - mean) + 0.15 * crease + 0.02 * np.maximum(ragged - 1.5, 0.0)) * share**0.3
        return np.where(allowed, cost, np.inf)

    def merge(self, chosen: Ints) -> None:
        """Merge the pairs `chosen`, no two of which share a chart."""
        low, high = self.low[chosen], self.high[chosen]
        self.sums[low] += self.sums[high]
        self.sums[high] = 0.0
        self.border[low] += self.border[high] - 2.0 * self.length[chosen]
        target = np.arange(len(self.sums))
        target[high] = low
        self.label = target[self.label]
        a, b = target[self.low], target[self.high]
        apart = a != b
        self._set_pairs(a[apart], b[apart], self.length[apart], self.crease[apart])


def segment(faces: Ints, graph: FaceGraph, limits: ChartLimits) -> Ints:
    """(F,) chart of each face, 0 to K - 1, every chart connected."""
    normals = _smooth_normals(graph, 6)
    clusters = _Clusters(graph, normals, np.arange(len(faces)), limits)
    for level in np.geomspace(1e-5, 1.0, 48):
        while len(clusters.low):
            cost = clusters.costs(1.0)
            which = np.flatnonzero(cost <= level)
            if not len(which):
                break
            which = which[np.argsort(cost[which], kind="stable")]
            clusters.merge(_matching(clusters.low[which], clusters.high[which], which, len(clusters.sums)))
    label = absorb_small(graph, connected(graph, clusters.label), normals, limits)
    return absorb_small(graph, connected(graph, _straighten(graph, label)), normals, limits)


def _matching(low: Ints, high: Ints, which: Ints, count: int) -> Ints:
    """Of pairs in order of preference, those that are the first choice of both their ends."""
    rank = np.arange(len(which))
    best = np.full(count, len(which))
    np.minimum.at(best, low, rank)
    np.minimum.at(best, high, rank)
    return which[(best[low] == rank) & (best[high] == rank)]


def _straighten(graph: FaceGraph, label: Ints, rounds: int = 4) -> Ints:
    """Seams made short and smooth: the charts' indicators diffuse for some steps over the faces, and each face takes
    the strongest (Merriman, Bence and Osher 1992). Little passes over a crease, so seams in creases stay there.
    """
    total = len(label)
    # Far enough to smooth teeth of a fortieth of the surface, whatever the density of the mesh.
    steps = int(np.clip(np.sqrt(total) / 8.0, 4, 30))
    a, b = graph.pairs.T
    weight = graph.length * np.exp(-graph.crease / 0.15) + 1e-9 * graph.length
    matrix = coo_matrix((np.r_[weight, weight], (np.r_[a, b], np.r_[b, a])), shape=(total, total)).tocsr()
    strength = np.maximum(np.asarray(matrix.sum(1)).ravel(), 1e-300)
    spread = 0.5 * (identity(total, format="csr") + diags(1.0 / strength) @ matrix)
    for _ in range(rounds):
        # Only the neighbourhood of seams can change; the rest keeps its row of one entry and costs nothing.
        number = int(label.max()) + 1
        share = csr_matrix((np.ones(total), (np.arange(total), label)), shape=(total, number))
        for _ in range(steps):
            share = spread @ share
        moved = _strongest(share)
        if np.array_equal(moved, label):
            break
        label = moved
    return label


def _strongest(share: csr_matrix) -> Ints:
    """(rows,) column of the largest entry in each row, the lowest among equals; no row may be empty."""
    share.sort_indices()
    start = share.indptr[:-1]
    best = np.repeat(np.maximum.reduceat(share.data, start), np.diff(share.indptr))
    column = np.where(share.data == best, share.indices, np.iinfo(np.int64).max)
    return np.minimum.reduceat(column, start).astype(np.int64)


def connected(graph: FaceGraph, label: Ints) -> Ints:
    """Labels 0 to K - 1 such that every chart is connected across edges."""
    same = label[graph.pairs[:, 0]] == label[graph.pairs[:, 1]]
    a, b = graph.pairs[same].T
    total = len(label)
    matrix = coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(total, total))
    return connected_components(matrix, directed=False)[1].astype(np.int64)


def absorb_small(graph: FaceGraph, label: Ints, normals: Floats, limits: ChartLimits) -> Ints:
    """Charts below the smallest share join the neighbour they fit best, under looser limits; what does not fit
    stays.
    """
    clusters = _Clusters(graph, normals, label, limits)
    for slack in (1.0, 1.4, 1.8):
        while len(clusters.low):
            small = clusters.sums[:, 0] < limits.smallest_share * clusters.total
            cost = np.where(small[clusters.low] | small[clusters.high], clusters.costs(slack), np.inf)
            which = np.flatnonzero(np.isfinite(cost))
            if not len(which):
                break
            which = which[np.argsort(cost[which], kind="stable")]
            clusters.merge(_matching(clusters.low[which], clusters.high[which], which, len(clusters.sums)))
    return np.unique(clusters.label, return_inverse=True)[1].astype(np.int64).reshape(-1)


def absorb_crumbs(graph: FaceGraph, label: Ints, most: int) -> Ints:
    """Charts of at most `most` faces join the larger chart they share the longest border with."""
    size = np.bincount(label)
    a, b = label[graph.pairs[:, 0]], label[graph.pairs[:, 1]]
    crumb, taker = np.r_[a, b], np.r_[b, a]
    length = np.r_[graph.length, graph.length]
    fits = (size[crumb] <= most) & (size[taker] > most)
    key, inverse = np.unique(crumb[fits] * len(size) + taker[fits], return_inverse=True)
    total = np.bincount(inverse, length[fits], len(key))
    order = np.argsort(total, kind="stable")
    target = np.arange(len(size))
    target[key[order] // len(size)] = key[order] % len(size)
    return np.unique(target[label], return_inverse=True)[1].astype(np.int64).reshape(-1)


def split_charts(vertices: Floats, faces: Ints, graph: FaceGraph, label: Ints, bad: Ints) -> Ints:
    """Each chart in `bad` cut in two halves around two far-apart faces, by distance along the surface with creases
    charged.
    """
    centroid = vertices[faces].mean(1)
    label = label.copy()
    following = int(label.max()) + 1
    order = np.argsort(label, kind="stable")
    bounds = np.searchsorted(label[order], np.arange(following + 1))
    a, b = graph.pairs.T
    inner = np.flatnonzero(label[a] == label[b])
    inner = inner[np.argsort(label[a[inner]], kind="stable")]
    edge_bounds = np.searchsorted(label[a[inner]], np.arange(following + 1))
    local = np.zeros(len(faces), np.int64)
    for chart in bad:
        member = order[bounds[chart] : bounds[chart + 1]]
        if len(member) < 2:
            continue
        local[member] = np.arange(len(member))
        links = inner[edge_bounds[chart] : edge_bounds[chart + 1]]
        step = np.linalg.norm(centroid[a[links]] - centroid[b[links]], axis=1) * (1.0 + 4.0 * graph.crease[links])
        matrix = csr_matrix((step + 1e-12, (local[a[links]], local[b[links]])), shape=(len(member), len(member)))
        one = int(np.argmax(_finite(dijkstra(matrix, directed=False, indices=0))))
        from_one = _finite(dijkstra(matrix, directed=False, indices=one))
        two = int(np.argmax(from_one))
        from_two = _finite(dijkstra(matrix, directed=False, indices=two))
        label[member[from_two < from_one]] = following
        following += 1
    return connected(graph, label)


def _finite(distance: Floats) -> Floats:
    return np.where(np.isfinite(distance), distance, -1.0)
