# SPDX-License-Identifier: GPL-3.0-or-later
"""The middle of a shape: tips, and paths through its flesh that keep to where it is thick.

A tip is what lies farthest from all that was found before, along ways inside the solid; its path runs to the tree with
thin places dear, so that it keeps to the middle (after Sato et al. 2000, TEASAR). Templates for creatures are built on
these, because a leg, a tail and a head end in tips whatever the mesh is like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from backend.rigging.voxels import Solid, graph

MOST_TIPS = 16
LIMB = 1.9  # times as long as the flesh that it comes out of is deep; a cube's corners are at 1.73
DEAR = 3.0  # power with which thin places cost more

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Branch:
    """points (N, 3) from the tip to where it meets the tree, a voxel apart; depth (N,) distances from the outside;
    length: along the points."""

    points: Floats
    depth: Floats
    length: float

    @property
    def tip(self) -> Floats:
        """(3,) the outer end."""
        return np.asarray(self.points[0])


class Medial:
    """Shortest and thickest ways through a solid."""

    def __init__(self, solid: Solid):
        self.solid = solid
        self.centres = solid.centres
        self.depth = solid.depth()
        self.links = graph(solid)
        row, column = self.links.nonzero()
        thin = 0.5 * (self.depth[row] + self.depth[column])
        cost = np.asarray(self.links[row, column]).ravel() * (self.depth.max() / thin) ** DEAR
        self.dear = csr_matrix((cost, (row, column)), shape=self.links.shape)

    def nearest(self, point: Floats) -> int:
        """The voxel that holds a point, or the nearest."""
        return int(self.solid.at(np.asarray(point, np.float64)[None])[0])

    def distance(self, sources: NDArray[np.integer] | list[int]) -> Floats:
        """(N,) along ways inside, from the nearest of these voxels."""
        return np.asarray(dijkstra(self.links, indices=np.asarray(sources), min_only=True))

    def path(self, start: int, goals: NDArray[np.integer] | list[int]) -> Ints:
        """Voxels from `start` to the goal that is nearest by thick ways."""
        cost, before = dijkstra(self.dear, indices=start, return_predecessors=True)
        at = int(np.asarray(goals)[np.argmin(cost[np.asarray(goals)])])
        way = [at]
        while at != start:
            at = int(before[at])
            way.append(at)
        return np.array(way[::-1])

    def branch(self, start: int, goals: NDArray[np.integer] | list[int]) -> Branch:
        """The path as points, smoothed a little."""
        return self._branch(self.path(start, goals))

    def _branch(self, way: Ints) -> Branch:
        points = smoothed(self.centres[way])
        return Branch(points, self.depth[way], float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum()))

    def core(self) -> int:
        """The voxel in the middle of the thickest part."""
        thick = np.flatnonzero(self.depth > 0.7 * self.depth.max())
        middle = np.average(self.centres, axis=0, weights=self.depth**2)
        return int(thick[np.argmin(np.linalg.norm(self.centres[thick] - middle, axis=1))])

    def tips(self, shortest: float, root: int | None = None, most: int = MOST_TIPS) -> list[Branch]:
        """Branches to the tips, longest first, each at least `shortest` beyond the tree and beyond the flesh that it
        comes out of."""
        tree = [self.core() if root is None else root]
        found: list[Branch] = []
        distance = self.distance(tree)
        distance[~np.isfinite(distance)] = 0.0
        for _ in range(2 * most):
            tip = int(np.argmax(distance))
            if distance[tip] < shortest or len(found) == most:
                break
            way = self.path(tip, tree)
            branch = self._branch(way)
            if branch.length > LIMB * branch.depth[-1]:
                found.append(branch)
                tree = [*tree, *way.tolist()]
                distance = np.minimum(distance, self.distance(way))
            else:  # a bump of a thick part; what is near it would be found next
                near = np.linalg.norm(self.centres - self.centres[tip], axis=1) < max(shortest, branch.depth[-1])
                distance[near] = 0.0
        return found


def smoothed(points: Floats, times: int = 4) -> Floats:
    """A path without the voxels' stairs; the ends stay."""
    points = np.array(points)
    for _ in range(times if len(points) > 2 else 0):
        points[1:-1] = 0.5 * points[1:-1] + 0.25 * (points[:-2] + points[2:])
    return points


def resampled(points: Floats, parts: int) -> Floats:
    """(parts + 1, 3) places at equal lengths along a path."""
    return at_fractions(points, np.linspace(0.0, 1.0, parts + 1))


def at_fractions(points: Floats, fractions: NDArray[np.floating] | list[float]) -> Floats:
    """Places at fractions 0..1 of a path's length."""
    along = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    if along[-1] <= 0:
        return np.repeat(points[:1], len(fractions), axis=0)
    return np.stack([np.interp(np.asarray(fractions) * along[-1], along, points[:, k]) for k in range(3)], 1)
