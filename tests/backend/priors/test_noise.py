# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of diffusion and the one meaning of guidance."""

from __future__ import annotations

import pytest
import torch

from backend.distillation.guidance import Guidance, PerpNeg
from backend.priors.closed_form import ClosedFormPrior, Gaussians
from backend.priors.noise import PREDICTION_TYPES, NoiseSchedule, classifier_free_guidance
from backend.priors.prompts import PromptBook, with_view
from backend.priors.sampling import guided_prediction, timesteps
from backend.priors.views import VIEW_WORDS, ViewCondition

SHAPE = (3, 4, 4)


def schedule(kind: str = "epsilon") -> NoiseSchedule:
    return NoiseSchedule((1 - torch.linspace(1e-4, 0.02, 1000)).cumprod(0), kind)


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
def test_the_true_answer_in_any_language_gives_back_noise_and_image(kind: str) -> None:
    noise = schedule(kind)
    generator = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(4, *SHAPE, generator=generator), torch.randn(4, *SHAPE, generator=generator)
    t = torch.tensor([0, 250, 600, 900])
    a = noise.alpha_bar(t)
    answer = {"epsilon": eps, "sample": x0, "v_prediction": a.sqrt() * eps - (1 - a).sqrt() * x0}[kind]
    made = noise.from_output(answer, noise.add_noise(x0, eps, t), t)
    torch.testing.assert_close(made.eps, eps, rtol=1e-3, atol=2e-3)
    torch.testing.assert_close(made.x0, x0, rtol=1e-3, atol=2e-3)


def test_velocity_survives_zero_terminal_snr() -> None:
    noise = NoiseSchedule(torch.tensor([0.9, 0.5, 0.0]), "v_prediction")
    made = noise.from_output(torch.ones(1, *SHAPE), torch.zeros(1, *SHAPE), torch.tensor([2]))
    assert made.x0.isfinite().all() and made.eps.isfinite().all()
    other = NoiseSchedule(torch.tensor([0.9, 0.5, 0.0]), "epsilon")
    assert other.from_output(torch.ones(1, *SHAPE), torch.zeros(1, *SHAPE), torch.tensor([2])).x0.isfinite().all()


def test_ddim_with_the_true_noise_lands_on_the_image() -> None:
    noise = schedule()
    generator = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, *SHAPE, generator=generator), torch.randn(2, *SHAPE, generator=generator)
    t = torch.tensor([700, 200])
    made = noise.from_output(eps, noise.add_noise(x0, eps, t), t)
    torch.testing.assert_close(noise.ddim_step(made, torch.tensor([-1, -1])), x0, rtol=1e-3, atol=1e-3)
    lower = torch.tensor([300, 100])
    torch.testing.assert_close(noise.ddim_step(made, lower), noise.add_noise(x0, eps, lower), rtol=1e-3, atol=1e-3)


def test_agrees_with_diffusers_own_scheduler() -> None:
    from diffusers import DDIMScheduler

    theirs = DDIMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", clip_sample=False,
                           timestep_spacing="trailing")
    ours = NoiseSchedule(theirs.alphas_cumprod, "v_prediction")
    theirs.set_timesteps(10)
    assert timesteps(10, 999) == theirs.timesteps.tolist()
    generator = torch.Generator().manual_seed(0)
    x, v = torch.randn(1, *SHAPE, generator=generator), torch.randn(1, *SHAPE, generator=generator)
    for step, following in zip(theirs.timesteps.tolist()[:-1], theirs.timesteps.tolist()[1:], strict=True):
        stepped = ours.ddim_step(ours.from_output(v, x, torch.tensor([step])), torch.tensor([following]))
        torch.testing.assert_close(stepped, theirs.step(v, step, x).prev_sample, rtol=1e-4, atol=1e-5)


def test_guidance_has_the_meaning_of_diffusers() -> None:
    without, with_text = torch.tensor([1.0]), torch.tensor([3.0])
    assert classifier_free_guidance(without, with_text, 1.0) == 3.0
    assert classifier_free_guidance(without, with_text, 0.0) == 1.0
    assert classifier_free_guidance(without, with_text, 7.5) == 1 + 7.5 * 2


def viewed_prior(kind: str = "epsilon") -> ClosedFormPrior:
    """A prior that knows a cube from four sides; every side is another Gaussian."""
    texts = ["", "ugly", "cube", *(with_view("cube", word) for word in VIEW_WORDS)]
    generator = torch.Generator().manual_seed(4)
    return ClosedFormPrior({text: Gaussians.single(torch.rand(SHAPE, generator=generator) - 0.5, 0.3)
                            for text in texts}, prediction_type=kind)


ANGLES = torch.tensor([0.0, 0.7, 1.5, 2.2, 3.1, -1.0])


def answers(prior: ClosedFormPrior, scale: float, perp_neg: PerpNeg | None, negative: str = ""):
    view = ViewCondition.albedo(ANGLES, torch.tensor([0.0, 0.2, 0.0, 0.0, 0.0, 1.2]))
    x = torch.randn(6, *SHAPE, generator=torch.Generator().manual_seed(1))
    t = torch.tensor([50, 200, 400, 600, 800, 950])
    guidance = Guidance(prior, PromptBook(prior, "cube", negative), scale, perp_neg)
    return guidance(x, t, view), x, t, view


SILENT = PerpNeg(*[(0.0, 0.5, 0.0)] * 4)


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 7.5, 100.0])
def test_every_branch_agrees_on_the_scale(kind: str, scale: float) -> None:
    """Plain guidance, sampling's guidance and the noise and clean forms are one formula, for every language."""
    prior = viewed_prior(kind)
    made, x, t, view = answers(prior, scale, None)
    book = PromptBook(prior, "cube")
    sampled = guided_prediction(prior, x, t, book.positive(6, view), book.negative(6), view, scale)
    without, conditional = (prior.predict(x, t, text, view) for text in (book.negative(6), book.positive(6, view)))
    wanted = without.eps + scale * (conditional.eps - without.eps)
    tolerance = {"rtol": 1e-3, "atol": 1e-3 * max(1.0, scale)}
    torch.testing.assert_close(made.guided.eps, wanted, **tolerance)
    torch.testing.assert_close(sampled.eps, wanted, **tolerance)
    torch.testing.assert_close(made.guided.x0, prior.noise.x0_from_eps(made.guided.eps, x, t), rtol=1e-2,
                               atol=0.02 * max(1.0, scale))


@pytest.mark.parametrize("scale", [1.0, 7.5, 100.0])
def test_perp_neg_without_weights_is_plain_guidance(scale: float) -> None:
    """At angles where the blended positive is a single view, zero negative weights leave plain guidance at scale s,
    not s + 1."""
    prior = viewed_prior()
    view = ViewCondition.albedo(torch.tensor([0.0, torch.pi]), torch.zeros(2))
    x, t = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1)), torch.tensor([100, 700])
    book = PromptBook(prior, "cube")
    plain = Guidance(prior, book, scale)(x, t, view).guided
    silent = Guidance(prior, book, scale, SILENT)(x, t, view).guided
    torch.testing.assert_close(silent.eps, plain.eps, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(silent.x0, plain.x0, rtol=1e-3, atol=1e-3)


def test_perp_neg_pushes_only_across_the_prompt() -> None:
    prior = viewed_prior()
    silent, x, t, view = answers(prior, 10.0, SILENT)
    pushed, *_ = answers(prior, 10.0, PerpNeg())
    change = (pushed.guided.eps - silent.guided.eps).flatten(1)
    book = PromptBook(prior, "cube")
    direction = (silent.conditional.eps - prior.predict(x, t, book.negative(6), view).eps).flatten(1)
    along = (change * direction).sum(1) / direction.norm(dim=1)
    moved = change[:5].norm(dim=1)  # the sixth view is overhead: no negatives
    assert (moved > 1e-3).sum() >= 4
    assert (along.abs()[:5] <= 1e-2 * moved + 1e-4).all()
    assert change[5].abs().max() < 1e-4


def test_negative_prompt_takes_the_place_of_silence() -> None:
    prior = viewed_prior()
    plain, x, t, view = answers(prior, 5.0, None)
    negated, *_ = answers(prior, 5.0, None, negative="ugly")
    book = PromptBook(prior, "cube")
    ugly, empty = (prior.predict(x, t, prior.embed([text]), view).eps for text in ("ugly", ""))
    torch.testing.assert_close(negated.guided.eps - plain.guided.eps, -4.0 * (ugly - empty), rtol=1e-3, atol=1e-3)
    assert book.negative_prompt == ""


def test_perp_neg_needs_view_words() -> None:
    prior = ClosedFormPrior({"": Gaussians.single(torch.zeros(SHAPE), 0.3),
                             "cube": Gaussians.single(torch.ones(SHAPE), 0.3)}, knows_camera=True)
    with pytest.raises(ValueError, match="view words"):
        Guidance(prior, PromptBook(prior, "cube"), 5.0, PerpNeg())


def test_bad_schedules_are_refused() -> None:
    with pytest.raises(ValueError, match="prediction_type"):
        NoiseSchedule(torch.tensor([0.9, 0.5]), "flow")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="vector"):
        NoiseSchedule(torch.tensor([[0.9, 0.5]]))


def test_closed_form_mixture_is_the_score() -> None:
    """eps = -sqrt(1 - a) * d log p / dx, by autograd on the density of the noisy mixture."""
    generator = torch.Generator().manual_seed(0)
    mixture = Gaussians(torch.randn(3, *SHAPE, generator=generator).double(), torch.tensor([0.2, 0.5, 1.0]).double(),
                        torch.tensor([0.5, 0.3, 0.2]).double())
    alpha = torch.tensor([0.9, 0.4]).double().view(-1, 1, 1, 1)
    x = torch.randn(2, *SHAPE, generator=generator).double().requires_grad_(True)
    variance = alpha.view(-1, 1) * mixture.deviations.square() + 1 - alpha.view(-1, 1)
    distance = (x[:, None] - alpha.sqrt()[:, None] * mixture.means).flatten(2).square().sum(-1)
    density = (mixture.weights.log() - distance / (2 * variance) - 24 * variance.log()).logsumexp(1)
    score = torch.autograd.grad(density.sum(), x)[0]
    torch.testing.assert_close(mixture.eps(x.detach(), alpha), -(1 - alpha).sqrt() * score)
