# SPDX-License-Identifier: GPL-3.0-or-later
"""Solids: a ball's volume is a ball's, whatever was done to its faces."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from scipy.sparse.csgraph import connected_components

from backend.rigging.medial import Medial, at_fractions
from backend.rigging.voxels import graph, surface_points, voxelise


def ball(radius: float = 1.0):
    made = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return made.vertices, made.faces.astype(np.int64)


def damaged(kind: str):
    rng = np.random.default_rng(1)
    vertices, faces = ball()
    if kind == "holes":
        return vertices, faces[rng.random(len(faces)) > 0.1]
    if kind == "open":
        return vertices, faces[vertices[faces].mean(1)[:, 2] < 0.9]
    if kind == "turned over":
        over = rng.random(len(faces)) < 0.2
        return vertices, np.where(over[:, None], faces[:, ::-1], faces)
    if kind == "inside out":
        return vertices, faces[:, ::-1]
    if kind == "soup":
        loose = vertices[faces.ravel()]
        return loose + rng.normal(0, 4e-4, loose.shape), np.arange(len(loose)).reshape(-1, 3)
    if kind == "shells":
        inner, more = ball(0.95)
        return np.concatenate([vertices, inner]), np.concatenate([faces, more + len(vertices)])
    return vertices, faces


@pytest.mark.parametrize("kind", ["clean", "holes", "open", "turned over", "inside out", "soup", "shells"])
def test_a_ball_stays_a_ball(kind):
    solid = voxelise(*damaged(kind), 48)
    volume = len(solid) * solid.size**3
    # Surface voxels stick out by half a voxel on average.
    want = 4 / 3 * np.pi * (1 + 0.5 * solid.size) ** 3
    assert abs(volume / want - 1) < 0.04
    assert solid.depth().max() > 0.9 and np.linalg.norm(solid.centres[solid.depth().argmax()]) < 0.1


def test_points_are_even_and_on_the_surface():
    vertices, faces = ball()
    points = surface_points(vertices, faces, 0.05)
    assert np.abs(np.linalg.norm(points, axis=1) - 1).max() < 5e-3
    octant = np.bincount((points > 0) @ [1, 2, 4], minlength=8)
    assert octant.min() > 0.9 * octant.max()


def test_loose_parts_are_joined_and_seeds_belong():
    vertices, faces = ball(0.5)
    far = np.concatenate([vertices, 0.2 * vertices + [2.0, 0, 0]])
    solid = voxelise(far, np.concatenate([faces, faces + len(vertices)]), 64, np.array([[1.2, 0.0, 0.0]]))
    assert connected_components(graph(solid), directed=False)[0] == 1
    assert connected_components(graph(solid, bridges=False), directed=False)[0] == 3
    assert np.abs(solid.centres[solid.at(np.array([[1.2, 0, 0]]))] - [1.2, 0, 0]).max() <= solid.size
    lengths = graph(solid).data
    assert lengths.min() == pytest.approx(solid.size)


def test_tips_of_a_star(limb, joined):
    ends = np.array([[1, 0, 0], [-0.8, 0.3, 0], [0, -0.9, 0.2], [0, 0.2, 1.1]], float)
    medial = Medial(voxelise(*joined([limb((0, 0, 0), end, 0.08) for end in ends]), 64))
    found = medial.tips(0.4)
    assert len(found) == 4
    away = np.linalg.norm(ends[:, None] - np.array([one.tip for one in found]), axis=2).min(1)
    assert away.max() < 0.13  # a capsule reaches its radius further
    for one in found:  # the way runs in the middle of the limb
        end = ends[np.linalg.norm(ends - one.tip, axis=1).argmin()]
        inner = at_fractions(one.points, np.linspace(0.15, 0.7, 9))
        along = inner @ end / (end @ end)
        assert np.linalg.norm(inner - along[:, None] * end, axis=1).max() < 1.5 * medial.solid.size
