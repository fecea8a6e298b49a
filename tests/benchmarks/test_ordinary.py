# SPDX-License-Identifier: GPL-3.0-or-later
"""A race is only fair when both do the same work: the ordinary ways must agree with ours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.fields.occupancy import OccupancyGrid
from backend.fields.radiance import RadianceConfig, RadianceField
from backend.geometry.health import check
from backend.geometry.tetrahedra import marching_tetrahedra, tetrahedral_grid
from backend.kernels.hash_grid import HashGridConfig
from backend.kernels.ray_cast import RayCaster
from backend.render.cameras import orbit_degrees
from backend.render.raster import WarpRasteriser
from backend.render.volume import VolumeOptions, render_volume
from tests.benchmarks import ordinary

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def blob() -> tuple[torch.Tensor, torch.Tensor]:
    grid = tetrahedral_grid(16)
    p = grid.vertices
    surface = marching_tetrahedra(grid, p.norm(dim=1) - 0.6 - 0.1 * (5 * p).sin().prod(dim=1))
    return surface.vertices.contiguous(), surface.faces.int().contiguous()


def test_faces_at_pixels_agree(blob):
    vertices, faces = blob
    cameras = orbit_degrees([0.0, 75.0], [10.0, 40.0], 32)
    ours = WarpRasteriser().rasterise(vertices, faces, cameras)
    theirs = ordinary.every_pixel_every_face(vertices, faces, cameras)
    assert (ours.face.long() == theirs).float().mean() > 0.998  # an edge through a pixel's centre may go either way
    assert 0.2 < (theirs >= 0).float().mean() < 0.8


def test_distances_along_rays_agree(blob):
    vertices, faces = blob
    origins, directions = orbit_degrees([20.0], 15.0, 24).rays()
    origins, directions = origins.reshape(-1, 3).contiguous(), directions.reshape(-1, 3).contiguous()
    ours = RayCaster(vertices, faces).cast(origins, directions).distance
    theirs = ordinary.every_ray_every_face(origins, directions, vertices, faces)
    both = ours.isfinite() & theirs.isfinite()
    assert (ours.isfinite() == theirs.isfinite()).float().mean() > 0.995 and both.sum() > 100
    torch.testing.assert_close(ours[both], theirs[both], rtol=1e-3, atol=1e-3)


def test_pictures_of_a_field_agree():
    config = RadianceConfig(HashGridConfig(levels=4, log2_table_size=12, base_resolution=4, growth=1.6), hidden=16)
    field = RadianceField(config, torch.Generator().manual_seed(3))
    cameras = orbit_degrees([30.0], 20.0, 24)
    with torch.no_grad():
        ours = render_volume(field, OccupancyGrid(), cameras, VolumeOptions(samples=400)).colour
        theirs = ordinary.dense_volume(field, cameras, 256)
    assert theirs.max() > 0.3
    torch.testing.assert_close(ours, theirs, atol=0.02, rtol=0.0)


def test_marching_cubes_stands_in_the_same_place():
    axis = torch.linspace(-1, 1, 33)
    values = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).norm(dim=-1) - 0.7
    vertices, faces = ordinary.scikit_marching_cubes(values.numpy())
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 0.7, atol=0.01)
    assert check(vertices, faces).closed


def test_xatlas_and_decimation_keep_their_promises(blob):
    vertices, faces = (part.numpy() for part in blob)
    uvs, indices = ordinary.plain_xatlas(vertices, faces)
    assert indices.shape == faces.shape and uvs.min() >= 0.0 and uvs.max() <= 1.0
    fewer = ordinary.plain_decimation(vertices, faces, len(faces) // 2)[1]
    assert len(fewer) == pytest.approx(len(faces) // 2, rel=0.05)
