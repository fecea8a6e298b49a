# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pixels does a 2D triangle cover? NumPy, exact on shared edges: the ground of baking, packing and overlap
checks.

A pixel is a unit square with its centre at (x + 0.5, y + 0.5). Plain coverage asks for the centre and gives each
pixel on a shared edge to exactly one of the two triangles, so counting doubles proves or disproves overlap.
Conservative coverage asks whether square and triangle touch at all, so no border texel is missed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 20  # candidate pixels at a time, some 60 MB of temporaries
TINY = 5e-324  # the smallest positive double: `> -TINY` is `>= 0`


def _candidates(
    triangles: NDArray[np.float64], width: int, height: int, reach: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """(face, x, y) of every pixel in the bounding box of every triangle, clipped to the picture, a chunk at a time."""
    low, high = triangles.min(1), triangles.max(1)
    first = np.ceil(low - 0.5 - reach).astype(np.int64)
    last = np.floor(high - 0.5 + reach).astype(np.int64)
    first = np.maximum(first, 0)
    last = np.minimum(last, np.array([width - 1, height - 1]))
    span = np.maximum(last - first + 1, 0)
    size = span[:, 0] * span[:, 1]
    ends = np.cumsum(size)
    start = 0
    while start < len(size):
        offset = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, offset + CHUNK, side="right")), start + 1)
        some = size[start:stop]
        face = np.repeat(np.arange(start, stop), some)
        inner = np.arange(int(some.sum())) - np.repeat(np.cumsum(some) - some, some)
        columns = span[face, 0]
        yield face, first[face, 0] + inner % np.maximum(columns, 1), first[face, 1] + inner // np.maximum(columns, 1)
        start = stop


def cover(
    triangles: NDArray[np.floating], width: int, height: int, conservative: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(face (N,), x (N,), y (N,)): the pixels of triangles (F, 3, 2) given in pixels, of either orientation, face by
    face.

    A pixel appears once for each triangle that covers it. Triangles without area cover nothing (unless conservative).
    """
    corners = np.asarray(triangles, np.float64)
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    edges = [_edge(corners[:, i], corners[:, (i + 1) % 3], area, conservative) for i in range(3)]
    found: list[tuple[NDArray[np.int64], ...]] = []
    for face, x, y in _candidates(corners, width, height, 0.5 if conservative else 0.0):
        if not conservative:
            solid = area[face] != 0
            if not solid.all():
                face, x, y = face[solid], x[solid], y[solid]
        for along_x, along_y, constant, least in edges:
            # Twice the pixel's centre, which is a whole number; the edge is scaled to match.
            value = along_x[face] * (2 * x + 1) + along_y[face] * (2 * y + 1) + constant[face]
            kept = value > least[face]
            face, x, y = face[kept], x[kept], y[kept]
        found.append((face, x, y))
    if not found:
        none = np.zeros(0, np.int64)
        return none, none, none
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))  # type: ignore[return-value]


def _edge(
    a: NDArray[np.float64], b: NDArray[np.float64], area: NDArray[np.float64], conservative: bool
) -> tuple[NDArray[np.float64], ...]:
    """(p, q, r, least): pixel (x, y) is on the inner side of the edge when p (2x + 1) + q (2y + 1) + r > least."""
    # Both neighbours must compute the very same number for their shared edge: always from its lower end, and then the
    # sign, which is exact.
    swap = (a[:, 0] > b[:, 0]) | ((a[:, 0] == b[:, 0]) & (a[:, 1] > b[:, 1]))
    lower, upper = np.where(swap[:, None], b, a), np.where(swap[:, None], a, b)
    dx, dy = (upper - lower).T
    side = np.where(swap, -1.0, 1.0) * np.where(area < 0, -1.0, 1.0)
    if conservative:
        least = -(np.abs(dx) + np.abs(dy)) - TINY
    else:
        # On the line itself the pixel belongs to the neighbour for which the edge runs upward from its lower end.
        least = np.where(side > 0, -TINY, 0.0)
    return -dy * side, dx * side, 2.0 * (dy * lower[:, 0] - dx * lower[:, 1]) * side, least


def barycentric(
    triangles: NDArray[np.floating], face: NDArray[np.int64], x: NDArray[np.int64], y: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(N, 3) barycentric coordinates of pixel centres in their triangles, not clamped."""
    corners = np.asarray(triangles, np.float64)
    a, b, c = (corners[face, i] for i in range(3))
    p = np.stack((x + 0.5, y + 0.5), 1)
    area = np.cross(b - a, c - a)
    area = np.where(area == 0, 1.0, area)
    v, w = np.cross(p - a, c - a) / area, np.cross(b - a, p - a) / area
    return np.stack((1.0 - v - w, v, w), 1)
