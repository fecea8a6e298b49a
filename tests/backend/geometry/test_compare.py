# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores against shapes whose overlap is known, and alignment that finds a known movement."""

import numpy as np
import pytest
import torch

from backend.geometry.compare import align, bounding_sphere, compare, sample_surface, voxelise
from backend.geometry.mesh import Mesh
from backend.geometry.tetrahedra import marching_tetrahedra, tetrahedral_grid

torch.set_num_threads(1)


def marched(function, resolution=40):
    grid = tetrahedral_grid(resolution)
    surface = marching_tetrahedra(grid, function(grid.vertices))
    return Mesh(surface.vertices.numpy(), surface.faces.numpy())


def ball(centre=(0.0, 0.0, 0.0), radius=0.5):
    return marched(lambda p: (p - torch.tensor(centre)).norm(dim=1) - radius)


def chair():
    """A seat, a back and nothing that looks the same after a quarter turn."""

    def part(p, middle, half):
        return ((p - torch.tensor(middle)).abs() - torch.tensor(half)).max(1)[0]

    return marched(
        lambda p: torch.minimum(part(p, [0, 0, -0.2], [0.5, 0.4, 0.12]), part(p, [0, 0.35, 0.25], [0.5, 0.12, 0.5]))
    )


def moved(mesh, angle=0.0, scale=1.0, shift=(0.0, 0.0, 0.0)):
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return Mesh(scale * mesh.vertices @ turn.T + np.array(shift), mesh.faces)


def test_a_mesh_compared_with_itself_is_perfect():
    mesh = chair()
    result = compare(mesh, mesh, alignment="none")
    assert result.f_score == 1.0 and result.iou == 1.0
    assert result.chamfer < 0.01 and result.normal_agreement > 0.95


def test_balls_of_known_overlap():
    one, two = ball(), ball(radius=0.4)
    result = compare(two, one, alignment="none", resolution=96)
    assert result.iou == pytest.approx(0.8**3, abs=0.02)
    assert result.chamfer == pytest.approx(0.1, rel=0.05)
    # 0.1 is a tenth of the truth's diameter: twice tau away everywhere.
    assert result.f_score == 0.0
    assert compare(two, one, alignment="none", tau=0.11).f_score == 1.0
    assert compare(two, one, alignment="place").f_score > 0.99


def test_voxels_fill_the_solid_even_where_parts_overlap():
    mesh = ball()
    double = Mesh(
        np.vstack((mesh.vertices, mesh.vertices + [0.3, 0, 0])),
        np.vstack((mesh.faces, mesh.faces + len(mesh.vertices))),
    )
    low, side, n = np.array([-1.0, -1.0, -1.0]), 2.0, 80
    filled = voxelise(double.vertices, double.faces, low, side, n)
    centres = (np.indices((n, n, n)).transpose(1, 2, 3, 0) + 0.5) * side / n + low
    truth = (np.linalg.norm(centres, axis=3) < 0.5) | (np.linalg.norm(centres - [0.3, 0, 0], axis=3) < 0.5)
    assert (filled != truth).mean() < 0.004
    assert filled.mean() == pytest.approx(truth.mean(), rel=0.02)


@pytest.mark.parametrize("angle", [0.1, np.pi / 2 + 0.1, np.pi - 0.15, -np.pi / 2])
def test_alignment_finds_turn_scale_and_shift(angle):
    truth = chair()
    result = compare(moved(truth, angle, 0.8, (0.3, -0.2, 0.1)), truth)
    assert result.f_score > 0.99 and result.iou > 0.9
    assert np.cos(result.angle + angle) > 0.995
    assert result.scale == pytest.approx(1 / 0.8, rel=0.02)


def test_place_does_not_forgive_a_back_to_front_object():
    truth = chair()
    turned = moved(truth, np.pi)
    assert compare(turned, truth).f_score > 0.99
    assert compare(turned, truth, alignment="place").f_score < 0.95
    with pytest.raises(ValueError, match="alignment"):
        compare(turned, truth, alignment="any")


def test_samples_are_even_and_repeatable():
    mesh = ball()
    points, normals = sample_surface(mesh, 4000, np.random.default_rng(1))
    again, _ = sample_surface(mesh, 4000, np.random.default_rng(1))
    assert np.array_equal(points, again)
    assert np.abs(points.mean(0)).max() < 0.01
    assert (points * normals).sum(1).min() > 0.45
    centre, radius = bounding_sphere(points + [1.0, 2.0, 3.0])
    assert np.allclose(centre, [1, 2, 3], atol=0.01) and radius == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ValueError, match="without area"):
        sample_surface(Mesh(np.zeros((3, 3)), [[0, 1, 2]]), 10, np.random.default_rng(0))
    angle, scale, shift = align(points, points)
    assert abs(scale - 1) < 1e-6 and np.abs(shift).max() < 1e-6
