# SPDX-License-Identifier: GPL-3.0-or-later
"""Variational Score Distillation: the renders' own noise is what a second, learning network says it is.

ProlificDreamer (Wang et al. 2023, section 3): several scenes are samples of one distribution, whose score a student
learns from their renders while the prior's score pulls them; where both agree, the renders are distributed as the prior
says. With one scene and a student that answers the true noise it is plain score distillation. The student is any
`Student`; `LowRankStudent` is the paper's, low-rank changes of the prior's own attention layers (Hu et al. 2021) that
are told the camera, a few MB beside a prior that is shared and never changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from backend.distillation.guidance import Guidance
from backend.distillation.ranks import Part
from backend.distillation.residuals import Sample
from backend.distillation.sds import DistillationSettings, ScoreDistillation
from backend.priors.base import TextEmbedding
from backend.priors.network_prior import NetworkPrior
from backend.priors.noise import Prediction
from backend.priors.views import ViewCondition
from backend.transfer import sent

LOW_RANK = 4  # Wang et al. 2023 leave it open; threestudio and the authors' code take 4
ATTENTION_LAYERS = ("to_q", "to_k", "to_v", "to_out.0")
CAMERA_NUMBERS = 16


class Student(Protocol):
    """A network that learns what renders look like under noise."""

    def __call__(self, x_t: Tensor, t: Tensor, view: ViewCondition | None) -> Prediction:
        """Its belief about noisy samples (B, C, h, w); differentiable in its parameters where gradients are on."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """What an optimiser should move (1e-4 with AdamW in the paper)."""


class VariationalDistillation(ScoreDistillation):
    """Score distillation against a student. Call it for the scene's loss, and `learn` for the student's.

    Both are called once a step, with the same renders; their gradients do not touch each other.

    Args:
        guidance, settings, generator: as for `ScoreDistillation`; the form must be 'noise'.
        student: see `Student`. Its guidance is 1 (Wang et al. 2023, section 4).
    """

    def __init__(
        self, guidance: Guidance, student: Student, settings: DistillationSettings, generator: torch.Generator
    ) -> None:
        if settings.form != "noise":
            raise ValueError(f"variational distillation compares noise; the form {settings.form!r} does not fit")
        super().__init__(guidance, settings, generator)
        self.student = student

    def _added_noise(self, x_t: Tensor, sample: Sample) -> Tensor:
        with torch.no_grad():
            return self.student(x_t, sample.t, sample.view).eps

    def learn(
        self,
        images: Tensor,
        view: ViewCondition | None = None,
        *,
        t_min: float = 0.02,
        t_max: float = 0.98,
        part: Part | None = None,
    ) -> Tensor:
        """The student's denoising loss on renders (B, 3 or 4, H, W): (), mean over everything; renders get no gradient.
        """
        with torch.no_grad():
            x = self.prior.encode(images.detach())
            part = part or Part.whole(len(x))
            t, eps = self._times(part, t_min, t_max), self._noise_like(x, part)
            x_t = self.prior.noise.add_noise(x, eps, t)
        with torch.enable_grad():
            return (self.student(x_t, t, view).eps - eps).square().mean()


class LowRank(nn.Module):
    """A low-rank change of a linear layer: `up(down(x))`, zero in the beginning."""

    def __init__(self, layer: nn.Linear, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        spread = torch.randn(rank, layer.in_features, generator=generator) / rank
        self.down = nn.Parameter(spread.to(layer.weight.device))
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank, device=layer.weight.device))

    def forward(self, x: Tensor) -> Tensor:
        return (x.to(self.down.dtype) @ self.down.T @ self.up.T).to(x.dtype)


class LowRankStudent(nn.Module):
    """The prior itself with low-rank changes of its attention layers, and the camera where it did not know it.

    Args:
        prior: any prior on a network of diffusers; its weights stay as they are, its answers too while the student is
            silent.
        text: the prompt that the student reads; one row, as `PromptBook.positive(1)` gives it.
        rank: of the changes, 1 or more.
        seed: of the first weights.

    Raises:
        ValueError: the network has no attention layers to change.
    """

    def __init__(self, prior: NetworkPrior, text: TextEmbedding, rank: int = LOW_RANK, seed: int = 0) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"the rank must be at least 1, got {rank}")
        self._prior, self._text = [prior], text  # in a list, so that the prior's weights are not the student's
        generator = torch.Generator().manual_seed(seed)
        layers = [(name, layer) for name, layer in prior.backbone.named_modules()
                  if isinstance(layer, nn.Linear) and name.endswith(ATTENTION_LAYERS)]
        if not layers:
            raise ValueError(f"{prior.traits.name} has no attention layers that a student could change")
        self.changes = nn.ModuleList([LowRank(layer, rank, generator) for _, layer in layers])
        self._layers = [layer for _, layer in layers]
        self.camera: nn.Sequential | None = None
        if not prior.traits.knows_camera:
            self.camera = camera_embedding(prior.time_embedding[1], generator)
            self.camera.to(prior.device)

    def __call__(self, x_t: Tensor, t: Tensor, view: ViewCondition | None) -> Prediction:
        prior: NetworkPrior = self._prior[0]
        with self._speaking(view):
            output = prior.network(x_t, t, self._text.expand(len(x_t)), view)
        return prior.noise.from_output(output, x_t, t)

    @contextmanager
    def _speaking(self, view: ViewCondition | None) -> Iterator[None]:
        """While it lasts, the prior's network answers as the student."""
        handles = [layer.register_forward_hook(lambda _, inputs, output, change=change: output + change(inputs[0]))
                   for layer, change in zip(self._layers, self.changes, strict=True)]
        if self.camera is not None and view is not None:
            own = next(self.camera.parameters())
            told = self.camera(sent(view.camera_matrices(), own.device).to(own))
            handles.append(self._prior[0].time_embedding[0].register_forward_hook(
                lambda _, inputs, output: output + told.to(output.dtype)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def camera_embedding(width: int, generator: torch.Generator) -> nn.Sequential:
    """16 numbers of a camera-to-world matrix to what is added to the time embedding; silent in the beginning."""
    first, last = nn.Linear(CAMERA_NUMBERS, width), nn.Linear(width, width)
    with torch.no_grad():
        first.weight.copy_(torch.randn(first.weight.shape, generator=generator) / CAMERA_NUMBERS**0.5)
        first.bias.zero_()
        last.weight.zero_()
        last.bias.zero_()
    return nn.Sequential(first, nn.SiLU(), last)

