# SPDX-License-Identifier: GPL-3.0-or-later
"""How near is a mesh to the truth? F-score, volume IoU and Chamfer distance after the best alignment.

Everything is measured after both meshes are moved into the truth's frame: its bounding-sphere centre at the origin, its
bounding-sphere diameter as the unit of length. F-score@5 % is therefore the harmonic mean of precision and recall of
surface samples within tau = 0.05 of the truth's bounding-sphere diameter. The alignment may turn about Z, move and
scale evenly; it may not tilt, mirror or stretch, because a generated object must stand upright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backend.geometry.mesh import Mesh, face_areas, face_normals
from backend.geometry.raster_2d import barycentric, cover

Floats = NDArray[np.float64]

TAU = 0.05  # of the truth's bounding-sphere diameter


@dataclass(frozen=True)
class Comparison:
    """Scores after alignment. f_score, precision, recall, iou in 0..1; chamfer is the mean of both mean distances, in
    truth diameters; normal_agreement the mean |cos| between normals at nearest points. The alignment: truth frame
    point = scale * rotate_z(angle) point + shift.
    """

    f_score: float
    precision: float
    recall: float
    iou: float
    chamfer: float
    normal_agreement: float
    angle: float
    scale: float
    shift: tuple[float, float, float]
    tau: float = TAU


def sample_surface(mesh: Mesh, count: int, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """(points (count, 3), their face normals (count, 3)) uniformly by area."""
    points, face, _ = surface_places(mesh, count, generator)
    return points, face_normals(mesh.vertices, mesh.faces)[face]


def surface_places(
    mesh: Mesh, count: int, generator: np.random.Generator
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """(points (count, 3), their faces (count,), barycentric (count, 3)) uniformly by area."""
    area = face_areas(mesh.vertices, mesh.faces)
    ends = np.cumsum(area)
    if not len(area) or ends[-1] <= 0:
        raise ValueError("a mesh without area has no surface to sample")
    # Stratified: one sample for every equal share of the area, so that small parts are not left to luck.
    place = (np.arange(count) + generator.random(count)) / count * ends[-1]
    face = np.minimum(np.searchsorted(ends, place), len(area) - 1)
    r, s = np.sqrt(generator.random(count)), generator.random(count)
    weights = np.stack((1 - r, r * (1 - s), r * s), 1)
    corners = mesh.vertices.astype(np.float64)[mesh.faces[face]]
    return (corners * weights[:, :, None]).sum(1), face, weights


def bounding_sphere(points: Floats) -> tuple[Floats, float]:
    """(centre (3,), radius) of a nearly smallest enclosing ball: the box's middle, improved by Badoiu and Clarkson's
    steps.
    """
    centre = 0.5 * (points.min(0) + points.max(0))
    for step in range(200):
        away = points - centre
        far = int((away * away).sum(1).argmax())
        centre = centre + away[far] / (step + 2) * 0.5
    middle = 0.5 * (points.min(0) + points.max(0))
    radius, plain = (float(np.sqrt(((points - c) ** 2).sum(1).max())) for c in (centre, middle))
    return (centre, radius) if radius < plain else (middle, plain)


def voxelise(
    vertices: Floats, faces: NDArray[np.integer], low: Floats, side: float, resolution: int
) -> NDArray[np.bool_]:
    """(R, R, R) bool, indexed x, y, z: voxel centres with a positive winding number along Z, in a cube at `low`.

    Each triangle is rasterised from above and adds +1 or -1 where a column enters or leaves the solid; the running
    sum along Z is the winding number, so overlapping parts and inner walls do not punch holes as counting parity
    would.
    """
    scaled = (np.asarray(vertices, np.float64) - low) * (resolution / side)
    corners = scaled[faces]
    flat = corners[:, :, :2]
    face, x, y = cover(flat, resolution, resolution)
    weights = barycentric(flat, face, x, y)
    height = (corners[face, :, 2] * weights).sum(1)
    area = np.cross(flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0])
    sign = np.where(area[face] > 0, -1, 1)
    # The first voxel whose centre lies above the crossing.
    slot = np.clip(np.ceil(height - 0.5).astype(np.int64), 0, resolution)
    change = np.zeros((resolution, resolution, resolution + 1), np.int32)
    np.add.at(change, (x, y, slot), sign)
    return np.cumsum(change, axis=2)[:, :, :resolution] > 0


def volume_iou(one: NDArray[np.bool_], two: NDArray[np.bool_]) -> float:
    """Intersection over union of two voxel grids; 1 where both are empty."""
    union = int((one | two).sum())
    return float((one & two).sum() / union) if union else 1.0


def _turn(points: Floats, angle: float) -> Floats:
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _fit(moving: Floats, tree: cKDTree, truth: Floats, angle: float, rounds: int) -> tuple[float, float, Floats, float]:
    """(angle, scale, shift, mean distance): nearest points in turn with the best turn about Z, even scale and shift."""
    turned = _turn(moving, angle)
    scale = float(np.sqrt(truth.var(0).sum() / max(turned.var(0).sum(), 1e-12)))
    shift = truth.mean(0) - scale * turned.mean(0)
    for _ in range(rounds):
        placed = scale * _turn(moving, angle) + shift
        _, there = tree.query(placed)
        # Both directions, or the smaller shape would shrink into the larger one.
        _, here = cKDTree(placed).query(truth)
        a, b = np.concatenate((moving, moving[here])), np.concatenate((truth[there], truth))
        ma, mb = a.mean(0), b.mean(0)
        ca, cb = a - ma, b - mb
        # Turn about Z only: the plane's Procrustes; then scale over all three axes.
        angle = float(np.arctan2((ca[:, 0] * cb[:, 1] - ca[:, 1] * cb[:, 0]).sum(), (ca[:, :2] * cb[:, :2]).sum()))
        turned = _turn(ca, angle)
        scale = float((turned * cb).sum() / max((turned * turned).sum(), 1e-12))
        scale = float(np.clip(scale, 0.5, 2.0)) if scale > 0 else 1.0
        shift = mb - scale * _turn(ma[None], angle)[0]
    placed = scale * _turn(moving, angle) + shift
    forth, _ = tree.query(placed)
    back, _ = cKDTree(placed).query(truth)
    return angle, scale, shift, 0.5 * float(forth.mean() + back.mean())


def align(moving: Floats, truth: Floats, turns: int = 4, rounds: int = 12) -> tuple[float, float, Floats]:
    """(angle, scale, shift) that bring `moving` (N, 3) onto `truth` (M, 3): started at `turns` even turns about Z,
    refined by iterated closest points, the best mean distance in both directions wins.
    """
    tree = cKDTree(truth)
    fits = [_fit(moving, tree, truth, 2 * np.pi * k / turns, rounds) for k in range(turns)]
    angle, scale, shift, _ = min(fits, key=lambda fit: fit[3])
    return float((angle + np.pi) % (2 * np.pi) - np.pi), scale, shift


def compare(
    mesh: Mesh,
    truth: Mesh,
    *,
    seed: int = 0,
    samples: int = 20_000,
    resolution: int = 64,
    alignment: str = "turn",
    tau: float = TAU,
) -> Comparison:
    """Score `mesh` against `truth`. alignment: "turn" searches the four turns about Z with scale and shift, "place"
    scale and shift and small turns only (front must face the front), "none" compares as they lie.
    """
    if alignment not in ("turn", "place", "none"):
        raise ValueError(f'alignment must be "turn", "place" or "none", not {alignment!r}')
    generator = np.random.default_rng(seed)
    centre, radius = bounding_sphere(truth.vertices.astype(np.float64))
    unit = 2.0 * radius
    points, normals = sample_surface(mesh, samples, generator)
    goal, goal_normals = sample_surface(truth, samples, generator)
    points, goal = (points - centre) / unit, (goal - centre) / unit
    angle, scale, shift = 0.0, 1.0, np.zeros(3)
    if alignment != "none":
        step = max(1, samples // 2500)
        angle, scale, shift = align(points[::step], goal[::step], 4 if alignment == "turn" else 1)
    placed = scale * _turn(points, angle) + shift
    to_truth, nearest = cKDTree(goal).query(placed)
    to_mesh, back = cKDTree(placed).query(goal)
    precision, recall = float((to_truth <= tau).mean()), float((to_mesh <= tau).mean())
    turned = _turn(normals, angle)
    agreement = 0.5 * (
        np.abs((turned * goal_normals[nearest]).sum(1)).mean() + np.abs((goal_normals * turned[back]).sum(1)).mean()
    )
    moved = scale * _turn((mesh.vertices.astype(np.float64) - centre) / unit, angle) + shift
    fixed = (truth.vertices.astype(np.float64) - centre) / unit
    low = np.minimum(moved.min(0), fixed.min(0))
    side = float((np.maximum(moved.max(0), fixed.max(0)) - low).max()) * 1.02
    low = low - 0.01 * side
    iou = volume_iou(
        voxelise(moved, mesh.faces, low, side, resolution), voxelise(fixed, truth.faces, low, side, resolution)
    )
    return Comparison(
        f_score=2 * precision * recall / max(precision + recall, 1e-12),
        precision=precision,
        recall=recall,
        iou=iou,
        chamfer=0.5 * float(to_truth.mean() + to_mesh.mean()),
        normal_agreement=float(agreement),
        angle=angle,
        scale=scale,
        shift=(float(shift[0]), float(shift[1]), float(shift[2])),
        tau=tau,
    )
