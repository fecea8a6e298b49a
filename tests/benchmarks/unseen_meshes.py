# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten meshes that no prior of ours was trained on, as artists bring them: swept, turned, extruded, low and high poly.

Seven are made here and of no kind that the shipped priors were taught. Three are models of `../shared/data/rigging`
beside the repository; where that folder is absent, three more made here stand in for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import trimesh
from skimage.measure import marching_cubes

from backend.geometry.mesh import Mesh

MODELS = Path(__file__).resolve().parents[3] / "shared" / "data" / "rigging"


def swept(path: np.ndarray, radius: np.ndarray, sides: int = 14, closed: bool = True) -> trimesh.Trimesh:
    """A tube along points (N, 3) with a radius (N,) each."""
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    if not closed:
        ahead[0], ahead[-1] = path[1] - path[0], path[-1] - path[-2]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    side = np.cross(ahead, [0.0, 0.3, 1.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, ahead)
    angle = np.arange(sides) * (2 * math.pi / sides)
    ring = side[:, None] * np.cos(angle)[None, :, None] + up[:, None] * np.sin(angle)[None, :, None]
    points = path[:, None] + ring * radius[:, None, None]
    count = len(path)
    rows, columns = np.meshgrid(np.arange(count if closed else count - 1), np.arange(sides), indexing="ij")
    here, along = rows * sides + columns, (rows + 1) % count * sides + columns
    turn = (columns + 1) % sides
    right, beyond = rows * sides + turn, (rows + 1) % count * sides + turn
    faces = np.concatenate([np.stack([here, right, beyond], -1).reshape(-1, 3),
                            np.stack([here, beyond, along], -1).reshape(-1, 3)])
    places = points.reshape(-1, 3)
    if not closed:  # a lid on both ends
        ends = [(len(places), np.arange(sides)), (len(places) + 1, (count - 1) * sides + np.arange(sides))]
        lids = [np.stack([np.full(sides, middle), rim, np.roll(rim, -1)], 1) for middle, rim in ends]
        places, faces = np.concatenate([places, path[[0, -1]]]), np.concatenate([faces, *lids])
    made = trimesh.Trimesh(places, faces, process=False)
    made.fix_normals()
    return made


def torus_knot() -> trimesh.Trimesh:
    t = np.linspace(0, 2 * math.pi, 220, endpoint=False)
    around = 2.0 + np.cos(3 * t)
    path = np.stack([around * np.cos(2 * t), around * np.sin(2 * t), 1.2 * np.sin(3 * t)], 1)
    return swept(path[:, [0, 2, 1]], np.full(len(t), 0.55))


def gear_wheel() -> trimesh.Trimesh:
    corners = []
    for tooth in range(10):
        for step, radius in ((0.0, 0.78), (0.2, 1.0), (0.5, 1.0), (0.7, 0.78)):
            angle = (tooth + step) * 2 * math.pi / 10
            corners.append((radius * math.cos(angle), radius * math.sin(angle)))
    hole = [(0.3 * math.cos(a), 0.3 * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 24, endpoint=False)]
    count, inner = len(corners), len(hole)
    ring = np.array(corners + hole)
    # Walls, and lids as strips between outline and hole by angle.
    order_out = np.arctan2(ring[:count, 1], ring[:count, 0])
    order_in = np.arctan2(ring[count:, 1], ring[count:, 0])
    lid, i, j = [], 0, 0
    out_angle, in_angle = np.unwrap(order_out - order_out[0]), np.unwrap(order_in - order_in[0])
    while i < count or j < inner:
        if j >= inner or (i < count and out_angle[i] <= in_angle[j]):
            lid.append((i % count, (i + 1) % count, count + j % inner))
            i += 1
        else:
            lid.append((i % count, count + (j + 1) % inner, count + j % inner))
            j += 1
    top = np.column_stack([ring, np.full(len(ring), 0.22)])
    points = np.concatenate([top, top * (1, 1, -1)])
    faces = [*lid, *((a + len(ring), c + len(ring), b + len(ring)) for a, b, c in lid)]
    for start, size in ((0, count), (count, inner)):
        for k in range(size):
            a, b = start + k, start + (k + 1) % size
            faces += [(a, a + len(ring), b + len(ring)), (a, b + len(ring), b)]
    made = trimesh.Trimesh(points[:, [0, 2, 1]], np.array(faces), process=False)
    made.fix_normals()
    return made.subdivide().subdivide()


def boulder() -> trimesh.Trimesh:
    made = trimesh.creation.icosphere(5)
    rng = np.random.default_rng(4)
    bump = np.zeros(len(made.vertices))
    for scale in (1.3, 2.6, 5.2):
        for _ in range(6):
            direction = rng.normal(size=3)
            bump += np.sin(made.vertices @ direction * scale + rng.uniform(0, 6)) * 0.11 / scale
    made.vertices = made.vertices * (1 + bump)[:, None] * (1.1, 0.9, 0.8)
    return made


def goblet() -> trimesh.Trimesh:
    line = [(0, 0), (0.55, 0), (0.6, 0.06), (0.2, 0.16), (0.12, 0.35), (0.12, 0.75), (0.3, 0.9), (0.6, 1.15),
            (0.72, 1.5), (0.7, 1.9), (0.64, 1.9), (0.64, 1.5), (0.5, 1.2), (0.2, 1.0), (0, 0.97)]
    return trimesh.creation.revolve(np.array(line), sections=40)


def dumbbell() -> trimesh.Trimesh:
    t = np.linspace(-1.5, 1.5, 90)
    radius = np.sqrt(np.clip(0.62**2 - (np.abs(t) - 0.85) ** 2, 0.0, None)).clip(0.2)
    radius[[0, -1]] = 0.02
    return swept(np.stack([t, np.zeros_like(t), np.zeros_like(t)], 1), radius, 28, closed=False)


def staircase() -> trimesh.Trimesh:
    blocks = [trimesh.creation.box((0.42, 1.3, 0.35 * (step + 1)),
                                   trimesh.transformations.translation_matrix((0.42 * step, 0, 0.175 * (step + 1))))
              for step in range(5)]
    return trimesh.util.concatenate(blocks).subdivide().subdivide()


def crystal() -> trimesh.Trimesh:
    rng = np.random.default_rng(2)
    points = [np.array([math.cos(a), math.sin(a), 0.0]) * rng.uniform(0.55, 0.75) + (0, 0, rng.uniform(-0.4, 0.8))
              for a in np.linspace(0, 6.28, 12, endpoint=False)]
    return trimesh.Trimesh([*points, (0.1, 0, 1.5), (-0.05, 0.1, -1.0)]).convex_hull.subdivide().subdivide()


def implicit(function: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> trimesh.Trimesh:
    """The zero level of a function of places in -1.5..1.5."""
    axis = np.linspace(-1.5, 1.5, 64)
    values = function(*np.meshgrid(axis, axis, axis, indexing="ij"))
    vertices, faces, _, _ = marching_cubes(values, 0.0, spacing=(axis[1] - axis[0],) * 3)
    made = trimesh.Trimesh(vertices, faces)
    made.fix_normals()
    return made


def heart() -> trimesh.Trimesh:
    return implicit(lambda x, y, z: (x**2 + 2.2 * y**2 + z**2 - 1) ** 3 - (x**2 + 0.12 * y**2) * z**3)


def pillow() -> trimesh.Trimesh:
    return implicit(lambda x, y, z: (np.abs(x) / 1.2) ** 4 + (np.abs(y) / 0.7) ** 2 + (np.abs(z) / 1.0) ** 4 - 1)


def arch() -> trimesh.Trimesh:
    t = np.linspace(0, math.pi, 60)
    return swept(np.stack([np.cos(t) * 1.1, 0 * t, np.sin(t) * 1.4], 1), np.full(60, 0.38), 4, closed=False)


def model(name: str) -> Callable[[], trimesh.Trimesh]:
    """One of the models, standing up and facing the front."""

    def load() -> trimesh.Trimesh:
        made = trimesh.load(MODELS / f"model-{name}.glb", force="mesh")
        made.apply_transform(trimesh.transformations.rotation_matrix(math.pi / 2, (1, 0, 0)))  # glTF: Y up
        return made

    return load


MADE: dict[str, Callable[[], trimesh.Trimesh]] = {
    "torus knot": torus_knot, "gear wheel": gear_wheel, "boulder": boulder, "goblet": goblet, "dumbbell": dumbbell,
    "staircase": staircase, "crystal": crystal,
}  # fmt: skip
MODELLED = {"fox": model("fox"), "horse": model("horse"), "human": model("human")}
INSTEAD = {"heart": heart, "arch": arch, "pillow": pillow}


def names() -> list[str]:
    """The ten meshes, with the models where their folder is there."""
    return [*MADE, *(MODELLED if MODELS.is_dir() else INSTEAD)]


def load(name: str) -> Mesh:
    """One of them, without UVs."""
    made = {**MADE, **MODELLED, **INSTEAD}[name]()
    made.merge_vertices(merge_tex=True, merge_norm=True)
    return Mesh(np.asarray(made.vertices, np.float32), np.ascontiguousarray(made.faces, np.int32))
