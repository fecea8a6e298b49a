# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed distances of meshes as people make them: closed, holed, open, thin, inside out, doubled, finned."""

import numpy as np
import pytest
import torch
import trimesh

from backend.geometry.mesh import Mesh
from backend.geometry.solid import Solid

POINTS = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
THICK = 0.04


def solid(mesh: trimesh.Trimesh, thickness: float = THICK) -> Solid:
    return Solid(Mesh(np.asarray(mesh.vertices), np.asarray(mesh.faces)), thickness)


def volume(found: Solid) -> float:
    return float((found.distance(POINTS) < 0).float().mean()) * 8


def ball(radius: float = 0.7, level: int = 3) -> trimesh.Trimesh:
    return trimesh.creation.icosphere(level, radius)


def test_a_closed_body_has_its_true_distance():
    found = solid(ball(level=4))
    truth = POINTS.norm(dim=1) - 0.7
    assert (found.distance(POINTS) - truth).abs().max() < 0.005 and found.sheet_share == 0


def test_winding_and_small_holes_change_nothing():
    whole = ball()
    inside_out = trimesh.Trimesh(whole.vertices, whole.faces[:, ::-1], process=False)
    mixed = whole.faces.copy()
    mixed[::3] = mixed[::3, ::-1]
    holed = trimesh.Trimesh(whole.vertices, whole.faces[whole.triangles_center[:, 2] < 0.66], process=False)
    expected = solid(whole).distance(POINTS)
    for other in (inside_out, trimesh.Trimesh(whole.vertices, mixed, process=False), holed):
        found = solid(other)
        inside = (found.distance(POINTS) < 0) == (expected < 0)
        assert found.sheet_share == 0 and inside.float().mean() > 0.99


def test_split_vertices_are_one_body():
    corners = ball()
    soup = trimesh.Trimesh(corners.vertices[corners.faces].reshape(-1, 3), np.arange(len(corners.faces) * 3).reshape(-1,
                           3), process=False)
    assert solid(soup).sheet_share == 0 and volume(solid(soup)) == pytest.approx(corners.volume, rel=0.05)


def test_an_open_cup_stays_hollow_and_gets_a_thickness():
    cylinder = trimesh.creation.cylinder(0.5, 1.2, sections=48)
    cup = trimesh.Trimesh(cylinder.vertices, cylinder.faces[cylinder.triangles_center[:, 2] < 0.599], process=False)
    found = solid(cup)
    assert found.sheet_share == 1.0
    assert found.distance(torch.zeros(1, 3)) > 0.4  # the middle of the cup is air
    assert volume(found) == pytest.approx(cup.area * THICK, rel=0.1)


def test_a_thin_plate_and_a_fin_do_not_vanish():
    plate = trimesh.creation.box((1.2, 1.0, 0.004))
    assert volume(solid(plate)) == pytest.approx(1.2 * (THICK + 0.004), rel=0.15)
    box = trimesh.creation.box((0.8, 0.8, 0.8))
    fin = trimesh.Trimesh([[0.0, 0.0, 0.4], [0.3, 0.0, 0.4], [0.3, 0.0, 0.9], [0.0, 0.0, 0.9]], [[0, 1, 2], [0, 2, 3]],
                          process=False)
    both = solid(trimesh.util.concatenate([box, fin]))
    assert both.distance(torch.tensor([[0.15, 0.0, 0.7]])) < 0 and both.distance(torch.zeros(1, 3)) < -0.39
    assert 0 < both.sheet_share < 0.1


def test_a_body_in_a_body_and_overlapping_ones_are_full():
    inner = ball(0.3, 2)
    nested = trimesh.util.concatenate([ball(), trimesh.Trimesh(inner.vertices, inner.faces[:, ::-1], process=False)])
    assert solid(nested).distance(torch.zeros(1, 3)) < 0
    beside = ball(0.5)
    beside.apply_translation([0.3, 0.0, 0.0])
    joined = solid(trimesh.util.concatenate([ball(0.5), beside]))
    assert joined.distance(torch.tensor([[0.15, 0.0, 0.0]])) < -0.1


def test_nothing_with_an_area_is_refused():
    with pytest.raises(ValueError, match="area"):
        Solid(Mesh(np.zeros((3, 3)), [[0, 1, 2]]), 0.1)
