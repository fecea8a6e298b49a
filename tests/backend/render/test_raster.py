# SPDX-License-Identifier: GPL-3.0-or-later
"""The rasteriser as a whole: pictures against ray casting, gradients to vertices, choice of backend."""

import pytest
import torch
import trimesh

from backend.kernels.ray_cast import RayCaster
from backend.render.cameras import orbit_degrees
from backend.render.raster import WarpRasteriser, choose_rasteriser, interpolate


@pytest.fixture
def knot(device):
    """A bumpy torus: self-occluding, with small and slanted faces."""
    mesh = trimesh.creation.torus(0.55, 0.25, major_sections=40, minor_sections=20)
    vertices = torch.tensor(mesh.vertices, dtype=torch.float32)
    vertices = vertices * (1 + 0.1 * torch.sin(9 * vertices[:, :1]))
    return vertices.to(device), torch.tensor(mesh.faces, dtype=torch.int32, device=device)


def test_sees_what_ray_casting_sees(knot, device):
    vertices, faces = knot
    cameras = orbit_degrees([20, 110, 250], [10.0, 35.0, -20.0], size=(40, 32)).to(device)
    fragments = WarpRasteriser().rasterise(vertices, faces, cameras)
    origins, directions = cameras.rays()
    hits = RayCaster(vertices, faces).cast(origins.reshape(-1, 3), directions.reshape(-1, 3))
    same = fragments.face == hits.face.view_as(fragments.face)
    assert float(same.float().mean()) > 0.999
    assert 0.1 < float(fragments.mask.float().mean()) < 0.5
    seen = same & fragments.mask
    along = (directions * cameras.forward[:, None, None]).sum(-1)
    torch.testing.assert_close(
        fragments.depth[seen], (hits.distance.view_as(along) * along)[seen], atol=1e-4, rtol=1e-4
    )
    places = interpolate(vertices, faces, fragments)
    expected = origins + directions * hits.distance.view_as(along)[..., None]
    torch.testing.assert_close(places[seen], expected[seen], atol=1e-4, rtol=0)
    assert float(places[~fragments.mask].abs().sum()) == 0.0


def test_gradient_of_an_interpolated_picture_is_that_of_a_nudge(knot, device, generator):
    vertices, faces = knot
    cameras = orbit_degrees([20], 30.0, size=24).to(device)
    attributes = torch.randn((len(vertices), 2), generator=generator).to(device)
    rasteriser = WarpRasteriser()
    vertices.requires_grad_()
    fragments = rasteriser.rasterise(vertices, faces, cameras)
    weight = torch.randn((1, 24, 24, 2), generator=generator).to(device)
    (interpolate(attributes, faces, fragments) * weight).sum().backward()
    step = torch.randn(vertices.shape, generator=generator).to(device)
    predicted = float((vertices.grad * step).sum())
    values = []
    for sign in (1.0, -1.0):
        moved = rasteriser.rasterise(vertices.detach() + step * sign * 1e-5, faces, cameras)
        same = (moved.face == fragments.face)[..., None]
        values.append(float((interpolate(attributes, faces, moved) * weight * same).double().sum()))
    assert predicted == pytest.approx((values[0] - values[1]) / 2e-5, rel=0.03)


def test_moving_nearer_grows_the_picture_in_depth_too(device):
    vertices = torch.tensor([[-0.5, 0, -0.5], [0.5, 0, -0.5], [0, 0, 0.5]], device=device, requires_grad=True)
    faces = torch.tensor([[0, 1, 2]], dtype=torch.int32, device=device)
    fragments = WarpRasteriser().rasterise(vertices, faces, orbit_degrees([0], 0.0, size=16).to(device))
    fragments.depth[fragments.mask].mean().backward()
    assert float(vertices.grad[:, 1].sum()) == pytest.approx(1.0, abs=1e-4)


def test_our_own_backend_is_chosen_without_cuda():
    assert isinstance(choose_rasteriser(torch.device("cpu")), WarpRasteriser)


def test_the_same_picture_every_time(knot):
    vertices, faces = knot
    cameras = orbit_degrees([20], 30.0, size=32).to(vertices.device)
    one, two = (WarpRasteriser().rasterise(vertices, faces, cameras) for _ in range(2))
    assert torch.equal(one.face, two.face) and torch.equal(one.barycentric, two.barycentric)


def test_vertices_that_are_not_numbers_do_no_harm(device, generator):
    odd = [float("nan"), float("inf"), -float("inf"), 1e30, -1e30, 1e10]
    cameras = orbit_degrees([0, 90], 10.0, size=16).to(device)
    rasteriser = WarpRasteriser()
    for k in range(36):
        vertices = torch.randn((12, 3), generator=generator)
        vertices[k % 12, k % 3], vertices[(k + 5) % 12, k % 2] = odd[k % 6], odd[k // 6]
        vertices = vertices.to(device).requires_grad_()
        faces = torch.randint(12, (20, 3), generator=generator, dtype=torch.int32).to(device)
        fragments = rasteriser.rasterise(vertices, faces, cameras)
        image = torch.cat([fragments.mask[..., None].float(), interpolate(vertices, faces, fragments)], -1)
        smooth = rasteriser.antialias(image, fragments, vertices, faces, cameras)
        smooth.sum().backward()
        assert smooth.shape == (2, 16, 16, 4) and vertices.grad.shape == (12, 3)


def test_bad_input_is_refused(knot):
    vertices, faces = knot
    cameras = orbit_degrees([0], 0.0, size=8).to(vertices.device)
    with pytest.raises(ValueError, match="faces must be"):
        WarpRasteriser().rasterise(vertices, faces.long(), cameras)
    with pytest.raises(ValueError, match="vertices must be"):
        WarpRasteriser().rasterise(vertices.double(), faces, cameras)
    fragments = WarpRasteriser().rasterise(vertices, faces, cameras)
    with pytest.raises(ValueError, match="attributes must be"):
        interpolate(vertices[:, 0], faces, fragments)
    with pytest.raises(ValueError, match="does not fit"):
        WarpRasteriser().antialias(torch.zeros((1, 4, 4, 1)), fragments, vertices, faces, cameras)
