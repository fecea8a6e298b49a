# SPDX-License-Identifier: GPL-3.0-or-later
"""Light directions, the sRGB curve, and the shading formula that our priors were trained with."""

import math

import pytest
import torch

from backend.render.cameras import direction, orbit
from backend.render.lighting import linear_to_srgb, sample_lights, shade, srgb_to_linear


def test_srgb_known_values_and_inverse():
    values = torch.linspace(0, 1, 101)
    torch.testing.assert_close(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-5, rtol=0)
    assert float(srgb_to_linear(torch.tensor(0.5))) == pytest.approx(0.21404, abs=1e-5)
    assert float(linear_to_srgb(torch.tensor(0.18))) == pytest.approx(0.46136, abs=1e-4)


def test_srgb_gradients_are_finite_at_black_and_white():
    for curve in (srgb_to_linear, linear_to_srgb):
        values = torch.tensor([0.0, 1e-8, 0.003, 0.04, 1.0], requires_grad=True)
        curve(values).sum().backward()
        assert bool(torch.isfinite(values.grad).all()) and bool((values.grad > 0).all())


def test_lights_lie_within_sixty_degrees_of_the_camera(generator):
    azimuth = torch.rand(2000, generator=generator) * 6
    elevation = torch.rand(2000, generator=generator)
    cameras = orbit(azimuth, elevation)
    lights = sample_lights(cameras, generator)
    torch.testing.assert_close(lights.norm(dim=1), torch.ones(2000))
    angle = torch.acos((lights * direction(azimuth, elevation)).sum(1).clamp(-1, 1))
    assert float(angle.max()) <= math.pi / 3 + 1e-3
    # Uniform in angle: mean pi/6, and the light comes from all sides.
    assert float(angle.mean()) == pytest.approx(math.pi / 6, abs=0.03)
    local = torch.einsum("bji,bj->bi", cameras.camera_to_world[:, :3, :3], lights)
    assert float(local[:, :2].mean(0).abs().max()) < 0.05


def test_lights_follow_the_seed():
    cameras = orbit(torch.zeros(3), torch.zeros(3))
    one, two = (sample_lights(cameras, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(one, two)


def test_shading_by_hand():
    albedo = torch.full((1, 1, 3, 3), 0.5)
    normal = torch.tensor([[[[0.0, -2, 0], [0, 1, 0], [0, -1, 1]]]])
    shaded = shade(albedo, normal, torch.tensor([[0.0, -1, 0]]), 0.4)[0, 0, :, 0]
    linear = ((0.5 + 0.055) / 1.055) ** 2.4
    factors = [1.0, 0.4, 0.4 + 0.6 * math.sqrt(0.5)]
    expected = [1.055 * (linear * factor) ** (1 / 2.4) - 0.055 for factor in factors]
    torch.testing.assert_close(shaded, torch.tensor(expected), atol=1e-5, rtol=0)


def test_premultiplied_colours_stay_premultiplied(generator):
    albedo, normal = torch.rand((2, 4, 4, 3), generator=generator), torch.randn((2, 4, 4, 3), generator=generator)
    opacity = torch.rand((2, 4, 4, 1), generator=generator)
    light = torch.nn.functional.normalize(torch.randn((2, 3), generator=generator), dim=1)
    ours = shade(albedo * opacity, normal, light, torch.tensor([0.2, 0.6]), opacity)
    expected = torch.cat([shade(albedo[:1], normal[:1], light[:1], 0.2), shade(albedo[1:], normal[1:], light[1:], 0.6)])
    torch.testing.assert_close(ours, expected * opacity, atol=1e-4, rtol=1e-4)


def test_gradients_are_finite_where_nothing_is_seen():
    colour, opacity = (torch.zeros((1, 2, 2, k), requires_grad=True) for k in (3, 1))
    normal = torch.zeros((1, 2, 2, 3), requires_grad=True)
    shade(colour, normal, torch.tensor([[0.0, 0, 1]]), 0.4, opacity).sum().backward()
    assert all(bool(torch.isfinite(tensor.grad).all()) for tensor in (colour, opacity, normal))
