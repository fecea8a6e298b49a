# SPDX-License-Identifier: GPL-3.0-or-later
"""The optimiser: orthogonal updates for matrices, Adam's rule for the rest, and state that survives saving."""

from __future__ import annotations

import copy

import torch

from backend.embedded.training.diffusion import SIZES, build_network
from backend.embedded.training.optimiser import Muon, orthogonalised, wants_muon


def test_updates_are_nearly_orthogonal_whatever_the_gradient_is_like() -> None:
    generator = torch.Generator().manual_seed(0)
    skewed = torch.randn(24, 60, generator=generator, dtype=torch.float64) * torch.logspace(0, -1.5, 24)[:, None]
    for matrix in (skewed, skewed.T):
        values = torch.linalg.svdvals(orthogonalised(matrix))
        assert float(values.min()) > 0.5 and float(values.max()) < 1.3
    u, _, v = torch.linalg.svd(skewed, full_matrices=False)
    cosine = torch.nn.functional.cosine_similarity(orthogonalised(skewed).flatten(), (u @ v).flatten(), dim=0)
    assert float(cosine) > 0.98


def test_vectors_follow_adam() -> None:
    start = torch.randn(5)
    mine, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    ours = Muon([("norm.weight", mine)], lr=0.01, weight_decay=0.1)
    adam = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)
    for step in range(5):
        mine.grad = theirs.grad = torch.sin(torch.arange(5.0) + step)
        ours.step()
        adam.step()
    assert torch.allclose(mine, theirs, atol=1e-6)


def test_only_hidden_matrices_of_the_network_are_orthogonalised() -> None:
    net = build_network(SIZES["tiny"], 4, 8, 16)
    chosen = {name for name, p in net.named_parameters() if wants_muon(name, p)}
    assert "conv_in.weight" not in chosen and "conv_out.weight" not in chosen
    assert "class_embedding.linear_1.weight" not in chosen
    assert "mid_block.resnets.0.conv1.weight" in chosen
    assert not any(name.endswith(".bias") for name in chosen)


def test_saved_state_continues_exactly() -> None:
    weights = torch.nn.Parameter(torch.randn(20, 3, 3, 3))
    first = Muon([("hidden.weight", weights)], lr=0.01, weight_decay=0.01)
    grads = [torch.randn(20, 3, 3, 3) for _ in range(4)]
    for grad in grads[:2]:
        weights.grad = grad
        first.step()
    other = torch.nn.Parameter(weights.detach().clone())
    second = Muon([("hidden.weight", other)], lr=0.01, weight_decay=0.01)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for grad in grads[2:]:
        weights.grad, other.grad = grad, grad.clone()
        first.step()
        second.step()
    assert torch.equal(weights, other)
