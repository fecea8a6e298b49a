# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting a surface into few charts that an artist would have cut: along creases, round, and nearly developable.

Faces are merged bottom up, many pairs at a time and the cheapest first (Garland et al. 2001, hierarchical face
clustering). What a merge may cost is read from the area-weighted second moment of the normals: its smallest
eigenvalue is zero for planes, cylinders and anything else that unrolls without stretch, and grows with double
curvature. Charts that are not discs are slit open along a short seam, on the side away from the viewer where there is
a choice, so that a tube stays one chart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags, identity
from scipy.sparse.csgraph import connected_components, dijkstra, minimum_spanning_tree

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


def segment(vertices: Floats, faces: Ints, graph: FaceGraph, limits: ChartLimits) -> Ints:
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


def chart_vertices(faces: Ints, graph: FaceGraph, label: Ints, seam: Bools) -> tuple[int, Ints]:
    """(number, (F, 3) vertices of the cut surface): corners are one vertex where faces of one chart meet across an
    edge that is no seam (P,).
    """
    joined = (label[graph.pairs[:, 0]] == label[graph.pairs[:, 1]]) & ~seam
    pair = graph.corners[joined]
    after = pair // 3 * 3 + (pair % 3 + 1) % 3
    total = 3 * len(faces)
    # The two half edges run against each other on an oriented surface.
    graph_of = coo_matrix(
        (np.ones(2 * len(pair), np.int8), (np.r_[pair[:, 0], after[:, 0]], np.r_[after[:, 1], pair[:, 1]])),
        shape=(total, total),
    )
    number, corner = connected_components(graph_of, directed=False)
    return int(number), corner.astype(np.int64).reshape(-1, 3)


def euler_numbers(faces: Ints, graph: FaceGraph, label: Ints, seam: Bools, corner: Ints) -> Ints:
    """(K,) V - E + F of every chart of the cut surface; 1 is a disc."""
    number = int(label.max()) + 1
    owner = np.zeros(int(corner.max()) + 1, np.int64)
    owner[corner.ravel()] = np.repeat(label, 3)
    joined = (label[graph.pairs[:, 0]] == label[graph.pairs[:, 1]]) & ~seam
    edges = 3 * np.bincount(label, minlength=number)
    edges -= np.bincount(label[graph.pairs[joined, 0]], minlength=number)
    return np.bincount(owner, minlength=number) - edges + np.bincount(label, minlength=number)


def slit_open(vertices: Floats, faces: Ints, graph: FaceGraph, label: Ints) -> tuple[Ints, Bools]:
    """(labels, seam (P,)): every chart a disc, by seams between the borders of a chart with several, and by splitting
    charts that have none or a handle.
    """
    seam = np.zeros(len(graph.pairs), bool)
    # Seams prefer the back (+Y), where the viewer of a front view does not look.
    back = vertices[:, 1] - vertices[:, 1].min()
    back = back / max(float(back.max()), 1e-300)
    cost = graph.length * (1.6 - back[graph.ends].mean(1)) + 1e-12
    for _ in range(24):
        number, corner = chart_vertices(faces, graph, label, seam)
        euler = euler_numbers(faces, graph, label, seam, corner)
        odd = np.flatnonzero(euler != 1)
        if not len(odd):
            return label, seam
        split = []
        for chart in odd:
            piece = _piece(faces, graph, label, seam, corner, int(chart), cost)
            path = _seam_between_borders(piece) or _seam_through_handles(piece)
            if path:
                seam[path] = True
            else:
                split.append(chart)
        if split:
            # Halves start without seams: what was left of one could cut a half in two.
            seam[np.isin(label[graph.pairs[:, 0]], split)] = False
            label = split_charts(vertices, faces, graph, label, np.array(split))
            seam &= label[graph.pairs[:, 0]] == label[graph.pairs[:, 1]]
    # Every face its own chart is a disc by definition; only a pathological surface gets here.
    stubborn = np.isin(label, odd)
    label = label.copy()
    label[stubborn] = label.max() + 1 + np.arange(int(stubborn.sum()))
    return connected(graph, label), seam


@dataclass(frozen=True, eq=False)
class _Piece:
    """One chart of the cut surface by itself: its inner edges (rows of the graph) with their ends, faces and cost,
    and the ends of its border edges; vertices and faces numbered from 0.
    """

    rows: Ints
    ends: tuple[Ints, Ints]
    faces: tuple[Ints, Ints]
    cost: Floats
    border: tuple[Ints, Ints]
    vertex_count: int
    face_count: int

    def path(self, at: int, parent: Ints) -> list[int]:
        """Rows of the edges from vertex `at` up to the root of a shortest-path tree."""
        found = []
        while parent[at] >= 0:
            before = int(parent[at])
            found.append(self.row_of[min(at, before), max(at, before)])
            at = before
        return found

    @cached_property
    def row_of(self) -> dict[tuple[int, int], int]:
        """Row of the edge between two vertices, the lower first."""
        a, b = self.ends
        pairs = zip(np.minimum(a, b).tolist(), np.maximum(a, b).tolist(), strict=True)
        return dict(zip(pairs, self.rows.tolist(), strict=True))

    def tree(self, sources: Ints) -> tuple[Floats, Ints]:
        """(distance, parent) of the shortest paths from `sources` to every vertex."""
        matrix = csr_matrix((self.cost, self.ends), shape=(self.vertex_count, self.vertex_count))
        distance, parent, _ = dijkstra(matrix, directed=False, indices=sources, return_predecessors=True, min_only=True)
        return distance, parent.astype(np.int64)


def _piece(faces: Ints, graph: FaceGraph, label: Ints, seam: Bools, corner: Ints, chart: int, cost: Floats) -> _Piece:
    member = np.flatnonzero(label == chart)
    inside = np.flatnonzero((label[graph.pairs[:, 0]] == chart) & (label[graph.pairs[:, 1]] == chart) & ~seam)
    used, local = np.unique(corner[member], return_inverse=True)
    local = local.reshape(-1, 3)
    open_edge = np.ones(3 * len(faces), bool)
    open_edge[graph.corners[inside].ravel()] = False
    rows = np.flatnonzero(open_edge.reshape(-1, 3)[member].ravel())
    first, second = np.searchsorted(member, graph.pairs[inside]).T
    slot = graph.corners[inside, 0] % 3
    ends = local[first, slot], local[first, (slot + 1) % 3]
    border = local.ravel()[rows], np.roll(local, -1, axis=1).ravel()[rows]
    return _Piece(inside, ends, (first, second), cost[inside], border, len(used), len(member))


def _seam_between_borders(piece: _Piece) -> list[int]:
    """Rows of the cheapest path from one border of the chart to another; empty with fewer than two borders."""
    start, end = piece.border
    if not len(start):
        return []
    count = piece.vertex_count
    loops = coo_matrix((np.ones(len(start), np.int8), (start, end)), shape=(count, count))
    loop = connected_components(loops, directed=False)[1][start]
    others = np.unique(start[loop != loop[0]])
    if not len(others):
        return []
    distance, parent = piece.tree(np.unique(start[loop == loop[0]]))
    at = int(others[np.argmin(distance[others])])
    return piece.path(at, parent) if np.isfinite(distance[at]) else []


def _seam_through_handles(piece: _Piece) -> list[int]:
    """Rows of a cut that opens every handle: shortest paths from the border around each (Erickson and Har-Peled 2004,
    by a tree of vertices and a tree of faces; edges in neither close the loops). Empty where there is no handle.
    """
    a, b = piece.ends
    distance, parent = piece.tree(np.unique(piece.border[0]) if len(piece.border[0]) else np.array([0]))
    in_tree = (parent[a] == b) | (parent[b] == a)
    free = np.flatnonzero(~in_tree)
    length = distance[a] + distance[b] + piece.cost
    # The longest loops are closed by the tree of faces, so that the short ones stay.
    weight = 2.0 * max(float(length.max(initial=0.0)), 1e-300) - length[free]
    first, second = (side[free] for side in piece.faces)
    matrix = csr_matrix((weight, (first, second)), shape=(piece.face_count, piece.face_count))
    kept = minimum_spanning_tree(matrix).tocoo()
    spanned = np.isin(first * piece.face_count + second, kept.row.astype(np.int64) * piece.face_count + kept.col)
    seams: set[int] = set()
    for edge in free[~spanned]:
        seams.add(int(piece.rows[edge]))
        seams.update(piece.path(int(a[edge]), parent))
        seams.update(piece.path(int(b[edge]), parent))
    return sorted(seams)
