# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh made ready for rigging: checked, of a handy size, turned to look along -Y, with its outside as points.

Whatever scale, place and facing it came in, everything inside works in one frame (Z up, facing -Y, standing on z = 0,
centred, its longest side `SIZE`), and `Frame` brings skeletons back. What cannot be rigged is refused with advice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.rigging.voxels import Solid, voxelise
from protocol.errors import BadRequest, TooLarge
from protocol.skeleton import Skeleton

SIZE = 1.7  # metres; of the longest side
MOST_FACES = 2_000_000
TURNS = {"-y": 0, "+x": 1, "+y": 2, "-x": 3}  # quarter turns about Z, seen from above clockwise, that bring it to -Y
RESOLUTION = 96
MOST_VOXELS = 40_000
FLATTEST = 2e-3  # of the longest side; below, a mesh is a sheet

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Frame:
    """mesh point = middle + turn^T @ point / scale. turn (3, 3) about Z; scale: working metres per mesh unit."""

    middle: Floats
    turn: Floats
    scale: float

    def inward(self, points: NDArray[np.floating]) -> Floats:
        """Points (N, 3) of the mesh's frame in the working frame."""
        return np.asarray((np.asarray(points, np.float64) - self.middle) @ self.turn.T * self.scale)

    def outward(self, skeleton: Skeleton) -> Skeleton:
        """A skeleton of the working frame in the mesh's."""
        heads, tails = (np.asarray(ends, np.float64) @ self.turn / self.scale + self.middle
                        for ends in (skeleton.heads, skeleton.tails))
        return Skeleton(heads.astype(np.float32), tails.astype(np.float32),
                        (self.turn.T @ skeleton.rotations).astype(np.float32), skeleton.parents, skeleton.names)


@dataclass(frozen=True, eq=False)
class Intake:
    """vertices (V, 3) and faces (F, 3) in the working frame; frame: how they got there; solid: of the mesh; points,
    normals (N, 3): evenly over its outside; notes: what a user should know."""

    vertices: Floats
    faces: NDArray[np.int64]
    frame: Frame
    solid: Solid
    points: Floats
    normals: Floats
    notes: tuple[str, ...]

    def turned(self, quarters: int) -> Intake:
        """The same seen from another side: turned by so many more quarters, clockwise seen from above."""
        if quarters % 4 == 0:
            return self
        return _made(self.vertices @ _about_z(quarters).T, self.faces,
                     Frame(self.frame.middle, _about_z(quarters) @ self.frame.turn, self.frame.scale), self.notes)


def take_in(vertices: NDArray[np.floating], faces: NDArray[np.integer], front: str = "-y") -> Intake:
    """Checks and frames a mesh that looks to `front`. Raises BadRequest or TooLarge with advice."""
    points, triangles = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    if len(triangles) > MOST_FACES:
        raise TooLarge(f"The mesh has {len(triangles):,} triangles, at most {MOST_FACES:,} can be rigged.",
                       path="inputs.faces", hint="Decimate the mesh, or rig it below its subdivision modifier.",
                       detail={"limit": MOST_FACES, "got": len(triangles)})
    if triangles.min() < 0 or triangles.max() >= len(points):
        raise BadRequest(f"faces name vertices {triangles.min()} to {triangles.max()}, there are {len(points)}.",
                         path="inputs.faces")
    if not np.isfinite(points).all():
        raise BadRequest("Some vertices are not finite.", path="inputs.vertices",
                         hint="Delete them, or apply Mesh > Clean Up.")
    used = np.zeros(len(points), bool)
    used[triangles] = True
    low, high = points[used].min(0), points[used].max(0)
    extent = high - low
    longest = float(extent.max())
    # Single precision far from the origin leaves steps; with under a thousand of them along the body nothing is right.
    if longest <= 0 or longest < 1e3 * np.spacing(np.float32(np.abs(points[used]).max())):
        raise BadRequest("The mesh has no size, or lies so far from its origin that its shape is lost in rounding.",
                         path="inputs.vertices",
                         hint="In Blender: Object > Set Origin > Origin to Geometry, then try again.")
    notes = []
    if np.sort(extent)[0] < FLATTEST * longest:
        notes.append("The mesh is flat; its weights are those of a thin sheet.")
    loose = int((~used).sum())
    if loose:
        notes.append(f"{loose} vertices belong to no face; they follow the nearest part.")
    middle = np.array([0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]), low[2]])
    frame = Frame(middle, _about_z(TURNS[front]), SIZE / longest)
    return _made(frame.inward(points), triangles, frame, tuple(notes))


def _made(vertices: Floats, faces: NDArray[np.int64], frame: Frame, notes: tuple[str, ...]) -> Intake:
    used = np.unique(faces)
    number = np.zeros(len(vertices), np.int64)
    number[used] = np.arange(len(used))
    solid = voxelise(vertices[used], number[faces], RESOLUTION)
    if len(solid) > MOST_VOXELS:  # a chunky shape is known well enough with larger ones
        share = (MOST_VOXELS / len(solid)) ** (1 / 3)
        solid = voxelise(vertices[used], number[faces], max(int(RESOLUTION * share), 32))
    points, normals = outside(vertices, faces, solid)
    return Intake(vertices, faces, frame, solid, points, normals, notes)


def outside(vertices: Floats, faces: NDArray[np.integer], solid: Solid, count: int = 3000) -> tuple[Floats, Floats]:
    """(points (N, 3), unit normals (N, 3)) evenly over what is seen of a mesh, about `count`; normals point out of the
    solid however the faces are wound, and surfaces deep inside are left out."""
    corners = vertices[faces]
    vector = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(vector, axis=1)
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(faces), 4 * count, p=area / area.sum())
    u = rng.random((4 * count, 2))
    u = np.where(u.sum(1, keepdims=True) > 1, 1 - u, u)
    points = np.einsum("nk,nki->ni", np.c_[1 - u.sum(1), u], corners[chosen])
    normals = vector[chosen] / np.maximum(area[chosen], 1e-30)[:, None]
    limit = np.array(solid.mask.shape) - 1

    def inside(way: float) -> NDArray[np.int64]:
        """How many of three places that way, some voxels off, are inside."""
        off = points + way * solid.size * np.array([1.6, 2.4, 3.2])[:, None, None] * normals
        cell = np.clip(np.floor((off - solid.corner) / solid.size).astype(int), 0, limit)
        return np.asarray(solid.mask[tuple(np.moveaxis(cell, -1, 0))].sum(0))

    ahead, behind = inside(1.0), inside(-1.0)
    normals = np.where((ahead > behind)[:, None], -normals, normals)
    seen = np.flatnonzero(np.minimum(ahead, behind) < 2)
    if len(seen) < count // 4:
        seen = np.arange(len(points))
    kept = seen[:count]
    return points[kept], normals[kept]


def _about_z(quarters: int) -> Floats:
    """Clockwise seen from above."""
    c, s = [(1, 0), (0, -1), (-1, 0), (0, 1)][quarters % 4]
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
