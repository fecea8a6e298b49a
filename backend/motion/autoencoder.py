# SPDX-License-Identifier: GPL-3.0-or-later
"""The motion autoencoder: two seconds of motion as 64 numbers, and AvatarCLIP's search among them (its section 3.4).

Each of the 136 features of `features` is said by its first cosines over time, which makes what comes out smooth; two
small networks go from there to a normal latent and back (Kingma and Welling 2014). `through` looks for the latent whose
motion comes nearest to given poses. Trained on our own generators only, see `training`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backend.motion.features import FRAMES, WIDTH
from backend.motion.figure import PARENTS, ROLES, Figure

LATENT = 64
COSINES = 20  # of 60: up to 5 turns a second
HIDDEN = 384
WEIGHTS = Path(__file__).parent / "weights" / "motion.safetensors"


def cosines(frames: int, count: int) -> Tensor:
    """(count, frames): the first rows of the orthonormal discrete cosine transform (II)."""
    place = (torch.arange(frames) + 0.5) / frames
    rows = torch.cos(math.pi * torch.arange(count)[:, None] * place) * math.sqrt(2.0 / frames)
    rows[0] /= math.sqrt(2.0)
    return rows


class MotionAutoencoder(nn.Module):
    """encode (B, 60, 136) -> mean and log-variance (B, 64); decode (B, 64) -> (B, 60, 136)."""

    mean: Tensor
    scale: Tensor
    basis: Tensor

    def __init__(self) -> None:
        super().__init__()
        size = COSINES * WIDTH
        self.register_buffer("mean", torch.zeros(COSINES, WIDTH))
        self.register_buffer("scale", torch.ones(COSINES, WIDTH))
        self.register_buffer("basis", cosines(FRAMES, COSINES), persistent=False)
        self.encoder = nn.Sequential(nn.Linear(size, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(),
                                     nn.Linear(HIDDEN, 2 * LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(),
                                     nn.Linear(HIDDEN, size))

    def encode(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        spectrum = (torch.einsum("kt,btc->bkc", self.basis, motion) - self.mean) / self.scale
        mean, log_variance = self.encoder(spectrum.flatten(1)).chunk(2, 1)
        return mean, log_variance.clamp(-10.0, 5.0)

    def decode(self, latent: Tensor) -> Tensor:
        spectrum = self.decoder(latent).unflatten(1, (COSINES, WIDTH)) * self.scale + self.mean
        return torch.einsum("kt,bkc->btc", self.basis, spectrum)


def load(path: Path = WEIGHTS, device: torch.device | str = "cpu") -> MotionAutoencoder:
    """The shipped weights. Raises FileNotFoundError where there are none."""
    from safetensors.torch import load_file

    network = MotionAutoencoder()
    state: dict[str, Any] = {name: value.float() for name, value in load_file(path).items() if name in
                             network.state_dict()}
    network.load_state_dict(state)
    return network.to(device).eval().requires_grad_(False)


def rotations(six: Tensor) -> Tensor:
    """(..., 6) -> (..., 3, 3), Gram and Schmidt."""
    x = nn.functional.normalize(six[..., :3], dim=-1)
    y = nn.functional.normalize(six[..., 3:] - (six[..., 3:] * x).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], -1)


def joints(motion: Tensor, offsets: Tensor) -> Tensor:
    """(..., T, 22, 3) metres against the hips of features (..., T, 136); offsets (22, 3) of a figure that stands
    straight, see `standing`."""
    local = rotations(motion[..., :132].unflatten(-1, (22, 6)))
    world: list[Tensor] = [local[..., 0, :, :]]
    places: list[Tensor] = [torch.zeros_like(local[..., 0, :, 0])]
    for place in range(1, len(ROLES)):
        parent = PARENTS[place]
        world.append(world[parent] @ local[..., place, :, :])
        places.append(places[parent] + (world[parent] @ offsets[place]))
    return torch.stack(places, -2)


def standing(figure: Figure) -> Tensor:
    """(22, 3): each joint against its parent when the figure stands straight."""
    turned = (figure.neutral[list(PARENTS)] @ figure.offsets[:, :, None])[..., 0]
    return torch.tensor(turned, dtype=torch.float32)


def through(
    network: MotionAutoencoder, poses: NDArray[np.float32], seed: int, steps: int = 300, rate: float = 0.05,
    delta: float = 0.01, prior: float = 2e-4, check: Callable[[], None] = lambda: None,
) -> tuple[NDArray[np.float32], list[float]]:
    """A motion (60, 136) that comes by poses (K, 132), the first above all, in whatever order, and how near it comes to
    each, radians.

    As AvatarCLIP does: w_k = 1 - (k - 1) / K times the least distance to pose k over all frames, less `delta` times the
    mean change from frame to frame, which rewards movement (section 5.4 of the reference); and `prior` times the
    latent's squared length, so that it stays among motions that are known.
    """
    generator = torch.Generator().manual_seed(seed)
    goal = torch.tensor(poses)
    weight = 1.0 - torch.arange(len(poses)) / len(poses)
    latent = torch.randn(1, LATENT, generator=generator).requires_grad_(True)
    optimiser = torch.optim.Adam([latent], rate)
    for step in range(steps):
        if step % 20 == 0:
            check()
        motion = network.decode(latent)[0, :, :132]
        away = (motion[:, None] - goal[None]).square().mean(-1)  # (60, K)
        # A soft least distance has a slope to every frame; it hardens on the way.
        sharp = 40.0 + 400.0 * step / steps
        nearest = -torch.logsumexp(-sharp * away, 0) / sharp
        loss = (weight * nearest).sum() - delta * motion.diff(dim=0).abs().mean() + prior * latent.square().sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        found = network.decode(latent)[0]
        turn = rotations(found[:, None, :132].unflatten(-1, (22, 6)))
        wanted = rotations(goal.unflatten(-1, (22, 6)))
        trace = torch.einsum("tkjab,kjab->tkj", turn.expand(-1, len(goal), -1, -1, -1), wanted)
        angle = torch.arccos(((trace - 1) / 2).clamp(-1, 1)).mean(-1)
    return found.numpy(), [float(one) for one in angle.min(0).values]
