# SPDX-License-Identifier: GPL-3.0-or-later
"""Distillation against priors whose score, and therefore whose optimum, is known in closed form."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from backend.distillation.guidance import Guidance
from backend.distillation.sds import DistillationSettings, Mixture, ScoreDistillation, rescaled
from backend.distillation.weighting import WEIGHTINGS, weight
from backend.priors.base import TextEmbedding
from backend.priors.closed_form import ClosedFormPrior, Gaussians
from backend.priors.prompts import PromptBook
from protocol.errors import TrainingDiverged

SHAPE = (3, 4, 4)
torch.set_num_threads(1)


def picture(seed: int) -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed)) * 1.2 - 0.6


def gaussian_prior(text_deviation: float = 0.3, empty_deviation: float = 0.3, kind: str = "epsilon") -> ClosedFormPrior:
    return ClosedFormPrior({"": Gaussians.single(picture(1), empty_deviation),
                            "cube": Gaussians.single(picture(2), text_deviation)}, prediction_type=kind)


def distillation(prior: ClosedFormPrior, scale: float = 1.0, seed: int = 0, **settings: object) -> ScoreDistillation:
    guidance = Guidance(prior, PromptBook(prior, "cube", view_words=False), scale)
    return ScoreDistillation(guidance, DistillationSettings(**settings), torch.Generator().manual_seed(seed))


def optimum_of(prior: ClosedFormPrior, sds: ScoreDistillation, t_min: float, t_max: float) -> torch.Tensor:
    """Where the expected residual is zero, from the formula and not from the code under test.

    For a Gaussian of mean m and deviation s, E[eps_hat - eps] at x is k_s(t) (x - m) with
    k_s = sqrt(a (1 - a)) / (a s^2 + 1 - a). Guidance adds two such terms; w(t) and the form of the residual scale them.
    """
    first, last = round(t_min * 999), round(t_max * 999)
    a = prior.alphas_cumprod[first:last + 1].double()
    w = weight(sds.settings.weighting, a, sds.settings.form)
    if sds.settings.form == "clean":
        w = w * ((1 - a) / a).sqrt()
    def pull(deviation: float) -> float:
        return float((w * (a * (1 - a)).sqrt() / (a * deviation**2 + 1 - a)).sum())
    scale = sds.guidance.scale
    empty, text = (mixture for mixture in prior._mixtures)
    c_empty = (1 - scale) * pull(float(empty.deviations[0]))
    c_text = scale * pull(float(text.deviations[0]))
    return (c_empty * empty.means[0] + c_text * text.means[0]) / (c_empty + c_text)


def optimise(sds: ScoreDistillation, steps: int = 500, batch: int = 64, **options: float) -> torch.Tensor:
    """Distils one picture, seen `batch` times a step; the last half of the path is averaged against gradient noise."""
    x = torch.zeros(SHAPE).requires_grad_(True)  # in -1..1
    optimiser = torch.optim.Adam([x], lr=0.05)
    average = torch.zeros(SHAPE)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.05 * (1 - step / steps) + 1e-3
        optimiser.zero_grad()
        sds((x * 0.5 + 0.5).expand(batch, *SHAPE), **options).loss.backward()
        optimiser.step()
        if step >= steps // 2:
            average += x.detach() / (steps - steps // 2)
    return average


def assert_reaches(found: torch.Tensor, wanted: torch.Tensor, start: float = 0.0) -> None:
    """Within 2 % of the way from the start to the optimum."""
    assert (found - wanted).norm() <= 0.02 * (wanted - start).norm()


@pytest.mark.parametrize("form", ["noise", "clean"])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_reaches_the_mean_of_a_gaussian(form: str, weighting: str) -> None:
    prior = gaussian_prior()
    sds = distillation(prior, form=form, weighting=weighting, clamp=False)
    # At the noisiest levels a clean residual is the difference of large numbers; its range is held to t <= 0.6.
    found = optimise(sds, t_max=0.98 if form == "noise" else 0.6)
    assert_reaches(found, picture(2))


@pytest.mark.parametrize("form", ["noise", "clean"])
def test_guidance_moves_the_optimum_as_the_formula_says(form: str) -> None:
    """With unequal deviations the optimum depends on w(t) and the range of t, so nothing can cancel by luck."""
    prior = gaussian_prior(text_deviation=0.2, empty_deviation=0.6)
    sds = distillation(prior, scale=3.0, form=form, weighting="sigma2", clamp=False)
    wanted = optimum_of(prior, sds, 0.1, 0.6)
    plain = optimum_of(prior, distillation(prior, scale=1.0, form=form, weighting="sigma2"), 0.1, 0.6)
    assert (wanted - plain).norm() > 0.2 * plain.norm()  # the test means something
    assert_reaches(optimise(sds, t_min=0.1, t_max=0.6), wanted)


def test_equal_deviations_put_the_optimum_on_the_line_between_the_means() -> None:
    prior = gaussian_prior()
    sds = distillation(prior, scale=2.5, clamp=False)
    assert_reaches(optimise(sds), picture(1) + 2.5 * (picture(2) - picture(1)))


def test_clean_residual_is_noise_residual_at_another_weight() -> None:
    prior = gaussian_prior()
    t = torch.tensor([150, 420, 700])
    images = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(9))
    gradients = {}
    for form in ("noise", "clean"):
        batch = images.clone().requires_grad_(True)
        distillation(prior, scale=4.0, form=form, clamp=False)(batch, t=t).loss.backward()
        gradients[form] = batch.grad
    a = prior.noise.alpha_bar(t)
    torch.testing.assert_close(gradients["clean"], gradients["noise"] * ((1 - a) / a).sqrt(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_all_prediction_types_give_one_gradient(kind: str) -> None:
    images = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(3)).requires_grad_(True)
    t = torch.tensor([100, 600])
    distillation(gaussian_prior(kind=kind), scale=5.0)(images, t=t).loss.backward()
    reference = images.detach().clone().requires_grad_(True)
    distillation(gaussian_prior(), scale=5.0)(reference, t=t).loss.backward()
    torch.testing.assert_close(images.grad, reference.grad, rtol=1e-3, atol=1e-4)


def test_gradient_is_the_residual_by_definition() -> None:
    """w(t) (eps_hat - eps) / B, times 2 for the step from 0..1 to -1..1, with eps drawn as the code documents it."""
    prior = gaussian_prior()
    images = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(5)).requires_grad_(True)
    t = torch.tensor([200, 800])
    result = distillation(prior, scale=7.0, seed=11, weighting="sigma2")(images, t=t)
    result.loss.backward()
    eps = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(11))
    a = prior.alphas_cumprod[t].view(-1, 1, 1, 1)
    x_t = a.sqrt() * (images.detach() * 2 - 1) + (1 - a).sqrt() * eps
    empty, text = (m.eps(x_t, a) for m in prior._mixtures)
    residual = (1 - a) * (empty + 7.0 * (text - empty) - eps)
    torch.testing.assert_close(images.grad, 2 * residual / 2, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(result.gradient_norm, residual.flatten(1).norm(dim=1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(result.loss.detach(), 0.5 * residual.square().sum() / 2, rtol=1e-4, atol=1e-4)


def test_mean_reduction_does_not_depend_on_resolution() -> None:
    prior = gaussian_prior()
    images = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(5))
    t = torch.tensor([200, 800])
    total = distillation(prior, seed=1)(images, t=t).loss
    mean = distillation(prior, seed=1, reduction="mean")(images, t=t).loss
    torch.testing.assert_close(mean * math.prod(SHAPE), total)


def test_clip_limits_every_entry() -> None:
    images = torch.rand(2, *SHAPE).requires_grad_(True)
    distillation(gaussian_prior(), scale=30.0, clip=0.25)(images).loss.backward()
    assert images.grad.abs().max() <= 0.25 * 2 / 2 + 1e-6
    assert (images.grad.abs() > 0.2499).float().mean() > 0.1


def test_nan_raises_or_skips_that_image_only() -> None:
    images = torch.rand(3, *SHAPE)
    images[1, 0, 0, 0] = math.nan
    with pytest.raises(TrainingDiverged, match="the render"):
        distillation(gaussian_prior())(images)
    images.requires_grad_(True)
    result = distillation(gaussian_prior(), nonfinite="skip")(images)
    result.loss.backward()
    assert result.finite.tolist() == [True, False, True]
    assert images.grad[1].abs().max() == 0
    assert images.grad.isfinite().all()
    assert images.grad[0].abs().max() > 0
    assert result.loss.isfinite()


def test_nan_of_the_prior_names_the_prior() -> None:
    class Broken(ClosedFormPrior):
        def network(self, x_t, t, text, view):
            return super().network(x_t, t, text, view) * math.inf

    prior = Broken({"": Gaussians.single(picture(1), 0.3), "cube": Gaussians.single(picture(2), 0.3)})
    with pytest.raises(TrainingDiverged, match="closed form"):
        distillation(prior)(torch.rand(1, *SHAPE))


def test_rescale_restores_the_contrast() -> None:
    generator = torch.Generator().manual_seed(0)
    plain = torch.randn(4, *SHAPE, generator=generator)
    guided = plain * torch.tensor([1.0, 2.0, 5.0, 0.5]).view(-1, 1, 1, 1)
    torch.testing.assert_close(rescaled(guided, plain, 1.0), plain)
    torch.testing.assert_close(rescaled(guided, plain, 0.5), 0.5 * plain + 0.5 * guided)
    together = rescaled(guided, plain, 1.0, views_together=4)
    torch.testing.assert_close(together.std(), plain.std())
    assert not torch.allclose(together, plain)


@pytest.mark.parametrize("form", ["noise", "clean"])
def test_rescale_changes_both_forms_alike(form: str) -> None:
    """The residual of either form points from the render to the rescaled clean picture."""
    prior = gaussian_prior()
    images = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(2)).requires_grad_(True)
    t = torch.tensor([500])
    result = distillation(prior, scale=20.0, form=form, rescale=0.7, clamp=False)(images, t=t)
    result.loss.backward()
    a = prior.noise.alpha_bar(t)
    wanted = (images.detach() * 2 - 1 - result.x0) * (1.0 if form == "clean" else (a / (1 - a)).sqrt())
    torch.testing.assert_close(images.grad / 2, wanted, rtol=1e-3, atol=1e-4)
    plain = distillation(prior, scale=20.0, form=form, clamp=False)(images, t=t)
    assert result.x0.std() < 0.8 * plain.x0.std()


def test_same_seed_same_loss() -> None:
    images = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(5))
    losses = [distillation(gaussian_prior(), seed=s)(images).loss for s in (3, 3, 4)]
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])


def test_time_range_is_respected() -> None:
    drawn = distillation(gaussian_prior())(torch.rand(512, *SHAPE), t_min=0.2, t_max=0.4).t
    assert drawn.min() >= 200 - 1 and drawn.max() <= 400
    assert drawn.min() < 215 and drawn.max() > 385


# --- targets ----------------------------------------------------------------------------------------------


def exact_end(prior: ClosedFormPrior, x: torch.Tensor, t: int, mean: torch.Tensor, deviation: float) -> torch.Tensor:
    """Expectation over noise of the probability-flow ODE from x_t to clean, for one Gaussian: a contraction to m."""
    a = prior.alphas_cumprod[t].double()
    return mean + (x - mean) * a.sqrt() * deviation / (a * deviation**2 + 1 - a).sqrt()


@pytest.mark.parametrize("t", [300, 600])
def test_many_target_steps_follow_the_flow(t: int) -> None:
    prior = gaussian_prior(text_deviation=0.15)
    batch = 8000
    images = torch.full((batch, *SHAPE), 0.5)
    made = distillation(prior, clamp=False).target(images, steps=60, t=torch.full((batch,), t)).x0.mean(0)
    wanted = exact_end(prior, torch.zeros(SHAPE), t, picture(2), 0.15)
    assert (made - wanted).norm() <= 0.02 * wanted.norm()


def test_one_target_step_is_the_clean_picture() -> None:
    prior = gaussian_prior()
    images, t = torch.rand(3, *SHAPE), torch.tensor([100, 500, 900])
    sds = distillation(prior, scale=3.0, seed=4)
    again = distillation(prior, scale=3.0, seed=4)
    torch.testing.assert_close(sds.target(images, steps=1, t=t).x0, again(images, t=t).x0, rtol=1e-4, atol=1e-5)


def test_fitting_targets_reaches_the_mean() -> None:
    prior = gaussian_prior()
    sds = distillation(prior, clamp=False)
    image = torch.full(SHAPE, 0.5)
    for round_ in range(30):
        made = sds.target(image.expand(256, *SHAPE), steps=4, t_min=0.3, t_max=0.8)
        share = 1 / (1 + 0.3 * round_)
        image = image + share * (made.x0.mean(0) * 0.5 + 0.5 - image)
    assert_reaches(image * 2 - 1, picture(2))


def test_inversion_and_back_returns_the_render() -> None:
    """Deterministic noise is undone by the same flow: what the prior agrees with stays as it is."""
    prior = gaussian_prior()
    generator = torch.Generator().manual_seed(8)
    x = (picture(2) + 0.3 * torch.randn(SHAPE, generator=generator))[None]
    sds = distillation(prior, clamp=False)
    options = {"t": torch.tensor([500]), "steps": 50}
    returned = sds.target(x * 0.5 + 0.5, inversion_steps=50, **options).x0
    random = sds.target(x * 0.5 + 0.5, **options).x0
    assert (returned - x).norm() < 0.1 * (random - x).norm()


def test_target_repeats_the_render_where_it_failed() -> None:
    images = torch.rand(2, *SHAPE)
    images[0, 0, 0, 0] = math.inf
    with pytest.raises(TrainingDiverged):
        distillation(gaussian_prior()).target(images)
    made = distillation(gaussian_prior(), nonfinite="skip").target(images)
    assert made.finite.tolist() == [False, True]
    assert made.images[1].isfinite().all()


# --- mixtures and validation --------------------------------------------------------------------------


def test_mixture_optimum_lies_between_its_priors() -> None:
    """Two priors of equal deviation pull with their weights."""
    first, second = distillation(gaussian_prior(), seed=1), distillation(
        ClosedFormPrior({"": Gaussians.single(picture(1), 0.3), "cube": Gaussians.single(picture(7), 0.3)}), seed=2)
    mixture = Mixture([(first, 3.0), (second, 1.0)])

    def both(images: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(loss=sum(one.loss for one in mixture([images, images])))

    assert_reaches(optimise(both), 0.75 * picture(2) + 0.25 * picture(7))  # type: ignore[arg-type]


def test_mixture_does_not_ask_a_silent_prior() -> None:
    class Forbidden(ClosedFormPrior):
        def network(self, x_t, t, text, view):
            raise AssertionError("asked")

    silent = distillation(Forbidden({"": Gaussians.single(picture(1), 0.3), "cube": Gaussians.single(picture(2), 0.3)}))
    images = torch.rand(1, *SHAPE)
    assert len(Mixture([(distillation(gaussian_prior()), 1.0), (silent, 0.0)])([images, images])) == 1
    with pytest.raises(ValueError, match="2 parts"):
        Mixture([(silent, 1.0), (silent, 1.0)])([images])


@pytest.mark.parametrize("wrong", [{"form": "other"}, {"weighting": "other"}, {"rescale": 1.5}, {"clip": -1.0},
                                   {"reduction": "max"}, {"nonfinite": "ignore"}])
def test_settings_are_checked(wrong: dict) -> None:
    with pytest.raises(ValueError):
        DistillationSettings(**wrong)


def test_no_gradient_reaches_the_network() -> None:
    class Counting(ClosedFormPrior):
        enabled: list[bool] = []

        def network(self, x_t, t, text: TextEmbedding, view):
            self.enabled.append(torch.is_grad_enabled())
            return super().network(x_t, t, text, view)

    prior = Counting({"": Gaussians.single(picture(1), 0.3), "cube": Gaussians.single(picture(2), 0.3)})
    images = torch.rand(1, *SHAPE, requires_grad=True)
    distillation(prior, scale=2.0)(images).loss.backward()
    assert prior.enabled == [False]  # one forward pass for both branches
