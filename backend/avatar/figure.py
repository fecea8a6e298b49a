# SPDX-License-Identifier: GPL-3.0-or-later
"""A dressed figure as closed, coloured parts: the skin with its clothes grown on it, and solids worn over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.spatial import cKDTree

from backend.avatar.body import Body, BodyAsset, skin
from backend.avatar.landmarks import INDEX, Landmarks, fields, landmarks
from backend.avatar.look import Look
from backend.avatar.patterns import Paint
from backend.avatar.solids import Doubles, Solid
from backend.geometry.mesh import vertex_normals

Array = NDArray[Any]
Ints = NDArray[Any]

HANGS = "hangs"


@dataclass(frozen=True, eq=False)
class Part:
    """One closed solid of a figure.

    vertices (V, 3) float64 metres, at rest; triangles (F, 3) int32, outward; fields (V, C) float32, first the place at
    rest; paint maps fields (N, C) to sRGB colours (N, 3); source (V,) the body's vertex whose joints each vertex
    follows; name for reading. follow: the joint that it follows rigidly, HANGS for what hangs from the hips over both
    legs, "" for what follows the skin.
    """

    name: str
    vertices: Doubles
    triangles: NDArray[np.int32]
    fields: NDArray[np.float32]
    paint: Paint
    source: NDArray[np.int64]
    follow: str = ""

    def posed(self, body: Body, transforms: Doubles) -> NDArray[np.float32]:
        """(V, 3) vertices after skinning with the body's transforms (J, 4, 4)."""
        weights, joints = body.asset.weights[self.source], body.asset.weight_joints[self.source]
        return skin(self.vertices.astype(np.float32), weights, joints, transforms)


@dataclass(frozen=True, eq=False)
class Figure:
    """A dressed body: its parts at rest, the skin first."""

    body: Body
    look: Look
    parts: tuple[Part, ...]

    def joined(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """(vertices (V, 3), triangles (F, 3)) of all parts at rest in one list."""
        starts = np.cumsum([0, *(len(part.vertices) for part in self.parts)])
        triangles = [part.triangles + start for part, start in zip(self.parts, starts[:-1], strict=True)]
        vertices = np.concatenate([part.vertices for part in self.parts])
        return vertices.astype(np.float32), np.concatenate(triangles).astype(np.int32)

    def colours_at(self, part: Ints, fields: Array) -> Array:
        """(N, 3) sRGB in 0..1 at places given as the number of their part (N,) and interpolated fields (N, C)."""
        out = np.zeros((len(part), 3))
        for number, one in enumerate(self.parts):
            mine = part == number
            if mine.any():
                out[mine] = np.clip(one.paint(fields[mine]), 0, 1)
        return out


@dataclass(eq=False)
class Fitting:
    """The body that things are cut to: its surface as clothed so far, and how to measure it.

    body, marks, fields: the bare body. clothed (V, 3): the skin with what is worn on it up to now. extra: solids that
    were added.
    """

    body: Body
    look: Look
    marks: Landmarks = field(init=False)
    fields: NDArray[np.float32] = field(init=False)
    clothed: Doubles = field(init=False)
    normals: Doubles = field(init=False)
    extra: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.marks = landmarks(self.body)
        self.fields = fields(self.body, self.marks)
        self.clothed = self.body.vertices.astype(np.float64)
        self.normals = vertex_normals(self.body.vertices, self.body.asset.triangles).astype(np.float64)

    def get(self, name: str) -> Array:
        return self.fields[:, INDEX[name]]

    def joint(self, name: str) -> Doubles:
        """(3,) where a bone begins."""
        return self.body.heads[self.body.asset.joint(name)]

    def height_of(self, level: float) -> float:
        """Metres above the floor of a `level`."""
        return float(np.interp(level, np.arange(8.0), self.marks.levels))

    def section(self, z: float) -> tuple[float, float, float]:
        """(middle y, half width in x, half depth in y) of the clothed trunk or legs at a height, without the arms."""
        reach = 0.015 * self.body.height
        near = (np.abs(self.clothed[:, 2] - z) < reach) & (self.get("arm") < 0.02)
        if near.sum() < 8:
            return 0.0, 0.05, 0.05
        points = self.clothed[near]
        low, high = points[:, 1].min(), points[:, 1].max()
        return float((low + high) / 2), float(np.abs(points[:, 0]).max()), float((high - low) / 2)

    def add(self, name: str, solid: Solid, paint: Callable[[Array], Array], follow: str | None = None) -> None:
        """Adds a solid; it follows one joint rigidly, HANGS from the hips, or where `follow` is None goes with the
        nearest skin off the arms."""
        vertices, triangles = solid
        asset = self.body.asset
        if follow is not None and follow != HANGS:
            joint = asset.joint(follow)
            share = np.where(asset.weight_joints[:, 0] == joint, asset.weights[:, 0], 0)
            source = np.full(len(vertices), int(np.argmax(share)))
        else:
            source = self.nearest(vertices)
        self.extra.append(Part(name, vertices, triangles, self.fields_at(vertices), paint, source, follow or ""))

    def nearest(self, points: Doubles) -> NDArray[np.int64]:
        """(N,) the nearest vertex of the body off the arms."""
        off = np.flatnonzero(self.get("arm") < 0.0)
        _, found = cKDTree(self.body.vertices[off]).query(points)
        return off[found]

    def fields_at(self, points: Doubles) -> NDArray[np.float32]:
        """(N, C) the fields of places off the skin: those that follow from the place alone."""
        out = np.zeros((len(points), len(INDEX)), np.float32)
        out[:, :3] = points
        out[:, INDEX["level"]] = np.interp(points[:, 2], self.marks.levels, np.arange(8.0))
        out[:, INDEX["arm"]] = -1.0
        neck, head = self.joint("Neck"), self.joint("Head")
        out[:, INDEX["neck"]] = (points - neck) @ (head - neck) / ((head - neck) @ (head - neck))
        between = self.marks.eyes.mean(0)
        out[:, INDEX["face_x"] : INDEX["face_z"] + 1] = (points - between) / self.marks.gaze
        out[:, INDEX["eye"]] = -1.0
        out[:, INDEX["turn"]] = np.arctan2(points[:, 0], -(points[:, 1] - self.joint("Spine1")[1]))
        return out


@lru_cache(maxsize=2)
def _neighbours(asset: BodyAsset) -> csr_matrix:
    """(V, V) 1 where two vertices of the body share an edge."""
    count, triangles = len(asset.weights), asset.triangles
    a, b = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    ends = (np.concatenate([a, b]), np.concatenate([b, a]))
    matrix = coo_matrix((np.ones(2 * len(a)), ends), shape=(count, count)).tocsr()
    matrix.data[:] = 1.0
    return matrix


def smoothed(points: Doubles, asset: BodyAsset, where: NDArray[np.bool_], rounds: int) -> Doubles:
    """The body's points (V, 3) with those `where` moved half of the way to the mean of their neighbours, `rounds`
    times."""
    rows = _neighbours(asset)[where]
    degree = np.asarray(rows.sum(1))
    out = points.copy()
    for _ in range(rounds):
        out[where] = 0.5 * out[where] + 0.5 * (rows @ out) / degree
    return out
