# SPDX-License-Identifier: GPL-3.0-or-later
"""The residuals of later papers against Gaussian priors: each must come to rest where the paper's formula says.

The reference is written once more here, in float64 and without the code under test: for a Gaussian of mean m and
deviation s the exact answer at x_t is sqrt(1 - a) (x_t - sqrt(a) m) / (a s^2 + 1 - a), so every residual is affine in
the picture and in the noise, and its expected zero follows from its values at two pictures without noise.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from backend.distillation.guidance import Guidance
from backend.distillation.residuals import PathSettings
from backend.distillation.sds import DistillationSettings, ScoreDistillation
from backend.priors.closed_form import ClosedFormPrior, Gaussians
from backend.priors.prompts import PromptBook

SHAPE = (3, 4, 4)
T_MIN, T_MAX = 0.1, 0.6
DEVIATIONS = {"": 0.6, "cube": 0.25, "blurry": 0.5}
torch.set_num_threads(1)


def picture(seed: int) -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed)) * 1.2 - 0.6


MEANS = {"": picture(1), "cube": picture(2), "blurry": picture(3)}


def make(form: str, scale: float, negative: str = "", path: PathSettings | None = None) -> ScoreDistillation:
    prior = ClosedFormPrior({name: Gaussians.single(MEANS[name], DEVIATIONS[name]) for name in MEANS})
    guidance = Guidance(prior, PromptBook(prior, "cube", negative, view_words=False), scale)
    settings = DistillationSettings(form=form, clamp=False, path=path or PathSettings())
    return ScoreDistillation(guidance, settings, torch.Generator().manual_seed(4))


class Reference:
    """The papers' formulas in float64, without noise."""

    def __init__(self, sds: ScoreDistillation) -> None:
        self.alphas = sds.prior.alphas_cumprod.double()

    def answer(self, name: str, x_t: torch.Tensor, t: int) -> torch.Tensor:
        a = self.alphas[t]
        return (1 - a).sqrt() * (x_t - a.sqrt() * MEANS[name].double()) / (a * DEVIATIONS[name] ** 2 + 1 - a)

    def guided(self, x_t: torch.Tensor, t: int, scale: float, reference: str = "") -> torch.Tensor:
        empty = self.answer(reference, x_t, t)
        return empty + scale * (self.answer("cube", x_t, t) - empty)

    def move(self, x_t: torch.Tensor, eps: torch.Tensor, now: int, later: int) -> torch.Tensor:
        a, b = self.alphas[now], self.alphas[later]
        return b.sqrt() * (x_t - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps

    def path(self, x: torch.Tensor, t: int, scale: float, steps: int) -> torch.Tensor:
        now = 0
        for share in range(1, steps + 1):
            later = int(torch.tensor(t * share / steps).round())
            x = self.move(x, self.guided(x, now, scale), now, later)
            now = later
        return x

    def optimum(self, residual: Callable[[torch.Tensor, int], torch.Tensor]) -> torch.Tensor:
        times = range(round(T_MIN * 999), round(T_MAX * 999) + 1)
        zero, one = torch.zeros(SHAPE, dtype=torch.float64), torch.ones(SHAPE, dtype=torch.float64)
        at_zero = torch.stack([residual(zero, t) for t in times]).mean(0)
        at_one = torch.stack([residual(one, t) for t in times]).mean(0)
        slope = at_one - at_zero
        assert (slope > 0).all(), "the formula's own optimum must be stable, or the test means nothing"
        return -at_zero / slope


def optimise(sds: ScoreDistillation, steps: int = 200, batch: int = 64) -> torch.Tensor:
    """One picture distilled, seen `batch` times a step; the last half of the path is averaged."""
    x = torch.zeros(SHAPE).requires_grad_(True)  # in -1..1
    optimiser = torch.optim.Adam([x], lr=0.1)
    average = torch.zeros(SHAPE)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / steps) + 1e-3
        optimiser.zero_grad()
        sds((x * 0.5 + 0.5).expand(batch, *SHAPE), t_min=T_MIN, t_max=T_MAX).loss.backward()
        optimiser.step()
        if step >= steps // 2:
            average += x.detach() / (steps - steps // 2)
    return average


def assert_reaches(found: torch.Tensor, wanted: torch.Tensor) -> None:
    """Within 2 % of the way from the start."""
    assert (found - wanted).norm() <= 0.02 * wanted.norm(), f"{float((found - wanted).norm() / wanted.norm()):.3f}"


@pytest.mark.parametrize("negative", [0.0, 0.5])
def test_classifier_rests_where_text_and_reference_pull_alike(negative: float) -> None:
    sds = make("classifier", 7.5, "blurry", PathSettings(negative=negative))
    reference = Reference(sds)

    def residual(x: torch.Tensor, t: int) -> torch.Tensor:
        x_t = reference.alphas[t].sqrt() * x
        other = torch.lerp(reference.answer("", x_t, t), reference.answer("blurry", x_t, t), negative)
        return 7.5 * (reference.answer("cube", x_t, t) - other)

    assert_reaches(optimise(sds), reference.optimum(residual))


def test_noise_free_follows_its_two_rules() -> None:
    """The range of t straddles the border between them."""
    sds = make("noise_free", 3.0, "blurry")
    reference = Reference(sds)

    def residual(x: torch.Tensor, t: int) -> torch.Tensor:
        x_t = reference.alphas[t].sqrt() * x
        empty = reference.answer("", x_t, t)
        domain = empty if t < 200 else empty - reference.answer("blurry", x_t, t)
        return domain + 3.0 * (reference.answer("cube", x_t, t) - empty)

    assert_reaches(optimise(sds), reference.optimum(residual))


def test_noise_free_has_no_noise_at_all_where_the_prior_has_none() -> None:
    """With one and the same text everywhere only the domain part is left, whatever noise was drawn above the border."""
    prior = ClosedFormPrior({"": Gaussians.single(MEANS[""], 0.3)})
    guidance = Guidance(prior, PromptBook(prior, "", "", view_words=False), 7.5)
    sds = ScoreDistillation(guidance, DistillationSettings(form="noise_free"), torch.Generator().manual_seed(1))
    image = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(2)).requires_grad_(True)
    assert float(sds(image, t=torch.tensor([300, 700])).gradient_norm.max()) == 0.0
    assert float(sds(image, t=torch.tensor([100, 150])).gradient_norm.min()) > 0.0


@pytest.mark.parametrize(("scale", "path_scale"), [(1.0, 1.0), (3.0, 0.0), (7.5, -7.5)])
def test_inversion_rests_where_the_formula_says(scale: float, path_scale: float) -> None:
    settings = PathSettings(inversion_steps=6, inversion_scale=path_scale)
    sds = make("inversion", scale, path=settings)
    reference = Reference(sds)

    def residual(x: torch.Tensor, t: int) -> torch.Tensor:
        a = reference.alphas[t]
        x_t = reference.path(x, t, path_scale, 6)
        return reference.guided(x_t, t, scale) - (x_t - a.sqrt() * x) / (1 - a).sqrt()

    wanted = reference.optimum(residual)
    if scale == path_scale == 1.0:
        torch.testing.assert_close(wanted.float(), MEANS["cube"], rtol=1e-4, atol=1e-5)
    assert_reaches(optimise(sds), wanted)


@pytest.mark.parametrize("scale", [1.0, 7.5])
def test_interval_rests_where_the_formula_says(scale: float) -> None:
    sds = make("interval", scale, path=PathSettings(inversion_steps=4, interval=0.05))
    reference = Reference(sds)

    def residual(x: torch.Tensor, t: int) -> torch.Tensor:
        before = t - 50
        x_s = reference.path(x, before, 0.0, 4)
        low = reference.guided(x_s, before, 0.0)
        x_t = reference.move(x_s, low, before, t)
        return reference.guided(x_t, t, scale) - low

    assert_reaches(optimise(sds), reference.optimum(residual))


def test_interval_stays_above_the_clean_end() -> None:
    """A level below one interval starts from the clean sample itself and stays finite."""
    sds = make("interval", 2.0)
    image = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(2)).requires_grad_(True)
    result = sds(image, t=torch.tensor([0, 10]))
    assert bool(result.finite.all())
    assert bool(result.x0.isfinite().all())


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="negative"):
        PathSettings(negative=1.5)
    with pytest.raises(ValueError, match="inversion_steps"):
        PathSettings(inversion_steps=0)
    with pytest.raises(ValueError, match="rescale"):
        DistillationSettings(form="classifier", rescale=0.5)
    with pytest.raises(ValueError, match="none of"):
        DistillationSettings(form="magic")
