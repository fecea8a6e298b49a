# SPDX-License-Identifier: GPL-3.0-or-later
"""Priors that were trained to fill holes: they see what is known beside what they denoise.

Stable Diffusion's inpainting checkpoints (folders of diffusers' `StableDiffusionInpaintPipeline`) have a UNet of 2C + 1
channels: the noisy latents, the hole, and the latents of the picture with the hole grey. `around` binds such a prior
to known pictures; any other prior comes back as it is, and is held to what is known by imposing it at every step.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from backend.priors.base import GREY, Prior

AnyPrior = TypeVar("AnyPrior", bound=Prior)


def sees_known(unet: Any, channels: int) -> bool:
    """Whether a UNet reads what is known beside latents of so many channels."""
    return int(unet.config.in_channels) == 2 * channels + 1


def around(prior: AnyPrior, pictures: Tensor, hole: Tensor) -> AnyPrior:
    """The prior, told what is known of B pictures; itself when it has no eyes for it.

    Args:
        pictures: (B, 3 or more, H, W) in 0..1 over mid grey; what they hold inside the hole has no say.
        hole: (B, 1, H, W) 0..1, 1 where something new is wanted. Every batch that the result is asked about is these
            pictures in this order, once or several times over.
    """
    channels = prior.traits.latent_shape[0]
    unet = getattr(prior, "unet", None)
    if unet is None or not sees_known(unet, channels):
        return prior
    bound = copy.copy(prior)
    bound.known = known_latents(prior, pictures, hole)  # type: ignore[attr-defined]
    return bound


def known_latents(prior: Prior, pictures: Tensor, hole: Tensor) -> Tensor:
    """(B, 1 + C, h, w): the hole, and the latents of the pictures with the hole grey."""
    side = prior.traits.latent_shape[-1]
    # A cell of which any part is to be new is new, as whoever trained these networks had it.
    gap = (functional.adaptive_max_pool2d(hole, side) > 0.5).float()
    size = pictures.shape[-2:]
    full = functional.interpolate((hole > 0.5).float(), size=size, mode="nearest") if hole.shape[-2:] != size else hole
    masked = torch.where(full > 0.5, GREY, pictures[:, : prior.traits.channel_count])
    with torch.no_grad():
        return torch.cat([gap, prior.encode(masked)], 1)


def nothing_known(prior: Prior) -> Tensor:
    """(1, 1 + C, h, w) for a prior that is asked for whole pictures."""
    size = prior.traits.resolution
    grey = torch.full((1, prior.traits.channel_count, size, size), GREY, device=prior.device)
    return known_latents(prior, grey, torch.ones_like(grey[:, :1]))
