# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cells of [-1, 1]^3 hold anything: a grid that is refreshed from any density callable (NerfAcc, Li et al. 2023).

Each cell keeps a decaying maximum of the densities seen in it. The grid never knows the model; renderers read
`occupied` and `density`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from backend.kernels.chance import uniform

CELLS_AT_ONCE = 1 << 18  # of an update: what a field needs for them stays far below what a step needs
AT_RANDOM = 0.25  # share of all cells that an update looks at besides the occupied ones (NerfAcc)


@dataclass(frozen=True)
class OccupancyConfig:
    """resolution: cells a side. decay: factor on the remembered density at each update (threestudio 0.95, Magic3D 0.6).
    threshold: density above which a cell is occupied (or the mean density, where that is smaller). warm_up: updates
    that look at every cell; later ones look at a quarter of all cells and at the occupied ones, as NerfAcc does."""

    resolution: int = 32
    decay: float = 0.95
    threshold: float = 0.5
    warm_up: int = 16

    def __post_init__(self) -> None:
        if not 2 <= self.resolution <= 512:
            raise ValueError(f"occupancy: resolution must be 2 to 512, not {self.resolution}")
        if not 0.0 <= self.decay < 1.0 or self.threshold < 0.0 or self.warm_up < 0:
            raise ValueError("occupancy: decay must be in [0, 1), threshold and warm_up must not be negative")


class OccupancyGrid(nn.Module):
    """Buffers `density` (G, G, G) float32, `occupied` (G, G, G) uint8 and `updates` (count), indexed [x, y, z].

    Before the first update every cell counts as occupied.
    """

    density: torch.Tensor
    occupied: torch.Tensor
    updates: torch.Tensor

    def __init__(self, config: OccupancyConfig = OccupancyConfig()) -> None:
        super().__init__()
        self.config = config
        shape = (config.resolution,) * 3
        self.register_buffer("density", torch.zeros(shape))
        self.register_buffer("occupied", torch.ones(shape, dtype=torch.uint8))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, field: Callable[[torch.Tensor], torch.Tensor], generator: torch.Generator) -> None:
        """Looks at cells through `field` (points (N, 3) to density (N,)) at random places inside them.

        generator: a CPU generator, which gives one seed; it means the same places on every device.
        """
        seed = int(torch.randint(2**31 - 2, (), generator=generator))
        side, flat = self.config.resolution, self.density.view(-1)
        for cells in self._cells_to_visit(seed).split(CELLS_AT_ONCE):
            index = torch.stack([cells // (side * side), cells // side % side, cells % side], -1).float()
            seen = field((index + uniform(seed, cells, 3)) * (2.0 / side) - 1.0).reshape(-1).float()
            flat[cells] = torch.maximum(flat[cells] * self.config.decay, torch.nan_to_num(seen))
        limit = torch.clamp(flat.mean(), max=self.config.threshold)
        self.occupied.copy_(self.density > limit)
        self.updates += 1

    def fraction(self) -> float:
        """Part of the cells that are occupied, 0..1."""
        return float(self.occupied.float().mean())

    def _cells_to_visit(self, seed: int) -> torch.Tensor:
        every = torch.arange(self.occupied.numel(), device=self.occupied.device)
        if int(self.updates) < self.config.warm_up:
            return every
        chosen = (self.occupied.view(-1) != 0) | (uniform(seed + 1, every, 1).view(-1) < AT_RANDOM)
        return chosen.nonzero().view(-1)
