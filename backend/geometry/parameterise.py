# SPDX-License-Identifier: GPL-3.0-or-later
"""Flattening discs: all charts of a mesh at once, as one sparse system whose blocks are the charts.

Least-squares conformal maps (Levy et al. 2002, in the energy form of Mullen et al. 2008) give the start,
as-rigid-as-possible iterations (Liu et al. 2008) take the stretch out, and Tutte's map onto a circle is the start
that cannot fold for charts where that fails. Units of the result are those of the surface, so one texel density holds
for all charts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csc_matrix
from scipy.sparse.linalg import SuperLU, splu

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ARAP_ROUNDS = 8
GUARDED_ROUNDS = 40
# Slivers are flattened as if they were this high, as a share of their longest side: their true shape would make the
# system ill-conditioned and let them fold, and it is too small to see.
LEAST_HEIGHT = 1e-3
LEAST_AREA = 1e-3  # of its area on the surface: a face below that counts as folded, so that float32 keeps its sign


@dataclass(frozen=True, eq=False)
class Discs:
    """Charts cut apart: corner (F, 3) indices of N chart vertices, chart (F,) of each face, flat (F, 3, 2) each
    triangle laid into its own plane (positive area), owner (N,) chart of each vertex, points (N, 3) its place in
    space.
    """

    corner: Ints
    chart: Ints
    flat: Floats
    owner: Ints
    points: Floats

    @property
    def count(self) -> int:
        """Number of charts."""
        return int(self.chart.max()) + 1


def discs(vertices: Floats, faces: Ints, corner: Ints, chart: Ints) -> Discs:
    """Charts from the corners of a cut surface (see `charts.chart_vertices`)."""
    number = int(corner.max()) + 1
    points, owner = np.zeros((number, 3)), np.zeros(number, np.int64)
    points[corner.ravel()] = vertices[faces.ravel()]
    owner[corner.ravel()] = np.repeat(chart, 3)
    sides = [vertices[faces[:, (i + 1) % 3]] - vertices[faces[:, i]] for i in range(3)]
    lengths = np.stack([np.linalg.norm(side, axis=1) for side in sides], 1)
    first = lengths.argmax(1)
    row = np.arange(len(faces))
    tiny = 1e-6 * max(float(np.ptp(vertices, axis=0).max(initial=0.0)), 1e-30)
    base = np.maximum(lengths[row, first], tiny)
    along = np.stack(sides, 1)[row, first] / base[:, None]
    away = vertices[faces[row, (first + 2) % 3]] - vertices[faces[row, first]]
    x = np.clip((away * along).sum(1), 0.0, base)
    height = np.linalg.norm(np.cross(along, away), axis=1)
    flat = np.zeros((len(faces), 3, 2))
    flat[row, (first + 1) % 3, 0] = base
    flat[row, (first + 2) % 3, 0] = x
    flat[row, (first + 2) % 3, 1] = np.maximum(height, LEAST_HEIGHT * base)
    return Discs(corner, chart, flat, owner, points)


def _cotangents(flat: Floats) -> Floats:
    """(F, 3) cotangent of the angle at each corner."""
    result = np.empty((len(flat), 3))
    for i in range(3):
        u, v = flat[:, (i + 1) % 3] - flat[:, i], flat[:, (i + 2) % 3] - flat[:, i]
        result[:, i] = (u * v).sum(1) / np.maximum(np.abs(np.cross(u, v)), 1e-300)
    return result


def _laplacian(parts: Discs, cotangent: Floats) -> csc_matrix:
    number = len(parts.owner)
    rows, columns, values = [], [], []
    for i in range(3):
        a, b = parts.corner[:, (i + 1) % 3], parts.corner[:, (i + 2) % 3]
        weight = 0.5 * cotangent[:, i]
        rows += [a, b, a, b]
        columns += [b, a, a, b]
        values += [-weight, -weight, weight, weight]
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return coo_matrix(entries, shape=(number, number)).tocsc()


def _factor(matrix: csc_matrix) -> SuperLU:
    """Factors of a symmetric positive matrix: no pivoting, minimum degree order."""
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def _extremes(parts: Discs) -> tuple[Ints, Ints]:
    """(K,) two vertices of every chart that lie far apart: the ends along its longest box axis."""
    order = np.argsort(parts.owner, kind="stable")
    start = np.searchsorted(parts.owner[order], np.arange(parts.count))
    sorted_points = parts.points[order]
    extent = np.maximum.reduceat(sorted_points, start) - np.minimum.reduceat(sorted_points, start)
    key = parts.points[np.arange(len(parts.owner)), extent.argmax(1)[parts.owner]]
    ranked = np.lexsort((key, parts.owner))
    ends = np.searchsorted(parts.owner[ranked], np.arange(parts.count), side="right") - 1
    return ranked[start], ranked[ends]


def conformal(parts: Discs, laplacian: csc_matrix) -> Floats:
    """(N, 2) least-squares conformal map with two vertices of each chart held at their distance in space."""
    number = len(parts.owner)
    start, end = parts.corner, np.roll(parts.corner, -1, axis=1)
    key = np.minimum(start, end) * number + np.maximum(start, end)
    _, inverse, uses = np.unique(key.ravel(), return_inverse=True, return_counts=True)
    border = uses[inverse.ravel()] == 1
    i, j = start.ravel()[border], end.ravel()[border]
    half = np.full(len(i), 0.5)
    area = coo_matrix((np.r_[half, -half], (np.r_[i, j], np.r_[j, i])), shape=(number, number))
    # Energy: Dirichlet minus signed area, quadratic in (u, v) together.
    lap, ar = laplacian.tocoo(), area
    rows = np.r_[lap.row, lap.row + number, ar.row, ar.row + number]
    columns = np.r_[lap.col, lap.col + number, ar.col + number, ar.col]
    matrix = csc_matrix((np.r_[lap.data, lap.data, -ar.data, ar.data], (rows, columns)), shape=(2 * number, 2 * number))
    one, two = _extremes(parts)
    value = np.zeros(2 * number)
    value[two] = np.linalg.norm(parts.points[one] - parts.points[two], axis=1)
    held = np.zeros(2 * number, bool)
    held[np.r_[one, two, one + number, two + number]] = True
    free = np.flatnonzero(~held)
    if len(free):
        sub = matrix[free]
        right = -(sub[:, np.flatnonzero(held)] @ value[held])
        inner = sub[:, free]
        inner.setdiag(inner.diagonal() + 1e-12)
        value[free] = _factor(inner.tocsc()).solve(right)
    return value.reshape(2, number).T


def rigid(
    parts: Discs,
    start: Floats,
    laplacian: csc_matrix,
    cotangent: Floats,
    rounds: int = ARAP_ROUNDS,
    guarded: bool = False,
) -> Floats:
    """(N, 2) as-rigid-as-possible: in turn the best rotation for every triangle, and the best map for the rotations.

    guarded: every chart goes only as far towards the next map as no face folds on the way (Smith and Schaefer 2015,
    section 3.3); wants a start without folds and keeps it that way.
    """
    number = len(parts.owner)
    anchored = laplacian.copy()
    order = np.argsort(parts.owner, kind="stable")
    anchor = order[np.searchsorted(parts.owner[order], np.arange(parts.count))]
    diagonal = anchored.diagonal()
    diagonal[anchor] += 1.0
    anchored.setdiag(diagonal + 1e-12)
    factor = _factor(anchored.tocsc())
    uv = start.copy()
    side = [parts.flat[:, (i + 1) % 3] - parts.flat[:, (i + 2) % 3] for i in range(3)]
    for _ in range(rounds):
        # Liu et al. eq. 10: the covariance of mapped and flat sides, whose rotation is wanted; in 2D it is an angle.
        cosine, sine = np.zeros(len(parts.corner)), np.zeros(len(parts.corner))
        for i in range(3):
            mapped = uv[parts.corner[:, (i + 1) % 3]] - uv[parts.corner[:, (i + 2) % 3]]
            cosine += cotangent[:, i] * (mapped * side[i]).sum(1)
            sine += cotangent[:, i] * (side[i][:, 0] * mapped[:, 1] - side[i][:, 1] * mapped[:, 0])
        length = np.maximum(np.hypot(cosine, sine), 1e-300)
        cosine, sine = cosine / length, sine / length
        right = np.zeros((number, 2))
        for i in range(3):
            a, b = parts.corner[:, (i + 1) % 3], parts.corner[:, (i + 2) % 3]
            weight = 0.5 * cotangent[:, i]
            x = weight * (cosine * side[i][:, 0] - sine * side[i][:, 1])
            y = weight * (sine * side[i][:, 0] + cosine * side[i][:, 1])
            right[:, 0] += np.bincount(a, x, number) - np.bincount(b, x, number)
            right[:, 1] += np.bincount(a, y, number) - np.bincount(b, y, number)
        right[anchor] += uv[anchor]
        wanted = factor.solve(right)
        if guarded:
            uv = uv + _safe_step(parts, uv, wanted - uv)[parts.owner][:, None] * (wanted - uv)
        else:
            uv = wanted
    return uv


def _safe_step(parts: Discs, uv: Floats, move: Floats) -> Floats:
    """(K,) 0..1: how far every chart may go along `move` so that the area of every face stays above a tenth of what
    it is.
    """
    a, b, c = (uv[parts.corner[:, i]] for i in range(3))
    da, db, dc = (move[parts.corner[:, i]] for i in range(3))
    e, f, de, df = b - a, c - a, db - da, dc - da
    # Area along the way: c0 + c1 t + c2 t^2; the first t in 0..1 at which it falls to a tenth of c0.
    c0, c1, c2 = np.cross(e, f), np.cross(e, df) + np.cross(de, f), np.cross(de, df)
    rest = 0.9 * c0
    inner = c1 * c1 - 4.0 * c2 * rest
    root = np.sqrt(np.maximum(inner, 0.0))
    # The stable form: q has the sign of c1, the roots are q / c2 and rest / q.
    q = -0.5 * (c1 + np.where(c1 >= 0, root, -root))
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = q / c2, rest / q
    limit = np.ones(len(c0))
    for t in (first, second):
        limit = np.where((inner >= 0) & np.isfinite(t) & (t > 0) & (t < limit), t, limit)
    step = np.ones(parts.count)
    np.minimum.at(step, parts.chart, limit)
    return step


def circle(parts: Discs) -> Floats:
    """(N, 2) Tutte's map: the border of each chart on a circle of the chart's area, inner vertices at their
    neighbours' mean. It cannot fold (Tutte 1963, Floater 1997). Every chart must be a disc.
    """
    number = len(parts.owner)
    start, end = parts.corner, np.roll(parts.corner, -1, axis=1)
    key = np.minimum(start, end) * number + np.maximum(start, end)
    unique, inverse, uses = np.unique(key.ravel(), return_inverse=True, return_counts=True)
    border = uses[inverse.ravel()] == 1
    following = np.full(number, -1)
    following[start.ravel()[border]] = end.ravel()[border]
    area = np.bincount(parts.chart, flat_areas(parts), parts.count)
    uv = np.zeros((number, 2))
    on_border = following >= 0
    seen = np.zeros(parts.count, bool)
    for first in np.flatnonzero(on_border):
        chart = parts.owner[first]
        if seen[chart]:
            continue
        seen[chart] = True
        loop, at = [int(first)], int(following[first])
        while at != first:
            loop.append(at)
            at = int(following[at])
        step = np.linalg.norm(parts.points[loop] - parts.points[np.roll(loop, -1)], axis=1) + 1e-12
        angle = 2.0 * np.pi * np.concatenate(([0.0], np.cumsum(step)[:-1])) / step.sum()
        radius = np.sqrt(max(float(area[chart]), 1e-24) / np.pi)
        uv[loop] = radius * np.stack((np.cos(angle), np.sin(angle)), 1)
    a, b = unique // number, unique % number
    ones = np.ones(2 * len(a))
    adjacency = coo_matrix((ones, (np.r_[a, b], np.r_[b, a])), shape=(number, number)).tocsc()
    inner = np.flatnonzero(~on_border)
    if len(inner):
        degree = np.asarray(adjacency.sum(1)).ravel()
        system = -adjacency[inner][:, inner]
        system.setdiag(degree[inner])
        right = adjacency[inner][:, np.flatnonzero(on_border)] @ uv[on_border]
        uv[inner] = _factor(system.tocsc()).solve(right)
    return uv


def flatten(parts: Discs) -> Floats:
    """(N, 2) map of all charts without a folded face: conformal start and rigid iterations; charts in which that
    folds a face start again from the circle and go only as far as nothing folds.
    """
    cotangent = _cotangents(parts.flat)
    laplacian = _laplacian(parts, cotangent)
    uv = rigid(parts, conformal(parts, laplacian), laplacian, cotangent)
    for mend in (_unfolded, lambda some, _: circle(some)):
        folded = folded_charts(parts, uv)
        if not folded.any():
            break
        rows, some = subset(parts, folded)
        start = mend(some, uv[rows])
        angles = _cotangents(some.flat)
        fixed = rigid(some, start, _laplacian(some, angles), angles, GUARDED_ROUNDS, guarded=True)
        uv[rows] = fixed
    return uv


def _unfolded(parts: Discs, start: Floats, rounds: int = 40) -> Floats:
    """(N, 2) the map with the vertices of folded faces, and of more rings around them as it goes on, at their
    neighbours' mean. Most folds are a few slivers and come apart; where one does not, the face stays folded.
    """
    number = len(parts.owner)
    one, two = parts.corner.ravel(), np.roll(parts.corner, -1, axis=1).ravel()
    links = coo_matrix((np.ones(2 * len(one)), (np.r_[one, two], np.r_[two, one])), shape=(number, number)).tocsr()
    degree = np.maximum(np.asarray(links.sum(1)).ravel(), 1.0)
    uv = start.copy()
    for step in range(rounds):
        folded = ~(signed_areas(parts, uv) > LEAST_AREA * flat_areas(parts))
        if not folded.any():
            break
        moving = np.zeros(number, bool)
        moving[parts.corner[folded].ravel()] = True
        for _ in range(step // 8):
            moving |= links @ moving > 0
        rows = np.flatnonzero(moving)
        uv[rows] = (links[rows] @ uv) / degree[rows, None]
    return uv


def subset(parts: Discs, wanted: NDArray[np.bool_]) -> tuple[Ints, Discs]:
    """(rows of the vertices, the discs) of the charts that are `wanted` (K,)."""
    rows = np.flatnonzero(wanted[parts.owner])
    number = np.full(len(parts.owner), -1)
    number[rows] = np.arange(len(rows))
    chart = np.cumsum(wanted) - 1
    kept = wanted[parts.chart]
    return rows, Discs(
        number[parts.corner[kept]],
        chart[parts.chart[kept]],
        parts.flat[kept],
        chart[parts.owner[rows]],
        parts.points[rows],
    )


def flat_areas(parts: Discs) -> Floats:
    """(F,) areas of the triangles laid flat."""
    a, b, c = (parts.flat[:, i] for i in range(3))
    return 0.5 * np.cross(b - a, c - a)


def signed_areas(parts: Discs, uv: Floats) -> Floats:
    """(F,) areas in the plane, negative where a face is mirrored."""
    a, b, c = (uv[parts.corner[:, i]] for i in range(3))
    return 0.5 * np.cross(b - a, c - a)


def folded_charts(parts: Discs, uv: Floats) -> NDArray[np.bool_]:
    """(K,) charts with a face whose area in the plane is not positive (a thousandth of its true area at least, so
    that float32 keeps the sign).
    """
    folded = ~(signed_areas(parts, uv) > LEAST_AREA * flat_areas(parts))
    return np.bincount(parts.chart, folded, parts.count) > 0


def singular_values(parts: Discs, uv: Floats) -> tuple[Floats, Floats]:
    """((F,) larger, (F,) smaller) stretch of each face from the surface into the plane; both 1 where lengths are
    kept.
    """
    a, b, c = (uv[parts.corner[:, i]] for i in range(3))
    e, f = parts.flat[:, 1] - parts.flat[:, 0], parts.flat[:, 2] - parts.flat[:, 0]
    determinant = np.cross(e, f)[:, None]
    dx = ((b - a) * f[:, 1:] - (c - a) * e[:, 1:]) / determinant
    dy = ((c - a) * e[:, :1] - (b - a) * f[:, :1]) / determinant
    total = (dx * dx).sum(1) + (dy * dy).sum(1)
    determinant = dx[:, 0] * dy[:, 1] - dx[:, 1] * dy[:, 0]
    spread = np.sqrt(np.maximum(total * total - 4.0 * determinant * determinant, 0.0))
    return np.sqrt(0.5 * (total + spread)), np.sqrt(np.maximum(0.5 * (total - spread), 0.0))
