# SPDX-License-Identifier: GPL-3.0-or-later
"""Score distillation: how a prior's opinion of a render becomes a gradient, or a picture to fit.

Forms of one idea. "noise" is Score Distillation Sampling as DreamFusion defined it: w(t) * (eps_hat - eps). "clean"
compares the render with the clean picture that the prior sees in it: w(t) * (x - x0_hat), which equals the former at
w(t) * sqrt((1 - alpha_bar) / alpha_bar) and allows the contrast of guided pictures to be put back (MVDream). The
residuals of later papers are in `residuals`, the variational one is in `variational`. "target" lets the prior finish a
noisy render in a few DDIM steps and hands that picture out, to be fitted for several steps by a plain image loss (HiFA,
SDS-Bridge and instruct-style dataset updates use the same step). No form sends a gradient through the prior's network;
only through its encoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from backend.distillation.guidance import Guidance, Guided
from backend.distillation.ranks import Part
from backend.distillation.residuals import RESIDUALS, PathSettings, Sample, inverted
from backend.distillation.schedules import draw_times
from backend.distillation.weighting import WEIGHTINGS, Weighting, weight
from backend.priors.base import Prior
from backend.priors.noise import Prediction
from backend.priors.sampling import clamp_clean
from backend.priors.views import ViewCondition
from backend.transfer import sent
from protocol.errors import TrainingDiverged

Form = Literal["noise", "clean", "classifier", "noise_free", "inversion", "interval"]
FORMS: tuple[Form, ...] = ("noise", "clean", "classifier", "noise_free", "inversion", "interval")


@dataclass(frozen=True)
class DistillationSettings:
    """What a `ScoreDistillation` does with the prior's answer.

    Attributes:
        form: 'noise' or 'clean', see the module, or the name of one of `residuals`.
        weighting: w(t), see `weighting.weight`.
        rescale: 0..1, how much of the guided clean picture's contrast is put back to that of the unguided one
            (Lin et al. 2023, section 3.4; MVDream uses 0.5).
        clamp: hold the clean picture of a pixel prior inside its range before comparing (clean form and targets).
        clip: largest magnitude of a single entry of the gradient in the prior's space, 0 for none.
        cheap_encode: gradients through a latent prior's linear stand-in, see `Prior.encode`.
        reduction: 'sum' over pixels and mean over images, as in the literature, or 'mean' over both, whose size does
            not depend on the prior's resolution.
        nonfinite: what happens when the prior or the render gives NaN or infinity: 'raise' TrainingDiverged, or 'skip'
            those images (their gradient is 0) and say so in the result, without waiting for the device.
        path: for the forms of `residuals`.
    """

    form: Form = "noise"
    weighting: Weighting = "uniform"
    rescale: float = 0.0
    clamp: bool = True
    clip: float = 0.0
    cheap_encode: bool = False
    reduction: Literal["sum", "mean"] = "sum"
    nonfinite: Literal["raise", "skip"] = "raise"
    path: PathSettings = PathSettings()

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f"form {self.form!r} is none of {', '.join(FORMS)}")
        if self.rescale and self.form in RESIDUALS:
            raise ValueError(f"rescale belongs to guided pictures; the form {self.form!r} has no use for it")
        if self.weighting not in WEIGHTINGS:
            raise ValueError(f"weighting {self.weighting!r} is none of {', '.join(WEIGHTINGS)}")
        if not 0 <= self.rescale <= 1:
            raise ValueError(f"rescale must be in 0..1, got {self.rescale}")
        if self.clip < 0 or not math.isfinite(self.clip):
            raise ValueError(f"clip must be 0 or a positive number, got {self.clip}")
        if self.reduction not in ("sum", "mean") or self.nonfinite not in ("raise", "skip"):
            raise ValueError("reduction is 'sum' or 'mean', nonfinite is 'raise' or 'skip'")


@dataclass(frozen=True)
class Distilled:
    """One step's outcome.

    Attributes:
        loss: () differentiable with respect to the images; its gradient in the prior's space is the residual. Its value
            is half the squared residual, which is worth plotting but is not what is minimised.
        t: (B,) int64 time steps.
        x0: (B, C, h, w) the guided clean picture in the prior's space; `Prior.decode` makes it visible.
        gradient_norm: (B,) length of each image's residual before clipping.
        finite: (B,) False where an image was skipped.
    """

    loss: Tensor
    t: Tensor
    x0: Tensor
    gradient_norm: Tensor
    finite: Tensor


@dataclass(frozen=True)
class Target:
    """Pictures that the prior makes of renders.

    Attributes:
        images: (B, 3 or 4, resolution, resolution) in 0..1, no gradient.
        x0: (B, C, h, w) the same in the prior's space.
        t: (B,) the noise level from which each was finished.
        finite: (B,) False where a picture is unusable; its images then repeat the render.
    """

    images: Tensor
    x0: Tensor
    t: Tensor
    finite: Tensor


class ScoreDistillation:
    """Turns renders into a loss (call it) or into targets (`target`).

    Args:
        guidance: prior, prompt and scale.
        settings: see `DistillationSettings`.
        generator: the noise and time steps are drawn from it, on its device (the CPU gives the same on every machine).
    """

    def __init__(self, guidance: Guidance, settings: DistillationSettings, generator: torch.Generator) -> None:
        self.guidance = guidance
        self.settings = settings
        self.generator = generator

    @property
    def prior(self) -> Prior:
        return self.guidance.prior

    def __call__(
        self,
        images: Tensor,
        view: ViewCondition | None = None,
        *,
        t_min: float = 0.02,
        t_max: float = 0.98,
        t: Tensor | None = None,
        scale: float | None = None,
        part: Part | None = None,
    ) -> Distilled:
        """The distillation loss of a batch of renders.

        Args:
            images: (B, 3 or 4, H, W) in 0..1, any size, as made by `Prior.pack`.
            view: their B views.
            t_min, t_max: range of noise levels as shares of the prior's time steps; each image draws its own.
            t: (B,) int64 instead of drawing.
            scale: guidance for this call.
            part: which images of a larger batch these are; noise and time steps are drawn for all of it.

        Raises:
            TrainingDiverged: a value is not finite and `nonfinite` is 'raise'.
        """
        settings = self.settings
        x = self.prior.encode(images, cheap=settings.cheap_encode)
        part = part or Part.whole(len(x))
        t = self._times(part, t_min, t_max) if t is None else t.to(x.device)
        eps = self._noise_like(x, part)
        residual, x0 = self._residual(Sample(x.detach(), eps, t, view), scale)
        alpha_bar = self.prior.noise.alpha_bar(t)
        gradient = weight(settings.weighting, alpha_bar, "clean" if settings.form == "clean" else "noise") * residual
        finite = gradient.flatten(1).isfinite().all(1)
        if settings.nonfinite == "raise" and not bool(finite.all()):
            raise TrainingDiverged(
                "Score distillation met values that are not finite "
                f"({'the render' if not bool(x.isfinite().all()) else self.prior.traits.name} gave them).",
                hint="Lower the learning rate or the guidance scale, or use float32.",
            )
        keep = finite.view(-1, 1, 1, 1)
        gradient = torch.where(keep, gradient, 0.0)
        norm = gradient.flatten(1).norm(dim=1)
        if settings.clip > 0:
            gradient = gradient.clamp(-settings.clip, settings.clip)
        # Half the squared distance to a constant has the wanted gradient; a skipped image's x must not enter, because
        # 0 * NaN is NaN.
        distance = torch.where(keep, x - (x.detach() - gradient), 0.0)
        total = len(x) if settings.reduction == "sum" else x.numel()
        return Distilled(0.5 * distance.square().sum() / total, t, x0, norm, finite)

    def target(
        self,
        images: Tensor,
        view: ViewCondition | None = None,
        *,
        steps: int = 4,
        t_min: float = 0.02,
        t_max: float = 0.98,
        t: Tensor | None = None,
        scale: float | None = None,
        inversion_steps: int = 0,
        inversion_scale: float = 1.0,
        part: Part | None = None,
    ) -> Target:
        """What the prior would make of the renders: noise them to level t, then `steps` guided DDIM steps to clean.

        Args:
            images, view, t_min, t_max, t, scale, part: as for the loss.
            steps: network evaluations; 1 is the one-step clean picture.
            inversion_steps: 0 adds random noise; above, the render is carried to level t by that many DDIM steps, which
                keeps more of it (ISM, LucidDreamer section 3.2; SDI).
            inversion_scale: guidance of those steps: 1 the plain prompt, 0 none, -7.5 as in SDI.
        """
        if steps < 1 or inversion_steps < 0:
            raise ValueError(f"steps must be at least 1 and inversion_steps at least 0, got {steps}, {inversion_steps}")
        with torch.no_grad():
            x = self.prior.encode(images)
            part = part or Part.whole(len(x))
            t = self._times(part, t_min, t_max) if t is None else t.to(x.device)
            if inversion_steps:
                x_t = inverted(self.guidance, Sample(x, x, t, view), inversion_scale, inversion_steps)
            else:
                x_t = self.prior.noise.add_noise(x, self._noise_like(x, part), t)
            for share in range(steps, 0, -1):
                # Trailing spacing: from t down to the last step before clean, every image on its own ladder.
                now = ((t + 1) * share / steps).round().long().clamp_min(1) - 1
                later = ((t + 1) * (share - 1) / steps).round().long() - 1
                believed = self._contrast(self.guidance(x_t, now, view, scale), x_t, now)
                prediction = self._in_range(believed, x_t, now)
                x_t = self.prior.noise.ddim_step(prediction, later)
            finite = x_t.flatten(1).isfinite().all(1)
            if self.settings.nonfinite == "raise" and not bool(finite.all()):
                raise TrainingDiverged(
                    f"{self.prior.traits.name} made a picture with values that are not finite.",
                    hint="Lower the guidance scale, or use float32.",
                )
            x0 = torch.where(finite.view(-1, 1, 1, 1), x_t, x)
            return Target(self.prior.decode(x0), x0, t, finite)

    def _residual(self, sample: Sample, scale: float | None) -> tuple[Tensor, Tensor]:
        """The residual of the form and the guided clean picture."""
        form = self.settings.form
        if form in RESIDUALS:
            strength = self.guidance.scale if scale is None else scale
            found = RESIDUALS[form](self.guidance, sample, strength, self.settings.path)
            return found.residual, found.x0
        x_t = self.prior.noise.add_noise(sample.x, sample.noise, sample.t)
        believed = self._contrast(self.guidance(x_t, sample.t, sample.view, scale), x_t, sample.t)
        x0 = self._in_range(believed, x_t, sample.t).x0
        # The noise form takes the noise as it is: holding the clean picture in range would change the gradient.
        if form == "clean":
            return sample.x - x0, x0
        return believed.eps - self._added_noise(x_t, sample), x0

    def _added_noise(self, x_t: Tensor, sample: Sample) -> Tensor:
        """What the prior's answer is compared with: the noise itself."""
        return sample.noise

    def _contrast(self, answer: Guided, x_t: Tensor, t: Tensor) -> Prediction:
        """The guided belief, its contrast put back as far as `rescale` says."""
        share = self.settings.rescale
        if share == 0 or answer.guided is answer.conditional:
            return answer.guided
        x0 = rescaled(answer.guided.x0, answer.conditional.x0, share, self.prior.traits.views_together)
        return Prediction(self.prior.noise.eps_from_x0(x0, x_t, t), x0)

    def _in_range(self, prediction: Prediction, x_t: Tensor, t: Tensor) -> Prediction:
        return clamp_clean(self.prior, prediction, x_t, t) if self.settings.clamp else prediction

    def _times(self, part: Part, t_min: float, t_max: float) -> Tensor:
        """Views that a prior denoises together share their noise level."""
        together = self.prior.traits.views_together
        drawn = draw_times(t_min, t_max, math.ceil(part.total / together), self.prior.num_timesteps, self.generator)
        return sent(drawn.repeat_interleave(together)[part.slice], self.prior.device)

    def _noise_like(self, x: Tensor, part: Part) -> Tensor:
        shape = (part.total, *x.shape[1:])
        return sent(torch.randn(shape, generator=self.generator, device=self.generator.device)[part.slice], x.device)


def rescaled(guided: Tensor, conditional: Tensor, share: float, views_together: int = 1) -> Tensor:
    """Guided clean pictures (B, C, h, w) with `share` of their excess contrast removed (Lin et al. 2023, eq. 14 to 16).

    The ratio of standard deviations is taken over each image, or over the views that belong together.
    """
    def deviation(x: Tensor) -> Tensor:
        grouped = x.reshape(-1, views_together, *x.shape[1:])
        return grouped.flatten(1).std(dim=1).repeat_interleave(views_together).view(-1, 1, 1, 1)

    factor = deviation(conditional) / deviation(guided).clamp_min(1e-8)
    return guided * (share * factor + (1 - share))


class Mixture:
    """Several distillations at once, each with a weight: a text prior and an image prior, or pixels and latents.

    Args:
        parts: (distillation, weight) pairs; a weight of 0 costs nothing, because that part is not asked.
    """

    def __init__(self, parts: list[tuple[ScoreDistillation, float]]) -> None:
        if not parts:
            raise ValueError("a mixture needs at least one part")
        self.parts = parts

    def __call__(
        self,
        images: list[Tensor],
        view: ViewCondition | None = None,
        *,
        t_min: float = 0.02,
        t_max: float = 0.98,
        part: Part | None = None,
    ) -> list[Distilled]:
        """One result a part with a weight above 0, its loss multiplied by the weight; add the losses.

        Args:
            images: one batch a part, packed for its prior (channels and sizes differ).
            t_min, t_max, part: as for `ScoreDistillation`.
        """
        if len(images) != len(self.parts):
            raise ValueError(f"{len(self.parts)} parts need as many batches of images, got {len(images)}")
        results = []
        for (distillation, share), batch in zip(self.parts, images, strict=True):
            if share != 0:
                one = distillation(batch, view, t_min=t_min, t_max=t_max, part=part)
                results.append(Distilled(one.loss * share, one.t, one.x0, one.gradient_norm, one.finite))
        return results
