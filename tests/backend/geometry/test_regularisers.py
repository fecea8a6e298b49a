# SPDX-License-Identifier: GPL-3.0-or-later
"""Regularisers on shapes whose values are known."""

import math

import pytest
import torch

from backend.geometry.regularisers import (
    face_pairs,
    laplacian,
    normal_consistency,
    sign_change_entropy,
)
from backend.geometry.tetrahedra import marching_tetrahedra, tetrahedral_grid

torch.set_num_threads(1)

TETRAHEDRON = (
    torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]),
    torch.tensor([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]]),
)


def sphere(resolution=24):
    grid = tetrahedral_grid(resolution)
    surface = marching_tetrahedra(grid, grid.vertices.norm(dim=1) - 0.6)
    return surface.vertices, surface.faces


def test_pairs_share_exactly_two_vertices_and_leave_out_open_and_crowded_edges():
    _, faces = sphere()
    pairs, edges = face_pairs(faces, int(faces.max()) + 1)
    assert len(pairs) == len(faces) * 3 // 2
    for (a, b), edge in zip(pairs[:200].tolist(), edges[:200].tolist(), strict=True):
        assert set(faces[a].tolist()) & set(faces[b].tolist()) == set(edge)
    fan = torch.tensor([[0, 1, 2], [1, 0, 3], [0, 1, 4]])  # three faces on edge (0, 1)
    assert len(face_pairs(fan, 5)[0]) == 0


def test_a_regular_tetrahedron_has_the_known_dihedral_angle():
    vertices, faces = TETRAHEDRON
    assert float(normal_consistency(vertices, faces)) == pytest.approx(1 + 1 / 3, rel=1e-5)


def test_a_flat_sheet_costs_nothing_and_a_fold_costs_its_angle():
    faces = torch.tensor([[0, 1, 2], [1, 3, 2]])
    flat = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    assert float(normal_consistency(flat, faces)) == pytest.approx(0, abs=1e-6)
    folded = flat.clone()
    angle = 0.5  # turn the second face around the shared edge (1, 2)
    axis = torch.nn.functional.normalize(flat[2] - flat[1], dim=0)
    arm = flat[3] - flat[1]
    along = axis * (arm @ axis)
    side = arm - along
    folded[3] = flat[1] + along + side * math.cos(angle) + torch.linalg.cross(axis, side) * math.sin(angle)
    assert float(normal_consistency(folded, faces)) == pytest.approx(1 - math.cos(angle), rel=1e-4)


def test_gradients_smooth_a_noisy_sphere():
    vertices, faces = sphere()
    noise = torch.randn(vertices.shape, generator=torch.Generator().manual_seed(1)) * 0.01
    for term in (normal_consistency, laplacian):
        moved = (vertices + noise).requires_grad_()
        before = term(moved, faces)
        before.backward()
        assert torch.isfinite(moved.grad).all()
        step = moved.detach() - 1e-3 * moved.grad / moved.grad.norm(dim=1).max()
        assert float(term(step, faces)) < float(before.detach())


def test_sign_entropy_pulls_both_ends_to_one_sign_and_is_zero_on_nothing():
    sdf = torch.tensor([-0.1, 0.1, 0.3]).requires_grad_()
    value = sign_change_entropy(sdf, torch.tensor([[0, 1]]), scale=1.0)
    expected = 2 * math.log(1 + math.exp(0.1))
    assert float(value.detach()) == pytest.approx(expected, rel=1e-5)
    value.backward()
    # The negative end is drawn up towards the positive one, the positive end down.
    assert sdf.grad[0] < 0 < sdf.grad[1] and sdf.grad[2] == 0
    assert float(sign_change_entropy(sdf.detach(), torch.zeros(0, 2, dtype=torch.long))) == 0


def test_degenerate_faces_and_empty_meshes_keep_gradients_finite():
    vertices = torch.zeros(3, 3, requires_grad=True)
    faces = torch.tensor([[0, 1, 2], [1, 0, 2]])
    normal_consistency(vertices, faces).backward()
    assert torch.isfinite(vertices.grad).all()
    assert float(normal_consistency(vertices.detach(), torch.zeros(0, 3, dtype=torch.long))) == 0
