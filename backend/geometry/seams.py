# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening charts until each is a disc: seams between borders, seams through handles, and the vertices of the cut
surface.

A chart with several borders is slit along a short path between two of them, on the side away from the viewer where
there is a choice, so that a tube stays one chart. A handle, often a tunnel of a few faces that the isosurface left,
is cut around and through. Only a chart without any border is halved.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components, dijkstra, minimum_spanning_tree

from backend.geometry.charts import FaceGraph, connected, split_charts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


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


def euler_numbers(graph: FaceGraph, label: Ints, seam: Bools, corner: Ints) -> Ints:
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
        euler = euler_numbers(graph, label, seam, corner)
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
