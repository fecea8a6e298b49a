# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of diffusion, against its formulas and against diffusers' own scheduler."""

from __future__ import annotations

import pytest
import torch

from backend.priors.closed_form import ClosedFormPrior, Gaussians
from backend.priors.noise import (
    PREDICTION_TYPES,
    FlowSchedule,
    NoiseSchedule,
    Prediction,
    classifier_free_guidance,
    flow_levels,
)
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


def flow_samples() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """float64: (levels of all steps, time steps, clean samples, noise, noisy samples made by the definition)."""
    generator = torch.Generator().manual_seed(0)
    x0, eps = (torch.randn(5, *SHAPE, generator=generator, dtype=torch.float64) for _ in range(2))
    levels, t = flow_levels(1000, 3.0), torch.tensor([0, 120, 500, 870, 999])
    s = levels[t].view(-1, 1, 1, 1)
    return levels, t, x0, eps, (1 - s) * x0 + s * eps


def test_a_flow_in_double_precision() -> None:
    """Its tables are float32, so everything agrees to their last bit; also at pure noise, where s is 1."""
    levels, t, x0, eps, x_s = flow_samples()
    noise = FlowSchedule(levels)
    exact = {"rtol": 0, "atol": 1e-6}
    torch.testing.assert_close(noise.add_noise(x0, eps, t), x_s, **exact)
    made = noise.from_output(eps - x0, x_s, t)
    torch.testing.assert_close(made.eps, eps, **exact)
    torch.testing.assert_close(made.x0, x0, **exact)
    torch.testing.assert_close(noise.to_output(made, t), eps - x0, **exact)
    inner = slice(1, 4)  # at both ends one of the two is almost nothing, and the other says little about it
    torch.testing.assert_close(noise.x0_from_eps(eps, x_s, t)[inner], x0[inner], rtol=0, atol=1e-5)
    torch.testing.assert_close(noise.eps_from_x0(x0, x_s, t)[inner], eps[inner], rtol=0, atol=1e-5)
    later = torch.tensor([400, 60, 700, 10, -1])  # up the path, too: inversion
    s, r = levels[t].view(-1, 1, 1, 1), torch.where(later < 0, 0.0, levels[later.clamp_min(0)]).view(-1, 1, 1, 1)
    torch.testing.assert_close(noise.ddim_step(made, later), x_s + (r - s) * (eps - x0), **exact)  # Euler
    # The same ratio of noise to signal is the same alpha_bar as in diffusion.
    a = noise.alpha_bar(t)[:4].double()
    torch.testing.assert_close(((1 - a) / a).sqrt(), (s / (1 - s))[:4], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shift", [1.0, 3.0, 6.0])
def test_a_flow_goes_as_diffusers_own_scheduler(shift: float) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler

    theirs = FlowMatchEulerDiscreteScheduler(shift=shift)
    ours = FlowSchedule(flow_levels(1000, shift))
    torch.testing.assert_close(ours.sigmas, theirs.sigmas.flip(0))
    theirs.set_timesteps(sigmas=[1 - k / 8 for k in range(8)])
    steps = timesteps(8, 999)
    torch.testing.assert_close(ours.sigmas[steps], theirs.sigmas[:-1])
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, *SHAPE, generator=generator)
    for step, following, time in zip(steps, [*steps[1:], -1], theirs.timesteps, strict=True):
        v = torch.randn(1, *SHAPE, generator=generator)
        stepped = ours.ddim_step(ours.from_output(v, x, torch.tensor([step])), torch.tensor([following]))
        x = theirs.step(v, time, x).prev_sample
        torch.testing.assert_close(stepped, x, rtol=1e-4, atol=1e-5)


def test_the_closed_form_flow_is_the_score_of_the_noisy_mixture() -> None:
    """eps = -s * d log p / dx by autograd on its density, x_0 from x_s = (1 - s) x_0 + s eps."""
    levels, t, _, _, x_s = flow_samples()
    noise, inner = FlowSchedule(levels), slice(0, 4)
    generator = torch.Generator().manual_seed(1)
    means = torch.randn(3, *SHAPE, generator=generator, dtype=torch.float64)
    deviations, weights = torch.tensor([0.2, 0.5, 1.0]).double(), torch.tensor([0.5, 0.3, 0.2]).double()
    prior = ClosedFormPrior({"": Gaussians(means, deviations, weights)}, noise=noise)
    x = x_s.clone().requires_grad_(True)
    s = levels[t]
    variance = ((1 - s)[:, None] * deviations).square() + s[:, None].square()
    distance = (x[:, None] - (1 - s).view(-1, 1, 1, 1, 1) * means).flatten(2).square().sum(-1)
    density = (weights.log() - distance / (2 * variance) - 24 * variance.log()).logsumexp(1)
    eps = -s.view(-1, 1, 1, 1) * torch.autograd.grad(density.sum(), x)[0]
    x0 = ((x_s - s.view(-1, 1, 1, 1) * eps) / (1 - s).view(-1, 1, 1, 1))[inner]
    answer = prior.network(x_s, t, prior.embed([""]).expand(5), None)
    torch.testing.assert_close(answer[inner], eps[inner] - x0, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(noise.from_output(answer, x_s, t).eps, eps, rtol=1e-4, atol=1e-4)
    mean = (weights.view(-1, 1, 1, 1) / weights.sum() * means).sum(0)  # of pure noise nothing is known but the mean
    torch.testing.assert_close(noise.from_output(answer, x_s, t).x0[4], mean, rtol=1e-4, atol=1e-4)


def test_samples_of_a_flow_follow_the_distribution() -> None:
    means = torch.full((3, 4, 4), 0.2)
    prior = ClosedFormPrior({"": Gaussians.single(means, 0.25)}, noise=FlowSchedule(flow_levels(1000, 2.0)))
    made = prior.sample([""] * 100, steps=200, guidance=1.0, seed=3) * 2 - 1
    assert made.mean() == pytest.approx(0.2, abs=0.02)
    assert made.std() == pytest.approx(0.25, rel=0.05)


def test_bad_flows_are_refused() -> None:
    for levels in ([0.5, 0.4], [0.0, 0.5], [0.5, 1.5], [0.5]):
        with pytest.raises(ValueError, match="levels of a flow"):
            FlowSchedule(torch.tensor(levels))
    with pytest.raises(ValueError, match="shift"):
        flow_levels(10, 0.0)


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
def test_what_a_network_says_is_what_it_believes(kind: str) -> None:
    noise, t = schedule(kind), torch.tensor([100, 600])
    generator = torch.Generator().manual_seed(0)
    belief = Prediction(torch.randn(2, *SHAPE, generator=generator), torch.randn(2, *SHAPE, generator=generator))
    x_t = noise.add_noise(belief.x0, belief.eps, t)
    made = noise.from_output(noise.to_output(belief, t), x_t, t)
    torch.testing.assert_close(made.eps, belief.eps, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(made.x0, belief.x0, rtol=1e-3, atol=1e-3)
