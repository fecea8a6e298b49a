# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped prior says from where true renders of a car were taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.embedded.objects import Recipe, build, over_grey, render
from backend.identity.lookout import AZIMUTHS, likeliest_views
from backend.priors import catalog
from protocol.errors import Cancelled

ASKED = (20.0, 140.0, 265.0)


def test_views_are_found_to_about_the_grid_and_it_can_be_stopped():
    torch.set_num_threads(1)
    thing = build(Recipe("car", "red", "plain", "white"), np.random.default_rng(7))
    count = len(ASKED)
    albedo, _ = render([thing] * count, np.radians(ASKED), np.full(count, np.radians(15.0)), np.ones(count), 32)
    prior = catalog.load("", "coarse")
    x = prior.encode(over_grey(albedo.float() / 255.0).permute(0, 3, 1, 2))
    text, heard = prior.embed(["a car"]), []
    found = likeliest_views(prior, x, text, torch.Generator().manual_seed(2), heard.append)
    errors = [abs((one - true + 180) % 360 - 180)
              for one, true in zip(found.azimuth.rad2deg().tolist(), ASKED, strict=True)]
    assert max(errors) <= 360 / AZIMUTHS + 1 and heard == sorted(heard) and len(heard) == count
    assert not bool(found.lit.any())

    def stop(_: float) -> None:
        raise Cancelled("The job was cancelled.")

    with pytest.raises(Cancelled):
        likeliest_views(prior, x, text, torch.Generator().manual_seed(2), stop)
