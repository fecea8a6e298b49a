# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture in place of a surface: the canvas on which a prior paints when there is no mesh."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch

from backend.priors.base import Prior
from backend.priors.geometry import Geometry
from backend.render.cameras import DEFAULT_DISTANCE, orbit_degrees
from backend.texturing.canvas import Canvas

AnyPrior = TypeVar("AnyPrior", bound=Prior)


def flat_canvas(size: int, device: torch.device) -> Canvas:
    """One view of `size` pixels whose every pixel is a cell of its own, all of it seen straight from the front."""
    count = size * size
    every = torch.arange(count, device=device)
    ones = torch.ones(1, 1, size, size, device=device)
    towards = torch.cat([torch.zeros_like(ones), torch.zeros_like(ones), ones], 1)
    geometry = Geometry(towards, ones, torch.zeros_like(towards), ones * DEFAULT_DISTANCE)
    weights = torch.ones(count, device=device)
    return Canvas(
        orbit_degrees([0], 0.0, size).to(device), ones, 1, every, torch.zeros_like(every),
        weights[:, None].expand(-1, 3) / 3, every, weights, weights, count, geometry,
    )


def without_shape(prior: AnyPrior) -> AnyPrior:
    """The prior without its control network: a picture has no shape to show it."""
    if getattr(prior, "control", None) is None:
        return prior
    plain = copy.copy(prior)
    plain.control = None  # type: ignore[attr-defined]
    return plain
