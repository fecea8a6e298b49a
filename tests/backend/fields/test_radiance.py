# SPDX-License-Identifier: GPL-3.0-or-later
"""The radiance field: its start, its normals by three methods, and what refuses to work."""

import pytest
import torch

from backend.fields.radiance import RadianceConfig, RadianceField
from backend.kernels.hash_grid import HashGridConfig

SMALL = HashGridConfig(levels=4, log2_table_size=12, base_resolution=4, growth=1.6)


@pytest.fixture
def field(device, generator):
    return RadianceField(RadianceConfig(SMALL, hidden=16), generator).to(device)


@pytest.fixture
def rough(field, generator):
    """A field whose grid matters."""
    with torch.no_grad():
        field.table.copy_(torch.randn(field.table.shape, generator=generator) * 0.3)
    return field


@pytest.fixture
def points(device, generator):
    return (torch.rand((300, 3), generator=generator) * 1.8 - 0.9).to(device)


def test_starts_as_magic3ds_soft_ball(field, points):
    sample = field.density_and_colour(points)
    expected = torch.nn.functional.softplus(10.0 * (1.0 - points.norm(dim=1) / 0.5))
    torch.testing.assert_close(sample.density, expected, atol=0.01, rtol=0.01)
    assert sample.colour.shape == (300, 3) and float((sample.colour.detach() - 0.5).abs().max()) < 0.01
    torch.testing.assert_close(field.density(points), sample.density)


def test_normals_of_the_ball_point_outwards(field, points):
    for method in ("analytic", "tetrahedral", "forward"):
        normals = field.normals(points, method, epsilon=0.02)
        outward = torch.nn.functional.normalize(points, dim=1)
        away = points.norm(dim=1) > 0.2
        assert float((normals * outward).sum(1)[away].detach().min()) > 0.98, method


def test_analytic_normals_are_the_gradient_autograd_finds(rough, points):
    points.requires_grad_()
    (gradient,) = torch.autograd.grad(rough.level(points).sum(), points)
    expected = -torch.nn.functional.normalize(gradient, dim=1)
    torch.testing.assert_close(rough.normals(points, "analytic"), expected, atol=1e-4, rtol=1e-4)


def test_gradients_of_normals_are_those_autograd_finds(rough, points):
    """Twice through autograd (whose grid kernels are checked elsewhere) against the written-out network part."""
    direction = torch.tensor([0.3, -0.5, 0.8], device=points.device)
    (rough.normals(points) @ direction).sum().backward()
    ours = [parameter.grad.clone() for parameter in rough.parameters()]
    rough.zero_grad()
    points.requires_grad_()
    (gradient,) = torch.autograd.grad(rough.level(points).sum(), points, create_graph=True)
    (-torch.nn.functional.normalize(gradient, dim=1) @ direction).sum().backward()
    for one, parameter in zip(ours, rough.parameters(), strict=True):
        scale = parameter.grad.abs().max()
        assert float(scale) > 0
        torch.testing.assert_close(one / scale, parameter.grad / scale, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("method", ["tetrahedral", "forward"])
def test_finite_differences_carry_gradients_too(rough, points, method):
    rough.normals(points, method).sum().backward()
    assert all(float(parameter.grad.abs().sum()) > 0 for parameter in rough.parameters())


def test_same_seed_same_field():
    one, two = (RadianceField(RadianceConfig(SMALL), torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    other = RadianceField(RadianceConfig(SMALL), torch.Generator().manual_seed(4))
    assert not torch.equal(one.hidden, other.hidden)


def test_saves_and_loads(rough, points, generator):
    copy = RadianceField(rough.config, generator).to(points.device)
    copy.load_state_dict(rough.state_dict())
    assert torch.equal(copy.density(points), rough.density(points))


def test_no_points(field, device):
    nothing = torch.zeros((0, 3), device=device)
    sample = field.density_and_colour(nothing)
    assert sample.density.shape == (0,) and sample.colour.shape == (0, 3)
    assert field.normals(nothing).shape == (0, 3)


def test_senseless_settings_are_refused(field, points):
    with pytest.raises(ValueError, match="hidden"):
        RadianceConfig(hidden=0)
    with pytest.raises(ValueError, match="blob"):
        RadianceConfig(blob_radius=0.0)
    with pytest.raises(ValueError, match="method must be"):
        field.normals(points, "magic")
