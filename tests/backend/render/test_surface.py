# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of textured meshes: the right colours in the right places, light, and gradients to shape and texture."""

import pytest
import torch
import trimesh

from backend.render.cameras import orbit_degrees
from backend.render.raster import WarpRasteriser
from backend.render.surface import render_surface


@pytest.fixture
def ball(device):
    shape = trimesh.creation.icosphere(3, 0.8)
    vertices = torch.tensor(shape.vertices, dtype=torch.float32, device=device)
    return vertices, torch.tensor(shape.faces, dtype=torch.int32, device=device)


def half_red(points: torch.Tensor) -> torch.Tensor:
    red = (points[:, :1] > 0).float()
    return torch.cat([red, torch.zeros_like(red), 1 - red], 1)


def test_colour_opacity_and_normals(ball, device):
    vertices, faces = ball
    cameras = orbit_degrees([0, 180], 0.0, size=33).to(device)
    render = render_surface(vertices, faces, vertices, half_red, cameras, WarpRasteriser())
    assert render.colour[0, 16, 20].tolist() == [1.0, 0.0, 0.0] and render.colour[1, 16, 20].tolist() == [0.0, 0.0, 1.0]
    torch.testing.assert_close(render.normal[0, 16, 16].cpu(), torch.tensor([0.0, -1, 0]), atol=0.05, rtol=0)
    assert float(render.opacity[0, 0, 0]) == 0.0 and float(render.opacity[0, 16, 16]) == 1.0
    partial = (render.opacity > 0) & (render.opacity < 1)
    assert int(partial.sum()) > 50
    assert float((render.colour.sum(-1, keepdim=True) - render.opacity).abs().max()) < 1e-5
    torch.testing.assert_close(render.over(0.5)[0, 0, 0].cpu(), torch.full((3,), 0.5))


def test_light_comes_from_its_side(ball, device):
    vertices, faces = ball
    cameras = orbit_degrees([0], 0.0, size=33).to(device)
    light = torch.tensor([[1.0, 0.0, 0.0]], device=device)

    def white(points: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(points)

    lit = render_surface(vertices, faces, vertices, white, cameras, WarpRasteriser(), light=light, ambient=0.4)
    row = lit.colour[0, 16, :, 0]
    assert float(row[24]) > 0.85 > 0.7 > float(row[8])
    torch.testing.assert_close(row[8].cpu(), torch.tensor(1.055 * 0.4 ** (1 / 2.4) - 0.055), atol=1e-3, rtol=0)


def test_an_image_pulls_the_mesh_to_its_size(ball, device):
    """Gradient descent on the silhouette alone shrinks a ball to the size of another, in three views."""
    vertices, faces = ball
    cameras = orbit_degrees([0, 90, 200], [0.0, 40.0, -30.0], size=32).to(device)

    def opacity(scale: torch.Tensor) -> torch.Tensor:
        shape = vertices * scale
        return render_surface(shape, faces, vertices, half_red, cameras, WarpRasteriser()).opacity

    wanted = opacity(torch.tensor(0.7, device=device)).detach()
    scale = torch.tensor(1.0, device=device, requires_grad=True)
    optimiser = torch.optim.Adam([scale], lr=0.02)
    for _ in range(60):
        optimiser.zero_grad()
        (opacity(scale) - wanted).square().mean().backward()
        optimiser.step()
    assert float(scale.detach()) == pytest.approx(0.7, abs=0.01)
