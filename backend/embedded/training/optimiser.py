# SPDX-License-Identifier: GPL-3.0-or-later
"""Muon for the weights that are matrices, AdamW for the rest, as one optimiser.

Muon (Jordan et al. 2024) replaces the momentum of a weight matrix by the nearest orthogonal matrix, found by a few
Newton-Schulz iterations, so that every direction of the matrix learns at the same pace. Updates are scaled to the size
that AdamW's would have (Liu et al. 2025, section 2.2), which lets both halves share one learning rate.
Convolutions count as matrices of shape (out, in * height * width).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

# Quintic iteration coefficients of Jordan et al.: steep at zero, so that five rounds reach singular values near one.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalised(matrix: torch.Tensor, rounds: int = 5) -> torch.Tensor:
    """The nearest (semi-)orthogonal matrix to `matrix` (M, N), roughly: singular values end in 0.7..1.2. Same dtype."""
    a, b, c = NEWTON_SCHULZ
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(rounds):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(matrix.dtype)


def wants_muon(name: str, parameter: torch.Tensor) -> bool:
    """Hidden weight matrices; not the first and last layers, whose rows are pixels or conditions, nor vectors."""
    outer = ("conv_in.", "conv_out.", "class_embedding.linear_1.", "time_embedding.linear_1.")
    return parameter.ndim >= 2 and min(parameter.shape[0], parameter[0].numel()) >= 16 and not name.startswith(outer)


class Muon(torch.optim.Optimizer):
    """One step of both rules; `lr` of the groups may be changed at any time.

    `named` are the network's named parameters. Momentum 0.95 with Nesterov look-ahead for matrices; betas 0.9, 0.99
    for the rest. Decoupled weight decay in both.
    """

    def __init__(self, named: Iterable[tuple[str, torch.nn.Parameter]], lr: float, weight_decay: float) -> None:
        pairs = list(named)
        matrices = [p for n, p in pairs if wants_muon(n, p)]
        others = [p for n, p in pairs if not wants_muon(n, p)]
        groups: list[dict[str, Any]] = [{"params": matrices, "muon": True}, {"params": others, "muon": False}]
        super().__init__([g for g in groups if g["params"]], {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            rule = self._matrix if group["muon"] else self._vector
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    rule(parameter, parameter.grad, group["lr"])

    def _matrix(self, parameter: torch.Tensor, grad: torch.Tensor, lr: float) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(grad)
        momentum = state["momentum"]
        momentum.lerp_(grad, 0.05)
        ahead = grad.lerp(momentum, 0.95).reshape(parameter.shape[0], -1)
        size = 0.2 * max(ahead.shape) ** 0.5
        parameter.add_(orthogonalised(ahead).view(parameter.shape), alpha=-lr * size)

    def _vector(self, parameter: torch.Tensor, grad: torch.Tensor, lr: float) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = torch.zeros_like(grad), torch.zeros_like(grad)
        state["step"] += 1
        count = float(state["step"])
        state["mean"].lerp_(grad, 0.1)
        state["square"].lerp_(grad.square(), 0.01)
        scale = (state["square"] / (1 - 0.99**count)).sqrt_().add_(1e-8)
        parameter.addcdiv_(state["mean"] / (1 - 0.9**count), scale, value=-lr)
