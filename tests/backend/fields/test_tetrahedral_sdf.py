# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying densities over to a signed distance grid: known shapes, hollow and speckled fields, and empty ones."""

import math

import pytest
import torch

from backend.fields.tetrahedral_sdf import OFFSET_LIMIT, TetrahedralSDF
from protocol.errors import EmptySurface

torch.set_num_threads(1)


def ball(centre=(0.0, 0.0, 0.0), radius=0.5, peak=100.0, softness=0.02):
    middle = torch.tensor(centre)
    return lambda p: peak * torch.sigmoid((radius - (p - middle).norm(dim=1)) / softness)


def volume(field):
    vertices, faces = field.surface()
    p = vertices.detach().double()[faces]
    return float((p[:, 0] * torch.linalg.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])).sum() / 6)


def parts(field):
    _, faces = field.surface()
    label = torch.arange(int(faces.max()) + 1)
    for _ in range(400):
        low = label[faces].min(1, keepdim=True)[0].expand(-1, 3)
        fresh = label.clone().scatter_reduce(0, faces.reshape(-1), low.reshape(-1), "amin")
        if torch.equal(fresh, label):
            break
        label = fresh
    return len(label.unique())


def test_a_ball_keeps_its_radius_at_the_given_threshold_and_the_grid_fits_it_tightly():
    field = TetrahedralSDF.from_density(ball((0.2, -0.1, 0.1)), 32, threshold=50.0)
    vertices, _ = field.surface()
    radius = (vertices - torch.tensor([0.2, -0.1, 0.1])).norm(dim=1)
    assert float((radius - 0.5).abs().max()) < 0.15 * field.grid.cell_size
    assert max(b - a for a, b in zip(field.low, field.high, strict=True)) < 1.45
    assert field.threshold == 50.0


def test_the_field_is_a_distance_near_the_surface():
    field = TetrahedralSDF.from_density(ball(), 32, threshold=50.0)
    truth = field.grid.vertices.norm(dim=1) - 0.5
    near = truth.abs() < 2.5 * field.grid.cell_size
    assert float((field.sdf - truth)[near].abs().max()) < 0.15 * field.grid.cell_size
    assert ((field.sdf < 0) == (truth < 0)).float().mean() > 0.995


def test_without_a_threshold_the_field_chooses_one_that_shows_the_object():
    field = TetrahedralSDF.from_density(ball(peak=300.0, softness=0.01), 32)
    assert 1.0 < field.threshold < 200.0
    assert volume(field) == pytest.approx(4 / 3 * math.pi * 0.5**3, rel=0.25)


def test_a_target_share_of_the_box_sets_the_volume():
    soft = ball(radius=0.4, softness=0.15)
    for share in (0.03, 0.08):
        field = TetrahedralSDF.from_density(soft, 48, target_fraction=share)
        assert volume(field) / 8.0 == pytest.approx(share, rel=0.12)


def test_a_hollow_shell_becomes_solid_and_specks_are_dropped():
    shell, speck = ball(), ball((0.85, 0.85, 0.85), 0.08)

    def density(p):
        return torch.where(p.norm(dim=1) < 0.25, torch.zeros(()), shell(p)) + speck(p)

    field = TetrahedralSDF.from_density(density, 48, threshold=50.0)
    assert parts(field) == 1
    assert volume(field) == pytest.approx(4 / 3 * math.pi * 0.5**3, rel=0.05)


def test_a_threshold_that_is_too_high_is_lowered_and_an_empty_field_fails_with_advice():
    field = TetrahedralSDF.from_density(ball(peak=8.0), 32, threshold=25.0)
    assert field.threshold == pytest.approx(6.25)
    for density in (lambda p: torch.zeros(len(p)), lambda p: torch.full((len(p),), 1e-3)):
        with pytest.raises(EmptySurface) as caught:
            TetrahedralSDF.from_density(density, 32, threshold=10.0)
        assert "steps" in caught.value.hint and caught.value.detail["highest_density"] < 0.01
    with pytest.raises(EmptySurface, match="not finite"):
        TetrahedralSDF.from_density(lambda p: torch.full((len(p),), float("nan")), 32)


def test_a_field_that_fills_the_box_is_cut_at_a_higher_level():
    core = ball(radius=0.5, peak=100.0, softness=0.01)
    field = TetrahedralSDF.from_density(lambda p: core(p) + 2.5, 32, threshold=1.0)
    assert field.threshold > 2.5
    assert volume(field) == pytest.approx(4 / 3 * math.pi * 0.5**3, rel=0.4)


def test_offsets_move_vertices_less_than_a_quarter_of_a_cell_and_never_invert_a_tetrahedron():
    field = TetrahedralSDF(16)
    with torch.no_grad():
        field.offsets.copy_(torch.randn(field.offsets.shape, generator=torch.Generator().manual_seed(0)) * 50)
    moved = field.positions().detach().double()
    assert float((moved - field.grid.vertices).norm(dim=1).max()) <= OFFSET_LIMIT * field.grid.cell_size * 1.001
    inner = field.grid.tetrahedra
    inner = inner[~field.grid.border[inner].any(1)]
    corners = moved[inner]
    assert float(torch.linalg.det(corners[:, 1:] - corners[:, :1]).min()) > 0


def test_optimisation_reaches_another_shape_through_both_parameters():
    field = TetrahedralSDF.from_density(ball(radius=0.5), 24, threshold=50.0)
    optimiser = torch.optim.Adam([{"params": [field.sdf], "lr": 0.004}, {"params": [field.offsets], "lr": 0.02}])
    start = None
    for _ in range(30):
        vertices, _ = field.surface()
        loss = ((vertices / torch.tensor([0.56, 0.5, 0.44])).norm(dim=1) - 1).square().mean()
        start = float(loss) if start is None else start
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss) < 0.1 * start
    assert float(field.offsets.detach().abs().max()) > 0
    assert float(field.sign_term(field.march())) > 0


def test_a_vanished_shape_is_reported():
    field = TetrahedralSDF(16)
    with pytest.raises(EmptySurface, match="vanished"):
        field.surface()


def test_state_comes_back_with_its_grid():
    field = TetrahedralSDF.from_density(ball((0.1, 0.0, 0.0)), 24, threshold=50.0)
    again = TetrahedralSDF.from_state(field.state_dict())
    assert again.threshold == 50.0
    for one, two in zip(field.surface(), again.surface(), strict=True):
        assert torch.equal(one, two)
