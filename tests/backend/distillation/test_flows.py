# SPDX-License-Identifier: GPL-3.0-or-later
"""Distillation from a rectified flow: every form against Gaussians under flow noise, whose optimum is known.

The reference is written in the flow's own terms, in float64 and without the code under test: x_s = (1 - s) x + s eps,
the exact flow v = eps - x_0 of a Gaussian, guidance and Euler's steps on v. Every residual is affine in the picture and
in the noise, so its expected zero follows from its values at two pictures without noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize
import torch

from backend.distillation.guidance import Guidance
from backend.distillation.residuals import PathSettings
from backend.distillation.sds import DistillationSettings, ScoreDistillation
from backend.distillation.variational import VariationalDistillation
from backend.priors.closed_form import ClosedFormPrior, Gaussians
from backend.priors.noise import FlowSchedule, flow_levels
from backend.priors.prompts import PromptBook
from tests.backend.distillation.test_residuals import DEVIATIONS, MEANS, SHAPE, assert_reaches, optimise
from tests.backend.distillation.test_variational import GaussianStudent

T_MIN, T_MAX = 0.1, 0.6
LEVELS = flow_levels(1000, 2.0)
PATH = PathSettings(negative=0.5, inversion_steps=4, inversion_scale=-2.0, interval=0.05)
SCALE = 3.0
torch.set_num_threads(1)


def make(form: str, mixtures: dict[str, Gaussians] | None = None, **settings: object) -> ScoreDistillation:
    known = mixtures or {name: Gaussians.single(MEANS[name], DEVIATIONS[name]) for name in MEANS}
    prior = ClosedFormPrior(known, noise=FlowSchedule(LEVELS))
    book = PromptBook(prior, "cube", "blurry" if form in ("classifier", "noise_free") else "", view_words=False)
    how = DistillationSettings(form=form, clamp=False, path=PATH, **settings)
    return ScoreDistillation(Guidance(prior, book, SCALE), how, torch.Generator().manual_seed(4))


def flow(name: str, x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """The expected eps - x_0 at x, of the Gaussian of a text: its posterior means, from the joint distribution."""
    mean, variance = MEANS[name].double(), DEVIATIONS[name] ** 2
    total = (1 - s) ** 2 * variance + s**2
    off = x - (1 - s) * mean
    return s * off / total - (mean + (1 - s) * variance * off / total)


def guided(x: torch.Tensor, s: torch.Tensor, scale: float) -> torch.Tensor:
    return flow("", x, s) + scale * (flow("cube", x, s) - flow("", x, s))


def noise_in(v: torch.Tensor, x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    return x + (1 - s) * v


def path(x: torch.Tensor, t: int, scale: float) -> torch.Tensor:
    """Euler's steps up to level t."""
    now = 0
    for share in range(1, 5):
        later = int(torch.tensor(t * share / 4).round())
        x = x + (LEVELS[later] - LEVELS[now]) * guided(x, LEVELS[now], scale)
        now = later
    return x


def noise(x: torch.Tensor, t: int) -> torch.Tensor:
    s = LEVELS[t]
    return noise_in(guided((1 - s) * x, s, SCALE), (1 - s) * x, s)


def clean(x: torch.Tensor, t: int) -> torch.Tensor:
    s = LEVELS[t]
    return x - ((1 - s) * x - s * guided((1 - s) * x, s, SCALE))


def classifier(x: torch.Tensor, t: int) -> torch.Tensor:
    s = LEVELS[t]
    text, empty, blurry = (flow(name, (1 - s) * x, s) for name in ("cube", "", "blurry"))
    return SCALE * (1 - s) * (text - (empty + blurry) / 2)


def noise_free(x: torch.Tensor, t: int) -> torch.Tensor:
    s = LEVELS[t]
    text, empty, blurry = (noise_in(flow(name, (1 - s) * x, s), (1 - s) * x, s) for name in ("cube", "", "blurry"))
    return (empty if t < 200 else empty - blurry) + SCALE * (text - empty)


def inversion(x: torch.Tensor, t: int) -> torch.Tensor:
    s = LEVELS[t]
    x_t = path(x, t, -2.0)
    return noise_in(guided(x_t, s, SCALE), x_t, s) - (x_t - (1 - s) * x) / s


def interval(x: torch.Tensor, t: int) -> torch.Tensor:
    low, s = LEVELS[t - 50], LEVELS[t]
    x_low = path(x, t - 50, 0.0)
    v = guided(x_low, low, 0.0)
    x_t = x_low + (s - low) * v
    return noise_in(guided(x_t, s, SCALE), x_t, s) - noise_in(v, x_low, low)


@pytest.mark.parametrize("residual", [noise, clean, classifier, noise_free, inversion, interval],
                         ids=lambda one: one.__name__)
def test_every_form_rests_where_the_flow_says(residual: Callable[[torch.Tensor, int], torch.Tensor]) -> None:
    times = range(round(T_MIN * 999), round(T_MAX * 999) + 1)
    at = [torch.stack([residual(torch.full(SHAPE, value, dtype=torch.float64), t) for t in times]).mean(0)
          for value in (0.0, 1.0)]
    assert (at[1] > at[0]).all(), "the formula's own optimum must be stable, or the test means nothing"
    wanted = -at[0] / (at[1] - at[0])
    assert_reaches(optimise(make(residual.__name__), steps=160, batch=48), wanted)


def test_a_mixture_is_distilled_into_the_mode_nearby_as_far_as_the_formula_says() -> None:
    """Two things: only the place u on the line between them matters, so the optimum is the root of one integral.

    It lies short of the thing itself, because at high levels the other one, more than twice as likely, pulls too.
    """
    half, deviation, shares = 0.4, 0.1, (0.3, 0.7)
    modes = torch.stack([MEANS["cube"] + half, MEANS["cube"] - half])
    two = Gaussians(modes, torch.full((2,), deviation), torch.tensor(shares))
    reach = half * MEANS["cube"].numel() ** 0.5
    noise, weights = np.polynomial.hermite_e.hermegauss(64)
    s = LEVELS[round(T_MIN * 999):round(T_MAX * 999) + 1].numpy()[:, None]
    total = (1 - s) ** 2 * deviation**2 + s**2

    def residual(u: float) -> float:
        x = (1 - s) * u + s * noise
        there, other = (np.log(share) - (x - (1 - s) * side * reach) ** 2 / (2 * total)
                        for share, side in zip(shares, (1, -1), strict=True))
        mean = reach * np.tanh((there - other) / 2)
        weighted = np.sqrt((1 - s) ** 2 + s**2) / (1 - s)  # of the form "velocity"
        return float((weighted * (s * (x - (1 - s) * mean) / total - noise) * weights).sum())

    place = scipy.optimize.brentq(residual, 0.5 * reach, 1.5 * reach)
    assert 0.8 < place / reach < 0.97  # short of it, so the test means something
    sds = make("noise", {"": two, "cube": two}, weighting="velocity")
    assert_reaches(optimise(sds, steps=200, batch=64), MEANS["cube"] + half * place / reach)


def test_particles_under_a_flow_are_distributed_as_the_prior_says() -> None:
    """Variational distillation brings mean and spread; score distillation alone would bring all to the mean."""
    prior = ClosedFormPrior({name: Gaussians.single(MEANS[name], 0.3) for name in ("", "cube")},
                            noise=FlowSchedule(LEVELS))
    student = GaussianStudent(prior)
    guidance = Guidance(prior, PromptBook(prior, "cube", view_words=False), 1.0)
    vsd = VariationalDistillation(guidance, student, DistillationSettings(), torch.Generator().manual_seed(0))
    particles = (torch.randn(96, *SHAPE, generator=torch.Generator().manual_seed(1)) * 0.05).requires_grad_(True)
    mover, learner = torch.optim.SGD([particles], lr=8.0), torch.optim.Adam(student.parameters(), lr=0.05)
    steps, mean, spread = 400, torch.zeros(SHAPE), 0.0
    for step in range(steps):
        mover.param_groups[0]["lr"] = 8.0 * (1 - step / steps) + 0.3
        learner.param_groups[0]["lr"] = 0.05 * (1 - step / steps) + 1e-3
        images = particles * 0.5 + 0.5
        mover.zero_grad()
        vsd(images, t_min=0.05, t_max=0.5).loss.backward()
        mover.step()
        learner.zero_grad()
        vsd.learn(images, t_min=0.05, t_max=0.5).backward()
        learner.step()
        if step >= steps * 3 // 4:
            mean += particles.detach().mean(0) / (steps // 4)
            spread += float(particles.detach().var(0).mean().sqrt()) / (steps // 4)
    assert_reaches(mean, MEANS["cube"])
    assert spread == pytest.approx(0.3, rel=0.02)
