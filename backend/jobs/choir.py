# SPDX-License-Identifier: GPL-3.0-or-later
"""Several priors that judge the same renders, each in its own language, their opinions weighed.

What artists want it for is one that goes on from a picture (Zero-1-to-3: how the thing in the picture looks from here)
beside one that reads the prompt (Magic123, Qian et al. 2023). The first voice leads: previews show what it has in mind,
and stages ask it what it knows of light.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from backend.distillation.ranks import ALONE, Part, Ranks
from backend.distillation.sds import Mixture
from backend.jobs.guide import Guide, Learner, Opinion, Seen, Voice, fit
from backend.jobs.presets import Guidance
from backend.priors.base import Prior
from backend.priors.multiview import NovelViewPrior
from backend.priors.views import ViewCondition
from protocol.errors import BadRequest

PICTURE_SCALE = 5.0
"""Guidance of a prior that goes on from a picture: Magic123, section 4.1. It is sure of what it saw; the 100 of a prior
that knows only words would burn it."""


def guide_of(voice: Voice, settings: Guidance, generator: torch.Generator, ranks: Ranks = ALONE) -> Guide:
    """The guide for a voice, and for all who speak with it. Raises BadRequest for a form that one of them cannot."""
    settings_of = [_fitting(settings, one.prior) for one in (voice, *voice.others)]
    lead = Guide(voice.prior, voice.book, settings_of[0], generator, ranks)
    if not voice.others:
        return lead
    rest = [Guide(one.prior, one.book, how, generator, ranks)
            for one, how in zip(voice.others, settings_of[1:], strict=True)]
    return Choir([(lead, voice.weight), *((one, other.weight) for one, other in zip(rest, voice.others, strict=True))])


class Choir(Guide):
    """A guide made of guides. Parts with a weight of 0 are not asked.

    Args:
        parts: (guide, weight); all with the same settings but for the scale, and the same generator. The first leads.
    """

    def __init__(self, parts: list[tuple[Guide, float]]) -> None:
        self.parts = [(one, weight) for one, weight in parts if weight > 0]
        lead = parts[0][0]
        self.prior, self.settings, self.generator = lead.prior, lead.settings, lead.generator
        self.distillation, self.learner = lead.distillation, lead.learner
        self._mixture = Mixture([(one.distillation, weight) for one, weight in self.parts])

    @property
    def views_together(self) -> int:
        return math.lcm(*(one.views_together for one, _ in self.parts))

    def learners(self, name: str) -> dict[str, Learner]:
        return {key: learner for number, (one, _) in enumerate(self.parts)
                for key, learner in one.learners(f"{name} {number}" if number else name).items()}

    def pack(self, seen: Seen, random_background: float) -> list[Tensor]:  # type: ignore[override]
        """The same renders as each wants to see them."""
        return [one.pack(seen, random_background) for one, _ in self.parts]

    def judge(  # type: ignore[override]
        self, images: list[Tensor], view: ViewCondition, share: float, part: Part | None = None
    ) -> Opinion:
        """Their opinions, weighed: one loss, the leader's picture, everybody's targets."""
        if self.settings.form != "target":
            low, high = self.times(share)
            found = self._mixture(images, view, t_min=low, t_max=high, part=part)
            for (one, _), own in zip(self.parts, images, strict=True):
                one.learn(own, view, part)
            return Opinion(torch.stack([one.loss for one in found]).sum(), found[0].x0[:1])
        opinions = [one.judge(own, view, share, part) for (one, _), own in zip(self.parts, images, strict=True)]
        loss = torch.stack([weight * own.loss for (_, weight), own in zip(self.parts, opinions, strict=True)]).sum()
        return Opinion(loss, opinions[0].x0, [own.target for own in opinions])  # type: ignore[arg-type]

    def fit(self, images: list[Tensor], target: list[Tensor]) -> Tensor:  # type: ignore[override]
        return torch.stack([weight * fit(own, goal) for (_, weight), own, goal
                            in zip(self.parts, images, target, strict=True)]).sum()


def _fitting(settings: Guidance, prior: Prior) -> Guidance:
    return replace(settings, scale=PICTURE_SCALE) if isinstance(prior, NovelViewPrior) else settings


def show_picture(prior: Prior, inputs: Mapping[str, np.ndarray]) -> None:
    """Shows the job's `picture` to a prior that goes on from one; nothing for the others.

    The picture is the thing from its front, at eye level; what is transparent in it counts as white.

    Raises BadRequest where there is none or it cannot be read.
    """
    if not isinstance(prior, NovelViewPrior):
        return
    from backend.jobs.texture_input import picture_of  # imports those that import this module

    picture = picture_of(inputs, "picture", "RGBA")
    if picture is None:
        raise BadRequest(
            f"{prior.traits.name} goes on from a picture, and none came with the job.", path="inputs.picture",
            hint="Send a picture of the thing, seen from its front, or choose a `prior` that reads text.",
        )
    rgba = torch.from_numpy(picture.astype(np.float32) / 255)
    alpha = rgba[..., 3:]
    prior.look_at((rgba[..., :3] * alpha + (1 - alpha)).permute(2, 0, 1), azimuth=0.0, elevation=0.0)
