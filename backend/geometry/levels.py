# SPDX-License-Identifier: GPL-3.0-or-later
"""Where is the surface of a density field? Choosing a threshold, and making the inside solid.

Fixed thresholds are what users of text-to-3D systems turn most often (reference, section 2.7: 10 too low, 25 too
high, and an empty mesh in between). Here the field says it itself: Otsu's split of its own histogram, or the level at
which the inside fills a known share of the box; then lower and lower candidates until something is there. The inside
is made solid on the grid graph: specks and what touches only the border are dropped, cavities that no camera sees are
filled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from protocol.errors import EmptySurface

# Each retry halves the threshold (the reference's users went 25 -> 10 -> 5); 2^-8 of the first guess is fog, not an
# object.
MOST_RETRIES = 8
LEAST_INSIDE = 24  # grid vertices: about a ball of two cells' radius, the smallest thing that survives cleaning
MOST_INSIDE = 0.7  # share of the box: beyond it the level encloses fog, not an object


@dataclass(frozen=True)
class Level:
    """A chosen threshold: inside (V,) bool is solid and free of specks; `tried` are the thresholds that were
    refused."""

    threshold: float
    inside: NDArray[np.bool_]
    tried: tuple[float, ...]


def otsu(density: NDArray[np.float32]) -> float:
    """The density that best splits a field into empty and full (Otsu 1979) on log(1 + density), with 256 bins.

    Densities span four decades, so the split is sought on a logarithmic scale; exact zeros count as empty.
    """
    values = np.log1p(np.maximum(np.asarray(density, np.float64), 0.0))
    top = float(values.max(initial=0.0))
    if top <= 0.0:
        return 0.0
    counts, edges = np.histogram(values, bins=256, range=(0.0, top))
    middle = 0.5 * (edges[1:] + edges[:-1])
    below = np.cumsum(counts)[:-1].astype(np.float64)
    above = counts.sum() - below
    total = np.cumsum(counts * middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (total[:-1] / below - (total[-1] - total[:-1]) / above) ** 2
    between = np.nan_to_num(between, nan=-1.0)
    # Empty bins between two clusters tie exactly: take the middle of the plateau, the widest margin to both.
    best = np.flatnonzero(between >= between.max() * (1.0 - 1e-12))
    return float(np.expm1(edges[1:-1][(best[0] + best[-1]) // 2]))


def solidify(
    inside: NDArray[np.bool_], edges: NDArray[np.int32], border: NDArray[np.bool_], smallest_share: float = 0.02
) -> NDArray[np.bool_]:
    """`inside` (V,) without specks and cavities.

    Vertices on the border become outside. Parts smaller than `smallest_share` of the largest are dropped. Outside
    vertices with no way to the border along `edges` (E, 2) become inside.
    """
    solid = inside & ~border
    same = solid[edges[:, 0]] == solid[edges[:, 1]]
    a, b = edges[same].T
    graph = coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(len(solid), len(solid)))
    _, label = connected_components(graph, directed=False)
    size = np.bincount(label)
    is_inside = np.zeros(len(size), bool)
    is_inside[label[solid]] = True
    if not is_inside.any():
        return solid
    speck = is_inside & (size < smallest_share * size[is_inside].max())
    open_air = np.zeros(len(size), bool)
    open_air[label[border]] = True
    cavity = ~is_inside & ~open_air
    if speck.any():
        # A cavity inside a dropped speck must not stay behind as a part of its own.
        return solidify(solid & ~speck[label], edges, border, 0.0)
    return solid | cavity[label]


def find_level(
    density: NDArray[np.float32],
    edges: NDArray[np.int32],
    border: NDArray[np.bool_],
    threshold: float | None = None,
    target_fraction: float | None = None,
    smallest_share: float = 0.02,
    vertex_share: float | None = None,
) -> Level:
    """Choose the threshold of a field sampled at the grid vertices, density (V,) >= 0.

    threshold: a wish, tried first. target_fraction: the share of the box that the object fills (for example the
    visual hull of the rendered opacity); the solid inside is matched to it. Neither: Otsu's split. A level that
    encloses nothing is halved up to eight times, one that encloses most of the box is doubled; then `EmptySurface`,
    which says what to change. vertex_share: the share of the box that one inner vertex stands for (default: one in
    V).
    """
    if not np.isfinite(density).all():
        raise EmptySurface(
            "The density field has values that are not finite, so it has no surface.",
            hint="The coarse stage diverged: lower its learning rate or choose another seed.",
            detail={"finite_share": float(np.isfinite(density).mean())},
        )
    highest = float(density.max(initial=0.0))
    unit = 1.0 / len(density) if vertex_share is None else vertex_share

    def solid_at(level: float) -> NDArray[np.bool_]:
        return solidify(density > level, edges, border, smallest_share)

    if threshold is not None:
        level = float(threshold)
    elif target_fraction is not None and highest > 0.0:
        level = _level_of_count(density, solid_at, target_fraction / unit)
    else:
        level = otsu(density[~border])
    tried: list[float] = []
    if level > 0.0:
        while len(tried) <= MOST_RETRIES:
            inside = solid_at(level)
            share = float(inside.sum()) * unit
            if share > MOST_INSIDE and not (tried and tried[-1] > level):
                tried.append(level)
                level *= 2.0
            elif inside.sum() < LEAST_INSIDE and not (tried and tried[-1] < level):
                tried.append(level)
                level *= 0.5
            elif inside.sum() >= LEAST_INSIDE and share <= MOST_INSIDE:
                return Level(level, inside, tuple(tried))
            else:
                break
    raise EmptySurface(
        f"The density field has no surface: its highest value is {highest:.3g}, and of the thresholds tried"
        f" ({', '.join(f'{t:.3g}' for t in tried) or 'none, the field is empty'}) none encloses an object.",
        hint="Run more coarse steps, raise the guidance scale or choose another seed; a prompt that names one solid"
        " object helps most.",
        detail={"highest_density": highest, "tried": list(tried)},
    )


def _level_of_count(
    density: NDArray[np.float32], solid_at: Callable[[float], NDArray[np.bool_]], target: float
) -> float:
    """Bisection on a logarithmic scale: the solid share falls as the level rises (up to cavities that open)."""
    highest = float(density.max())
    low, high = np.log(highest * 1e-4), np.log(highest)
    for _ in range(14):
        middle = 0.5 * (low + high)
        if float(solid_at(float(np.exp(middle))).sum()) > target:
            low = middle
        else:
            high = middle
    return float(np.exp(0.5 * (low + high)))
