# SPDX-License-Identifier: GPL-3.0-or-later
"""A dressed figure as one solid: distances against float64, one closed surface, colours of the nearest part."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.avatar.dress import dress
from backend.avatar.implicit import DressedSolid, Magnifier
from backend.avatar.look import CLOTH, Look, Worn
from backend.geometry.clean import clean
from backend.geometry.health import check
from backend.geometry.mesh import signed_volume
from backend.kernels.signed import ClosedSurface


@pytest.fixture(scope="module")
def solid():
    return DressedSolid(dress(Look({"gender": 1.0}, worn=(Worn("dress", "red"), Worn("shoes", "black")))))


def test_closed_surface_of_a_box():
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([[q[i] for i in tri] for q in quads for tri in ((0, 1, 2), (0, 2, 3))], np.int32)
    surface = ClosedSurface(torch.from_numpy(corners), torch.from_numpy(faces))
    points = np.random.default_rng(0).uniform(-2, 2, (4000, 3))
    away = np.abs(points) - 1
    truth = np.linalg.norm(np.maximum(away, 0), axis=1) + np.minimum(away.max(1), 0)
    found = surface.ask(torch.from_numpy(points.astype(np.float32)))
    assert np.abs(found.distance.numpy() - truth).max() < 1e-5
    near = surface.ask(torch.from_numpy(points.astype(np.float32)), 0.2)
    far = np.abs(truth) > 0.2 + 1e-5
    assert torch.isinf(near.distance[torch.from_numpy(far)]).all() and (near.face.numpy()[far] == -1).all()
    with pytest.raises(ValueError, match="closed surface"):
        ClosedSurface(torch.zeros(4, 3), torch.zeros(0, 3, dtype=torch.int32))


def test_surface_is_one_closed_solid_where_the_distance_says(solid):
    mesh, report = clean(solid.surface(0.02))
    health = check(mesh.vertices, mesh.faces)
    assert health.sound and health.parts == 1
    assert signed_volume(mesh.vertices, mesh.faces) > 0.03
    distance = solid.distance(torch.from_numpy(mesh.vertices))
    assert float(distance.abs().mean()) < 0.003 and float(distance.abs().quantile(0.99)) < 0.02


def test_head_has_no_pit_behind_the_lips(solid):
    marks = solid.figure.body.asset.lips > 0.5
    inside = solid.figure.body.vertices[marks].mean(0) + [0.0, 0.02, 0.0]
    assert float(solid.distance(torch.from_numpy(solid.frame.vertices(inside[None].astype(np.float32))))) < 0


def test_a_change_moves_the_surface_by_as_much(solid):
    start = signed_volume(*(lambda m: (m.vertices, m.faces))(solid.surface(0.03)))
    grown = solid.surface(0.03, lambda points: torch.full((len(points),), -0.02), 0.02)
    assert signed_volume(grown.vertices, grown.faces) > 1.15 * start


def test_colours_are_those_of_the_nearest_part(solid):
    skirt = next(part for part in solid.figure.parts if part.name == "skirt")
    some = skirt.vertices[100:200].astype(np.float32)
    colour = solid.colours(solid.frame.vertices(some))
    assert np.abs(np.median(colour, axis=0) - CLOTH["red"]).max() < 0.1


def test_magnifier_goes_there_and_back():
    lens = Magnifier(np.array([0.1, 0.2, 0.3], np.float32), 0.2, 2.2)
    points = np.random.default_rng(1).normal(0.2, 0.3, (500, 3)).astype(np.float32)
    grown = lens.grow(points)
    assert np.allclose(lens.shrink(grown), points, atol=1e-5)
    near = np.linalg.norm(points - lens.centre, axis=1) < 0.2
    assert np.allclose(np.linalg.norm(grown - lens.centre, axis=1)[near],
                       2.2 * np.linalg.norm(points - lens.centre, axis=1)[near], rtol=1e-4)
