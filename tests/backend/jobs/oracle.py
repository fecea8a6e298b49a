# SPDX-License-Identifier: GPL-3.0-or-later
"""A prior that knows the truth: whatever noisy picture it is shown, it answers with the procedural object as seen from
that camera. With it a recipe can be tested apart from any trained network: what it then makes must be the object."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from backend.embedded.objects.model import ProceduralObject
from backend.embedded.objects.tracer import render
from backend.priors.base import Prior, PriorTraits, TextEmbedding, resize
from backend.priors.noise import NoiseSchedule
from backend.priors.views import ViewCondition


class OraclePrior(Prior):
    """Answers in noise; pixel space, RGBA over mid grey, 32 x 32 or whatever `size` says."""

    def __init__(self, truth: ProceduralObject, size: int = 32):
        self.truth = truth
        self.traits = PriorTraits("oracle", "1", size, "rgba", (4, size, size), 1, knows_camera=True, knows_light=True)
        steps = torch.linspace(0, 1, 1001)
        bars = torch.cos((steps + 0.008) / 1.008 * torch.pi / 2) ** 2
        self.noise = NoiseSchedule((bars[1:] / bars[0]).clamp(1e-5, 0.9999), "sample")
        self.device, self.dtype = torch.device("cpu"), torch.float32

    def embed(self, prompts: Sequence[str]) -> TextEmbedding:
        return TextEmbedding(torch.zeros(len(prompts), 1, 4))

    def encode(self, images: Tensor, cheap: bool = False) -> Tensor:
        return resize(images, self.traits.resolution) * 2 - 1

    def decode(self, x: Tensor) -> Tensor:
        return (x * 0.5 + 0.5).clamp(0, 1)

    def network(self, x_t: Tensor, t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> Tensor:
        assert view is not None
        size = self.traits.resolution
        rgba, normals = render([self.truth] * len(view), view.azimuth, view.elevation, view.zoom, size, 3)
        colour, alpha = rgba[..., :3].float() / 255, rgba[..., 3:].float() / 255
        if view.lit.any():
            from backend.render.lighting import shade

            colour = shade(colour, normals.float(), view.light)
        return torch.cat([colour * alpha + 0.5 * (1 - alpha), alpha], -1).permute(0, 3, 1, 2) * 2 - 1
