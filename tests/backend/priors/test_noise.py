# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of diffusion, against its formulas and against diffusers' own scheduler."""

from __future__ import annotations

import pytest
import torch

from backend.priors.closed_form import Gaussians
from backend.priors.noise import PREDICTION_TYPES, NoiseSchedule, classifier_free_guidance
from backend.priors.sampling import timesteps

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
