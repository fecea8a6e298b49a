# SPDX-License-Identifier: GPL-3.0-or-later
"""Packing charts into the unit square without turning them, so that up on the object stays up in the picture.

Charts fall like tetrominoes onto a skyline (Levy et al. 2002, section 4): each is described by its lower and upper
outline in grid columns, padding included, and lands where its top stays lowest; small ones first look for a hole
under the skyline. Several orders are tried at every scale, and the scale is found by bisection. Outlines are drawn
once and then resampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.geometry.raster_2d import cover

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GRID = 512  # cells across the square while packing
FINE = 700  # cells across a square of the charts' own area when outlines are drawn
ATTEMPTS = 20
HOLE_CHARTS = 60  # with more charts than that the search for holes costs more than it wins
FAR = np.iinfo(np.int64).max // 4


@dataclass(frozen=True, eq=False)
class _Outline:
    """Lower (inclusive) and upper (exclusive) outline of a chart by column, in cells; origin is where (0, 0) of the
    chart's coordinates lies in them.
    """

    low: Ints
    high: Ints
    origin: Floats

    @property
    def height(self) -> int:
        return int(self.high.max())


def _outlines(triangles: Floats, chart: Ints, count: int, scale: float) -> list[_Outline]:
    """Outlines of all charts at `scale` cells per unit, from conservative coverage of their triangles."""
    placed = triangles * scale
    order = np.argsort(chart, kind="stable")
    start = np.searchsorted(chart[order], np.arange(count))
    minimum = np.minimum.reduceat(placed[order].min(1), start)
    maximum = np.maximum.reduceat(placed[order].max(1), start)
    size = np.ceil(maximum - minimum).astype(np.int64) + 2
    # All charts side by side in one long strip: one raster pass for all of them.
    left = np.concatenate(([0], np.cumsum(size[:, 0])))
    offset = 0.5 - minimum
    offset[:, 0] += left[:-1]
    _, x, y = cover(placed + offset[chart][:, None, :], int(left[-1]), int(size[:, 1].max()), conservative=True)
    low, high = np.full(int(left[-1]), FAR), np.full(int(left[-1]), -1)
    np.minimum.at(low, x, y)
    np.maximum.at(high, x, y + 1)
    result = []
    for i in range(count):
        part = np.flatnonzero(high[left[i] : left[i + 1]] >= 0) + left[i]
        first, last = int(part[0]), int(part[-1]) + 1
        base = int(low[first:last].min())
        # A column between two others is never empty: a chart is connected.
        result.append(_Outline(low[first:last] - base, high[first:last] - base, offset[i] - np.array([first, base])))
    return result


def _resampled(outline: _Outline, ratio: float, reach: int) -> _Outline:
    """The outline at another scale, rounded outward, and grown by `reach` cells on all sides."""
    columns = len(outline.low)
    edges = np.arange(columns + 1) * ratio
    first, last = np.floor(edges[:-1]).astype(np.int64), np.ceil(edges[1:]).astype(np.int64) - 1
    width = int(last[-1]) + 1
    low, high = np.full(width, FAR), np.full(width, -1)
    span = int((last - first).max()) + 1
    for step in range(span):
        at = np.minimum(first + step, last)
        np.minimum.at(low, at, np.floor(outline.low * ratio).astype(np.int64))
        np.maximum.at(high, at, np.ceil(outline.high * ratio).astype(np.int64))
    low = np.concatenate((np.full(reach, FAR), low, np.full(reach, FAR)))
    high = np.concatenate((np.full(reach, -1), high, np.full(reach, -1)))
    grown_low, grown_high = low, high
    for shift in range(1, reach + 1):
        for sign in (-shift, shift):
            grown_low = np.minimum(grown_low, np.roll(low, sign))
            grown_high = np.maximum(grown_high, np.roll(high, sign))
    return _Outline(grown_low, grown_high + 2 * reach, outline.origin * ratio + reach)


class _Strip:
    """The square while it fills: the skyline, and which cells below it are taken."""

    def __init__(self, width: int, height: int, holes: bool) -> None:
        self.holes = holes
        self.sky = np.zeros(width, np.int64)
        self.taken = np.zeros((height + 1, width), bool)  # one row of air on top for tall charts' slices

    def place(self, outline: _Outline, height: int) -> tuple[int, int] | None:
        """Where the chart goes, or None when it does not fit under `height`."""
        low, high = outline.low, outline.high
        span, tall = len(low), outline.height
        if span > len(self.sky) or tall > height:
            return None
        small = self.holes and span * tall * 25 < len(self.sky) * height
        at = self._hole(span, tall) if small else None
        if at is None:
            windows = np.lib.stride_tricks.sliding_window_view(self.sky, span)
            floor = (windows - low).max(1)
            np.maximum(floor, 0, out=floor)
            lowest = np.flatnonzero(floor == floor.min())
            # Among equally low places the one that wastes least below.
            waste = (floor[lowest, None] + low - windows[lowest]).sum(1)
            x = int(lowest[int(np.argmin(waste))])
            at = x, int(floor[x])
        x, y = at
        if y + tall > height:
            return None
        self.sky[x : x + span] = np.maximum(self.sky[x : x + span], y + high)
        rows = np.arange(tall)[:, None]
        self.taken[y : y + tall, x : x + span] |= (rows >= low) & (rows < high)
        return at

    def _hole(self, span: int, tall: int) -> tuple[int, int] | None:
        """The lowest free rectangle of this size whose top lies under the skyline everywhere."""
        top = int(self.sky.max())
        if top <= tall:
            return None
        total = np.zeros((top + 1, len(self.sky) + 1), np.int32)
        np.cumsum(np.cumsum(self.taken[:top], axis=0, dtype=np.int32), axis=1, out=total[1:, 1:])
        full = total[tall:, span:] - total[:-tall, span:] - total[tall:, :-span] + total[:-tall, :-span]
        free = np.flatnonzero(full == 0)
        if not len(free):
            return None
        y, x = divmod(int(free[0]), full.shape[1])
        return x, y


def _try(outlines: list[_Outline], order: Ints) -> Ints | None:
    """(K, 2) places of all charts in the square, or None when they do not fit in this order."""
    strip = _Strip(GRID, GRID, len(outlines) <= HOLE_CHARTS)
    places = np.zeros((len(outlines), 2), np.int64)
    for i in order:
        at = strip.place(outlines[i], GRID)
        if at is None:
            return None
        places[i] = at
    return places


def pack(uv_triangles: Floats, chart: Ints, padding_share: float) -> tuple[Floats, float]:
    """Place charts given as triangles (F, 3, 2) in one common unit into the unit square.

    padding_share: least distance of a chart from its neighbours' padding and from the border, as a share of the
    square's side (two neighbours are twice that apart). Returns (triangles (F, 3, 2) in 0..1, the square's sides per
    unit).
    """
    count = int(chart.max()) + 1
    sides = uv_triangles[:, 1:] - uv_triangles[:, :1]
    area = max(0.5 * float(np.abs(np.cross(sides[:, 0], sides[:, 1])).sum()), 1e-24)
    reach = int(np.ceil(padding_share * GRID))
    fine = FINE / np.sqrt(area)
    drawn = _outlines(uv_triangles, chart, count, fine)
    best: tuple[float, list[_Outline], Ints] | None = None
    low, high = 0.0, np.inf
    scale = GRID * np.sqrt(0.66 / area)
    for _ in range(ATTEMPTS):
        outlines = [_resampled(one, scale / fine, reach) for one in drawn]
        heights = np.array([one.height for one in outlines])
        widths = np.array([len(one.low) for one in outlines])
        places = None
        if max(heights.max(), widths.max()) <= GRID:
            for key in (heights, widths * heights, np.maximum(heights, widths), widths):
                places = _try(outlines, np.argsort(-key, kind="stable"))
                if places is not None:
                    break
        if places is not None:
            best, low = (scale, outlines, places), scale
        else:
            high = scale
        if best is not None and high < 1.015 * low:
            break
        if low == 0.0:
            scale *= 0.85
        elif not np.isfinite(high):
            scale *= 1.08
        else:
            scale = float(np.sqrt(low * high))
    if best is None:
        # Very many charts: padding alone fills the square at this size. Halve it rather than fail.
        return pack(uv_triangles, chart, 0.5 * padding_share if reach > 1 else 0.0)
    scale, outlines, places = best
    shift = np.stack([one.origin for one in outlines]) + places
    return (uv_triangles * scale + shift[chart][:, None, :]) / GRID, float(scale / GRID)
