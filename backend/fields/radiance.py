# SPDX-License-Identifier: GPL-3.0-or-later
"""The coarse stage's scene: density and colour at points of [-1, 1]^3, from a hash grid and a small network.

Magic3D's coarse model (Lin et al. 2023, section 4.1) with its density start, a soft ball; normals come from the
gradient of the density before its activation, analytically or by finite differences. Where to sample is the
renderer's business.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from backend.kernels.hash_grid import HashGridConfig, hash_encode, hash_point_gradient, initial_table

NormalMethod = Literal["analytic", "tetrahedral", "forward"]

_TETRAHEDRON = ((1.0, -1.0, -1.0), (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0), (1.0, 1.0, 1.0))


@dataclass(frozen=True)
class RadianceConfig:
    """grid: the encoding. hidden: width of the one hidden layer. blob_scale and blob_radius: the density's bias before
    softplus is blob_scale * (1 - |x| / blob_radius); Magic3D uses 10 and 0.5."""

    grid: HashGridConfig = field(default_factory=HashGridConfig)
    hidden: int = 64
    blob_scale: float = 10.0
    blob_radius: float = 0.5

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise ValueError(f"radiance field: hidden must be at least 1, not {self.hidden}")
        if self.blob_scale < 0.0 or self.blob_radius <= 0.0:
            raise ValueError("radiance field: blob_scale must not be negative and blob_radius must be positive")


class FieldSample(NamedTuple):
    """density (N,) >= 0 per unit length, colour (N, 3) sRGB in 0..1."""

    density: torch.Tensor
    colour: torch.Tensor


class RadianceField(nn.Module):
    """Density and colour at points; parameters `table` (the grid), `hidden` and `head` (the network, no biases).

    `generator` draws the initial values; it must live on the CPU so that a seed means the same on every device.
    """

    def __init__(self, config: RadianceConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        width, hidden = config.grid.width, config.hidden
        self.table = nn.Parameter(initial_table(config.grid, generator))
        self.hidden = nn.Parameter(_uniform((hidden, width), width, generator))
        self.head = nn.Parameter(_uniform((4, hidden), hidden, generator))

    def forward(self, points: torch.Tensor) -> FieldSample:
        return self.density_and_colour(points)

    def density(self, points: torch.Tensor) -> torch.Tensor:
        """Density (N,) at points (N, 3)."""
        return functional.softplus(self.level(points))

    def density_and_colour(self, points: torch.Tensor) -> FieldSample:
        """Density (N,) and sRGB colour (N, 3) at points (N, 3)."""
        raw = functional.relu(self._encode(points) @ self.hidden.t()) @ self.head.t()
        return FieldSample(functional.softplus(raw[:, 0] + self.blob(points)), torch.sigmoid(raw[:, 1:]))

    def level(self, points: torch.Tensor) -> torch.Tensor:
        """The density before softplus (N,): smooth and unbounded, so its gradient is better behaved."""
        hidden = functional.relu(self._encode(points) @ self.hidden.t())
        return hidden @ self.head[0] + self.blob(points)

    def blob(self, points: torch.Tensor) -> torch.Tensor:
        """Magic3D's density bias (N,): a soft ball."""
        return self.config.blob_scale * (1.0 - points.norm(dim=-1) / self.config.blob_radius)

    def normals(self, points: torch.Tensor, method: NormalMethod = "analytic", epsilon: float = 0.01) -> torch.Tensor:
        """Unit normals (N, 3), against the density's gradient, differentiable in the field's parameters.

        analytic: the exact gradient. tetrahedral: four evaluations `epsilon` away, second order. forward: three and
        one at the point itself, first order. A larger epsilon smooths. Points are taken as constants.
        """
        points = points.detach()
        if method == "analytic":
            gradient = self._level_gradient(points)
        elif method == "tetrahedral":
            corners = _tetrahedron_on(points.device)
            shifted = points[None] + corners[:, None] * epsilon
            levels = self.level(shifted.reshape(-1, 3)).reshape(4, -1)
            gradient = levels.t() @ corners
        elif method == "forward":
            shifted = points[None] + torch.eye(3, device=points.device)[:, None] * epsilon
            gradient = (self.level(shifted.reshape(-1, 3)).reshape(3, -1) - self.level(points)).t()
        else:
            raise ValueError(f"normals: method must be 'analytic', 'tetrahedral' or 'forward', not {method!r}")
        return -functional.normalize(gradient, dim=-1, eps=1e-8)

    def _encode(self, points: torch.Tensor) -> torch.Tensor:
        return hash_encode(points, self.table, self.config.grid)

    def _level_gradient(self, points: torch.Tensor) -> torch.Tensor:
        """Gradient (N, 3) of `level`. The network's part is written out, so that only the grid needs a kernel."""
        with torch.no_grad():
            active = (self._encode(points) @ self.hidden.t() > 0.0).float()
        through = (active * self.head[0]) @ self.hidden
        gradient = hash_point_gradient(points, self.table, through, self.config.grid)
        away = functional.normalize(points, dim=-1, eps=1e-8)
        return gradient - away * (self.config.blob_scale / self.config.blob_radius)


@functools.cache
def _tetrahedron_on(device: torch.device) -> torch.Tensor:
    """The corners (4, 3), sent to a device once."""
    return torch.tensor(_TETRAHEDRON, device=device)


def _uniform(shape: tuple[int, int], fan_in: int, generator: torch.Generator) -> torch.Tensor:
    """Kaiming-uniform weights of a linear layer followed by a ReLU."""
    bound = (6.0 / fan_in) ** 0.5
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
