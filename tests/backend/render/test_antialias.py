# SPDX-License-Identifier: GPL-3.0-or-later
"""Silhouette blending: against pictures of many samples a pixel, and its gradients against moved silhouettes."""

import math

import pytest
import torch
import trimesh

from backend.render.antialias import edge_topology
from backend.render.cameras import Cameras, orbit_degrees
from backend.render.raster import WarpRasteriser

SIZE = 48


def mesh(name: str, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    shape = {
        "sphere": lambda: trimesh.creation.icosphere(3, 0.7),
        "dense sphere": lambda: trimesh.creation.icosphere(5, 0.7),
        "box": lambda: trimesh.creation.box((1.0, 0.8, 0.6)),
        "torus": lambda: trimesh.creation.torus(0.55, 0.2),
    }[name]()
    vertices = torch.tensor(shape.vertices, dtype=torch.float32, device=device)
    return vertices, torch.tensor(shape.faces, dtype=torch.int32, device=device)


def coverage(vertices: torch.Tensor, faces: torch.Tensor, cameras: Cameras, smooth: bool = True) -> torch.Tensor:
    """(B, H, W) how much of each pixel the mesh covers."""
    rasteriser = WarpRasteriser()
    fragments = rasteriser.rasterise(vertices, faces, cameras)
    image = fragments.mask[..., None].float()
    if smooth:
        image = rasteriser.antialias(image, fragments, vertices, faces, cameras)
    return image[..., 0]


def exact_coverage(vertices: torch.Tensor, faces: torch.Tensor, cameras: Cameras, factor: int = 12) -> torch.Tensor:
    """The same by factor x factor samples a pixel."""
    fine = coverage(vertices, faces, cameras.resized(cameras.width * factor, cameras.height * factor), smooth=False)
    return torch.nn.functional.avg_pool2d(fine[:, None], factor)[:, 0]


@pytest.mark.parametrize("name", ["sphere", "dense sphere", "box", "torus"])
def test_silhouettes_look_like_many_samples_a_pixel(device, name):
    vertices, faces = mesh(name, device)
    cameras = orbit_degrees([17, 140], [25.0, -40.0], size=SIZE).to(device)
    exact = exact_coverage(vertices, faces, cameras)
    smooth = coverage(vertices, faces, cameras)
    rough = coverage(vertices, faces, cameras, smooth=False)
    edge = (exact > 0.02) & (exact < 0.98)
    error, before = ((image - exact)[edge].abs().mean() for image in (smooth, rough))
    assert float(error) < 0.06 and float(error) < 0.3 * float(before)
    assert float((smooth - exact)[~edge].abs().max()) < 0.1


@pytest.mark.parametrize("name", ["sphere", "dense sphere", "box", "torus"])
@pytest.mark.parametrize("motion", ["grow", "right", "up", "near", "turn"])
def test_gradient_of_the_covered_area_is_that_of_a_moved_silhouette(device, name, motion):
    vertices, faces = mesh(name, device)
    cameras = orbit_degrees([17], 25.0, size=SIZE).to(device)
    across, upward, back = cameras.camera_to_world[0, :3, :3].unbind(1)
    velocities = {
        "grow": vertices,
        "right": across.expand_as(vertices),
        "up": upward.expand_as(vertices),
        "near": back.expand_as(vertices),
        "turn": torch.cross(across.expand_as(vertices), vertices, dim=1),
    }
    velocity = velocities[motion]
    # A fixed soft window makes sideways motion change the sum.
    axis = torch.linspace(-1, 1, SIZE, device=device)
    window = 1 + 0.5 * axis[None, :] + 0.3 * axis[:, None] + 0.4 * axis[None, :] * axis[:, None]
    leaf = vertices.clone().requires_grad_()
    (coverage(leaf, faces, cameras)[0] * window).sum().backward()
    predicted = float((leaf.grad * velocity).sum())
    fine = orbit_degrees([17], 25.0, size=SIZE * 24).to(device)
    fine_axis = (torch.arange(SIZE * 24, device=device) + 0.5) / 24 - 0.5
    fine_axis = fine_axis * 2 / (SIZE - 1) - 1
    fine_window = 1 + 0.5 * fine_axis[None] + 0.3 * fine_axis[:, None] + 0.4 * fine_axis[None] * fine_axis[:, None]
    step, sums = 0.02, []
    for sign in (1.0, -1.0):
        moved = coverage(vertices + velocity * step * sign, faces, fine, smooth=False)[0]
        sums.append(float((moved.double() * fine_window).sum()) / 24**2)
    measured = (sums[0] - sums[1]) / (2 * step)
    # Opposite sides cancel in most motions, so the error is measured against what each side contributes. Long straight
    # edges are seen by a whole number of pixel rows, which a small picture feels.
    contributions = float((leaf.grad * velocity).abs().sum())
    assert predicted == pytest.approx(measured, abs=(0.02 if "sphere" in name else 0.07) * contributions)


def test_a_triangle_pushed_across_a_pixel(device):
    """A vertical edge moves over one pixel: coverage rises linearly and its gradient stays the same."""
    faces = torch.tensor([[0, 1, 2]], dtype=torch.int32, device=device)
    cameras = orbit_degrees([0], 0.0, size=16).to(device)
    pixel = 2 * 3.0 * math.tan(math.radians(20)) / 16
    values, slopes = [], []
    for part in (0.1, 0.3, 0.45, 0.55, 0.7, 0.9):
        edge = torch.tensor((2 + part) * pixel, device=device, requires_grad=True)
        x = torch.stack([edge - 20, edge, edge])
        rest = torch.tensor([[0.0, 0.0], [0.0, -9.0], [0.0, 9.0]], device=device)
        vertices = torch.cat([x[:, None], rest], 1)
        image = coverage(vertices, faces, cameras)
        image[0, 8].sum().backward()
        values.append(float(image[0, 8].detach().sum()) - 10)
        slopes.append(float(edge.grad) * pixel)
    torch.testing.assert_close(torch.tensor(values), torch.tensor([0.1, 0.3, 0.45, 0.55, 0.7, 0.9]), atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.tensor(slopes), torch.ones(6), atol=1e-3, rtol=0)


def test_colours_of_both_sides_mix_and_keep_their_gradients(device):
    """A near square in front of a far one: the pixel on its border takes the near one's share of both colours."""
    square = torch.tensor([[-1.0, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], device=device)
    vertices = torch.cat([square * 0.37 - torch.tensor([0.0, 0.5, 0.0], device=device), square * 2])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], dtype=torch.int32, device=device)
    cameras = orbit_degrees([0], 0.0, size=21).to(device)
    rasteriser = WarpRasteriser()
    fragments = rasteriser.rasterise(vertices, faces, cameras)
    near = (fragments.face < 2).float()
    image = torch.stack([near, 1 - near], -1).requires_grad_()
    smooth = rasteriser.antialias(image, fragments, vertices, faces, cameras)
    torch.testing.assert_close(smooth.sum(-1), torch.ones_like(near))
    half_side = 0.37 / (2.5 * math.tan(math.radians(20))) * 21
    assert float(smooth[0, 10, :, 0].detach().sum()) == pytest.approx(half_side, abs=1e-3)
    smooth[..., 0].sum().backward()
    assert float(image.grad.sum()) == pytest.approx(21 * 21, rel=1e-4)


def test_hidden_silhouettes_change_nothing(device):
    """A small sphere behind a wall leaves the wall alone."""
    sphere = trimesh.creation.icosphere(2, 0.3)
    wall = torch.tensor([[-2.0, -1, -2], [2, -1, -2], [2, -1, 2], [-2, -1, 2]])
    vertices = torch.cat([torch.tensor(sphere.vertices, dtype=torch.float32), wall]).to(device)
    first = len(sphere.vertices)
    plates = torch.tensor([[0, 1, 2], [0, 2, 3]]) + first
    faces = torch.cat([torch.tensor(sphere.faces), plates]).int().to(device)
    cameras = orbit_degrees([0], 0.0, size=24).to(device)
    rasteriser = WarpRasteriser()
    fragments = rasteriser.rasterise(vertices, faces, cameras)
    image = torch.rand((1, 24, 24, 3), device=device)
    assert torch.equal(rasteriser.antialias(image, fragments, vertices, faces, cameras), image)


def test_edges_of_a_box_and_of_an_open_sheet():
    vertices, faces = mesh("box", torch.device("cpu"))
    topology = edge_topology(faces)
    assert topology.edges.shape == (18, 2) and int(topology.edge_faces.min()) >= 0
    for edge, beside in zip(topology.edges.tolist(), topology.edge_faces.tolist(), strict=True):
        assert beside[0] != beside[1]
        assert all(set(edge) <= set(faces[face].tolist()) for face in beside)
    open_sheet = edge_topology(torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32))
    assert open_sheet.edges.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [2, 3]]
    assert open_sheet.edge_faces.tolist() == [[0, -1], [1, 0], [1, -1], [0, -1], [1, -1]]
    assert edge_topology(torch.zeros((0, 3), dtype=torch.int32)).edges.shape == (0, 2)
