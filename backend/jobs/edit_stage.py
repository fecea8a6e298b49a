# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh as the start of the optimising stages: the surface on a leash, and fields that take on its shape and colours.

Magic3D edits by going on from a shape with another prompt (Lin et al. 2023, section 5.1). How far it may go is the
user's to say. On a leash, the signed distance is that of the mesh plus a smooth change that cannot exceed a reach, so
what is not told to change keeps its details; the highest noise level, which decides how much a prior dares to change,
falls with the leash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from backend.fields.radiance import RadianceField
from backend.fields.tetrahedral_sdf import TetrahedralSDF
from backend.fields.texture import TextureField
from backend.geometry.regularisers import sign_change_entropy
from backend.geometry.tetrahedra import Surface, TetrahedralGrid
from backend.jobs.fine import FineStage
from backend.jobs.guide import Guide, Opinion
from backend.jobs.presets import Coarse, Edit, Fine, Guidance, Ramp

Tell = Callable[[float, str], None]

REACH = 0.4  # field units as reshape nears 1: nearly half of an object's radius
SMOOTHEST, FINEST = 8, 32  # cells of the change along the box's longest side, as reshape goes from 0 to 1
PULL = 200.0  # weight of the way back at reshape 0.5
CALMEST = 0.4  # share of the usual noise levels that is left at reshape 0
BATCH = 8192  # points a step when a field takes on a shape
RATE = 0.01
STEEPNESS, DEEPEST = 60.0, 6.0
"""The density before softplus falls from +DEEPEST inside to -DEEPEST outside, in a band of 0.1 each."""


@dataclass(frozen=True)
class Leash:
    """reach: how far the surface may go, field units. cells: of the change, along the longest side. pull: weight of the
    way back. noise: share of the usual highest noise levels."""

    reach: float
    cells: int
    pull: float
    noise: float

    @classmethod
    def of(cls, reshape: float) -> Leash:
        """For the slider between 0 and 1, exclusive: there is nothing to hold at 1 and nothing to move at 0."""
        if not 0.0 < reshape < 1.0:
            raise ValueError(f"a surface is on a leash between 0 and 1, not at {reshape}")
        return cls(REACH * reshape**2, round(SMOOTHEST + (FINEST - SMOOTHEST) * reshape),
                   PULL * (1 - reshape) / reshape, CALMEST + (1 - CALMEST) * reshape)


class LeashedSurface(nn.Module):
    """A tetrahedral surface that changes smoothly and not too far: the parameter is a lattice of changes, which are
    interpolated between its points. For whoever uses it it is a `TetrahedralSDF`."""

    def __init__(self, start: TetrahedralSDF, leash: Leash) -> None:
        super().__init__()
        self.start = start.requires_grad_(False)
        self.leash = leash
        low, high = start.sdf.new_tensor(start.low), start.sdf.new_tensor(start.high)
        sides = [max(4, round(leash.cells * float(side / (high - low).max())) + 1) for side in high - low]
        self.change = nn.Parameter(torch.zeros(1, 1, sides[2], sides[1], sides[0], device=low.device))  # z, y, x
        self._places = ((start.grid.vertices - low) / (high - low) * 2 - 1).view(1, 1, 1, -1, 3)

    @property
    def grid(self) -> TetrahedralGrid:
        """The grid that it is marched on."""
        return self.start.grid

    @property
    def moved(self) -> Tensor:
        """(V,) what is added to the signed distance that it began with, below the reach everywhere."""
        found = functional.grid_sample(self.change, self._places, align_corners=True)
        return self.leash.reach * torch.tanh(found.view(-1) / self.leash.reach)

    @property
    def sdf(self) -> Tensor:
        """(V,) the signed distance as it is now, negative inside."""
        return self.start.sdf + self.moved

    def march(self) -> Surface:
        """As of `TetrahedralSDF`."""
        return self.start.march(self.sdf)

    def surface(self) -> tuple[Tensor, Tensor]:
        """As of `TetrahedralSDF`."""
        surface = self.march()
        return surface.vertices, surface.faces

    def sign_term(self, surface: Surface) -> Tensor:
        """As of `TetrahedralSDF`."""
        return sign_change_entropy(self.sdf, surface.edges, self.grid.cell_size)


class EditStage(FineStage):
    """The fine stage of a surface on a leash, which draws it back softly inside of its reach."""

    surface: LeashedSurface  # type: ignore[assignment]

    def loss(self) -> tuple[Tensor, tuple[Guide, Opinion] | None]:
        """The fine stage's terms and the way back, in cells of the grid squared, mean over the lattice."""
        loss, answer = super().loss()
        back = (self.surface.change / self.surface.grid.cell_size).square().mean()
        return loss + self.surface.leash.pull / self.turns * back, answer


def fine_settings(fine: Fine, edit: Edit, noise: float = 1.0) -> Fine:
    """The fine stage's numbers with `noise` (0..1) of its highest noise levels."""
    return replace(fine, tetrahedra=edit.tetrahedra, guidance=calmer(fine.guidance, noise))


def coarse_settings(coarse: Coarse, edit: Edit) -> Coarse:
    """The coarse stage's numbers when it begins with a shape: fewer steps, and no noise that would forget it."""
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
