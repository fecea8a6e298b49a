# SPDX-License-Identifier: GPL-3.0-or-later
"""The texture field: what it inherits, and that it owns it."""

import pytest
import torch

from backend.fields.radiance import RadianceConfig, RadianceField
from backend.fields.texture import TextureConfig, TextureField
from backend.kernels.hash_grid import HashGridConfig

SMALL = HashGridConfig(levels=4, log2_table_size=12, base_resolution=4, growth=1.6)


def test_inherits_exactly_the_radiance_fields_colours(device, generator):
    radiance = RadianceField(RadianceConfig(SMALL, hidden=16), generator).to(device)
    with torch.no_grad():
        radiance.table.copy_(torch.randn(radiance.table.shape, generator=generator))
    points = (torch.rand((200, 3), generator=generator) * 2 - 1).to(device)
    texture = TextureField.inherit(radiance)
    expected = radiance.density_and_colour(points).colour
    torch.testing.assert_close(texture.colour(points), expected, atol=1e-6, rtol=1e-6)
    assert float(expected.detach().std()) > 0.01
    with torch.no_grad():
        for parameter in texture.parameters():
            parameter.zero_()
    assert torch.equal(radiance.density_and_colour(points).colour, expected)


def test_learns_a_colour(device, generator):
    texture = TextureField(TextureConfig(SMALL, hidden=16), generator).to(device)
    points = (torch.rand((500, 3), generator=generator) * 2 - 1).to(device)
    wanted = (points + 1) / 2
    optimiser = torch.optim.Adam(texture.parameters(), lr=0.02, betas=(0.9, 0.99), eps=1e-15)
    for _ in range(60):
        optimiser.zero_grad()
        (texture(points) - wanted).square().mean().backward()
        optimiser.step()
    assert float((texture(points) - wanted).square().mean().sqrt().detach()) < 0.05


def test_gradients_reach_points(device, generator):
    texture = TextureField(TextureConfig(SMALL, hidden=16), generator).to(device)
    points = torch.zeros((3, 3), device=device, requires_grad=True)
    with torch.no_grad():
        texture.table.copy_(torch.randn(texture.table.shape, generator=generator))
    texture(points + 0.1).sum().backward()
    assert float(points.grad.abs().sum()) > 0


def test_senseless_settings_are_refused():
    with pytest.raises(ValueError, match="hidden"):
        TextureConfig(hidden=0)
