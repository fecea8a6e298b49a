# SPDX-License-Identifier: GPL-3.0-or-later
"""From density to surface: chooses the level at which the field's outlines stay what they were.

The auto thresholds of public systems often fail (maintainers say so themselves), and the jump from the coarse to the
fine stage is what their users see. Here several levels are tried, each is carried over and looked at from all sides,
and the one whose silhouettes agree best with the opacity that the prior approved of is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.fields.tetrahedral_sdf import TetrahedralSDF
from backend.jobs.coarse import CoarseStage
from backend.jobs.views import turntable
from backend.render.cameras import Cameras
from backend.render.raster import Rasteriser
from protocol.errors import EmptySurface

LEVELS = (0.5, 1.0, 2.0, 4.0, 8.0)  # times the level that splits the field's own histogram
VIEWS = 8
PIXELS = 64
ELEVATIONS = (5.0, 35.0)


@dataclass(frozen=True)
class CarriedOver:
    """The surface, the density level that it lies on, and how well its outlines agree with the field's (IoU, 0..1)."""

    surface: TetrahedralSDF
    level: float
    agreement: float


def carry_over(coarse: CoarseStage, resolution: int, rasteriser: Rasteriser) -> CarriedOver:
    """The field's surface on a tetrahedral grid of `resolution`. Raises EmptySurface with advice if there is none."""
    device = coarse.field.table.device
    cameras = [turntable(VIEWS // 2, PIXELS, elevation, 22.5 * n).to(device) for n, elevation in enumerate(ELEVATIONS)]
    with torch.no_grad():
        outlines = [coarse.render(one).opacity[..., 0] > 0.5 for one in cameras]
        # The first try lets the field choose; it fails, with advice, when there is nothing at any level.
        middle = TetrahedralSDF.from_density(coarse.field.density, resolution, device=device)
        assert middle.threshold is not None
        best = _judge(middle, cameras, outlines, rasteriser)
        for factor in LEVELS:
            if factor == 1.0:
                continue
            try:
                surface = TetrahedralSDF.from_density(
                    coarse.field.density, resolution, middle.threshold * factor, device=device
                )
            except EmptySurface:
                continue
            candidate = _judge(surface, cameras, outlines, rasteriser)
            if candidate.agreement > best.agreement:
                best = candidate
    return best


def _judge(
    surface: TetrahedralSDF, cameras: list[Cameras], outlines: list[Tensor], rasteriser: Rasteriser
) -> CarriedOver:
    vertices, faces = surface.surface()
    common = either = 0
    for one, outline in zip(cameras, outlines, strict=True):
        seen = rasteriser.rasterise(vertices, faces.int().contiguous(), one).mask
        common += int((seen & outline).sum())
        either += int((seen | outline).sum())
    assert surface.threshold is not None
    return CarriedOver(surface, surface.threshold, common / max(either, 1))
