# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a texture is continued over the surface, seams and all, from views that face it."""

import numpy as np
import pytest
import torch

from backend.geometry.bake import bake, texel_map
from backend.geometry.mesh import Mesh, face_normals
from backend.inpainting import inpainter_of
from backend.inpainting.surface import continue_surface
from backend.render.raster import WarpRasteriser
from backend.texturing.canvas import NothingSeen
from backend.texturing.rig import facing
from tests.backend.texturing.shapes import sphere_with_uvs

CPU = torch.device("cpu")
SIZE = 96


def striped(points):
    """Rings around the upright axis, 0.2 apart: colours (N, 3) of places (N, 3)."""
    share = 0.5 + 0.5 * np.sin(points[:, 2:] * 2 * np.pi / 0.2)
    return share * np.float32([0.9, 0.8, 0.2]) + (1 - share) * np.float32([0.1, 0.2, 0.6])


@pytest.fixture(scope="module")
def ball():
    mesh = sphere_with_uvs(around=24, along=12)
    baked = bake(mesh, striped, SIZE)
    front = (baked.texels.points[:, 1] < -0.6) & (np.abs(baked.texels.points[:, [0, 2]]) < 0.25).all(1)
    hole = np.zeros((SIZE, SIZE), bool)
    hole[baked.texels.rows[front], baked.texels.columns[front]] = True
    return mesh, baked, hole


def test_rings_go_on_and_nothing_else_changes(ball):
    mesh, baked, hole = ball
    truth = (baked.image * 255 + 0.5).astype(np.uint8)
    spoiled = truth.copy()
    spoiled[hole] = (255, 0, 255)
    told = []
    found = continue_surface(mesh, baked.texels, spoiled, hole, inpainter_of(""), WarpRasteriser(), CPU,
                             lambda share, message: told.append(share), views=1)
    assert np.array_equal(found.image[~hole], truth[~hole])
    assert found.facts["views"] == 1 and found.facts["seen"] > 0.9 and told == sorted(told)

    def error(image):
        return float((((image.astype(float) - truth)[hole] / 255) ** 2).mean())

    mean = np.broadcast_to(truth[baked.texels.mask & ~hole].mean(0), truth.shape)
    assert error(found.image) < 0.25 * error(mean)  # without the views, over the surface alone, it is about 0.9


def test_cameras_face_the_part_and_frame_it(ball):
    mesh, baked, hole = ball
    texels = baked.texels
    part = hole[texels.rows, texels.columns]
    flat = face_normals(mesh.vertices, mesh.faces)[texels.face[part]].astype(np.float32)
    samples = texels.points[part], texels.normals[part], flat
    for close in (0.0, 2.0):
        cameras = facing(mesh, samples, 3, WarpRasteriser(), CPU, close=close)
        towards = torch.nn.functional.normalize(cameras.positions, dim=-1)
        assert 1 <= len(cameras) <= 3 and towards[0, 1] < -0.8
        clip = cameras.to_clip(torch.from_numpy(samples[0]))
        place = (clip[..., :2] / clip[..., 3:]).abs().amax((1, 2))
        assert (place < 1).all() and (not close or bool((place > 0.3).all()))


def test_what_lies_inside_of_something_is_seen_by_nobody(ball):
    mesh, baked, hole = ball
    texels = baked.texels
    part = hole[texels.rows, texels.columns]
    inner = Mesh(mesh.vertices * 0.5, mesh.faces, mesh.uvs)
    both = Mesh(np.concatenate([inner.vertices, mesh.vertices]),
                np.concatenate([mesh.faces, mesh.faces + len(mesh.vertices)]),
                np.concatenate([mesh.uvs * 0.5, mesh.uvs * 0.5 + 0.5]))
    flat = face_normals(mesh.vertices, mesh.faces)[texels.face[part]].astype(np.float32)
    samples = texels.points[part] * 0.5, texels.normals[part], flat
    with pytest.raises(NothingSeen):
        facing(both, samples, 3, WarpRasteriser(), CPU, close=2.0)
    # It is still continued, in space, from what surrounds it.
    map_ = texel_map(both, SIZE)
    gap = np.zeros((SIZE, SIZE), bool)
    chosen = (map_.face < len(mesh.faces)) & (map_.points[:, 1] < -0.3)
    gap[map_.rows[chosen], map_.columns[chosen]] = True
    picture = np.full((SIZE, SIZE, 3), 90, np.uint8)
    found = continue_surface(both, map_, np.where(gap[..., None], 255, picture).astype(np.uint8), gap,
                             inpainter_of(""), WarpRasteriser(), CPU, lambda share, message: None)
    assert found.facts["seen"] == 0 and np.abs(found.image.astype(int) - 90).max() <= 1
