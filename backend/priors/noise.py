# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of diffusion that every prior shares: noise levels, prediction types, guidance, one DDIM step.

A diffusion network answers in one of four languages (the noise, the velocity, the clean sample, the flow); this module
is the only place that translates them into the pair (noise, clean sample) that the rest of Maquette speaks, and the
only place that knows the formula of classifier-free guidance. It knows no network and no image.

Every schedule mixes `x_t = signal_t * x_0 + sigma_t * eps`. Diffusion keeps the variance (signal^2 + sigma^2 = 1), a
rectified flow goes in a straight line (signal + sigma = 1). What weighs noise levels against each other asks for
`alpha_bar`, which depends only on the ratio of the two, so it means the same in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

PredictionType = Literal["epsilon", "v_prediction", "sample", "flow"]
PREDICTION_TYPES: tuple[PredictionType, ...] = ("epsilon", "v_prediction", "sample")
"""Those of diffusion; a flow has a schedule of its own."""

# Below this the signal is gone and dividing by its amplitude would only amplify rounding errors.
SMALLEST_AMPLITUDE = 1e-3


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
    """The noise levels of a diffusion prior: `x_t = sqrt(alpha_bar_t) * x_0 + sqrt(1 - alpha_bar_t) * eps`.

    Args:
        alphas_cumprod: (T,) alpha_bar, falling from almost 1 to almost 0. Kept as float32.
        prediction_type: the language in which the network answers.
        device: where the tables live.

    Attributes:
        alphas_cumprod: (T,) signal^2 / (signal^2 + sigma^2).
        signals, sigmas: (T,) how much of the clean sample and of the noise a noisy one holds.
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
        self.signals, self.sigmas = self.alphas_cumprod.sqrt(), (1 - self.alphas_cumprod).sqrt()
        self.prediction_type: PredictionType = prediction_type

    @property
    def num_timesteps(self) -> int:
        return len(self.alphas_cumprod)

    def alpha_bar(self, t: Tensor) -> Tensor:
        """(B, 1, 1, 1) alpha_bar of integer time steps t (B,), each in 0..num_timesteps - 1."""
        return self.alphas_cumprod[t].view(-1, 1, 1, 1)

    def signal(self, t: Tensor) -> Tensor:
        """(B, 1, 1, 1) the share of the clean sample."""
        return self.signals[t].view(-1, 1, 1, 1)

    def sigma(self, t: Tensor) -> Tensor:
        """(B, 1, 1, 1) the share of the noise."""
        return self.sigmas[t].view(-1, 1, 1, 1)

    def add_noise(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """(B, C, h, w) noisy samples. Differentiable in x0."""
        return self.signal(t) * x0 + self.sigma(t) * eps

    def from_output(self, output: Tensor, x_t: Tensor, t: Tensor) -> Prediction:
        """Translates the network's own answer (B, C, h, w), float32, into noise and clean sample.

        Velocity is `v = sqrt(alpha_bar) * eps - sqrt(1 - alpha_bar) * x_0` (Salimans and Ho 2022, section 4).
        """
        if self.prediction_type == "v_prediction":
            signal, noise = self.signal(t), self.sigma(t)
            return Prediction(eps=noise * x_t + signal * output, x0=signal * x_t - noise * output)
        if self.prediction_type == "epsilon":
            return Prediction(eps=output, x0=self.x0_from_eps(output, x_t, t))
        return Prediction(eps=self.eps_from_x0(output, x_t, t), x0=output)

    def to_output(self, belief: Prediction, t: Tensor) -> Tensor:
        """(B, C, h, w) what a network of this schedule answers if it believes this; the way back of `from_output`."""
        if self.prediction_type == "epsilon":
            return belief.eps
        if self.prediction_type == "sample":
            return belief.x0
        return self.signal(t) * belief.eps - self.sigma(t) * belief.x0

    def x0_from_eps(self, eps: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """(B, C, h, w) the clean sample under `x_t` if its noise is `eps`."""
        return (x_t - self.sigma(t) * eps) / self.signal(t).clamp_min(SMALLEST_AMPLITUDE)

    def eps_from_x0(self, x0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """(B, C, h, w) the noise in `x_t` if its clean sample is `x0`."""
        return (x_t - self.signal(t) * x0) / self.sigma(t).clamp_min(SMALLEST_AMPLITUDE)

    def ddim_step(self, prediction: Prediction, t_next: Tensor) -> Tensor:
        """(B, C, h, w) the sample at `t_next`, reached without new noise (Song et al. 2021, eq. 12 with sigma = 0).

        `t_next` (B,) may be lower (denoising) or higher (inversion) than where the prediction was made; an entry of -1
        means the clean end, where there is no noise. In a rectified flow this is Euler's step along the flow.
        """
        known = t_next.clamp_min(0)
        signal = torch.where(t_next < 0, 1.0, self.signals[known]).view(-1, 1, 1, 1)
        sigma = torch.where(t_next < 0, 0.0, self.sigmas[known]).view(-1, 1, 1, 1)
        return signal * prediction.x0 + sigma * prediction.eps


class FlowSchedule(NoiseSchedule):
    """The noise levels of a rectified flow: `x_s = (1 - s) * x_0 + s * eps` (Liu et al. 2022; Esser et al. 2024, 2).

    Its network answers with the flow `eps - x_0`.

    Args:
        levels: (T,) s of each time step, rising, above 0 and up to 1.
        device: where the tables live.
    """

    def __init__(self, levels: Tensor, device: torch.device | str = "cpu") -> None:
        s = levels.detach().double().cpu()
        if s.ndim != 1 or len(s) < 2 or not bool((s[1:] > s[:-1]).all()) or float(s[0]) <= 0 or float(s[-1]) > 1:
            raise ValueError(f"the levels of a flow must rise, above 0 and up to 1, got {tuple(s.shape)}")
        super().__init__((1 - s).square() / ((1 - s).square() + s.square()), "sample", device)
        self.prediction_type = "flow"
        self.signals = (1 - s).to(device=device, dtype=torch.float32)
        self.sigmas = s.to(device=device, dtype=torch.float32)

    def from_output(self, output: Tensor, x_t: Tensor, t: Tensor) -> Prediction:
        """x_0 and eps are where the straight line through `x_t` along the flow begins and ends."""
        return Prediction(eps=x_t + self.signal(t) * output, x0=x_t - self.sigma(t) * output)

    def to_output(self, belief: Prediction, t: Tensor) -> Tensor:
        return belief.eps - belief.x0


def flow_levels(count: int, shift: float) -> Tensor:
    """(count,) float64, even steps k / count up to 1, shifted towards noise: `shift s / (1 + (shift - 1) s)`.

    Larger pictures need more noise to lose the same: Esser et al. 2024, section 5.3.2, eq. 23, where shift is the
    ratio of the sides of the pictures. It is also what FLUX.1's exp(mu) does.
    """
    if count < 2 or shift <= 0:
        raise ValueError(f"a flow needs 2 or more steps and a shift above 0, got {count} and {shift}")
    even = torch.arange(1, count + 1, dtype=torch.float64) / count
    return shift * even / (1 + (shift - 1) * even)
