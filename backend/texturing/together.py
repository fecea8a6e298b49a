# SPDX-License-Identifier: GPL-3.0-or-later
"""Views of one object denoised together: after every step they agree on the surface that they share.

The clean pictures that a prior predicts for all views are gathered on a `Canvas`, shown again, and the next noisy
samples are formed from that (SyncMVD, Liu et al. 2023, in picture space, so that it fits pixel and latent priors
alike). The object's outline is known, so it is imposed at every step, which tells the prior the shape without training
it on shapes; a prior with a control network is shown normals and places besides. The weight of a view that looks
straight at a place rises from step to step: first all views vote, in the end the best one decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.priors.around import around
from backend.priors.base import GREY, Prior
from backend.priors.control import controlled
from backend.priors.noise import Prediction
from backend.priors.prompts import PromptBook
from backend.priors.sampling import clamp_clean, guided_prediction, timesteps
from backend.priors.views import ViewCondition
from backend.texturing.canvas import Canvas

Tell = Callable[[float, str], None]
"""Takes a share in 0..1 and a message; may raise Cancelled."""
Show = Callable[[Tensor], None]
"""Takes pictures (B, 4, s, s) in 0..1 as they stand, for people to look at."""


@dataclass(frozen=True)
class Denoising:
    """How one prior denoises the views.

    Attributes:
        steps: network evaluations, of every view each.
        begin: noise level to begin at, as a share of the prior's time steps in 0..1; 1 is pure noise, where the
            colours that it starts from have no say.
        scale: classifier-free guidance. Agreeing costs contrast, so it wants to be higher than for a single picture.
        exponent: weight of a view is cosine^exponent; (at the first step, at the last).
        shape: how strongly a prior's control network, where it has one, says what the views look at; 0..1, or more.
    """

    steps: int
    begin: float
    scale: float
    exponent: tuple[float, float] = (4.0, 8.0)
    shape: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0.0 < self.begin <= 1.0 or self.scale < 0 or min(*self.exponent, self.shape) < 0:
            raise ValueError(f"these numbers do not denoise: {self}")


@dataclass(frozen=True)
class Held:
    """Cells whose colours are given: colours (cells, 3); keep (cells,) 0..1, how much of each stays as it is; refine
    (cells,) 0..1, how much stays in the first half of the steps, so that what is new grows out of what was there."""

    colours: Tensor
    keep: Tensor
    refine: Tensor

    def hole(self, canvas: Canvas) -> Tensor:
        """(B, 1, S, S) 0..1, how much of each pixel is to be made anew."""
        return canvas.alpha - (canvas.show(self.keep[:, None].expand(-1, 3))[:, :1] - GREY * (1 - canvas.alpha))

    def impose(self, colours: Tensor, first_half: bool) -> Tensor:
        """The agreed colours (cells, 3) with the given ones in their places."""
        share = (torch.maximum(self.keep, self.refine) if first_half else self.keep)[:, None]
        return colours * (1 - share) + self.colours * share


def denoise_together(
    prior: Prior,
    book: PromptBook,
    canvas: Canvas,
    settings: Denoising,
    start: Tensor | None,
    generator: torch.Generator,
    tell: Tell,
    held: Held | None = None,
    show: Show = lambda pictures: None,
) -> Tensor:
    """The clean pictures (B, 4, S, S) of all views: colour over mid grey, and alpha.

    Args:
        book: the prompt in the prior's language.
        canvas: at the prior's resolution.
        start: (cells, 3) colours to begin with, or None for grey (of which pure noise leaves nothing).
        generator: a CPU generator.
        tell: told before each step; may raise Cancelled.
        held: cells whose colours are given.
        show: given the pictures of each step.
    """
    traits = prior.traits
    if canvas.size != traits.resolution:
        raise ValueError(f"{traits.name} draws {traits.resolution} px, the canvas has {canvas.size}")
    if settings.shape > 0:
        prior = controlled(prior, canvas.geometry, settings.shape)
    if held is not None:
        prior = around(prior, canvas.show(held.colours), held.hole(canvas))
    count = len(canvas.cameras)
    view = ViewCondition.from_cameras(canvas.cameras)
    positive, negative = book.positive(count, view), book.negative(count)
    schedule = timesteps(settings.steps, max(1, round(settings.begin * (prior.num_timesteps - 1))))

    def encoded(colours: Tensor) -> Tensor:
        with torch.no_grad():
            return prior.encode(canvas.show(colours)[:, : traits.channel_count])

    def level(t: int) -> Tensor:
        return torch.full((count,), t, device=prior.device, dtype=torch.long)

    colours = canvas.plain() if start is None else start
    noise = canvas.noise(traits.latent_shape[0], traits.latent_shape[-1], generator)
    x = prior.noise.add_noise(encoded(colours), noise, level(schedule[0]))
    first, last = settings.exponent
    for number, now in enumerate(schedule):
        tell(number / settings.steps, f"step {number + 1} of {settings.steps}")
        t = level(now)
        guess = clamp_clean(prior, guided_prediction(prior, x, t, positive, negative, view, settings.scale), x, t)
        pictures = prior.decode(guess.x0)
        if pictures.shape[1] == 3:
            pictures = torch.cat([pictures, canvas.alpha], 1)
        show(pictures)
        if number + 1 == settings.steps:
            break
        exponent = first + (last - first) * number / max(1, settings.steps - 1)
        colours = canvas.gather(pictures, exponent, colours)
        if held is not None:
            colours = held.impose(colours, number < settings.steps // 2)
        # The noise is what is left of the sample without the agreed picture. Both lie on the surface, so it does too;
        # the prior's own guess of the noise differs from view to view, and patterns would wash out.
        agreed = encoded(colours)
        x = prior.noise.ddim_step(Prediction(prior.noise.eps_from_x0(agreed, x, t), agreed),
                                  level(schedule[number + 1]))
    return pictures
