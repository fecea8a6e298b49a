# SPDX-License-Identifier: GPL-3.0-or-later
"""Points on the surface of each primitive in its own frame, and the radius of its bounding sphere.

Used to find the bounding box and sphere of an object without a grid. The points include each shape's extremes along
its axes; between them they are a few degrees apart, so that extents are right to about one per cent.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from . import model as m

Points = npt.NDArray[np.float64]


@cache
def _circle(count: int) -> Points:
    a = np.arange(count) * (2 * np.pi / count)
    return np.stack([np.cos(a), np.sin(a)], axis=1)


@cache
def _sphere() -> Points:
    latitudes = np.linspace(-np.pi / 2, np.pi / 2, 9)
    rings = [np.concatenate([_circle(16) * np.cos(v), np.full((16, 1), np.sin(v))], axis=1) for v in latitudes[1:-1]]
    return np.concatenate([*rings, [[0, 0, 1.0], [0, 0, -1.0]]])


def _rings(profile: list[tuple[float, float]]) -> Points:
    """Circles of (radius, height) about Z."""
    return np.concatenate([np.concatenate([_circle(24) * r, np.full((24, 1), z)], axis=1) for r, z in profile])


@cache
def _box() -> Points:
    g = np.linspace(-1, 1, 3)
    p = np.stack(np.meshgrid(g, g, g, indexing="ij"), axis=-1).reshape(-1, 3)
    return p[np.abs(p).max(axis=1) == 1]


def local_surface(kind: int, dims: Points, rounding: float) -> Points:
    """(N, 3) points on the surface of a primitive of this type, in its own frame."""
    a, b, c, d = (float(v) for v in dims)
    if kind == m.SPHERE:
        return _sphere() * a
    if kind == m.ELLIPSOID:
        return _sphere() * [a, b, c]
    if kind == m.BOX:
        # A rounded box is its inner box with a ball at every point: push the corners out along the sphere.
        inner = np.array([a, b, c]) - rounding
        flat = _box() * np.array([a, b, c])
        if rounding <= 0:
            return flat
        corners = _box()[(np.abs(_box()) == 1).sum(axis=1) == 3]
        balls = (corners[:, None] * inner + _sphere()[None] * rounding).reshape(-1, 3)
        return np.concatenate([flat[(np.abs(_box()) == 1).sum(axis=1) == 1], balls])
    if kind == m.CYLINDER:
        r = rounding
        k = r * (1 - np.sqrt(0.5))
        return _rings([(a, b - r), (a, r - b), (a - r, b), (a - r, -b), (a - k, b - k), (a - k, k - b), (a, 0.0)])
    if kind == m.CONE:
        return np.concatenate([_rings([(a, -c), ((a + b) / 2, 0.0), (b, c)]), [[0, 0, -c], [0, 0, c]]])
    if kind == m.ROUND_CONE:
        return np.concatenate([_sphere() * a, _sphere() * b + [0, 0, c]])
    if kind == m.TORUS:
        return _rings([(a + b * x, b * z) for x, z in _circle(8)])
    if kind == m.ARC:
        half = np.arctan2(c, d)
        angles = np.linspace(-half, half, 17)
        centres = np.stack([np.sin(angles), np.cos(angles), np.zeros(17)], axis=1) * a
        return (centres[:, None] + _sphere()[None] * b).reshape(-1, 3)
    if kind == m.PRISM:
        # Two triangles in XZ, at y = -c and c.
        t = np.array([[-a, -b], [0, -b], [a, -b], [0, b], [a / 2, 0], [-a / 2, 0]])
        corners = np.concatenate([np.column_stack([t[:, 0], np.full(6, y), t[:, 1]]) for y in (-c, c)])
        if rounding <= 0:
            return corners
        return (corners[:, None] + _sphere()[None] * rounding).reshape(-1, 3)
    if kind == m.PYRAMID:
        base = [[x * a, y * b, -c] for x in (-1, 0, 1) for y in (-1, 0, 1)]
        return np.array([*base, [0, 0, c], *[[x * a / 2, y * b / 2, 0] for x in (-1, 1) for y in (-1, 1)]])
    if kind == m.CAP:
        # The part of a sphere of radius a above the height b.
        heights = np.linspace(b, a, 7)
        return _rings([(float(np.sqrt(max(a * a - z * z, 0))), float(z)) for z in heights])
    if kind == m.STAR:
        angles = np.arange(10) * np.pi / 5 + np.pi / 2
        radius = np.where(np.arange(10) % 2 == 0, a, b)
        return np.concatenate(
            [np.column_stack([np.cos(angles) * radius, np.full(10, y), np.sin(angles) * radius]) for y in (-c, c)]
        )
    raise ValueError(f"no primitive type {kind}")


def local_bound(kind: int, dims: Points, rounding: float) -> tuple[Points, float]:
    """Centre (3,) and radius of a sphere about the primitive, in its own frame."""
    a, b, c, _ = (float(v) for v in dims)
    centre = np.zeros(3)
    if kind == m.SPHERE:
        radius = a
    elif kind == m.ELLIPSOID:
        radius = max(a, b, c)
    elif kind == m.BOX:
        radius = float(np.linalg.norm([a, b, c]))
    elif kind == m.CYLINDER:
        radius = float(np.hypot(a, b))
    elif kind == m.CONE:
        radius = float(np.hypot(max(a, b), c)) + rounding
    elif kind == m.ROUND_CONE:
        lowest, highest = min(-a, c - b), max(a, c + b)
        centre[2] = (lowest + highest) / 2
        radius = max((highest - lowest) / 2, max(a, b))
        radius = max(radius, centre[2] + a, abs(c - centre[2]) + b)
    elif kind in (m.TORUS, m.ARC):
        radius = a + b
    elif kind == m.PRISM:
        radius = float(np.linalg.norm([a, b, c])) + rounding
    elif kind == m.PYRAMID:
        radius = float(np.linalg.norm([a, b, c]))
    elif kind == m.CAP:
        radius = a
    elif kind == m.STAR:
        radius = float(np.hypot(a, c))
    else:
        raise ValueError(f"no primitive type {kind}")
    return centre, radius
