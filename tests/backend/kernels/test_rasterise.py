# SPDX-License-Identifier: GPL-3.0-or-later
"""Rasterising against brute force in float64, and its gradients against a reference written for autograd."""

import pytest
import torch

from backend.kernels import rasterise

WIDTH, HEIGHT = 24, 20


def soup(generator, count=30):
    """Two views of random triangles in front of the eye, some reaching behind it."""
    vertices = torch.randn((2, 3 * count, 3), generator=generator)
    vertices[..., 2] -= 4.0
    vertices[0, :3, 2] = torch.tensor([1.0, -5.0, -5.0])
    faces = torch.arange(3 * count, dtype=torch.int32).view(-1, 3)
    return vertices, faces, torch.tensor([0.4, 0.6])


def pixel_rays(tangent: torch.Tensor) -> torch.Tensor:
    """(H, W, 3) directions (x, y, -1) through pixel centres."""
    x = ((torch.arange(WIDTH) + 0.5) * 2 - WIDTH) / HEIGHT * tangent
    y = (1 - (torch.arange(HEIGHT) + 0.5) * 2 / HEIGHT) * tangent
    return torch.stack([x[None].expand(HEIGHT, -1), y[:, None].expand(-1, WIDTH), -torch.ones(HEIGHT, WIDTH)], -1)


def solve(corners: torch.Tensor, rays: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Barycentrics (..., 3) and depth (...) where rays (..., 3) meet the planes of corners (..., 3, 3)."""
    weights = torch.linalg.solve(corners.transpose(-1, -2), rays)
    depth = 1.0 / weights.sum(-1)
    return weights * depth[..., None], depth


def test_nearest_faces_are_those_of_brute_force(device, generator):
    vertices, faces, tangents = soup(generator)
    face = rasterise.scan(vertices.to(device), faces.to(device), tangents.to(device), WIDTH, HEIGHT).cpu()
    different = covered = 0
    for view in range(2):
        corners = vertices[view][faces.long()].double()[:, None, None]
        rays = pixel_rays(tangents[view]).double()[None].expand(len(faces), -1, -1, -1)
        weights, depth = solve(corners.expand(-1, HEIGHT, WIDTH, -1, -1), rays)
        depth = torch.where((weights >= 0).all(-1) & (depth > 1e-3), depth, torch.inf)
        nearest, index = depth.min(0)
        expected = torch.where(nearest.isinf(), -1, index)
        different += int((expected != face[view]).sum())
        covered += int((expected >= 0).sum())
    assert covered > 400 and different <= 2


def test_barycentrics_and_gradients(device, generator):
    vertices, faces, tangents = (tensor.to(device) for tensor in soup(generator))
    face = rasterise.scan(vertices, faces, tangents, WIDTH, HEIGHT)
    vertices.requires_grad_()
    barycentric, depth = rasterise.barycentrics(vertices, faces, face, tangents)
    up_b = torch.randn(barycentric.shape, generator=generator).to(device)
    up_d = torch.randn(depth.shape, generator=generator).to(device)
    ((barycentric * up_b).sum() + (depth * up_d).sum()).backward()
    view, j, i = (face >= 0).nonzero().unbind(1)
    exact = vertices.detach().double().requires_grad_()
    corners = exact[view[:, None], faces[face[view, j, i].long()].long()]
    rays = torch.stack([pixel_rays(tangent) for tangent in tangents.cpu()]).to(device).double()[view, j, i]
    weights, distance = solve(corners, rays)
    torch.testing.assert_close(barycentric[view, j, i].double(), weights, atol=1e-4, rtol=0)
    torch.testing.assert_close(depth[view, j, i].double(), distance, atol=1e-4, rtol=1e-4)
    ((weights * up_b[view, j, i]).sum() + (distance * up_d[view, j, i]).sum()).backward()
    scale = exact.grad.abs().max()
    torch.testing.assert_close(vertices.grad.double() / scale, exact.grad / scale, atol=1e-4, rtol=1e-3)
    assert float(barycentric.detach()[face < 0].abs().sum()) == 0.0


def test_no_hole_between_triangles(device, generator):
    """A fan of needle triangles around a point, seen at a slant, covers every pixel inside its outline."""
    count = 400
    angle = torch.arange(count) * (2 * torch.pi / count)
    rim = torch.stack([angle.cos() * 3, angle.sin() * 3, torch.zeros(count)], 1)
    vertices = torch.cat([torch.zeros((1, 3)), rim]) @ torch.linalg.qr(torch.randn((3, 3), generator=generator))[0]
    vertices = vertices * torch.tensor([1.0, 1.0, 0.2]) - torch.tensor([0.0, 0.0, 4.0])
    ring = torch.arange(count, dtype=torch.int32)
    faces = torch.stack([torch.zeros_like(ring), ring + 1, (ring + 1) % count + 1], 1)
    face = rasterise.scan(vertices[None].to(device), faces.to(device), torch.tensor([0.2], device=device), 256, 256)
    assert bool((face >= 0).all())


def test_interpolation_and_gradients(device, generator):
    vertices, faces, tangents = (tensor.to(device) for tensor in soup(generator))
    face = rasterise.scan(vertices, faces, tangents, WIDTH, HEIGHT)
    barycentric = torch.rand((*face.shape, 3), generator=generator).to(device).requires_grad_()
    attributes = torch.randn((vertices.shape[1], 4), generator=generator).to(device).requires_grad_()
    out = rasterise.interpolate(attributes, faces, face, barycentric)
    upstream = torch.randn(out.shape, generator=generator).to(device)
    (out * upstream).sum().backward()
    attributes64, weights64 = (
        attributes.detach().double().requires_grad_(),
        barycentric.detach().double().requires_grad_(),
    )
    corners = attributes64[faces[face.clamp_min(0).long()].long()]
    expected = (weights64[..., None] * corners).sum(-2) * (face >= 0)[..., None]
    torch.testing.assert_close(out.double(), expected, atol=1e-5, rtol=1e-5)
    (expected * upstream.double()).sum().backward()
    torch.testing.assert_close(attributes.grad.double(), attributes64.grad, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(barycentric.grad.double(), weights64.grad, atol=1e-5, rtol=1e-4)


def test_no_faces(device):
    faces = torch.zeros((0, 3), dtype=torch.int32, device=device)
    vertices, tangents = torch.zeros((1, 3, 3), device=device, requires_grad=True), torch.tensor([0.5], device=device)
    face = rasterise.scan(vertices.detach(), faces, tangents, 4, 4)
    assert bool((face == -1).all())
    barycentric, _ = rasterise.barycentrics(vertices, faces, face, tangents)
    rasterise.interpolate(torch.ones((3, 2), device=device), faces, face, barycentric).sum().backward()
    assert float(vertices.grad.abs().sum()) == 0.0


@pytest.mark.parametrize("flip", [False, True])
def test_both_sides_are_seen_and_the_nearer_one_wins(device, flip):
    square = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    vertices = torch.cat([square - torch.tensor([0, 0, 4.0]), square - torch.tensor([0, 0, 3.0])])[None]
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], dtype=torch.int32)
    faces = faces.flip(1).contiguous() if flip else faces
    face = rasterise.scan(vertices.to(device), faces.to(device), torch.tensor([0.2], device=device), 8, 8)
    assert set(face.unique().tolist()) == {2, 3}
