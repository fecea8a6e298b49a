# SPDX-License-Identifier: GPL-3.0-or-later
"""The other way to a texture: distillation into a colour field on a mesh that stays as it is.

It needs nothing of a prior but its opinion of single pictures, so it works with every one of them; patterns come out
fainter than by painting views.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.fields.texture import TextureConfig, TextureField
from backend.geometry.bake import TexelMap, dilate, to_bytes
from backend.geometry.mesh import Mesh
from backend.jobs.coarse import hash_grid_config
from backend.jobs.fine import render_surface
from backend.jobs.guide import Guide, Opinion, Seen, Voice
from backend.jobs.presets import Preset
from backend.jobs.previews import Previews
from backend.jobs.stage import Stage
from backend.jobs.views import sample_cameras
from backend.render.cameras import Cameras
from backend.render.raster import Rasteriser

COLOUR_CHUNK = 1 << 17  # points per call of the field
BEGIN_STEPS = 150  # steps in which the field takes on the colours that are there
BEGIN_POINTS = 4096


class TextureStage(Stage[tuple[Guide, Opinion]]):
    """A texture field on a fixed mesh under optimisation: the first half of the steps listens to the broad prior, then
    the sharp one. Pictures are unlit, so that no shading is baked in."""

    def __init__(
        self, preset: Preset, mesh: Mesh, broad: Voice, sharp: Voice, rasteriser: Rasteriser, seed: int, strength: float
    ):
        generator = torch.Generator().manual_seed(seed)
        self.preset, self.rasteriser = preset, rasteriser
        device = broad.prior.device
        self.vertices = torch.from_numpy(mesh.vertices).to(device)
        self.faces = torch.from_numpy(mesh.faces).to(device)
        self.broad = Guide(broad.prior, broad.book, preset.coarse.guidance, generator)
        self.sharp = Guide(sharp.prior, sharp.book, preset.fine.guidance, generator)
        self.strength = strength
        grid = preset.fine.detail_grid
        self.texture = TextureField(TextureConfig(hash_grid_config(grid), grid.hidden), generator).to(device)
        steps = max(2, round((preset.coarse.steps // 2 + preset.fine.steps) * strength))
        rates: dict[str, tuple[torch.nn.Module, float]] = {"texture": (self.texture, preset.fine.learning_rate)}
        super().__init__("texture", steps, rates, {}, 0.7, generator)

    def begin(self, points: NDArray[np.float32], colours: NDArray[np.float32]) -> None:
        """Lets the field take on colours (N, 3) at points (N, 3)."""
        device = self.vertices.device
        optimiser = torch.optim.Adam(self.texture.parameters(), self.preset.fine.learning_rate)
        for _ in range(BEGIN_STEPS):
            some = torch.randint(len(points), (BEGIN_POINTS,), generator=self.generator).numpy()
            found = self.texture.colour(torch.from_numpy(points[some]).to(device))
            loss = (found - torch.from_numpy(colours[some]).to(device)).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def loss(self) -> tuple[Tensor, tuple[Guide, Opinion]]:
        """The opinion of one prior about one batch of views, and whose it is."""
        early = self.share < 0.5
        guide, settings = (self.broad, self.preset.coarse) if early else (self.sharp, self.preset.fine)
        cameras = sample_cameras(settings.camera, settings.views, settings.pixels, self.generator)
        cameras = cameras.to(self.vertices.device)
        seen = self.seen(cameras)
        images = guide.pack(seen, 0.5)
        # Weaker jobs begin where the noise leaves more of what is there.
        opinion = guide.judge(images, guide.view(cameras, None), 1.0 - self.strength * (1.0 - self.share))
        return opinion.loss, (guide, opinion)

    def seen(self, cameras: Cameras) -> Seen:
        """The textured mesh from these cameras."""
        return render_surface(self.texture, self.vertices, self.faces, cameras, self.rasteriser)

    @torch.no_grad()
    def baked(self, texels: TexelMap) -> NDArray[np.uint8]:
        """The texture (S, S, 3), margins laid."""
        parts = torch.from_numpy(texels.points).split(COLOUR_CHUNK)
        colours = torch.cat([self.texture.colour(part.to(self.vertices.device)).cpu() for part in parts])
        return to_bytes(dilate(texels.picture(colours.numpy()), texels.mask))


def distil(stage: TextureStage, tell: Callable[[float, str], None], previews: Previews) -> None:
    """Runs a stage to its end; `tell` reports and may raise Cancelled."""
    while not stage.finished:
        guide, opinion = stage.advance()
        tell(stage.share, f"step {stage.step} of {stage.steps}")
        if previews.due():
            previews.of_pictures(guide.prior.decode(opinion.x0))
