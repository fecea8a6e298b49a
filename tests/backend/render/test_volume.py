# SPDX-License-Identifier: GPL-3.0-or-later
"""Volume rendering of fields whose picture is known, its gradients, seeds, chunks and limits."""

import math

import pytest
import torch

from backend.fields.occupancy import OccupancyConfig, OccupancyGrid
from backend.fields.radiance import FieldSample, RadianceConfig, RadianceField
from backend.kernels.hash_grid import HashGridConfig
from backend.render.cameras import orbit, orbit_degrees
from backend.render.volume import VolumeOptions, render_volume


class Ball:
    """Uniform ball of radius 0.5, red where x > 0 and blue elsewhere."""

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def density_and_colour(self, points: torch.Tensor) -> FieldSample:
        density = torch.where(points.norm(dim=1) < 0.5, self.strength, 0.0)
        red = (points[:, 0] > 0).float()
        return FieldSample(density, torch.stack([red, torch.zeros_like(red), 1 - red], 1))

    def normals(self, points: torch.Tensor, method: str, epsilon: float) -> torch.Tensor:
        return torch.nn.functional.normalize(points, dim=1)


@pytest.fixture
def everywhere(device):
    return OccupancyGrid(OccupancyConfig(8)).to(device)


def small_field(generator: torch.Generator) -> RadianceField:
    field = RadianceField(RadianceConfig(HashGridConfig(4, 12, 4, 1.6), hidden=16), generator)
    with torch.no_grad():
        field.table.copy_(torch.randn(field.table.shape, generator=generator) * 0.3)
    return field


def test_opacity_of_a_ball_is_beers_law(device, everywhere):
    cameras = orbit_degrees([0], 0.0, size=33).to(device)
    render = render_volume(Ball(1.5), everywhere, cameras, VolumeOptions(samples=2000, max_samples=2000))
    _, directions = cameras.rays()
    centre = -(cameras.positions[:, None, None] * directions).sum(-1)
    missed = 9.0 - centre**2
    chord = 2 * (0.25 - missed).clamp_min(0).sqrt()
    torch.testing.assert_close(render.opacity[..., 0], 1 - torch.exp(-1.5 * chord), atol=0.01, rtol=0)
    # Depth is weighted by what is seen: divided by opacity it lies inside the ball.
    seen = render.opacity[0, 16, 16, 0]
    assert 2.5 < float(render.depth[0, 16, 16, 0] / seen) < 3.0


def test_colours_are_premultiplied_and_where_they_belong(device, everywhere):
    cameras = orbit_degrees([0, 180], 0.0, size=32).to(device)
    render = render_volume(Ball(20.0), everywhere, cameras, VolumeOptions(samples=256))
    front, back = render.colour[:, 16, 20]
    assert float(front[0]) > 0.9 and float(front[2]) < 0.1
    assert float(back[2]) > 0.9 and float(back[0]) < 0.1
    assert float(render.colour[:, 0, 0].abs().sum()) == 0.0
    over = render.over(0.5)
    torch.testing.assert_close(over[0, 0, 0].cpu(), torch.full((3,), 0.5))
    rgba = render.straight_rgba()
    torch.testing.assert_close(rgba[..., :3] * rgba[..., 3:], render.colour, atol=1e-5, rtol=0)


def test_normals_face_the_camera_and_orientation_punishes_those_that_do_not(device, everywhere):
    cameras = orbit_degrees([0], 0.0, size=17).to(device)
    options = VolumeOptions(samples=64, normals="analytic")
    solid = render_volume(Ball(100.0), everywhere, cameras, options)
    assert solid.normal is not None and solid.orientation is not None
    torch.testing.assert_close(solid.normal[0, 8, 8].cpu(), torch.tensor([0.0, -1.0, 0.0]), atol=0.15, rtol=0)
    fog = render_volume(Ball(1.0), everywhere, cameras, options)
    assert float(solid.orientation) < 0.01 < float(fog.orientation)


def test_gradient_is_that_of_a_nudge(device, generator, everywhere):
    field = small_field(generator).to(device)
    cameras = orbit_degrees([30], 20.0, size=12).to(device)
    options = VolumeOptions(samples=64)

    def loss() -> torch.Tensor:
        render = render_volume(field, everywhere, cameras, options)
        return (render.over(0.3).square().sum() + render.depth.sum() + render.opacity.square().sum()).double()

    loss().backward()
    step = torch.randn(field.table.shape, generator=generator).to(device)
    predicted = float((field.table.grad * step).sum())
    values = []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            field.table.add_(step, alpha=sign * 1e-3)
            values.append(float(loss()))
            field.table.sub_(step, alpha=sign * 1e-3)
    assert predicted == pytest.approx((values[0] - values[1]) / 2e-3, rel=0.02)


def test_groups_of_rays_change_neither_picture_nor_gradient(device, generator, everywhere):
    field = small_field(generator).to(device)
    cameras = orbit_degrees([30, 200], 20.0, size=10).to(device)
    results = []
    for rays_at_once in (0, 64):
        field.zero_grad()
        options = VolumeOptions(samples=64, normals="analytic", rays_at_once=rays_at_once)
        render = render_volume(field, everywhere, cameras, options)
        (render.colour.sum() + render.orientation * 10 + render.normal[..., 2].sum()).backward()
        results.append((render.colour.detach(), render.orientation.detach(), field.table.grad.clone()))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_a_seed_fixes_the_picture(generator):
    field = small_field(generator)
    grid = OccupancyGrid(OccupancyConfig(8))
    cameras = orbit_degrees([30], 20.0, size=10)
    one, two, other = (
        render_volume(field, grid, cameras, VolumeOptions(samples=32), torch.Generator().manual_seed(seed)).colour
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_pruning_changes_little_and_saves_much(device, generator):
    ball = Ball(30.0)
    grid = OccupancyGrid(OccupancyConfig(24)).to(device)
    for _ in range(4):
        grid.update(lambda points: ball.density_and_colour(points).density, generator)
    cameras = orbit_degrees([0], 0.0, size=24).to(device)
    everything = OccupancyGrid(OccupancyConfig(8)).to(device)
    full = render_volume(ball, everything, cameras, VolumeOptions(samples=200))
    pruned = render_volume(ball, grid, cameras, VolumeOptions(samples=200))
    stopped = render_volume(ball, grid, cameras, VolumeOptions(samples=200, stop_transmittance=1e-3))
    assert float((full.opacity - pruned.opacity).abs().mean()) < 0.01
    assert float((pruned.colour - stopped.colour).abs().mean()) < 0.01
    assert stopped.sample_count < 0.6 * pruned.sample_count < 0.2 * full.sample_count


def test_an_empty_scene_is_a_picture_too(device, generator):
    field = small_field(generator).to(device)
    grid = OccupancyGrid(OccupancyConfig(4)).to(device)
    grid.occupied.zero_()
    cameras = orbit(torch.zeros(1, device=device), torch.zeros(1), size=(5, 3))
    render = render_volume(field, grid, cameras, VolumeOptions(samples=32, normals="forward"), generator)
    assert render.colour.shape == (1, 3, 5, 3) and render.sample_count == 0
    assert float(render.colour.detach().abs().sum()) == 0.0 and math.isfinite(float(render.orientation.detach()))
    (render.colour.sum() + render.orientation).backward()


@pytest.mark.parametrize(
    "setting", [{"samples": 0}, {"stop_transmittance": 1.0}, {"normal_epsilon": 0.0}, {"rays_at_once": -1}]
)
def test_senseless_options_are_refused(setting):
    with pytest.raises(ValueError, match="volume"):
        VolumeOptions(**setting)
