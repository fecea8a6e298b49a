# SPDX-License-Identifier: GPL-3.0-or-later
"""The fine stage's colour: a hash grid and network that give sRGB colour at surface points.

It can start from the coarse stage's radiance field, as Magic3D's second stage does (Lin et al. 2023, section 4.2):
the same grid, the same hidden layer, the colour rows of its head.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional

from backend.fields.radiance import RadianceField, _uniform
from backend.kernels.hash_grid import HashGridConfig, hash_encode, initial_table


@dataclass(frozen=True)
class TextureConfig:
    """grid: the encoding. hidden: width of the one hidden layer."""

    grid: HashGridConfig = field(default_factory=HashGridConfig)
    hidden: int = 64

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise ValueError(f"texture field: hidden must be at least 1, not {self.hidden}")


class TextureField(nn.Module):
    """Colour at points; parameters `table`, `hidden` and `head`. `generator` (CPU) draws the initial values."""

    def __init__(self, config: TextureConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        width, hidden = config.grid.width, config.hidden
        self.table = nn.Parameter(initial_table(config.grid, generator))
        self.hidden = nn.Parameter(_uniform((hidden, width), width, generator))
        self.head = nn.Parameter(_uniform((3, hidden), hidden, generator))

    @classmethod
    def inherit(cls, radiance: RadianceField) -> TextureField:
        """A texture field that gives exactly the radiance field's colours, with parameters of its own."""
        texture = cls.__new__(cls)
        nn.Module.__init__(texture)
        texture.config = TextureConfig(radiance.config.grid, radiance.config.hidden)
        texture.table = nn.Parameter(radiance.table.detach().clone())
        texture.hidden = nn.Parameter(radiance.hidden.detach().clone())
        texture.head = nn.Parameter(radiance.head.detach()[1:].clone())
        return texture

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return self.colour(points)

    def colour(self, points: torch.Tensor) -> torch.Tensor:
        """sRGB colour (N, 3) in 0..1 at points (N, 3); differentiable in parameters and points."""
        features = hash_encode(points, self.table, self.config.grid)
        return torch.sigmoid(functional.relu(features @ self.hidden.t()) @ self.head.t())
