# SPDX-License-Identifier: GPL-3.0-or-later
"""Between a recipe and a prior: packs what was rendered, asks for an opinion, gives back a loss.

The recipe's stages differ in what they optimise, not in how they listen; this is the listening. It also shades a
render the way the prior is told it was shaded, and chooses the background for priors without an alpha channel.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from backend.distillation.guidance import Guidance as Asking
from backend.distillation.guidance import PerpNeg
from backend.distillation.ranks import ALONE, Part, Ranks
from backend.distillation.sds import DistillationSettings, ScoreDistillation
from backend.distillation.variational import LowRankStudent, VariationalDistillation
from backend.jobs.presets import Guidance, LightRange
from backend.priors.base import GREY, Prior
from backend.priors.network_prior import NetworkPrior
from backend.priors.prompts import PromptBook
from backend.priors.several import BEFORE_WEIGHT, BETWEEN
from backend.priors.views import ViewCondition
from backend.render.cameras import Cameras
from backend.render.lighting import shade
from backend.transfer import sent
from protocol.errors import BadRequest

OF_SEVERAL_TEXTS = ("classifier", "noise_free")


@dataclass(frozen=True)
class Seen:
    """What was rendered: colour (B, H, W, 3) sRGB, premultiplied; opacity (B, H, W, 1); normal (B, H, W, 3) or None."""

    colour: Tensor
    opacity: Tensor
    normal: Tensor | None = None


@dataclass(frozen=True)
class Opinion:
    """loss: to be added to the stage's other terms. x0: (1, C, h, w) what the prior thinks the first view should look
    like, in its own space. target: (B, C, h, w) pictures that may be fitted again, in the "target" form."""

    loss: Tensor
    x0: Tensor
    target: Tensor | None = None


@dataclass(frozen=True)
class Voice:
    """A prior with the prompt in its own language. others: who speak with it, and weight: how much it has to say among
    them (`backend.jobs.choir`)."""

    prior: Prior
    book: PromptBook
    weight: float = 1.0
    others: tuple[Voice, ...] = ()

    @property
    def name(self) -> str:
        """For reports: of all that speak, with their weights."""
        return self._of_all(lambda prior: prior.traits.name)

    @property
    def revision(self) -> str:
        return self._of_all(lambda prior: prior.traits.revision)

    def _of_all(self, say: Callable[[Prior], str]) -> str:
        if not self.others:
            return say(self.prior)
        return BETWEEN.join(f"{say(one.prior)}{BEFORE_WEIGHT}{one.weight:g}" for one in (self, *self.others))


class Guide:
    """A prior with its prompt, ready to judge the renders of one stage."""

    def __init__(
        self, prior: Prior, book: PromptBook, settings: Guidance, generator: torch.Generator, ranks: Ranks = ALONE
    ):
        check_form(prior, settings)
        self.prior = prior
        self.settings = settings
        self.generator = generator
        form = {"target": "clean", "variational": "noise"}.get(settings.form, settings.form)
        # Perp-Neg is about view words; a prior that knows the camera has no use for it, nor has one without guidance.
        fitting = book.uses_view_words and prior.traits.takes_guidance
        perp_neg = PerpNeg() if settings.perp_neg and fitting else None
        asking = Asking(prior, book, settings.scale, perp_neg)
        how = DistillationSettings(
            form=form,  # type: ignore[arg-type]
            weighting=settings.weighting,  # type: ignore[arg-type]
            rescale=settings.rescale,
            cheap_encode=prior.traits.is_latent,
            nonfinite="skip",
        )
        self.distillation = ScoreDistillation(asking, how, generator)
        self.learner: Learner | None = None
        if settings.form == "variational":
            self.learner = Learner(prior, book, settings.student_rate, ranks)
            self.distillation = VariationalDistillation(asking, self.learner.student, how, generator)

    @property
    def views_together(self) -> int:
        """Views must come in groups of this many."""
        return self.prior.traits.views_together

    def learners(self, name: str) -> dict[str, Learner]:
        """What learns beside the scene, for a stage's state."""
        return {} if self.learner is None else {name: self.learner}

    def times(self, share: float) -> tuple[float, float]:
        """Noise levels at `share` (0..1) of the stage, as shares of the prior's time steps."""
        return self.settings.t_min, max(self.settings.t_max.at(share), self.settings.t_min + 0.01)

    def learn(self, images: Tensor, view: ViewCondition, part: Part | None) -> None:
        """A step of the student, where there is one, on the renders that were judged."""
        if self.learner is not None:
            assert isinstance(self.distillation, VariationalDistillation)
            self.learner.step(self.distillation, images, view, part)

    def fit(self, images: Tensor, target: Tensor) -> Tensor:
        """How far renders are from an earlier opinion's target."""
        return fit(images, target)

    def light(self, seen: Seen, cameras: Cameras, light: LightRange, shading: tuple[Tensor, bool] | None) -> Seen:
        """The render as it looks under this step's light, or as it is."""
        if shading is None or seen.normal is None:
            return seen
        directions, hidden = sent(shading[0], seen.colour.device), shading[1]
        albedo = seen.opacity.expand_as(seen.colour) if hidden else seen.colour
        return Seen(shade(albedo, seen.normal, directions, light.ambient, seen.opacity), seen.opacity, seen.normal)

    def pack(self, seen: Seen, random_background: float) -> Tensor:
        """(B, 3 or 4, H, W) as the prior wants to see it."""
        background: Tensor | float = GREY
        if self.prior.traits.channels == "rgb" and float(torch.rand((), generator=self.generator)) < random_background:
            background = sent(torch.rand(3, generator=self.generator), seen.colour.device)
        return self.prior.pack_composited(seen.colour + (1 - seen.opacity) * background, seen.opacity)

    def view(self, cameras: Cameras, shading: tuple[Tensor, bool] | None) -> ViewCondition:
        """How the prior is told where it looks from and what light there is. On the CPU, where nobody has to wait to
        find words for it: priors send what their networks read."""
        if shading is None:
            return ViewCondition.from_cameras(cameras)
        lit = torch.ones(len(cameras), device=cameras.device)
        return ViewCondition.from_cameras(cameras, lit, cameras.to_camera_frame(shading[0]))

    def judge(self, images: Tensor, view: ViewCondition, share: float, part: Part | None = None) -> Opinion:
        """The prior's opinion of packed renders at `share` (0..1) of the stage. Raises TrainingDiverged on NaN.

        part: which views of the step's batch these are, when several ranks share it.
        """
        t_min, t_max = self.times(share)
        if self.settings.form != "target":
            result = self.distillation(images, view, t_min=t_min, t_max=t_max, part=part)
            self.learn(images, view, part)
            return Opinion(result.loss, result.x0[:1])
        target = self.distillation.target(
            images.detach(), view, steps=self.settings.target_steps, t_min=t_min, t_max=t_max, part=part
        )
        return Opinion(fit(images, target.images), target.x0[:1], target.images)

    def picture(self, opinion: Opinion) -> Tensor:
        """(H, W, 3) in 0..1: what the prior had in mind, for people. Costs a decoder pass with latent priors."""
        return self.prior.decode(opinion.x0)[0, :3].permute(1, 2, 0)


def check_form(prior: Prior, settings: Guidance) -> None:
    """Raises BadRequest where a prior cannot be distilled in the form that a preset asks for."""
    name, form = prior.traits.name, settings.form
    if form == "variational" and not isinstance(prior, NetworkPrior):
        raise BadRequest(
            f"{name} cannot be a student of itself, which variational distillation needs.",
            path="prior", hint="Choose a preset with another form of guidance, or another prior.",
        )
    if form in OF_SEVERAL_TEXTS and not prior.traits.takes_guidance:
        raise BadRequest(
            f"{name} was distilled to a few steps: the difference of its answers to two texts, which the form {form!r} "
            "is made of, means nothing.",
            path="prior", hint="Choose the model that it was distilled from, or a preset with another form.",
        )


class Learner:
    """The student of the variational form and its optimiser (AdamW, as ProlificDreamer does it).

    It learns from every batch that is judged, over all noise levels; with several turns a step, from each of them.
    """

    def __init__(self, prior: Prior, book: PromptBook, rate: float, ranks: Ranks):
        assert isinstance(prior, NetworkPrior)  # see `check_form`
        self.student = LowRankStudent(prior, book.positive(1))
        self.ranks = ranks
        self._optimiser = torch.optim.AdamW(self.student.parameters(), lr=rate)

    def step(
        self, distillation: VariationalDistillation, images: Tensor, view: ViewCondition, part: Part | None
    ) -> None:
        """One step of learning what renders look like."""
        self._optimiser.zero_grad(set_to_none=True)
        loss = distillation.learn(images, view, part=part)
        (loss if part is None else part.weigh(loss)).backward()
        # The scene's own step goes back if this is not finite; the student must not keep what it saw. Asking the device
        # would make the host wait for it.
        for one in self.student.parameters():
            if one.grad is not None:
                one.grad = torch.where(loss.isfinite(), one.grad, 0.0)
        self.ranks.sum_gradients(self.student.parameters())
        self._optimiser.step()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on from here."""
        return {"student": self.student.state_dict(), "optimiser": self._optimiser.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from a state of `state`."""
        self.student.load_state_dict(state["student"])
        self._optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))


def fit(images: Tensor, target: Tensor) -> Tensor:
    """How far renders (B, C, H, W) are from the pictures (B, C, h, w) that a prior made of them: (), differentiable.

    In the scale of score distillation: half the squared residual of values in -1..1, summed over an image.
    """
    seen = torch.nn.functional.interpolate(images, size=target.shape[-2:], mode="area")
    return 2.0 * (seen - target).square().sum() / len(images)
