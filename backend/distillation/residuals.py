# SPDX-License-Identifier: GPL-3.0-or-later
"""The residuals that later papers put in the place of "guided noise minus added noise".

Each answers for a batch of clean samples and their noise levels: which way does the prior want them to move, in units
of noise? Written from the papers, with guidance in the one meaning of `priors.noise.classifier_free_guidance`:

classifier    Classifier Score Distillation (Yu et al. 2023, eq. 7 and 11): only what the text adds, no noise term.
noise_free    Noise-Free Score Distillation (Katzir et al. 2023, eq. 8 and 9): the random noise is replaced by the part
              of the prior's answer that carries no direction.
inversion     Score Distillation via Inversion (Lukoianov et al. 2024, section 4): the noise that DDIM inversion finds
              in the sample instead of random noise.
interval      Interval Score Matching (Liang et al. 2023, LucidDreamer, eq. 13 and 14): the answers at two levels of one
              inverted path are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.distillation.guidance import Guidance
from backend.priors.noise import classifier_free_guidance
from backend.priors.views import ViewCondition

NOISE_FREE_BELOW = 0.2  # share of the time steps under which the domain's own noise is negligible (Katzir et al.: 200)


@dataclass(frozen=True)
class PathSettings:
    """How residuals are found that need a path or several texts.

    Attributes:
        negative: weight of the negative prompt in 'classifier', 0..1: the rest of the reference is "" (Yu et al. 2023
            anneal it).
        inversion_steps: DDIM steps from clean to the level asked, for 'inversion' and 'interval'.
        inversion_scale: guidance along that path for 'inversion'. Lukoianov et al. use -7.5 with a guidance of 7.5; at
            1 and 1 the residual vanishes exactly where the sample is the mode of the prompt.
        interval: share of the time steps between the two levels of 'interval' (LucidDreamer: 50 of 1000).
    """

    negative: float = 0.0
    inversion_steps: int = 10
    inversion_scale: float = -7.5
    interval: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.negative <= 1:
            raise ValueError(f"negative must be in 0..1, got {self.negative}")
        if self.inversion_steps < 1 or not 0 < self.interval < 1:
            raise ValueError("inversion_steps must be at least 1 and interval in 0..1, "
                             f"got {self.inversion_steps} and {self.interval}")


@dataclass(frozen=True)
class Found:
    """residual: (B, C, h, w) in units of noise. x0: (B, C, h, w) the guided clean picture at the level asked."""

    residual: Tensor
    x0: Tensor


@dataclass(frozen=True)
class Sample:
    """Clean samples x (B, C, h, w) without gradient, noise of their shape, levels t (B,), and their views."""

    x: Tensor
    noise: Tensor
    t: Tensor
    view: ViewCondition | None


Residual = Callable[[Guidance, Sample, float, PathSettings], Found]


def classifier(asking: Guidance, sample: Sample, scale: float, settings: PathSettings) -> Found:
    """`scale` * (text - reference), the reference between "" and the negative prompt."""
    prior, book, count = asking.prior, asking.book, len(sample.x)
    x_t = prior.noise.add_noise(sample.x, sample.noise, sample.t)
    texts = [book.empty(count), book.positive(count, sample.view)]
    if settings.negative > 0:
        texts.append(book.negative(count))
    empty, text, *negative = prior.predict_branches(x_t, sample.t, texts, sample.view)
    reference = torch.lerp(empty.eps, negative[0].eps, settings.negative) if negative else empty.eps
    guided = classifier_free_guidance(empty.x0, text.x0, scale)
    return Found(scale * (text.eps - reference), guided)


def noise_free(asking: Guidance, sample: Sample, scale: float, settings: PathSettings) -> Found:
    """delta_D + `scale` * delta_C: below a fifth of the schedule delta_D is the unconditional answer itself, above it
    is what distinguishes "" from the negative prompt; with no negative prompt that is nothing."""
    prior, book, count = asking.prior, asking.book, len(sample.x)
    x_t = prior.noise.add_noise(sample.x, sample.noise, sample.t)
    texts = [book.empty(count), book.positive(count, sample.view), book.negative(count)]
    empty, text, negative = prior.predict_branches(x_t, sample.t, texts, sample.view)
    low = (sample.t < NOISE_FREE_BELOW * prior.num_timesteps).view(-1, 1, 1, 1)
    domain = torch.where(low, empty.eps, empty.eps - negative.eps)
    return Found(domain + scale * (text.eps - empty.eps), classifier_free_guidance(empty.x0, text.x0, scale))


def inversion(asking: Guidance, sample: Sample, scale: float, settings: PathSettings) -> Found:
    """Guided noise minus the noise by which DDIM inversion reached this level."""
    path = inverted(asking, sample, settings.inversion_scale, settings.inversion_steps)
    answer = asking(path, sample.t, sample.view, scale).guided
    return Found(answer.eps - implied_noise(asking, sample, path), answer.x0)


def interval(asking: Guidance, sample: Sample, scale: float, settings: PathSettings) -> Found:
    """Guided answer at t minus the unconditional one at the level s below it on the same path."""
    noise = asking.prior.noise
    step = max(1, round(settings.interval * asking.prior.num_timesteps))
    before = (sample.t - step).clamp_min(0)
    start = Sample(sample.x, sample.noise, before, sample.view)
    x_s = inverted(asking, start, 0.0, settings.inversion_steps)
    reference = asking(x_s, before, sample.view, 0.0).guided
    x_t = noise.ddim_step(reference, sample.t)
    answer = asking(x_t, sample.t, sample.view, scale).guided
    return Found(answer.eps - reference.eps, answer.x0)


def inverted(asking: Guidance, sample: Sample, scale: float, steps: int) -> Tensor:
    """x carried up to the levels t by DDIM steps (Song et al. 2021, section 4.3) under guidance `scale`."""
    x, now = sample.x, torch.zeros_like(sample.t)
    for share in range(1, steps + 1):
        later = (sample.t * share / steps).round().long()
        x = asking.prior.noise.ddim_step(asking(x, now, sample.view, scale).guided, later)
        now = later
    return x


def implied_noise(asking: Guidance, sample: Sample, x_t: Tensor) -> Tensor:
    """The noise that makes x_t of the clean sample."""
    return asking.prior.noise.eps_from_x0(sample.x, x_t, sample.t)


RESIDUALS: dict[str, Residual] = {
    "classifier": classifier,
    "noise_free": noise_free,
    "inversion": inversion,
    "interval": interval,
}

