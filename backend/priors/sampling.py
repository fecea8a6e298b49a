# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures straight from a prior, for previews, contact sheets and tests.

Deterministic DDIM (Song et al. 2021) from seeded noise. Every prior samples the same way, so that a contact sheet
compares the priors and not their samplers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from backend.priors.base import Prior, TextEmbedding
from backend.priors.noise import Prediction
from backend.priors.prompts import PromptBook
from backend.priors.views import ViewCondition


def guided_prediction(
    prior: Prior,
    x_t: Tensor,
    t: Tensor,
    positive: TextEmbedding,
    negative: TextEmbedding,
    view: ViewCondition | None,
    guidance: float,
) -> Prediction:
    """The prior's belief under classifier-free guidance; one forward pass, of 2B images unless `guidance` is 1."""
    return prior.guided(x_t, t, positive, negative, view, guidance)[0]


def clamp_clean(prior: Prior, prediction: Prediction, x_t: Tensor, t: Tensor) -> Prediction:
    """Holds the clean sample of a pixel prior inside -1..1 (Saharia et al. 2022, static thresholding).

    Guidance pushes colours out of range; the noise is changed along so that both still describe `x_t`. Latents have no
    such range and pass through.
    """
    if prior.traits.is_latent:
        return prediction
    x0 = prediction.x0.clamp(-1, 1)
    return Prediction(eps=prior.noise.eps_from_x0(x0, x_t, t), x0=x0)


def timesteps(count: int, start: int) -> list[int]:
    """`count` time steps from `start` down, evenly spaced, the last one above 0 ("trailing", Lin et al. 2023)."""
    return [round((start + 1) * (1 - k / count)) - 1 for k in range(count)]


def sample(
    prior: Prior,
    prompt: str | Sequence[str],
    views: ViewCondition | None = None,
    *,
    steps: int = 25,
    seed: int = 0,
    guidance: float = 3.0,
    negative_prompt: str = "",
    same_noise: bool = False,
) -> Tensor:
    """Images from text.

    Args:
        prompt: one text for all views, or one a view.
        views: B views, or None for as many images as there are prompts; needed by priors that know the camera.
            Other priors are told the view by words in the prompt.
        steps: network evaluations, each of 2B images.
        seed: of the starting noise; drawn on the CPU so that devices agree.
        same_noise: start every image from the same noise, which makes views of one object agree better.

    Returns:
        (B, 3 or 4, resolution, resolution) float32 in 0..1 on the prior's device.
    """
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    count = len(prompts) if views is None else len(views)
    if len(prompts) not in (1, count):
        raise ValueError(f"{len(prompts)} prompts cannot stand beside {count} views")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    views = None if views is None else views.to(prior.device)
    view_words = False if views is None else None  # no views, no words to embed for them
    books = [PromptBook(prior, text, negative_prompt, view_words) for text in prompts]
    if len(books) == 1:
        positive, negative = books[0].positive(count, views), books[0].negative(count)
    else:
        positive = TextEmbedding.concatenate(
            [book.positive(1, None if views is None else views[i:i + 1]) for i, book in enumerate(books)])
        negative = TextEmbedding.concatenate([book.negative(1) for book in books])

    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1 if same_noise else count, *prior.traits.latent_shape, generator=generator)
    x = x.expand(count, -1, -1, -1).to(prior.device)
    schedule = timesteps(steps, prior.num_timesteps - 1)
    for step, following in zip(schedule, [*schedule[1:], -1], strict=True):
        t = torch.full((count,), step, device=prior.device, dtype=torch.long)
        prediction = clamp_clean(prior, guided_prediction(prior, x, t, positive, negative, views, guidance), x, t)
        x = prior.noise.ddim_step(prediction, torch.full_like(t, following))
    return prior.decode(x)
