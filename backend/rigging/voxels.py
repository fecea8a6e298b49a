# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh as a solid of voxels: what weights and skeletons are computed in, because it exists for every mesh.

Surfaces are sampled densely; inside is what the outside cannot reach or what rays say is enclosed, so that holes, open
shells, loose triangles and faces that are turned over do no harm (reference avatars-and-motion, section 6.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

MARGIN = 3  # empty voxels around the mesh
SAMPLES = 12  # of a triangle per voxel's area
BRIDGES = 8  # voxel pairs that join a loose part to the largest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Solid:
    """mask (X, Y, Z) bool; corner (3,) of voxel (0, 0, 0); size of a voxel, both in the mesh's units. number (X, Y, Z)
    int32 counts the voxels of the solid, -1 outside; places (N, 3) are their indices in that order."""

    mask: NDArray[np.bool_]
    corner: Floats
    size: float
    number: NDArray[np.int32]
    places: Ints

    @classmethod
    def of(cls, mask: NDArray[np.bool_], corner: Floats, size: float) -> Solid:
        places = np.argwhere(mask)
        number = np.full(mask.shape, -1, np.int32)
        number[tuple(places.T)] = np.arange(len(places), dtype=np.int32)
        return cls(mask, corner, size, number, places)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def centres(self) -> Floats:
        """(N, 3) middles of the voxels."""
        return self.corner + (self.places + 0.5) * self.size

    def at(self, points: NDArray[np.floating]) -> Ints:
        """(P,) number of the voxel that holds each point; of the nearest where that one is not of the solid."""
        cell = np.clip(np.floor((points - self.corner) / self.size).astype(np.int64), 0, np.array(self.mask.shape) - 1)
        found = self.number[tuple(cell.T)].astype(np.int64)
        lost = found < 0
        if lost.any():
            found[lost] = cKDTree(self.centres).query(points[lost])[1]
        return found

    def depth(self) -> Floats:
        """(N,) distance of each voxel's middle from the outside, in the mesh's units."""
        return ndimage.distance_transform_edt(self.mask)[tuple(self.places.T)] * self.size


def voxelise(vertices: NDArray[np.floating], faces: NDArray[np.integer], resolution: int,
             seeds: NDArray[np.floating] | None = None) -> Solid:
    """The solid of a mesh, `resolution` voxels along its longest side. seeds (S, 3): points that shall belong to it
    whatever the mesh says, such as those along bones; they must lie near it."""
    vertices = np.asarray(vertices, np.float64)
    low, high = vertices.min(0), vertices.max(0)
    if seeds is not None and len(seeds):
        low, high = np.minimum(low, seeds.min(0)), np.maximum(high, seeds.max(0))
    size = float((high - low).max()) / resolution or 1.0
    corner = low - MARGIN * size
    shape = np.ceil((high - low) / size).astype(int) + 2 * MARGIN + 1
    surface = np.zeros(shape, bool)
    for cells in (vertices, surface_points(vertices, faces, size)):
        surface[tuple(np.floor((cells - corner) / size).astype(int).T)] = True
    outside, _ = ndimage.label(~surface)
    mask = surface | (outside != outside[0, 0, 0])
    mask |= enclosed(vertices, faces, shape, corner, size)
    mask |= (ndimage.uniform_filter(mask.astype(np.float32), 3) > 0.5) & ~ndimage.binary_dilation(surface, iterations=2)
    outside, _ = ndimage.label(~mask)  # what is left of bubbles inside
    mask |= outside != outside[0, 0, 0]
    if seeds is not None and len(seeds):
        mask[tuple(np.floor((seeds - corner) / size).astype(int).T)] = True
    return Solid.of(mask, corner, size)


def surface_points(vertices: Floats, faces: NDArray[np.integer], size: float) -> Floats:
    """Points on the triangles, `SAMPLES` a square of this size, at least 3 a triangle, by a fixed low-discrepancy
    sequence (R2, Roberts 2018), so that nothing is random."""
    corners = vertices[faces]
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    # A sliver has little area and a long way: it gets points along its longest side too.
    length = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    count = np.maximum(np.ceil(area / size**2 * SAMPLES), np.maximum(3, np.ceil(2 * length / size))).astype(np.int64)
    owner = np.repeat(np.arange(len(faces)), count)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    u, v = (0.5 + place * 0.7548776662466927) % 1.0, (0.5 + place * 0.5698402909980532) % 1.0
    over = u + v > 1.0
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    a, b, c = (corners[owner, i] for i in range(3))
    return a + u[:, None] * (b - a) + v[:, None] * (c - a)


def enclosed(vertices: Floats, faces: NDArray[np.integer], shape: NDArray[np.integer], corner: Floats,
             size: float) -> NDArray[np.bool_]:
    """Voxels that lines along the three axes say are inside; each line that can be trusted has a vote.

    Along each axis every triangle adds its sign to the columns whose middle it covers, at its depth. Where the signs
    of a column cancel, their running sum is the winding number (Jacobson et al. 2013 take the mean over all
    directions); where they do not but are even in number, faces are turned over and an odd count is inside; an odd
    number means a hole, and the line is not asked. A small blur lets a voxel hear its neighbours too.
    """
    yes, votes = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for axis in range(3):
        flat, sign = _crossings(vertices, faces, shape, corner, size, axis)
        length = int(np.prod(shape))
        signed = np.cumsum(np.bincount(flat, sign, length).reshape(shape), axis=axis)
        count = np.cumsum(np.bincount(flat, minlength=length).reshape(shape), axis=axis)
        total, number = np.take(signed, [-1], axis=axis), np.take(count, [-1], axis=axis)
        yes += np.where(total == 0, np.abs(signed) > 0.5, count % 2 == 1) & (number % 2 == 0)
        votes += number % 2 == 0
    share = ndimage.uniform_filter(yes, 3) / np.maximum(ndimage.uniform_filter(votes, 3), 1e-3)
    return np.asarray((share > 0.5) & (votes > 0))


def _crossings(vertices: Floats, faces: NDArray[np.integer], shape: NDArray[np.integer], corner: Floats, size: float,
               axis: int) -> tuple[Ints, NDArray[np.float32]]:
    """(flat voxel, sign) of each crossing of a triangle with a line along `axis` through the middle of a column."""
    one, two = [k for k in range(3) if k != axis]
    scaled = (vertices - corner) / size - 0.5  # middles lie on whole numbers
    scaled = scaled + np.array([1.3e-4, 2.9e-4, 0.7e-4])  # so that no line runs through an edge exactly
    corners = scaled[faces]
    p = corners[:, :, [one, two]]
    first = np.maximum(np.ceil(p.min(1)).astype(np.int64), 0)
    last = np.minimum(np.floor(p.max(1)).astype(np.int64), np.array([shape[one], shape[two]]) - 1)
    extent = np.maximum(last - first + 1, 0)
    count = extent[:, 0] * extent[:, 1]
    owner = np.repeat(np.arange(len(faces)), count)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    x = first[owner, 0] + place // np.maximum(extent[owner, 1], 1)
    y = first[owner, 1] + place % np.maximum(extent[owner, 1], 1)
    a, b, c = p[owner, 0], p[owner, 1], p[owner, 2]
    line = np.stack((x, y), 1)
    whole = _cross(b - a, c - a)
    v, w = _cross(line - a, c - a), _cross(b - a, line - a)
    sign = np.sign(whole)
    inside = (v * sign >= 0) & (w * sign >= 0) & ((whole - v - w) * sign >= 0) & (sign != 0)
    owner, x, y = owner[inside], x[inside], y[inside]
    whole = whole[inside]
    v, w = v[inside] / whole, w[inside] / whole
    z = corners[owner, 0, axis] * (1 - v - w) + corners[owner, 1, axis] * v + corners[owner, 2, axis] * w
    cell = np.zeros((len(owner), 3), np.int64)
    cell[:, one], cell[:, two] = x, y
    cell[:, axis] = np.clip(np.ceil(z), 0, shape[axis] - 1)
    return np.ravel_multi_index(tuple(cell.T), tuple(shape)), sign[inside].astype(np.float32)


def _cross(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


HALF = np.array([d for d in product((-1, 0, 1), repeat=3) if d > (0, 0, 0)])
"""The 13 of the 26 neighbours that come later; the others are theirs the other way round."""


def graph(solid: Solid, neighbours: int = 26, bridges: bool = True) -> csr_matrix:
    """(N, N) symmetric, the distances between neighbouring voxels in the mesh's units; neighbours: 6 or 26. With
    `bridges` each part that floats (an eye, a button, a card of hair) is joined to the largest one."""
    rows, columns, lengths = [], [], []
    steps = HALF if neighbours == 26 else HALF[np.abs(HALF).sum(1) == 1]
    for step in steps:  # the margin keeps every neighbour in the grid
        other = solid.number[tuple((solid.places + step).T)]
        there = np.flatnonzero(other >= 0)
        rows.append(there)
        columns.append(other[there])
        lengths.append(np.full(len(there), solid.size * np.sqrt((step * step).sum())))
    count = len(solid)
    row, column, length = np.concatenate(rows), np.concatenate(columns), np.concatenate(lengths)
    if bridges:
        more = _bridges(solid, coo_matrix((np.ones(len(row), np.int8), (row, column)), shape=(count, count)))
        row, column = np.r_[row, more[:, 0]], np.r_[column, more[:, 1]]
        gap = np.linalg.norm((solid.places[more[:, 0]] - solid.places[more[:, 1]]) * solid.size, axis=1)
        length = np.r_[length, gap]
    both = coo_matrix((np.r_[length, length], (np.r_[row, column], np.r_[column, row])), shape=(count, count))
    return both.tocsr()


def _bridges(solid: Solid, links: coo_matrix) -> Ints:
    """(B, 2) voxel pairs that join each part to the rest, nearest parts first."""
    number, part = connected_components(links, directed=False)
    if number == 1:
        return np.zeros((0, 2), np.int64)
    order = np.argsort(-np.bincount(part), kind="stable")
    main = np.flatnonzero(part == order[0])
    tree = cKDTree(solid.places[main])
    pairs = []
    for label in order[1:]:
        own = np.flatnonzero(part == label)
        gap, nearest = tree.query(solid.places[own])
        best = np.argsort(gap, kind="stable")[:BRIDGES]
        pairs.append(np.stack((own[best], main[nearest[best]]), 1))
    return np.concatenate(pairs)
