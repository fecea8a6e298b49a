# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures onto texels: a known texture comes back from its own views, and nothing shines through."""

import numpy as np
import pytest
import torch

from backend.geometry.bake import bake, texel_map
from backend.geometry.mesh import Mesh, face_normals
from backend.priors.base import GREY
from backend.render.cameras import orbit_degrees
from backend.render.raster import WarpRasteriser
from backend.texturing.fill import fill
from backend.texturing.projection import Projector
from backend.texturing.rig import ring
from backend.texturing.textured import pictures_of
from tests.backend.texturing.shapes import sphere_with_uvs, wavy

SIZE = 128


@pytest.fixture(scope="module")
def ball():
    return sphere_with_uvs()


def _projector(mesh, texels, cameras, **more):
    flat = face_normals(mesh.vertices, mesh.faces)[texels.face].astype(np.float32)
    return Projector(texels.points, texels.normals, flat, torch.from_numpy(mesh.vertices),
                     torch.from_numpy(mesh.faces), cameras, WarpRasteriser(), **more)


def _pictures(mesh, texture, cameras):
    colour, alpha, _ = pictures_of(mesh, texture, cameras, WarpRasteriser(), 2)
    return torch.cat([colour + GREY * (1 - alpha), alpha], 1)


def test_a_known_texture_comes_back_from_its_own_views(ball):
    baked = bake(ball, wavy, SIZE)
    cameras = ring(8, size=128)
    found = _projector(ball, baked.texels, cameras).project(_pictures(ball, baked.image, cameras), 8.0)
    truth = baked.image[baked.texels.rows, baked.texels.columns]
    assert found.seen.mean() > 0.85
    error = found.values[found.seen] - truth[found.seen]
    assert -10 * np.log10((error**2).mean()) > 34
    filled = fill(baked.texels.points, baked.texels.normals, found.values, found.seen)
    assert -10 * np.log10(((filled - truth) ** 2).mean()) > 24  # the bottom is a guess


def test_every_texel_that_a_view_sees_gets_a_colour(ball):
    texels = texel_map(ball, SIZE)
    cameras = orbit_degrees([0, 180], [-5.0, 50.0], 64)
    projector = _projector(ball, texels, cameras)
    found = projector.project(torch.ones(2, 4, 64, 64), 8.0)
    assert np.array_equal(found.seen, (projector.facing().numpy() > 0).any(0))
    np.testing.assert_allclose(found.values[found.seen], 1.0, atol=1e-5)


def test_a_wall_in_front_hides_what_is_behind():
    square = np.array([[-0.8, 0, -0.8], [0.8, 0, -0.8], [0.8, 0, 0.8], [-0.8, 0, 0.8]], np.float32)
    front, back = square * 0.5 - np.array([0, 0.2, 0], np.float32), square
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    uvs = np.array([[0.02, 0.02], [0.48, 0.02], [0.48, 0.48], [0.02, 0.02], [0.48, 0.48], [0.02, 0.48]], np.float32)
    mesh = Mesh(np.concatenate([front, back]), np.concatenate([faces, faces + 4]), np.concatenate([uvs, uvs + 0.5]))
    texels = texel_map(mesh, 64)
    cameras = orbit_degrees([0], 0.0, 128)
    facing = _projector(mesh, texels, cameras).facing()[0].numpy()
    behind = (texels.face >= 2) & (np.abs(texels.points[:, [0, 2]]).max(1) < 0.36)
    beside = (texels.face >= 2) & (np.abs(texels.points[:, [0, 2]]).max(1) > 0.5)
    assert behind.any() and beside.any()
    assert (facing[behind] == 0).all() and (facing[beside] > 0.9).all() and (facing[texels.face < 2] > 0.9).all()


def test_backs_of_faces_are_not_painted(ball):
    texels = texel_map(ball, 64)
    facing = _projector(ball, texels, orbit_degrees([0], 0.0, 64)).facing()[0].numpy()
    assert (facing[texels.points[:, 1] > 0.1] == 0).all()
    assert (facing[texels.points[:, 1] < -0.4] > 0).all()


def test_an_open_surface_is_painted_on_whichever_side_is_seen():
    square = np.array([[-0.5, 0, -0.5], [0.5, 0, -0.5], [0.5, 0, 0.5], [-0.5, 0, 0.5]], np.float32)
    uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 0], [1, 1], [0, 1]], np.float32)
    mesh = Mesh(square, np.array([[0, 2, 1], [0, 3, 2]], np.int32), uvs[[0, 2, 1, 3, 5, 4]])  # it faces away
    texels, cameras = texel_map(mesh, 32), orbit_degrees([0], 0.0, 64)
    assert not _projector(mesh, texels, cameras).facing().any()
    assert bool((_projector(mesh, texels, cameras, two_sided=True).facing() > 0.9).all())
