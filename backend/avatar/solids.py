# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed solids that people wear: turned profiles (hats, skirts), tubes (tails, straps), lumps and shells of the skin.

Every maker returns (vertices (V, 3) float64, triangles (F, 3) int32), closed and wound outward, in metres.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Solid = tuple[Doubles, NDArray[np.int32]]


def rings(sections: Sequence[Doubles]) -> Solid:
    """The solid between closed rings (each (N, 3), counter-clockwise seen from where the rings come), with a fan at
    either end."""
    count = len(sections[0])
    points = [*sections, sections[0].mean(0)[None], sections[-1].mean(0)[None]]
    vertices = np.concatenate(points)
    i = np.arange(count)
    j = (i + 1) % count
    faces = []
    for k in range(len(sections) - 1):
        a, b = k * count, (k + 1) * count
        faces += [np.stack([a + i, a + j, b + j], 1), np.stack([a + i, b + j, b + i], 1)]
    first, last = len(sections) * count, len(sections) * count + 1
    end = (len(sections) - 1) * count
    faces += [np.stack([j, i, np.full(count, first)], 1), np.stack([end + i, end + j, np.full(count, last)], 1)]
    return vertices, np.concatenate(faces).astype(np.int32)


def lathe(
    profile: Sequence[tuple[float, float]], centre: npt.ArrayLike, radii: Sequence[float], tilt: float = 0.0,
    around: int = 40, shift: Sequence[float] | None = None,
) -> Solid:  # fmt: skip
    """A turned profile: rows (radius, height) from one end of the outline to the other, radius in units of
    `radii` (x, y), height in metres above `centre`. A profile that comes back inside makes a hollow. `tilt` leans it
    back, radians about x; `shift` (rows) moves rows back along y, metres."""
    angle = np.arange(around) * 2 * np.pi / around
    sections = []
    for row, (radius, height) in enumerate(profile):
        r = max(radius, 1e-3)
        back = 0.0 if shift is None else shift[row]
        sections.append(np.stack([r * radii[0] * np.cos(angle), r * radii[1] * np.sin(angle) + back,
                                  np.full(around, height)], 1))  # fmt: skip
    vertices, faces = rings(sections)
    c, s = np.cos(tilt), -np.sin(tilt)
    vertices = vertices @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]).T + np.asarray(centre, float)
    return outward(vertices, faces)


def tube(points: npt.ArrayLike, radii: Sequence[float], flat: float = 1.0, around: int = 16) -> Solid:
    """A tube through points (N, 3) with a radius at each and round ends; `flat` squeezes it along y."""
    path = np.asarray(points, float)
    radius = np.asarray(radii, float)
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(tangent, [0.0, 1.0, 0.0])
    weak = np.linalg.norm(side, axis=1) < 1e-3
    side[weak] = np.cross(tangent[weak], [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(side, tangent)
    angle = np.arange(around) * 2 * np.pi / around
    sections = []
    caps = [(-1, 0.0), (-0.7, 0.7)], [(0.7, 0.7), (1, 0.0)]
    for i in range(len(path)):
        rows = [(0.0, 1.0)]
        rows = [*(caps[0] if i == 0 else []), *rows, *(caps[1] if i == len(path) - 1 else [])]
        for out, share in rows:
            r = radius[i] * max(share, 0.02)
            ring = np.cos(angle)[:, None] * side[i] * r + np.sin(angle)[:, None] * other[i] * r * flat
            sections.append(path[i] + tangent[i] * radius[i] * out * 0.999 + ring)
    return outward(*rings(sections))


def lump(centre: npt.ArrayLike, radii: npt.ArrayLike, power: float = 2.0, around: int = 24) -> Solid:
    """An ellipsoid, or with a higher `power` (to 8) something like a box with round edges."""
    polar = np.linspace(0.02, np.pi - 0.02, around // 2 + 1)
    angle = np.arange(around) * 2 * np.pi / around

    def bent(value: Doubles) -> Doubles:
        return np.sign(value) * np.abs(value) ** (2.0 / power)

    sections = []
    for p in polar[::-1]:
        r, height = bent(np.array([np.sin(p), np.cos(p)]))
        ring = np.stack([r * bent(np.cos(angle)), r * bent(np.sin(angle)), np.full(around, height)], 1)
        sections.append(ring * np.asarray(radii, float) + np.asarray(centre, float))
    return outward(*rings(sections))


def shell(
    triangles: NDArray[np.int32], chosen: NDArray[np.bool_], outer: Doubles, inner: Doubles
) -> tuple[Doubles, NDArray[np.int32], NDArray[np.int64]]:
    """The chosen faces (F,) of a closed mesh as a solid between two copies, `outer` and `inner` (V, 3), joined along
    the border. Returns also the vertex of the mesh that each of its vertices comes from."""
    faces = triangles[chosen]
    used, local = np.unique(faces, return_inverse=True)
    local = local.reshape(-1, 3)
    n = len(used)
    start, end = local.ravel(), np.roll(local, -1, axis=1).ravel()
    keys, back = start * n + end, end * n + start
    border = ~np.isin(keys, back)
    a, b = start[border], end[border]
    sides = np.concatenate([np.stack([a, a + n, b + n], 1), np.stack([a, b + n, b], 1)])
    out = np.concatenate([local, local[:, ::-1] + n, sides]).astype(np.int32)
    return np.concatenate([outer[used], inner[used]]), out, np.concatenate([used, used])


def outward(vertices: Doubles, faces: NDArray[np.int32]) -> Solid:
    """The same closed solid with its faces turned so that its volume is positive."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    if float((a * np.cross(b, c)).sum()) < 0:
        return vertices, np.ascontiguousarray(faces[:, ::-1])
    return vertices, faces
