# SPDX-License-Identifier: GPL-3.0-or-later
"""The computed grid, and marching tetrahedra against analytic shapes, finite differences and a field of random
signs."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.geometry.tetrahedra import marching_tetrahedra, tetrahedral_grid

torch.set_num_threads(1)
DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


def row_edges(tetrahedra):
    pairs = torch.tensor([0, 1, 0, 2, 0, 3, 1, 2, 1, 3, 2, 3])
    return torch.unique(tetrahedra[:, pairs].reshape(-1, 2).sort(1)[0], dim=0)


def assert_closed_manifold(faces, count):
    """Every directed edge once and its reverse once; every vertex's faces form one ring."""
    start, end = faces.reshape(-1), faces.roll(-1, 1).reshape(-1)
    forward, backward = start * count + end, end * count + start
    assert len(forward.unique()) == len(forward)
    assert torch.equal(forward.sort()[0], backward.sort()[0])
    # One ring: as many faces as distinct neighbours, and going from face to face around the vertex visits all of
    # them.
    corners = list(zip(start.tolist(), end.tolist(), strict=True))
    following = dict(zip(corners, faces.roll(-2, 1).reshape(-1).tolist(), strict=True))
    degree = torch.bincount(faces.reshape(-1), minlength=count).tolist()
    first = dict(corners)
    for vertex, neighbour in first.items():
        at, steps = following[vertex, neighbour], 1
        while at != neighbour:
            at, steps = following[vertex, at], steps + 1
        assert steps == degree[vertex]


def area_volume(vertices, faces):
    p = vertices.double()[faces]
    n = torch.linalg.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    return float(n.norm(dim=1).sum() / 2), float((p[:, 0] * n).sum() / 6)


@pytest.mark.parametrize("box", [((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)), ((-1.0, -0.4, -0.3), (1.0, 0.4, 0.5))])
def test_grid_fills_its_box_with_positive_tetrahedra_and_knows_every_edge_once(box):
    grid = tetrahedral_grid(12, *box)
    corners = grid.vertices.double()[grid.tetrahedra]
    volume = torch.linalg.det(corners[:, 1:] - corners[:, :1]) / 6
    assert float(volume.min()) > 0.9 * grid.cell_size**3 / 24
    assert float(volume.sum()) == pytest.approx(math.prod(grid.cells) * grid.cell_size**3, rel=1e-6)
    assert torch.equal(torch.unique(grid.edges.long().sort(1)[0], dim=0), row_edges(grid.tetrahedra))
    assert len(grid.edges) == len(row_edges(grid.tetrahedra))
    low, high = torch.tensor(box[0]), torch.tensor(box[1])
    assert (grid.vertices.min(0)[0] <= low + 1e-6).all() and (grid.vertices.max(0)[0] >= high - 1e-6).all()
    assert (grid.vertices.min(0)[0] >= low - grid.cell_size / 2).all()


def test_octahedron_edges_join_the_vertices_they_should():
    grid = tetrahedral_grid(10)
    first, second, *ring = grid.octahedra.long()
    pairs = [(first, second), *((first, r) for r in ring), *((second, r) for r in ring)]
    pairs += [(ring[i], ring[(i + 1) % 4]) for i in range(4)]
    for ids, (a, b) in zip(grid.octahedron_edges.long(), pairs, strict=True):
        assert torch.equal(grid.edges[ids].long().sort(1)[0], torch.stack((a, b), 1).sort(1)[0])


def test_the_cube_of_class_128_has_the_size_of_the_public_grid_and_stays_in_its_box():
    grid = tetrahedral_grid(64)
    assert 30_000 < len(grid.vertices) < 43_000  # the public grid of 64: 36,562
    assert 170_000 < len(grid.tetrahedra) < 235_000  # 192,492
    assert float(grid.vertices.abs().max()) == 1.0


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("resolution, tolerance", [(32, 0.02), (64, 0.005)])
def test_a_sphere_has_its_area_its_volume_and_euler_number_two(resolution, tolerance, device):
    grid = tetrahedral_grid(resolution).to(device)
    surface = marching_tetrahedra(grid, grid.vertices.norm(dim=1) - 0.7)
    assert surface.vertices.device.type == device
    surface = type(surface)(*(part.cpu() for part in surface))
    area, volume = area_volume(surface.vertices, surface.faces)
    assert area == pytest.approx(4 * math.pi * 0.49, rel=tolerance)
    assert volume == pytest.approx(4 / 3 * math.pi * 0.343, rel=tolerance)
    assert len(surface.vertices) - len(surface.faces) // 2 == 2
    assert_closed_manifold(surface.faces, len(surface.vertices))


def test_a_torus_has_its_area_its_volume_and_euler_number_zero():
    grid = tetrahedral_grid(64)
    p = grid.vertices
    surface = marching_tetrahedra(grid, ((p[:, :2].norm(dim=1) - 0.6).square() + p[:, 2].square()).sqrt() - 0.25)
    area, volume = area_volume(surface.vertices, surface.faces)
    assert area == pytest.approx(4 * math.pi**2 * 0.6 * 0.25, rel=0.01)
    assert volume == pytest.approx(2 * math.pi**2 * 0.6 * 0.25**2, rel=0.02)
    assert len(surface.vertices) - len(surface.faces) // 2 == 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 0.95))
def test_any_field_that_is_outside_on_the_border_gives_a_closed_outward_manifold(seed, share):
    grid = tetrahedral_grid(14)
    generator = torch.Generator().manual_seed(seed)
    sdf = torch.rand(len(grid.vertices), generator=generator) - share
    sdf[grid.border] = 0.3
    sdf[::7] = torch.where(sdf[::7] < 0, sdf[::7], torch.zeros(()))  # exact zeros count as outside
    moved = grid.vertices + (torch.rand(grid.vertices.shape, generator=generator) - 0.5) * 0.2 * grid.cell_size
    surface = marching_tetrahedra(grid, sdf, moved)
    if len(surface.faces):
        assert_closed_manifold(surface.faces, len(surface.vertices))
        assert area_volume(surface.vertices, surface.faces)[1] > 0


def test_gradients_agree_with_finite_differences():
    grid = tetrahedral_grid(8)
    generator = torch.Generator().manual_seed(5)
    noise = 0.02 * torch.rand(len(grid.vertices), generator=generator)
    sdf = (grid.vertices.double().norm(dim=1) - 0.55 + noise).requires_grad_()
    moved = grid.vertices.double().requires_grad_()
    weight = torch.rand(5000, 3, dtype=torch.float64, generator=generator)

    def loss(s, p):
        points = marching_tetrahedra(grid, s, p).vertices
        return (points * weight[: len(points)]).square().sum()

    loss(sdf, moved).backward()
    step = 1e-6
    for i in torch.randperm(len(sdf), generator=generator)[:40].tolist():
        with torch.no_grad():
            bump = torch.zeros_like(sdf)
            bump[i] = step
            measured = (loss(sdf + bump, moved) - loss(sdf - bump, moved)) / (2 * step)
            shift = torch.zeros_like(moved)
            shift[i, i % 3] = step
            drift = (loss(sdf, moved + shift) - loss(sdf, moved - shift)) / (2 * step)
        assert float(sdf.grad[i]) == pytest.approx(float(measured), rel=1e-4, abs=1e-6)
        assert float(moved.grad[i, i % 3]) == pytest.approx(float(drift), rel=1e-4, abs=1e-6)


def test_an_empty_field_gives_no_faces_and_bad_input_is_refused():
    grid = tetrahedral_grid(8)
    empty = marching_tetrahedra(grid, torch.ones(len(grid.vertices)))
    assert empty.vertices.shape == (0, 3) and empty.faces.shape == (0, 3)
    with pytest.raises(ValueError, match="shape"):
        marching_tetrahedra(grid, torch.ones(3))
    sdf = grid.vertices.norm(dim=1) - 0.5
    sdf[sdf < 0] = float("-inf")
    with pytest.raises(ValueError, match="not finite"):
        marching_tetrahedra(grid, sdf)
    with pytest.raises(ValueError, match="empty"):
        tetrahedral_grid(16, (0.0, 0.0, 0.0), (1.0, 1.0, 0.0))


def test_the_same_field_gives_the_same_bits():
    grid = tetrahedral_grid(24)
    results = []
    for _ in range(2):
        sdf = (grid.vertices.norm(dim=1) - 0.61).requires_grad_()
        surface = marching_tetrahedra(grid, sdf)
        surface.vertices.square().sum().backward()
        results.append((surface.vertices.detach(), surface.faces, sdf.grad))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
