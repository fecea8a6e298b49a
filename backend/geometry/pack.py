# SPDX-License-Identifier: GPL-3.0-or-later
"""Packing charts into the unit square without turning them, so that up on the object stays up in the picture.

Charts fall like tetrominoes onto a skyline (Levy et al. 2002, section 4): each is described by its lower and upper
outline in texel columns, padding included, and lands where it leaves the lowest top. Several widths and orders are
tried on a coarse grid, the tightest wins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.geometry.raster_2d import cover

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GRID = 512  # cells across the square while packing
ATTEMPTS = 14


class _Outline:
    """Lower and upper outline of one chart in whole cells, padding included, and where its own origin lies in them."""

    def __init__(self, low: Ints, high: Ints, origin: Floats) -> None:
        self.low, self.high, self.origin = low, high, origin


def _outlines(triangles: Floats, chart: Ints, count: int, scale: float, padding: float) -> list[_Outline]:
    """Outlines of all charts at `scale` cells per unit, from conservative coverage of their triangles."""
    placed = triangles * scale
    order = np.argsort(chart, kind="stable")
    start = np.searchsorted(chart[order], np.arange(count))
    minimum = np.minimum.reduceat(placed[order].min(1), start)
    maximum = np.maximum.reduceat(placed[order].max(1), start)
    reach = int(np.ceil(padding))
    size = np.ceil(maximum - minimum).astype(np.int64) + 2 * reach + 2
    # All charts side by side in one long strip: one raster pass for all of them.
    left = np.concatenate(([0], np.cumsum(size[:, 0])))
    offset = -minimum + reach + 0.5
    offset[:, 0] += left[:-1]
    face, x, y = cover(placed + offset[chart][:, None, :], int(left[-1]), int(size[:, 1].max()), conservative=True)
    del face
    low = np.full(int(left[-1]), np.iinfo(np.int64).max // 2)
    high = np.full(int(left[-1]), -1)
    np.minimum.at(low, x, y)
    np.maximum.at(high, x, y)
    result = []
    for i in range(count):
        part = slice(left[i], left[i + 1])
        a, b = low[part].copy(), high[part].copy()
        for _ in range(reach):
            # One cell outward in all directions, a step at a time.
            a = np.minimum(a, np.minimum(np.r_[a[1:], a[-1]], np.r_[a[0], a[:-1]])) - 1
            b = np.maximum(b, np.maximum(np.r_[b[1:], b[-1]], np.r_[b[0], b[:-1]])) + 1
        filled = np.flatnonzero(b >= a)
        first, last = int(filled[0]), int(filled[-1]) + 1
        base = int(a[first:last].min())
        origin = np.array([offset[i, 0] - left[i] - first, offset[i, 1] - base])
        result.append(_Outline(a[first:last] - base, b[first:last] - base + 1, origin))
    return result


def _drop(outlines: list[_Outline], order: Ints, width: int) -> tuple[Ints, int]:
    """(places (K, 2), height) of charts dropped one after another onto the skyline of a strip."""
    sky = np.zeros(width, np.int64)
    places = np.zeros((len(outlines), 2), np.int64)
    top = 0
    for i in order:
        low, high = outlines[i].low, outlines[i].high
        span = len(low)
        windows = np.lib.stride_tricks.sliding_window_view(sky, span)
        floor = (windows - low).max(1)
        landing = floor + high.max()
        # Lowest top first; among equals the place that wastes least below.
        waste = (floor[:, None] + low - windows).sum(1)
        x = int(np.lexsort((waste, landing))[0])
        places[i] = x, floor[x]
        sky[x : x + span] = floor[x] + high
        top = max(top, int(floor[x] + high.max()))
    return places, top


def pack(uv_triangles: Floats, chart: Ints, padding_share: float) -> tuple[Floats, float]:
    """Place charts given as triangles (F, 3, 2) in one common unit into the unit square.

    padding_share: least distance of a chart from its neighbours' padding and from the border, as a share of the
    square's side (two neighbours are twice that apart). Returns (triangles (F, 3, 2) in 0..1, squares' side per
    unit).
    """
    count = int(chart.max()) + 1
    area = float(
        np.abs(np.cross(uv_triangles[:, 1] - uv_triangles[:, 0], uv_triangles[:, 2] - uv_triangles[:, 0])).sum()
    )
    area = max(0.5 * area, 1e-24)
    padding = padding_share * GRID
    best: tuple[float, list[_Outline], Ints] | None = None
    scale = GRID * np.sqrt(0.66 / area)
    low, high = 0.0, np.inf
    for _ in range(ATTEMPTS):
        outlines = _outlines(uv_triangles, chart, count, scale, padding)
        widest = max(len(o.low) for o in outlines)
        tallest = max(int(o.high.max()) for o in outlines)
        places = None
        if max(widest, tallest) <= GRID:
            heights = np.array([int(o.high.max()) for o in outlines])
            widths = np.array([len(o.low) for o in outlines])
            for key in (heights, widths * heights, np.maximum(heights, widths)):
                tried, top = _drop(outlines, np.argsort(-key, kind="stable"), GRID)
                if top <= GRID:
                    places = tried
                    break
        if places is not None:
            best, low = (scale, outlines, places), scale
        else:
            high = scale
        if np.isfinite(high) and high / max(low, 1e-300) < 1.015 and best is not None:
            break
        if low == 0.0:
            scale *= 0.85
        elif not np.isfinite(high):
            scale *= 1.06
        else:
            scale = np.sqrt(low * high)
    if best is None:
        # Very many charts: padding alone fills the square at this size. Halve it rather than fail.
        return pack(uv_triangles, chart, 0.5 * padding_share)
    scale, outlines, places = best
    shift = np.stack([o.origin for o in outlines]) + places
    return (uv_triangles * scale + shift[chart][:, None, :]) / GRID, float(scale / GRID)
