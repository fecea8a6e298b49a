# SPDX-License-Identifier: GPL-3.0-or-later
"""The occupancy grid: what it sees of a field, how it forgets, and that a seed fixes it."""

import pytest
import torch

from backend.fields.occupancy import OccupancyConfig, OccupancyGrid


def ball(points: torch.Tensor) -> torch.Tensor:
    return torch.where(points.norm(dim=1) < 0.5, 20.0, 0.0)


def nothing(points: torch.Tensor) -> torch.Tensor:
    return torch.zeros(points.shape[0], device=points.device)


def centres(side: int) -> torch.Tensor:
    axis = (torch.arange(side) + 0.5) * 2 / side - 1
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)


def test_everything_counts_before_the_first_look(device):
    assert OccupancyGrid(OccupancyConfig(8)).to(device).fraction() == 1.0


def test_finds_a_ball_and_only_the_ball(device, generator):
    grid = OccupancyGrid(OccupancyConfig(16)).to(device)
    for _ in range(8):
        grid.update(ball, generator)
    radius = centres(16).norm(dim=-1)
    occupied = grid.occupied.cpu() != 0
    half_diagonal = 3**0.5 / 16
    assert bool(occupied[radius < 0.5 - half_diagonal].all())
    assert not bool(occupied[radius > 0.5 + half_diagonal].any())


def test_axes_are_x_y_z(device, generator):
    grid = OccupancyGrid(OccupancyConfig(4, threshold=0.5)).to(device)
    grid.update(lambda points: torch.where((points[:, 0] > 0.5) & (points[:, 2] < -0.5), 5.0, 0.0), generator)
    assert grid.occupied.nonzero().cpu().tolist() == [[3, y, 0] for y in range(4)]


def test_forgets_what_is_gone(device, generator):
    grid = OccupancyGrid(OccupancyConfig(8, decay=0.5, threshold=1.0)).to(device)
    grid.update(ball, generator)
    assert grid.fraction() > 0
    for _ in range(5):
        grid.update(nothing, generator)
    assert float(grid.density.max()) == pytest.approx(20 * 0.5**5)


def test_after_warming_up_it_visits_a_part(device, generator):
    seen = []

    def counting(points: torch.Tensor) -> torch.Tensor:
        seen.append(points.shape[0])
        return ball(points)

    grid = OccupancyGrid(OccupancyConfig(16, warm_up=2)).to(device)
    for _ in range(4):
        grid.update(counting, generator)
    assert seen[:2] == [4096, 4096] and max(seen[2:]) < 2048
    assert int(grid.updates) == 4


def test_a_seed_fixes_it_and_nan_is_no_density(device):
    grids = []
    for _ in range(2):
        grid = OccupancyGrid(OccupancyConfig(8, warm_up=1)).to(device)
        draw = torch.Generator().manual_seed(9)
        for _ in range(3):
            grid.update(lambda points: torch.where(points[:, 1] > 0, points[:, 0], torch.nan), draw)
        grids.append(grid)
    assert torch.equal(grids[0].density, grids[1].density)
    assert bool(torch.isfinite(grids[0].density).all())


def test_saves_and_loads(device, generator):
    grid = OccupancyGrid(OccupancyConfig(8)).to(device)
    grid.update(ball, generator)
    copy = OccupancyGrid(OccupancyConfig(8)).to(device)
    copy.load_state_dict(grid.state_dict())
    assert torch.equal(copy.occupied, grid.occupied) and int(copy.updates) == 1


@pytest.mark.parametrize("setting", [{"resolution": 1}, {"decay": 1.0}, {"threshold": -1.0}, {"warm_up": -1}])
def test_senseless_settings_are_refused(setting):
    with pytest.raises(ValueError, match="occupancy"):
        OccupancyConfig(**setting)
