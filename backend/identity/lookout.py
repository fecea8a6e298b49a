# SPDX-License-Identifier: GPL-3.0-or-later
"""From where was a picture taken? A prior that knows cameras can say: it is asked which view it finds least surprising.

The same noise is added to a picture for every view in question, and the view under which the prior's own prediction is
nearest to the truth is taken (a diffusion model as a classifier, Li et al. 2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from backend.priors.base import Prior, TextEmbedding
from backend.priors.views import ViewCondition

AZIMUTHS = 12
ELEVATIONS = (10.0, 40.0)  # degrees
LEVELS = (0.45, 0.65)  # shares of the prior's time steps: above, everything is noise; below, nothing is left to guess


def likeliest_views(
    prior: Prior, x: Tensor, text: TextEmbedding, generator: torch.Generator, tell: Callable[[float], None]
) -> ViewCondition:
    """The unlit views of N pictures (N, C, h, w) in the prior's space, by the text (one row) that names what they show;
    default framing. `tell` hears the share done and may raise Cancelled."""
    azimuth = torch.arange(AZIMUTHS).repeat(len(ELEVATIONS)) * (2 * math.pi / AZIMUTHS)
    elevation = torch.tensor(ELEVATIONS).deg2rad().repeat_interleave(AZIMUTHS)
    asked = ViewCondition.albedo(azimuth, elevation).to(prior.device)
    chosen = []
    for number, picture in enumerate(x):
        tell(number / len(x))
        errors = torch.zeros(len(asked))
        for level in LEVELS:
            noise = torch.randn(picture.shape, generator=generator).to(prior.device)[None]
            t = torch.full((1,), round(level * (prior.num_timesteps - 1)), device=prior.device)
            noisy = prior.noise.add_noise(picture[None], noise, t).expand(len(asked), -1, -1, -1)
            guess = prior.predict(noisy, t.expand(len(asked)), text, asked)
            errors += (guess.eps - noise).square().mean((1, 2, 3)).cpu()
        chosen.append(int(errors.argmin()))
    return asked[torch.tensor(chosen, device=prior.device)]
