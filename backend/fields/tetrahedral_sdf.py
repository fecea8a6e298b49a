# SPDX-License-Identifier: GPL-3.0-or-later
"""The fine stage's shape: a signed distance and a small offset at every vertex of a tetrahedral grid (DMTet).

`TetrahedralSDF.from_density` carries a radiance field over: it finds the level, closes the object, lays a second,
finer grid into the tight box, and turns the density into a true distance, so that one learning rate fits every part
of the surface. `from_distance` does the same for a shape that is there already. `surface()` marches the grid; gradients
reach both parameters. The texture field lives elsewhere. Negative is inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from backend.geometry.distance import distance_to_mesh
from backend.geometry.levels import Level, find_level, solidify
from backend.geometry.regularisers import sign_change_entropy
from backend.geometry.tetrahedra import Surface, TetrahedralGrid, marching_tetrahedra, tetrahedral_grid
from protocol.errors import EmptySurface

Point = tuple[float, float, float]
Density = Callable[[torch.Tensor], torch.Tensor]
Distance = Callable[[torch.Tensor], torch.Tensor]

# Opposite long edges of a BCC tetrahedron lie half a cell apart, so two moves below a quarter each can never invert
# it.
OFFSET_LIMIT = 0.24  # cells
CHUNK = 1 << 16  # points per call of the density
COARSE_RESOLUTION = 64  # class of the first pass, which only has to find the box and the level
BOX_MARGIN = 0.05  # of the tight box, each side, on top of one and a half coarse cells
BISECTIONS = 5  # of a crossed edge: the surface is found to 1/64 of it
BAND = 4.0  # cells around the surface in which the distance is exact; beyond it, it is kept at this value


class TetrahedralSDF(nn.Module):
    """sdf (V,) in units of the box, negative inside; offsets (V, 3) unbounded, mapped to moves below a quarter of a
    cell."""

    def __init__(self, resolution: int, low: Point = (-1.0, -1.0, -1.0), high: Point = (1.0, 1.0, 1.0)) -> None:
        super().__init__()
        self.resolution, self.low, self.high = resolution, low, high
        self._grid = tetrahedral_grid(resolution, low, high)
        self.sdf = nn.Parameter(torch.ones(len(self._grid.vertices)))
        self.offsets = nn.Parameter(torch.zeros(len(self._grid.vertices), 3))
        self.threshold: float | None = None  # of the density that this was carried over from

    @property
    def grid(self) -> TetrahedralGrid:
        """The grid, on the device of the parameters."""
        if self._grid.vertices.device != self.sdf.device:
            self._grid = self._grid.to(self.sdf.device)
        return self._grid

    def positions(self) -> torch.Tensor:
        """(V, 3) grid vertices with their offsets: tanh of the length, along the direction, so the limit is a
        ball."""
        length = (self.offsets.square().sum(1, keepdim=True) + 1e-12).sqrt()
        return self.grid.vertices + self.offsets * (torch.tanh(length) / length * (OFFSET_LIMIT * self.grid.cell_size))

    def march(self, sdf: torch.Tensor | None = None) -> Surface:
        """The surface with the grid edges under its vertices. Raises EmptySurface where no sign changes.

        sdf: (V,) instead of the field's own. The border of the box is kept outside, so the surface is always closed.
        """
        grid = self.grid
        sdf = self.sdf if sdf is None else sdf
        sdf = torch.where(grid.border, sdf.clamp(min=0.01 * grid.cell_size), sdf)
        surface = marching_tetrahedra(grid, sdf, self.positions())
        if not len(surface.faces):
            raise EmptySurface(
                "The shape vanished while it was refined: its signed distance is positive everywhere.",
                hint="Lower the fine stage's learning rate for the geometry, or raise its normal consistency weight.",
                stage="fine",
            )
        return surface

    def surface(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(vertices (S, 3) with gradients, faces (F, 3) int64), closed, outward."""
        surface = self.march()
        return surface.vertices, surface.faces

    def sign_term(self, surface: Surface) -> torch.Tensor:
        """Sign-change cross entropy over the crossed edges of a surface of this field (see `sign_change_entropy`)."""
        return sign_change_entropy(self.sdf, surface.edges, self.grid.cell_size)

    def get_extra_state(self) -> dict[str, Any]:
        return {"resolution": self.resolution, "low": self.low, "high": self.high, "threshold": self.threshold}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.threshold = state["threshold"]

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TetrahedralSDF:
        """Rebuilt from `state_dict()`, grid included, on the CPU."""
        extra = state["_extra_state"]
        field = cls(int(extra["resolution"]), tuple(extra["low"]), tuple(extra["high"]))
        field.load_state_dict(state)
        return field

    @classmethod
    def from_density(
        cls,
        density_fn: Density,
        resolution: int,
        threshold: float | None = None,
        box: tuple[Point, Point] = ((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)),
        *,
        target_fraction: float | None = None,
        smallest_share: float = 0.02,
        device: torch.device | str = "cpu",
    ) -> TetrahedralSDF:
        """Carry a density over. density_fn maps points (N, 3) on `device` to densities (N,) or (N, 1), >= 0.

        resolution names the grid (32, 64, 128 as in DMTet). threshold None lets the field choose (see `find_level`);
        target_fraction is the share of `box` that the object should fill. Raises EmptySurface with advice.
        """
        coarse = tetrahedral_grid(COARSE_RESOLUTION, *box)
        density = _sample(density_fn, coarse.vertices, device)
        # Two vertices a cell: each stands for half a cell of the box.
        share = 0.5 * coarse.cell_size**3 / float(np.prod(np.subtract(box[1], box[0])))
        level = find_level(
            density, coarse.edges.numpy(), coarse.border.numpy(), threshold, target_fraction, smallest_share, share
        )
        low, high = _tight_box(coarse, level, box)
        field = cls(resolution, low, high)
        field.threshold = level.threshold
        grid = field.grid
        density = _sample(density_fn, grid.vertices, device)
        inside = solidify(density > level.threshold, grid.edges.numpy(), grid.border.numpy(), smallest_share)
        if not inside.any():
            raise EmptySurface(
                f"The object found at density {level.threshold:.3g} is thinner than the grid of {resolution}.",
                hint="Raise the fine stage's grid resolution, or run more coarse steps so that the shape gains"
                " substance.",
                detail={"threshold": level.threshold, "resolution": resolution},
            )
        with torch.no_grad():
            field.sdf.copy_(torch.from_numpy(_distances(grid, inside, density_fn, level.threshold, device)))
        return field.to(device)


    @classmethod
    def from_distance(
        cls,
        distance_fn: Distance,
        resolution: int,
        low: Point,
        high: Point,
        *,
        band: float = 0.0,
        device: torch.device | str = "cpu",
    ) -> TetrahedralSDF:
        """Carry a signed distance over, negative inside: points (N, 3) on `device` to (N,). low, high: a box around the
        object with a cell to spare. band: how far from the surface it is kept exact, BAND cells at least. Raises
        EmptySurface where nothing is inside of any grid vertex.
        """
        field = cls(resolution, low, high)
        cell = field.grid.cell_size
        with torch.no_grad():
            parts = [distance_fn(chunk.to(device)).float().cpu() for chunk in field.grid.vertices.split(CHUNK)]
            distance = torch.cat(parts)
            # The floor keeps a finite interpolation where a vertex lies on the surface.
            exact = distance.abs().clamp(1e-3 * cell, max(BAND * cell, band))
            field.sdf.copy_(torch.where(distance < 0, -exact, exact))
        if not (distance < 0).any():
            raise EmptySurface(
                f"The object is thinner everywhere than the grid of {resolution}.",
                hint="Give it a thickness, or raise the grid's resolution.", detail={"resolution": resolution},
            )
        return field.to(device)


@torch.no_grad()
def _sample(density_fn: Density, points: torch.Tensor, device: torch.device | str) -> np.ndarray:
    parts = [density_fn(chunk.to(device)).reshape(-1).float().cpu() for chunk in points.split(CHUNK)]
    return torch.cat(parts).numpy()


def _tight_box(grid: TetrahedralGrid, level: Level, box: tuple[Point, Point]) -> tuple[Point, Point]:
    """Bounds of the inside plus one and a half cells and the margin, not beyond `box`."""
    points = grid.vertices.numpy()[level.inside].astype(np.float64)
    low, high = points.min(0), points.max(0)
    margin = BOX_MARGIN * (high - low) + 1.5 * grid.cell_size
    low, high = np.maximum(low - margin, box[0]), np.minimum(high + margin, box[1])
    return tuple(map(float, low)), tuple(map(float, high))  # type: ignore[return-value]


def _distances(
    grid: TetrahedralGrid, inside: np.ndarray, density_fn: Density, threshold: float, device: torch.device | str
) -> np.ndarray:
    """(V,) float32 signed distance to the surface where the density passes `threshold`, with the signs of `inside`.

    Densities jump by thousands within a cell, so interpolating them puts the surface in the wrong place. Each crossed
    edge is bisected on the density itself instead; the faces between those points then give the distances.
    """
    surface = marching_tetrahedra(grid, torch.from_numpy(np.where(inside, -1.0, 1.0).astype(np.float32)))
    ends = grid.vertices[surface.edges]  # (S, 2, 3)
    solid_end = torch.from_numpy(inside)[surface.edges]
    filled = torch.where(solid_end[:, :1], ends[:, 0], ends[:, 1])
    empty = torch.where(solid_end[:, :1], ends[:, 1], ends[:, 0])
    for _ in range(BISECTIONS):
        middle = 0.5 * (filled + empty)
        full = torch.from_numpy(_sample(density_fn, middle, device) > threshold)[:, None]
        filled, empty = torch.where(full, middle, filled), torch.where(full, empty, middle)
    vertices = (0.5 * (filled + empty)).numpy()
    points, edges = grid.vertices.numpy(), grid.edges.numpy()
    near = np.zeros(len(points), bool)
    near[surface.edges.numpy().ravel()] = True
    for _ in range(int(BAND) - 1):
        near[edges[near[edges].any(1)].ravel()] = True
    distance = np.full(len(points), BAND * grid.cell_size)
    exact, _, _ = distance_to_mesh(points[near], vertices, surface.faces.numpy())
    # The floor keeps the sign and a finite interpolation where a vertex lies on the surface.
    distance[near] = np.clip(exact, 1e-3 * grid.cell_size, distance[near])
    return (distance * np.where(inside, -1.0, 1.0)).astype(np.float32)
