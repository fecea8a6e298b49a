# SPDX-License-Identifier: GPL-3.0-or-later
"""The hash grid against a plain float64 reference: values, gradients to table and points, and their gradients."""

import pytest
import torch

from backend.kernels.hash_grid import HashGridConfig, hash_encode, hash_point_gradient, initial_table

CONFIG = HashGridConfig(levels=6, log2_table_size=9, base_resolution=4, growth=1.7)
"""Two dense and four hashed levels, with many collisions."""


def reference(points: torch.Tensor, table: torch.Tensor, config: HashGridConfig) -> torch.Tensor:
    """Instant-NGP's equations, one line each, in the dtype of the inputs."""
    first, columns = 0, []
    for resolution, size in zip(config.resolutions, config.sizes, strict=True):
        side = resolution + 2
        u = (points.clamp(-1, 1) + 1) * 0.5 * resolution + 0.5
        low = u.detach().floor()
        fraction = u - low
        total = 0
        for corner in range(8):
            bits = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2], device=points.device)
            x, y, z = (low.long() + bits).unbind(1)
            if side**3 <= 2**config.log2_table_size:
                index = x + y * side + z * side * side
            else:
                index = (x ^ (y * 2654435761) ^ (z * 805459861)) % size
            weight = torch.where(bits == 1, fraction, 1 - fraction).prod(1)
            total = total + weight[:, None] * table[first + index]
        columns.append(total)
        first += size
    return torch.cat(columns, 1)


@pytest.fixture
def scene(device, generator):
    points = torch.rand((257, 3), generator=generator) * 2.2 - 1.1
    table = torch.randn((CONFIG.entries, 2), generator=generator)
    upstream = torch.randn((257, CONFIG.width), generator=generator)
    return points.to(device), table.to(device), upstream.to(device)


def test_has_dense_and_hashed_levels():
    sides = [resolution + 2 for resolution in CONFIG.resolutions]
    assert [side**3 <= 512 for side in sides] == [True, True, False, False, False, False]
    assert CONFIG.sizes[:3] == (6**3, 8**3, 512)
    assert HashGridConfig().resolutions[0] == 16 and HashGridConfig().resolutions[-1] == 4096


def test_values(scene):
    points, table, _ = scene
    expected = reference(points.double(), table.double(), CONFIG)
    torch.testing.assert_close(hash_encode(points, table, CONFIG).double(), expected, atol=2e-4, rtol=1e-4)


def test_gradients(scene):
    points, table, upstream = scene
    points.requires_grad_()
    table.requires_grad_()
    hash_encode(points, table, CONFIG).backward(upstream)
    points64, table64 = points.detach().double().requires_grad_(), table.detach().double().requires_grad_()
    reference(points64, table64, CONFIG).backward(upstream.double())
    torch.testing.assert_close(table.grad.double(), table64.grad, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(points.grad.double(), points64.grad, atol=2e-2, rtol=1e-4)
    outside = points.detach().abs() > 1
    assert outside.any() and bool((points.grad[outside] == 0).all())


def test_gradients_of_the_point_gradient(scene):
    points, table, upstream = scene
    direction = torch.randn(points.shape, generator=torch.Generator().manual_seed(3)).to(points.device)
    inputs = [tensor.clone().requires_grad_() for tensor in (points, table, upstream)]
    (hash_point_gradient(*inputs, CONFIG) * direction).sum().backward()
    points64, table64, upstream64 = (tensor.detach().double().requires_grad_() for tensor in inputs)
    features = reference(points64, table64, CONFIG)
    (gradient,) = torch.autograd.grad((features * upstream64).sum(), points64, create_graph=True)
    (gradient * direction.double()).sum().backward()
    for ours, theirs in zip(inputs, (points64, table64, upstream64), strict=True):
        scale = theirs.grad.abs().max()
        torch.testing.assert_close(ours.grad.double() / scale, theirs.grad / scale, atol=2e-5, rtol=1e-4)


def test_create_graph_reaches_the_table(scene):
    points, table, upstream = scene
    points, table = points.requires_grad_(), table.requires_grad_()
    (gradient,) = torch.autograd.grad((hash_encode(points, table, CONFIG) * upstream).sum(), points, create_graph=True)
    torch.testing.assert_close(gradient, hash_point_gradient(points, table, upstream, CONFIG))
    gradient.square().sum().backward()
    assert table.grad is not None and float(table.grad.abs().sum()) > 0


def test_more_points_than_one_chunk(device, generator):
    points = (torch.rand((5000, 3), generator=generator) * 2 - 1).to(device)
    table = torch.randn((CONFIG.entries, 2), generator=generator).to(device)
    whole = hash_encode(points, table, CONFIG)
    parts = torch.cat([hash_encode(part, table, CONFIG) for part in points.split(777)])
    torch.testing.assert_close(whole, parts, atol=0, rtol=0)


def test_same_bits_every_time_on_the_cpu(generator):
    points = torch.rand((5000, 3), generator=generator) * 2 - 1
    upstream = torch.randn((5000, CONFIG.width), generator=generator)
    gradients = []
    for _ in range(2):
        table = initial_table(CONFIG, torch.Generator().manual_seed(1)).requires_grad_()
        hash_encode(points, table, CONFIG).backward(upstream)
        gradients.append(table.grad)
    assert torch.equal(*gradients)


def test_no_points(device):
    table = torch.zeros((CONFIG.entries, 2), device=device, requires_grad=True)
    features = hash_encode(torch.zeros((0, 3), device=device), table, CONFIG)
    assert features.shape == (0, CONFIG.width)
    features.sum().backward()
    assert float(table.grad.abs().sum()) == 0


def test_points_that_are_not_numbers_do_no_harm(device):
    """A diverged run must end in an error that people can read, not in memory that is not ours."""
    odd = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e30, 0.2], device=device)
    points = torch.cartesian_prod(odd, odd, odd).requires_grad_()
    table = torch.ones((CONFIG.entries, 2), device=device, requires_grad=True)
    hash_encode(points, table, CONFIG).sum().backward()
    hash_point_gradient(points, table, torch.ones((125, CONFIG.width), device=device), CONFIG).sum().backward()
    assert bool(torch.isfinite(table.grad).all())


@pytest.mark.parametrize("points", [torch.zeros(4, 2), torch.zeros(4, 3, dtype=torch.float64), torch.zeros(12)])
def test_wrong_points_are_named(points):
    with pytest.raises(ValueError, match=r"points must be \(N, 3\) float32"):
        hash_encode(points, torch.zeros(CONFIG.entries, 2), CONFIG)


def test_wrong_table_is_named():
    with pytest.raises(ValueError, match="table must be"):
        hash_encode(torch.zeros(4, 3), torch.zeros(CONFIG.entries + 1, 2), CONFIG)


@pytest.mark.parametrize(
    "setting", [{"levels": 0}, {"log2_table_size": 30}, {"base_resolution": 0}, {"growth": 0.5}, {"growth": 4.0}]
)
def test_senseless_settings_are_refused(setting):
    with pytest.raises(ValueError, match="hash grid"):
        HashGridConfig(**setting)
