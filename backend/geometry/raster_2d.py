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

CHUNK = 1 << 21  # candidate pixels at a time, some 150 MB of temporaries


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
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    winding = np.where(area < 0, -1.0, 1.0)
    found: list[tuple[NDArray[np.int64], ...]] = []
    edges = []
    for i in range(3):
        a, b = corners[:, i], corners[:, (i + 1) % 3]
        # Both neighbours must compute the very same number for their shared edge: always from its lower end.
        swap = (a[:, 0] > b[:, 0]) | ((a[:, 0] == b[:, 0]) & (a[:, 1] > b[:, 1]))
        lower, upper = np.where(swap[:, None], b, a), np.where(swap[:, None], a, b)
        sign = np.where(swap, -1.0, 1.0) * winding
        edges.append((lower, upper - lower, sign))
    for face, x, y in _candidates(corners, width, height, 0.5 if conservative else 0.0):
        px, py = x + 0.5, y + 0.5
        covered = np.ones(len(face), bool) if conservative else area[face] != 0
        for lower, along, sign in edges:
            dx, dy = along[face, 0], along[face, 1]
            value = dx * (py - lower[face, 1]) - dy * (px - lower[face, 0])
            side = sign[face]
            if conservative:
                covered &= value * side >= -0.5 * (np.abs(dx) + np.abs(dy))
            else:
                covered &= (value * side > 0) | ((value == 0) & (side > 0))
        found.append((face[covered], x[covered], y[covered]))
    if not found:
        none = np.zeros(0, np.int64)
        return none, none, none
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))  # type: ignore[return-value]


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
