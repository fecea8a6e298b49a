# SPDX-License-Identifier: GPL-3.0-or-later
"""The coarse stage: a radiance field on a hash grid is optimised until the prior likes it from everywhere.

Magic3D's first stage (Lin et al. 2023, section 4.1): random cameras and lights, occupancy-pruned ray marching, score
distillation from a low-resolution prior with falling noise levels, orientation, sparsity and opacity terms.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from backend.distillation.ranks import ALONE, Ranks
from backend.fields.occupancy import OccupancyConfig, OccupancyGrid
from backend.fields.radiance import RadianceConfig, RadianceField
from backend.jobs.choir import guide_of
from backend.jobs.guide import Learner, Opinion, Seen, Voice
from backend.jobs.presets import Coarse, HashGridSize
from backend.jobs.stage import Stage
from backend.jobs.views import sample_cameras, sample_shading
from backend.kernels.hash_grid import HashGridConfig
from backend.priors.base import Prior
from backend.priors.prompts import PromptBook
from backend.render.cameras import Cameras
from backend.render.volume import VolumeOptions, VolumeRender, render_volume


def hash_grid_config(size: HashGridSize) -> HashGridConfig:
    """The kernel's description of a preset's grid: the growth follows from the first and the last resolution."""
    growth = (size.finest / size.base) ** (1 / max(size.levels - 1, 1))
    return HashGridConfig(size.levels, size.log2_entries, size.base, growth)


class CoarseStage(Stage[Opinion]):
    """A radiance field under optimisation; `advance` answers with the opinion of the prior that was followed.

    voice: the prior and its prompt with all that speak beside it.
    """

    def __init__(
        self, settings: Coarse, prior: Prior, book: PromptBook, device: torch.device, seed: int, ranks: Ranks = ALONE,
        turns: int = 1, voice: Voice | None = None,
    ):
        self.settings = settings
        generator = torch.Generator().manual_seed(seed)
        self.guide = guide_of(voice or Voice(prior, book), settings.guidance, generator, ranks)
        config = RadianceConfig(hash_grid_config(settings.grid), settings.grid.hidden, blob_scale=settings.blob)
        self.field = RadianceField(config, generator).to(device)
        self.occupancy = OccupancyGrid(OccupancyConfig(resolution=settings.occupancy)).to(device)
        optimised: dict[str, tuple[nn.Module, float]] = {"field": (self.field, settings.learning_rate)}
        super().__init__("coarse", settings.steps, optimised, {"occupancy": self.occupancy}, 0.8, generator,
                         ranks, turns=turns)

    def learners(self) -> dict[str, Learner]:
        return self.guide.learners("guide")

    def prepare(self) -> None:
        if self.step % self.settings.occupancy_every == 0:
            self.occupancy.update(self.field.density, self.generator)

    def loss(self) -> tuple[Tensor, Opinion]:
        """Guidance, orientation, sparsity and opacity terms of one batch of views."""
        settings, share = self.settings, self.share
        cameras = sample_cameras(settings.camera, settings.views, settings.pixels, self.generator)
        shading = sample_shading(settings.light, share, cameras, self.guide.prior.traits.knows_light, self.generator)
        part = self.part(settings.views, self.guide.views_together)
        if not part.is_whole:  # all ranks drew the same views; each looks through some of them
            cameras = cameras[part.slice]
            shading = None if shading is None else (shading[0][part.slice], shading[1])
        view = self.guide.view(cameras, shading)
        cameras = cameras.to(self.field.table.device)
        orientation = settings.orientation.at(share)
        with_normals = shading is not None or orientation > 0
        render = self.render(cameras, with_normals, jitter=True, views_before=part.start)
        seen = Seen(render.colour, render.opacity, render.normal)
        lit = self.guide.light(seen, cameras, settings.light, shading)
        images = self.guide.pack(lit, settings.random_background)
        opinion = self.guide.judge(images, view, share, part)
        loss = opinion.loss + settings.sparsity.at(share) * (render.opacity.square() + 0.01).sqrt().mean()
        if orientation > 0 and render.orientation is not None:
            hit = (render.opacity.detach() > 0.0).sum()
            loss = loss + orientation * self.ranks.share_of_sum(part, render.orientation, hit)
        if (opaque := settings.opaque.at(share)) > 0:
            solid = render.opacity.clamp(1e-3, 1 - 1e-3)
            loss = loss - opaque * (solid * solid.log() + (1 - solid) * (1 - solid).log()).mean()
        return part.weigh(loss), opinion

    def render(
        self, cameras: Cameras, with_normals: bool = False, jitter: bool = False, views_before: int = 0
    ) -> VolumeRender:
        """What the field looks like; with gradients if they are enabled."""
        options = VolumeOptions(samples=self.settings.samples, normals="tetrahedral" if with_normals else None,
                                normal_epsilon=0.02, stop_transmittance=1e-3)
        generator = self.generator if jitter else None
        return render_volume(self.field, self.occupancy, cameras, options, generator, views_before)


def run_coarse(stage: CoarseStage, after_step: Callable[[CoarseStage, Opinion], None]) -> None:
    """Optimises to the end; `after_step` reports, previews, keeps checkpoints and may raise Cancelled."""
    while not stage.finished:
        opinion = stage.advance()
        after_step(stage, opinion)
