# SPDX-License-Identifier: GPL-3.0-or-later
"""The control networks that ship: shapes are followed, stripes lie where the surface has them, from every side."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from backend.priors import catalog
from backend.priors.control import controlled
from backend.priors.sampling import sample
from backend.priors.views import ViewCondition
from backend.render.cameras import orbit
from backend.render.geometry import see_geometry
from backend.render.raster import WarpRasteriser

BALLS = ((-0.45, 0.0, -0.35, 0.4), (0.35, 0.0, 0.4, 0.45))  # x, y, z, radius: a shape of no kind


@pytest.fixture(scope="module")
def seen():
    """Two balls from two sides, 32 px: (geometry, view)."""
    parts = [trimesh.creation.icosphere(3, radius).apply_translation(place) for *place, radius in BALLS]
    solid = trimesh.util.concatenate(parts)
    angles = torch.tensor([0.3, 2.4])
    cameras = orbit(angles, torch.tensor([0.3, 0.3]), size=32)
    geometry = see_geometry(torch.tensor(solid.vertices, dtype=torch.float32),
                            torch.tensor(solid.faces, dtype=torch.int32), cameras, WarpRasteriser(), 32)
    return geometry, ViewCondition.from_cameras(cameras)


def test_the_shape_that_is_shown_is_the_shape_that_is_drawn(seen) -> None:
    geometry, view = seen
    torch.set_num_threads(1)
    prior = catalog.load("", "coarse")
    assert prior.control is not None and prior.control.shows == "geometry"
    drawn = sample(controlled(prior, geometry), "a red object", view, steps=6, seed=3, guidance=2.0)
    assert drawn.shape == (2, 4, 32, 32)
    inside, there = geometry.coverage[:, 0] > 0.5, drawn[:, 3] > 0.5
    assert float((inside & there).sum() / (inside | there).sum()) > 0.9
    colour = drawn[:, :3].permute(0, 2, 3, 1)[geometry.coverage[:, 0] > 0.95].mean(0)
    assert colour[0] > 0.5 and colour[1] < 0.35 and colour[2] < 0.35


def test_stripes_follow_the_height_from_every_side(seen) -> None:
    geometry, view = seen
    torch.set_num_threads(1)
    prior = catalog.load("", "coarse")
    drawn = sample(controlled(prior, geometry), "a blue object with white stripes", view, steps=8, seed=1, guidance=2.0)
    whole = geometry.coverage[:, 0] > 0.95
    height = geometry.positions[:, 2][whole].numpy()
    white = drawn[:, 0][whole].numpy()  # white has red in it, blue has not
    band = np.floor((height - height.min()) / 0.06).astype(int)
    between = np.var([white[band == k].mean() for k in np.unique(band)])
    # How much of the variance the height explains; noise explains a tenth.
    assert between / white.var() > 0.4


def test_the_fine_prior_has_one_too() -> None:
    prior = catalog.load("", "fine")
    assert prior.control is not None and prior.control.cells == 1
    assert prior.control.network.config.in_channels == prior.traits.latent_shape[0]
