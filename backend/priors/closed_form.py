# SPDX-License-Identifier: GPL-3.0-or-later
"""A prior without a network: for each prompt, images are a mixture of Gaussians, and every answer is exact.

It exists to hold distillation to the truth: where the score is known in closed form, so is the optimum that a method
must reach. It also lets a recipe run end to end in tests without any weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.priors.base import Prior, PriorTraits, TextEmbedding
from backend.priors.codecs import PixelCodec
from backend.priors.noise import NoiseSchedule, Prediction, PredictionType
from backend.priors.views import ViewCondition


@dataclass(frozen=True)
class Gaussians:
    """A mixture of isotropic Gaussians over the prior's space.

    Attributes:
        means: (K, C, h, w), in -1..1 where they stand for images.
        deviations: (K,) above or equal to 0.
        weights: (K,) above 0, of any sum.
    """

    means: Tensor
    deviations: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        count = len(self.means)
        if self.means.ndim != 4 or self.deviations.shape != (count,) or self.weights.shape != (count,):
            raise ValueError("Gaussians need means (K, C, h, w), deviations (K,) and weights (K,)")

    @classmethod
    def single(cls, mean: Tensor, deviation: float) -> Gaussians:
        """One Gaussian around `mean` (C, h, w)."""
        return cls(mean[None], torch.tensor([deviation]), torch.ones(1))

    def eps(self, x_t: Tensor, alpha_bar: Tensor) -> Tensor:
        """(B, C, h, w) the expected noise, -sqrt(1 - alpha_bar) times the score of the noisy mixture at x_t.

        Noisy data are again Gaussians, of mean sqrt(alpha_bar) * m and variance alpha_bar * s^2 + 1 - alpha_bar.
        """
        difference, variance, share = self._shares(x_t, alpha_bar)
        return (1 - alpha_bar).sqrt() * ((share / variance)[..., None, None, None] * difference).sum(1)

    def x0(self, x_t: Tensor, alpha_bar: Tensor) -> Tensor:
        """(B, C, h, w) the expected clean sample; also where nothing of it is left and `eps` says nothing about it."""
        difference, variance, share = self._shares(x_t, alpha_bar)
        pull = alpha_bar.sqrt().view(-1, 1) * self.deviations.square() / variance
        return (share[..., None, None, None] * (self.means[None] + pull[..., None, None, None] * difference)).sum(1)

    def _shares(self, x_t: Tensor, alpha_bar: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Distances (B, K, C, h, w) to the noisy means, variances (B, K), and which Gaussian it is (B, K)."""
        difference = x_t[:, None] - alpha_bar.sqrt()[:, None] * self.means[None]
        variance = alpha_bar.view(-1, 1) * self.deviations.square() + (1 - alpha_bar.view(-1, 1))
        size = x_t[0].numel()
        logits = (self.weights.log() - 0.5 * difference.flatten(2).square().sum(-1) / variance
                  - 0.5 * size * variance.log())
        return difference, variance, logits.softmax(dim=1)


class ClosedFormPrior(Prior):
    """See the module.

    Args:
        prompts: the mixture for every text that will be asked, "" included where guidance is used.
        alphas_cumprod: noise levels; None takes the linear-beta schedule of DDPM (Ho et al. 2020), 1000 steps.
        prediction_type: the language in which `network` answers; the belief is the same in each.
        knows_camera: ask for views, and ignore them.
        noise: a schedule instead of both; that of a flow, say.
    """

    def __init__(
        self,
        prompts: Mapping[str, Gaussians],
        alphas_cumprod: Tensor | None = None,
        prediction_type: PredictionType = "epsilon",
        knows_camera: bool = False,
        noise: NoiseSchedule | None = None,
    ) -> None:
        shapes = {tuple(mixture.means.shape[1:]) for mixture in prompts.values()}
        if len(shapes) != 1:
            raise ValueError(f"all prompts must speak of images of one shape, got {sorted(shapes)}")
        channels, height, width = shapes.pop()
        if channels not in (3, 4) or height != width:
            raise ValueError(f"images must be (3 or 4, n, n), got {(channels, height, width)}")
        if alphas_cumprod is None:
            alphas_cumprod = (1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(0)
        self.device, self.dtype = torch.device("cpu"), torch.float32
        self.noise = NoiseSchedule(alphas_cumprod, prediction_type) if noise is None else noise
        self.traits = PriorTraits("closed form", "1", height, "rgba" if channels == 4 else "rgb",
                                  (channels, height, width), knows_camera=knows_camera)
        self._names = list(prompts)
        self._mixtures = list(prompts.values())
        self._codec = PixelCodec(height, channels)

    def embed(self, prompts: Sequence[str]) -> TextEmbedding:
        """Tokens (B, 1, N): which of the N prompts. Raises ValueError for any other text."""
        unknown = sorted(set(prompts) - set(self._names))
        if unknown:
            raise ValueError(f"this prior knows {self._names}, not {unknown}")
        rows = torch.tensor([self._names.index(prompt) for prompt in prompts])
        return TextEmbedding(torch.nn.functional.one_hot(rows, len(self._names)).float()[:, None])

    def encode(self, images: Tensor, cheap: bool = False) -> Tensor:
        return self._codec.encode(images)

    def decode(self, x: Tensor) -> Tensor:
        return self._codec.decode(x)

    def network(self, x_t: Tensor, t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> Tensor:
        alpha_bar = self.noise.alpha_bar(t)
        # The mixture is told samples of unit variance; noise and clean sample are the same in any scale.
        scaled = x_t / (self.noise.signal(t).square() + self.noise.sigma(t).square()).sqrt()
        eps, x0 = torch.zeros_like(x_t), torch.zeros_like(x_t)
        # Blended texts (Perp-Neg) get the blended belief.
        for n, mixture in enumerate(self._mixtures):
            share = text.tokens[:, 0, n].view(-1, 1, 1, 1)
            eps = eps + share * mixture.eps(scaled, alpha_bar)
            x0 = x0 + share * mixture.x0(scaled, alpha_bar)
        return self.noise.to_output(Prediction(eps, x0), t)
