# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of diffusion that every prior shares: noise levels, prediction types, guidance, one DDIM step.

A diffusion network answers in one of three languages (the noise, the velocity, the clean sample); this module is the
only place that translates them into the pair (noise, clean sample) that the rest of Maquette speaks, and the only
place that knows the formula of classifier-free guidance. It knows no network and no image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

PredictionType = Literal["epsilon", "v_prediction", "sample"]
PREDICTION_TYPES: tuple[PredictionType, ...] = ("epsilon", "v_prediction", "sample")

# Below this the signal is gone and dividing by its amplitude would only amplify rounding errors.
SMALLEST_ALPHA_BAR = 1e-6


@dataclass(frozen=True)
class Prediction:
    """What a prior believes about noisy samples; both describe the same belief.

    Attributes:
        eps: (B, C, h, w) the noise that it thinks was added, unit variance.
        x0: (B, C, h, w) the clean sample that it thinks is underneath, in the prior's own space.
    """

    eps: Tensor
    x0: Tensor


def classifier_free_guidance(unconditional: Tensor, conditional: Tensor, scale: float | Tensor) -> Tensor:
    """`unconditional + scale * (conditional - unconditional)`, the only definition of guidance in Maquette.

    This is the meaning that diffusers gives to `guidance_scale` (Ho and Salimans 2022, eq. 6, with scale = 1 + w):
    1 is the plain conditional prediction, 0 the unconditional one. It may be applied to noise, velocity or clean
    samples of one and the same `x_t`, because each is an affine function of the others.
    """
    return unconditional + scale * (conditional - unconditional)


class NoiseSchedule:
    """The noise levels of a prior: `x_t = sqrt(alpha_bar_t) * x_0 + sqrt(1 - alpha_bar_t) * eps`.

    Args:
        alphas_cumprod: (T,) alpha_bar, falling from almost 1 to almost 0. Kept as float32.
        prediction_type: the language in which the network answers.
        device: where the table lives.
    """

    def __init__(
        self,
        alphas_cumprod: Tensor,
        prediction_type: PredictionType = "epsilon",
        device: torch.device | str = "cpu",
    ) -> None:
        if prediction_type not in PREDICTION_TYPES:
            raise ValueError(f"prediction_type {prediction_type!r} is none of {', '.join(PREDICTION_TYPES)}")
        if alphas_cumprod.ndim != 1 or len(alphas_cumprod) < 2:
            raise ValueError(f"alphas_cumprod must be a vector of 2 or more, got {tuple(alphas_cumprod.shape)}")
        # Schedulers keep float32 tables; a float16 pipeline must not lower the precision of its noise levels.
        self.alphas_cumprod = alphas_cumprod.detach().to(device=device, dtype=torch.float32)
        self.prediction_type: PredictionType = prediction_type

    @property
    def num_timesteps(self) -> int:
        return len(self.alphas_cumprod)

    def alpha_bar(self, t: Tensor) -> Tensor:
        """(B, 1, 1, 1) alpha_bar of integer time steps t (B,), each in 0..num_timesteps - 1."""
        return self.alphas_cumprod[t].view(-1, 1, 1, 1)

    def add_noise(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """(B, C, h, w) noisy samples. Differentiable in x0."""
        alpha_bar = self.alpha_bar(t)
        return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps

    def from_output(self, output: Tensor, x_t: Tensor, t: Tensor) -> Prediction:
        """Translates the network's own answer (B, C, h, w), float32, into noise and clean sample.

        Velocity is `v = sqrt(alpha_bar) * eps - sqrt(1 - alpha_bar) * x_0` (Salimans and Ho 2022, section 4).
        """
        alpha_bar = self.alpha_bar(t)
        if self.prediction_type == "v_prediction":
            signal, noise = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
            return Prediction(eps=noise * x_t + signal * output, x0=signal * x_t - noise * output)
        if self.prediction_type == "epsilon":
            return Prediction(eps=output, x0=self.x0_from_eps(output, x_t, t))
        return Prediction(eps=self.eps_from_x0(output, x_t, t), x0=output)

    def x0_from_eps(self, eps: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """(B, C, h, w) the clean sample under `x_t` if its noise is `eps`."""
        alpha_bar = self.alpha_bar(t)
        return (x_t - (1 - alpha_bar).sqrt() * eps) / alpha_bar.clamp_min(SMALLEST_ALPHA_BAR).sqrt()

    def eps_from_x0(self, x0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """(B, C, h, w) the noise in `x_t` if its clean sample is `x0`."""
        alpha_bar = self.alpha_bar(t)
        return (x_t - alpha_bar.sqrt() * x0) / (1 - alpha_bar).clamp_min(SMALLEST_ALPHA_BAR).sqrt()

    def ddim_step(self, prediction: Prediction, t_next: Tensor) -> Tensor:
        """(B, C, h, w) the sample at `t_next`, reached without new noise (Song et al. 2021, eq. 12 with sigma = 0).

        `t_next` (B,) may be lower (denoising) or higher (inversion) than where the prediction was made; an entry of -1
        means the clean end, where alpha_bar is 1.
        """
        alpha_bar = torch.where(t_next < 0, 1.0, self.alphas_cumprod[t_next.clamp_min(0)]).view(-1, 1, 1, 1)
        return alpha_bar.sqrt() * prediction.x0 + (1 - alpha_bar).sqrt() * prediction.eps
