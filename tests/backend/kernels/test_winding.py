# SPDX-License-Identifier: GPL-3.0-or-later
"""Nearest points and insides against float64: solid angles summed over all triangles, and analytic distances."""

import numpy as np
import pytest
import torch
import trimesh

from backend.kernels.winding import NearestSurface

POINTS = np.random.default_rng(3).uniform(-1, 1, (4000, 3))


def winding(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Solid angle of all triangles over the full sphere's (van Oosterom and Strackee 1983), float64."""
    total = np.zeros(len(points))
    for face in faces:
        a, b, c = (vertices[corner] - points for corner in face)
        la, lb, lc = (np.linalg.norm(side, axis=1) for side in (a, b, c))
        top = (a * np.cross(b, c)).sum(1)
        bottom = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
        total += 2 * np.arctan2(top, bottom)
    return total / (4 * np.pi)


def surface(mesh: trimesh.Trimesh) -> NearestSurface:
    return NearestSurface(torch.tensor(np.asarray(mesh.vertices), dtype=torch.float32),
                          torch.tensor(np.asarray(mesh.faces), dtype=torch.int32))


@pytest.mark.parametrize("missing", [0, 12, 60])
def test_inside_is_where_the_winding_number_passes_a_half(missing):
    mesh = trimesh.creation.icosphere(2, 0.7)
    mesh = trimesh.Trimesh(mesh.vertices, mesh.faces[missing:], process=False)
    exact = winding(POINTS, mesh.vertices, mesh.faces)
    sure = np.abs(exact - 0.5) > 0.02  # the hierarchy is an approximation
    found = surface(mesh).ask(torch.from_numpy(POINTS).float()).inside.numpy()
    assert sure.mean() > 0.9 and np.array_equal(found[sure], exact[sure] > 0.5)


def test_distance_and_place_are_those_of_the_nearest_point():
    mesh = trimesh.creation.box((1.0, 0.8, 0.6))
    answer = surface(mesh).ask(torch.from_numpy(POINTS).float())
    outside = np.maximum(np.abs(POINTS) - [0.5, 0.4, 0.3], 0.0)
    depth = (np.abs(POINTS) - [0.5, 0.4, 0.3]).max(1)
    truth = np.where(depth > 0, np.linalg.norm(outside, axis=1), -depth)
    assert np.allclose(answer.distance.numpy(), truth, atol=1e-5)
    corners = mesh.vertices[mesh.faces[answer.face.numpy()]]
    place = (corners * answer.barycentric.numpy()[:, :, None]).sum(1)
    assert np.allclose(np.linalg.norm(place - POINTS, axis=1), truth, atol=1e-5)


def test_farther_than_the_limit_there_is_nothing():
    answer = surface(trimesh.creation.icosphere(1, 0.1)).ask(torch.tensor([[0.9, 0.0, 0.0], [0.2, 0.0, 0.0]]), 0.3)
    assert answer.face.tolist()[0] == -1 and torch.isinf(answer.distance[0]) and answer.face.tolist()[1] >= 0


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="some faces"):
        NearestSurface(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.int32))
