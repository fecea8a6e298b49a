# SPDX-License-Identifier: GPL-3.0-or-later
"""The coarse stage: a radiance field on a hash grid is optimised until the prior likes it from everywhere.

Magic3D's first stage (Lin et al. 2023, section 4.1): random cameras and lights, occupancy-pruned ray marching, score
distillation from a low-resolution prior with falling noise levels, orientation, sparsity and opacity terms. If values
stop being finite it goes back to the last good step with half the learning rate, and says so.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from backend.fields.occupancy import OccupancyConfig, OccupancyGrid
from backend.fields.radiance import RadianceConfig, RadianceField
from backend.jobs.guide import Guide, Opinion, Seen
from backend.jobs.presets import Coarse, HashGridSize
from backend.jobs.views import sample_cameras, sample_shading
from backend.kernels.hash_grid import HashGridConfig
from backend.priors.base import Prior
from backend.priors.prompts import PromptBook
from backend.render.volume import VolumeOptions, VolumeRender, render_volume
from protocol.errors import TrainingDiverged

SNAPSHOT_EVERY = 25  # steps between the states that a diverged run goes back to
MOST_RECOVERIES = 4


def hash_grid_config(size: HashGridSize) -> HashGridConfig:
    """The kernel's description of a preset's grid: the growth follows from the first and the last resolution."""
    growth = (size.finest / size.base) ** (1 / max(size.levels - 1, 1))
    return HashGridConfig(size.levels, size.log2_entries, size.base, growth)


class CoarseStage:
    """A radiance field under optimisation. `step` is the next step; `recoveries` counts the times it went back."""

    def __init__(self, settings: Coarse, prior: Prior, book: PromptBook, device: torch.device, seed: int):
        self.settings = settings
        self.generator = torch.Generator().manual_seed(seed)
        self.guide = Guide(prior, book, settings.guidance, self.generator)
        grid = hash_grid_config(settings.grid)
        config = RadianceConfig(grid, settings.grid.hidden, blob_scale=settings.blob)
        self.field = RadianceField(config, self.generator).to(device)
        self.occupancy = OccupancyGrid(OccupancyConfig(resolution=settings.occupancy)).to(device)
        self.optimiser = torch.optim.Adam(
            self.field.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99), eps=1e-15
        )
        self.step = 0
        self.recoveries = 0
        self._good: dict[str, Any] | None = None

    @property
    def share(self) -> float:
        return self.step / self.settings.steps

    @property
    def finished(self) -> bool:
        return self.step >= self.settings.steps

    def advance(self) -> Opinion:
        """One optimiser step. Returns the opinion of the prior that it followed."""
        if self.step % SNAPSHOT_EVERY == 0:
            self._remember()
        if self.step % self.settings.occupancy_every == 0:
            self.occupancy.update(self.field.density, self.generator)
        loss, opinion = self._loss()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._cool_down()
        self.optimiser.step()
        self.step += 1
        if (self.step % SNAPSHOT_EVERY == 0 or self.finished) and not self._finite(loss):
            self._go_back()
        return opinion

    def _loss(self) -> tuple[Tensor, Opinion]:
        settings, share = self.settings, self.share
        cameras = sample_cameras(settings.camera, settings.views, settings.pixels, self.generator)
        cameras = cameras.to(self.field.table.device)
        shading = sample_shading(settings.light, share, cameras, self.guide.prior.traits.knows_light, self.generator)
        orientation = settings.orientation.at(share)
        render = self.render(cameras, with_normals=shading is not None or orientation > 0, jitter=True)
        seen = Seen(render.colour, render.opacity, render.normal)
        lit = self.guide.light(seen, cameras, settings.light, shading)
        images = self.guide.pack(lit, settings.random_background)
        opinion = self.guide.judge(images, self.guide.view(cameras, shading), share)
        loss = opinion.loss + settings.sparsity.at(share) * (render.opacity.square() + 0.01).sqrt().mean()
        if orientation > 0 and render.orientation is not None:
            loss = loss + orientation * render.orientation
        if (opaque := settings.opaque.at(share)) > 0:
            solid = render.opacity.clamp(1e-3, 1 - 1e-3)
            loss = loss - opaque * (solid * solid.log() + (1 - solid) * (1 - solid).log()).mean()
        return loss, opinion

    def render(self, cameras: Any, with_normals: bool = False, jitter: bool = False) -> VolumeRender:
        """What the field looks like; with gradients if they are enabled."""
        options = VolumeOptions(samples=self.settings.samples, normals="tetrahedral" if with_normals else None,
                                normal_epsilon=0.02, stop_transmittance=1e-3)
        return render_volume(self.field, self.occupancy, cameras, options, self.generator if jitter else None)

    def _cool_down(self) -> None:
        # The last fifth lowers the rate to a tenth: score distillation is noisy, and the field must come to rest.
        last = max(0.0, (self.share - 0.8) / 0.2)
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * 0.5**self.recoveries * (1 - 0.9 * last)

    def _finite(self, loss: Tensor) -> bool:
        return math.isfinite(float(loss.detach())) and all(
            bool(parameter.isfinite().all()) for parameter in self.field.parameters()
        )

    def _remember(self) -> None:
        self._good = copy.deepcopy(self.state())

    def _go_back(self) -> None:
        self.recoveries += 1
        if self.recoveries > MOST_RECOVERIES or self._good is None:
            raise TrainingDiverged(
                f"The coarse stage gave values that are not finite {self.recoveries} times.",
                hint="Choose another seed or prior, or lower `effort`; if it stays, the prior's weights may be broken.",
                stage="coarse",
            )
        recoveries = self.recoveries
        self.load(self._good)
        self.recoveries = recoveries
        # Another stretch of random numbers, or the same step would fail in the same way.
        self.generator.manual_seed(int(torch.randint(2**62, (), generator=self.generator)) + recoveries)

    def state(self) -> dict[str, Any]:
        """Everything needed to go on from here."""
        return {
            "step": self.step,
            "recoveries": self.recoveries,
            "field": self.field.state_dict(),
            "occupancy": self.occupancy.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from a state of `state`."""
        self.step, self.recoveries = state["step"], state["recoveries"]
        self.field.load_state_dict(state["field"])
        self.occupancy.load_state_dict(state["occupancy"])
        # A copy, because the optimiser would otherwise go on working in the tensors of the state.
        self.optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))
        self.generator.set_state(state["generator"])


def run_coarse(stage: CoarseStage, after_step: Callable[[CoarseStage, Opinion], None]) -> None:
    """Optimises to the end; `after_step` reports, previews, keeps checkpoints and may raise Cancelled."""
    while not stage.finished:
        opinion = stage.advance()
        after_step(stage, opinion)
