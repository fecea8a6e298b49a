# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh as the start of the optimising stages: the surface on a leash, and fields that take on its shape and colours.

Magic3D edits by going on from a shape with another prompt (Lin et al. 2023, section 5.1). How far it may go is the
user's to say: the signed distance may not leave a band around where it started, is drawn back softly inside of it, and
the highest noise level, which decides how much a prior dares to change, falls with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.fields.radiance import RadianceField
from backend.fields.texture import TextureField
from backend.jobs.fine import FineStage
from backend.jobs.guide import Guide, Opinion
from backend.jobs.presets import Coarse, Edit, Fine, Guidance, Ramp

Tell = Callable[[float, str], None]

REACH = 0.4  # field units at reshape 1: nearly half of an object's radius
PULL = 400.0  # weight of the way back at reshape 0.5
CALMEST = 0.4  # share of the usual noise levels that is left at reshape 0
BATCH = 8192  # points a step when a field takes on a shape
RATE = 0.01
STEEPNESS, DEEPEST = 60.0, 6.0
"""The density before softplus falls from +DEEPEST inside to -DEEPEST outside, in a band of 0.1 each."""


@dataclass(frozen=True)
class Leash:
    """reach: how far the surface may go, field units. pull: weight of the way back. noise: share of the usual highest
    noise levels."""

    reach: float
    pull: float
    noise: float

    @classmethod
    def of(cls, reshape: float) -> Leash:
        """For the slider: 0 (exclusive) to 1, which is free."""
        if not 0.0 < reshape <= 1.0:
            raise ValueError(f"a surface is on a leash above 0 and up to 1, not at {reshape}")
        if reshape == 1.0:
            return cls(float("inf"), 0.0, 1.0)
        return cls(REACH * reshape**2, PULL * (1 - reshape) / reshape, CALMEST + (1 - CALMEST) * reshape)


class EditStage(FineStage):
    """The fine stage with its surface on a leash; takes what `FineStage` takes, and the leash."""

    def __init__(self, leash: Leash, *args: object, **more: object):
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self.leash = leash
        self._start = self.surface.sdf.detach().clone()
        self._near = (self._start.abs() < 2.0 * self.surface.grid.cell_size).float()

    def loss(self) -> tuple[Tensor, tuple[Guide, Opinion] | None]:
        loss, answer = super().loss()
        if self.leash.pull == 0:
            return loss, answer
        moved = (self.surface.sdf - self._start) / self.surface.grid.cell_size
        back = (moved.square() * self._near).sum() / self._near.sum().clamp_min(1.0)
        return loss + self.leash.pull / self.turns * back, answer

    def advance(self) -> tuple[Guide, Opinion] | None:
        answer = super().advance()
        with torch.no_grad():
            low, high = self._start - self.leash.reach, self._start + self.leash.reach
            self.surface.sdf.copy_(self.surface.sdf.clamp(low, high))
        return answer


def fine_settings(fine: Fine, edit: Edit, leash: Leash) -> Fine:
    """The fine stage's numbers for a surface on a leash."""
    return replace(fine, tetrahedra=edit.tetrahedra, guidance=calmer(fine.guidance, leash.noise))


def coarse_settings(coarse: Coarse, edit: Edit) -> Coarse:
    """The coarse stage's numbers when it begins with a shape. Nothing is to be found any more, so it starts lit and
    with the terms that it usually ends with."""
    t_max = Ramp(min(edit.t_max, coarse.guidance.t_max.start), min(edit.t_max, coarse.guidance.t_max.end),
                 coarse.guidance.t_max.begin, coarse.guidance.t_max.finish)
    return replace(coarse, steps=max(2, round(coarse.steps * edit.again)), guidance=replace(coarse.guidance,
                   t_max=t_max))


def calmer(guidance: Guidance, share: float) -> Guidance:
    """The same guidance with `share` of its highest noise levels."""
    ramp = guidance.t_max
    return replace(guidance, t_max=Ramp(ramp.start * share, ramp.end * share, ramp.begin, ramp.finish))


def take_on_colours(
    texture: TextureField, points: NDArray[np.float32], colours: NDArray[np.float32], steps: int,
    generator: torch.Generator, tell: Tell,
) -> None:
    """Fits a texture field to colours (N, 3) at points (N, 3); `tell` may raise Cancelled."""
    device = texture.table.device
    places, wanted = torch.from_numpy(points).to(device), torch.from_numpy(colours).to(device)

    def loss() -> Tensor:
        some = torch.randint(len(places), (BATCH,), generator=generator).to(device)
        return (texture.colour(places[some]) - wanted[some]).square().mean()

    _fit(list(texture.parameters()), loss, steps, tell)


def take_on_shape(
    field: RadianceField, distance: Callable[[Tensor], Tensor], points: NDArray[np.float32],
    colours: NDArray[np.float32], steps: int, generator: torch.Generator, tell: Tell,
) -> None:
    """Fits a radiance field to a signed distance (field units, negative inside) and colours (N, 3) at points (N, 3) of
    the surface; `tell` may raise Cancelled."""
    device = field.table.device
    surface, wanted = torch.from_numpy(points).to(device), torch.from_numpy(colours).to(device)
    # Half of the places anywhere in the box, half near the surface, where the density has to turn.
    anywhere = torch.rand((len(surface), 3), generator=generator).to(device) * 2 - 1
    near = surface + 0.05 * torch.randn(surface.shape, generator=generator).to(device)
    places = torch.cat([anywhere, near])
    levels = (-STEEPNESS * distance(places)).clamp(-DEEPEST, DEEPEST)

    def loss() -> Tensor:
        some = torch.randint(len(places), (BATCH,), generator=generator).to(device)
        on = torch.randint(len(surface), (BATCH // 4,), generator=generator).to(device)
        shape = (field.level(places[some]) - levels[some]).square().mean()
        return 0.05 * shape + (field.density_and_colour(surface[on]).colour - wanted[on]).square().mean()

    _fit(list(field.parameters()), loss, steps, tell)


def _fit(parameters: list[torch.nn.Parameter], loss: Callable[[], Tensor], steps: int, tell: Tell) -> None:
    optimiser = torch.optim.Adam(parameters, RATE, betas=(0.9, 0.99), eps=1e-15)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * (1 - 0.9 * step / steps)
        value = loss()
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        if step % 10 == 0:
            tell(step / steps, "taking on what is there")
