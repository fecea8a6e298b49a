# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking: every texel knows its point, borders and margins are painted, seams stay at the floor that resampling
sets.
"""

import numpy as np
import pytest
import torch

from backend.geometry.bake import bake, dilate, level_charts, sample, seam_error, texel_map, to_bytes
from backend.geometry.clean import clean
from backend.geometry.mesh import Mesh
from backend.geometry.raster_2d import cover
from backend.geometry.simplify import simplify
from backend.geometry.tetrahedra import marching_tetrahedra, tetrahedral_grid
from backend.geometry.unwrap import unwrap
from backend.geometry.uv_quality import uv_charts

torch.set_num_threads(1)


def smooth_colour(points):
    return 0.5 + 0.4 * np.sin(points * np.array([3.0, 4.0, 5.0]) + np.array([0.0, 1.0, 2.0]))


@pytest.fixture(scope="module")
def ball():
    grid = tetrahedral_grid(40)
    p = grid.vertices
    surface = marching_tetrahedra(grid, p.norm(dim=1) - 0.7)
    cleaned, _ = clean(Mesh(surface.vertices.numpy(), surface.faces.numpy()))
    return unwrap(simplify(cleaned, 2500), texture_size=256)[0]


def test_texels_lie_on_the_surface_with_outward_normals(ball):
    texels = texel_map(ball, 256)
    radius = np.linalg.norm(texels.points, axis=1)
    assert np.abs(radius - 0.7).max() < 0.01
    assert (texels.points / radius[:, None] * texels.normals).sum(1).min() > 0.97
    assert np.allclose(np.linalg.norm(texels.normals, axis=1), 1, atol=1e-5)
    assert texels.barycentric.min() >= -1e-5 and np.allclose(texels.barycentric.sum(1), 1, atol=1e-5)


def test_no_texel_that_a_lookup_on_the_surface_reads_is_unpainted(ball):
    texels = texel_map(ball, 128)
    triangles = ball.uvs.astype(float).reshape(-1, 3, 2)
    flipped = triangles * 128
    flipped[:, :, 1] = 128 - flipped[:, :, 1]
    _, x, y = cover(flipped, 128, 128, conservative=True)
    assert texels.mask[y, x].all()
    picture = bake(ball, smooth_colour, 128).image
    weights = np.random.default_rng(0).dirichlet(np.ones(3), len(triangles) * 4)
    face = np.repeat(np.arange(len(triangles)), 4)
    uv = (triangles[face] * weights[:, :, None]).sum(1)
    place = (ball.vertices[ball.faces[face]] * weights[:, :, None]).sum(1)
    assert np.abs(sample(picture, uv) - smooth_colour(place)).max() < 0.06


def test_dilating_takes_the_nearest_colour_everywhere():
    picture = np.zeros((9, 9, 1))
    mask = np.zeros((9, 9), bool)
    picture[4, 1], picture[4, 7] = 0.25, 0.75
    mask[4, 1] = mask[4, 7] = True
    filled = dilate(picture, mask)[:, :, 0]
    assert (filled[:, :4] == 0.25).all() and (filled[:, 5:] == 0.75).all()
    assert (dilate(picture, np.zeros((9, 9), bool)) == picture).all()


def test_seams_are_at_the_floor_and_without_margins_far_above_it(ball):
    for size, most in ((128, 0.05), (256, 0.025), (512, 0.012)):
        baked = bake(ball, smooth_colour, size)
        picture, texels = baked.image, baked.texels
        report = seam_error(ball, picture, smooth_colour)
        assert report.rms < most and report.ratio == pytest.approx(1.0)
        assert report.edges > 20
    inside = np.zeros((512, 512), bool)
    inside[texels.rows[texels.inside], texels.columns[texels.inside]] = True
    bare = seam_error(ball, np.where(inside[:, :, None], picture, 0.0), smooth_colour)
    assert bare.ratio > 5


def test_levelling_takes_out_an_offset_per_chart(ball):
    baked = bake(ball, smooth_colour, 256)
    picture, texels = baked.image, baked.texels
    chart, _ = uv_charts(
        ball.vertices.astype(float), ball.faces.astype(np.int64), ball.uvs.astype(float).reshape(-1, 3, 2)
    )
    offset = np.random.default_rng(0).uniform(-0.08, 0.08, (chart.max() + 1, 3))
    shifted = picture.copy()
    shifted[texels.rows, texels.columns] += offset[chart[texels.face]]
    shifted = dilate(shifted, texels.mask)
    before, after = (seam_error(ball, p).rms for p in (shifted, level_charts(ball, shifted, texels)))
    assert before > 0.04 and after < 0.4 * before


def test_chunks_do_not_change_the_picture_and_bad_colours_are_refused(ball):
    one = bake(ball, smooth_colour, 64).image
    two = bake(ball, smooth_colour, 64, chunk=97).image
    assert np.array_equal(one, two)
    with pytest.raises(ValueError, match="not finite"):
        bake(ball, lambda p: np.full((len(p), 3), np.nan), 64)
    with pytest.raises(ValueError, match="no UVs"):
        texel_map(Mesh(ball.vertices, ball.faces), 64)
    assert to_bytes(np.array([0.0, 0.5, 1.0, 2.0])).tolist() == [0, 128, 255, 255]
