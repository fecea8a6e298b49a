# SPDX-License-Identifier: GPL-3.0-or-later
"""Compositing against the volume rendering sums written out in float64, values and gradients."""

import pytest
import torch

from backend.kernels.composite import composite

STEP = 0.05


def reference(density, values, t, offsets):
    """Max's sums, ray by ray."""
    channels, opacity, depth, weights = [], [], [], []
    for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        passed = torch.exp(-density[first:last] * STEP)
        before = torch.cat([passed.new_ones(1), torch.cumprod(passed, 0)])
        weight = before[:-1] * (1 - passed)
        weights.append(weight)
        channels.append((weight[:, None] * values[first:last]).sum(0))
        opacity.append(1 - before[-1])
        depth.append((weight * t[first:last]).sum())
    return torch.stack(channels), torch.stack(opacity), torch.stack(depth), torch.cat(weights)


@pytest.fixture
def packed(device, generator):
    counts = torch.tensor([5, 0, 40, 1, 17, 64])
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]).int()
    total = int(offsets[-1])
    density = torch.rand(total, generator=generator) * 3
    values = torch.rand((total, 5), generator=generator)
    t = 1 + torch.arange(total) * STEP
    return density.to(device), values.to(device), t.to(device), offsets.to(device)


def test_values(packed):
    density, values, t, offsets = packed
    ours = composite(*packed, STEP)
    theirs = reference(density.double(), values.double(), t.double(), offsets)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.double(), other, atol=1e-5, rtol=1e-5)


def test_gradients(packed, generator):
    density, values, t, offsets = packed
    density.requires_grad_()
    values.requires_grad_()
    ours = composite(density, values, t, offsets, STEP)
    upstream = [torch.randn(part.shape, generator=generator).to(part.device) for part in ours]
    sum((part * up).sum() for part, up in zip(ours, upstream, strict=True)).backward()
    density64, values64 = density.detach().double().requires_grad_(), values.detach().double().requires_grad_()
    theirs = reference(density64, values64, t.double(), offsets)
    sum((part * up.double()).sum() for part, up in zip(theirs, upstream, strict=True)).backward()
    torch.testing.assert_close(density.grad.double(), density64.grad, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(values.grad.double(), values64.grad, atol=1e-5, rtol=1e-4)


def test_nothing_counts_behind_an_opaque_sample(device):
    density = torch.tensor([1.0, 1e4, 1.0, 1.0], device=device, requires_grad=True)
    values = torch.ones((4, 1), device=device, requires_grad=True)
    t = torch.arange(4.0, device=device)
    result = composite(density, values, t, torch.tensor([0, 4], dtype=torch.int32, device=device), STEP)
    assert result.weights[2:].tolist() == [0.0, 0.0]
    assert float(result.opacity[0].detach()) == pytest.approx(1.0, abs=1e-6)
    (result.channels.sum() + result.depth.sum()).backward()
    assert density.grad[2:].tolist() == [0.0, 0.0] and values.grad[2:].flatten().tolist() == [0.0, 0.0]
    assert bool(torch.isfinite(density.grad).all())


def test_no_samples(device):
    offsets = torch.zeros(4, dtype=torch.int32, device=device)
    density = torch.zeros(0, device=device, requires_grad=True)
    result = composite(density, torch.zeros((0, 3), device=device), torch.zeros(0, device=device), offsets, STEP)
    assert result.channels.shape == (3, 3) and float(result.opacity.detach().sum()) == 0.0
    result.channels.sum().backward()
    assert density.grad.shape == (0,)


def test_bad_input_is_refused():
    offsets = torch.tensor([0, 4], dtype=torch.int32)
    with pytest.raises(ValueError, match="composite: density"):
        composite(torch.zeros(4), torch.zeros((3, 3)), torch.zeros(4), offsets, STEP)
    with pytest.raises(ValueError, match="offsets must be int32"):
        composite(torch.zeros(4), torch.zeros((4, 3)), torch.zeros(4), offsets.long(), STEP)
