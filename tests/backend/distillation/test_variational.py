# SPDX-License-Identifier: GPL-3.0-or-later
"""Variational distillation: particles come to be distributed as the prior says, and a low-rank student learns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from backend.distillation.guidance import Guidance
from backend.distillation.sds import DistillationSettings, ScoreDistillation
from backend.distillation.variational import LowRankStudent, VariationalDistillation
from backend.priors import embedded
from backend.priors.closed_form import ClosedFormPrior, Gaussians
from backend.priors.noise import Prediction
from backend.priors.prompts import PromptBook
from backend.priors.views import ViewCondition

SHAPE = (3, 4, 4)
MEAN = torch.rand(SHAPE, generator=torch.Generator().manual_seed(2)) * 1.2 - 0.6
DEVIATION = 0.3
torch.set_num_threads(1)


class GaussianStudent(nn.Module):
    """Believes that renders are one Gaussian and learns which; its answers are those of the posterior means."""

    def __init__(self, prior: ClosedFormPrior) -> None:
        super().__init__()
        self.noise = prior.noise
        self.mean = nn.Parameter(torch.zeros(SHAPE))
        self.log_deviation = nn.Parameter(torch.tensor(-0.5))

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, view: ViewCondition | None) -> Prediction:
        a, b = self.noise.signal(t), self.noise.sigma(t)
        variance = a.square() * (2 * self.log_deviation).exp() + b.square()
        eps = b * (x_t - a * self.mean) / variance
        return Prediction(eps, self.noise.x0_from_eps(eps, x_t, t))

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        return super().parameters(recurse)


def closed_form() -> ClosedFormPrior:
    return ClosedFormPrior({"": Gaussians.single(torch.zeros(SHAPE), 0.5), "cube": Gaussians.single(MEAN, DEVIATION)})


def test_particles_reach_mean_and_spread_of_the_prior() -> None:
    """Score distillation would bring all particles to the mean; here their spread must be the prior's, too."""
    prior = closed_form()
    student = GaussianStudent(prior)
    guidance = Guidance(prior, PromptBook(prior, "cube", view_words=False), 1.0)
    vsd = VariationalDistillation(guidance, student, DistillationSettings(), torch.Generator().manual_seed(0))
    particles = (torch.randn(96, *SHAPE, generator=torch.Generator().manual_seed(1)) * 0.05).requires_grad_(True)
    mover = torch.optim.SGD([particles], lr=8.0)
    learner = torch.optim.Adam(student.parameters(), lr=0.05)
    steps = 500
    mean, spread = torch.zeros(SHAPE), 0.0
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
            share = 1 / (steps - steps * 3 // 4)
            mean += particles.detach().mean(0) * share
            spread += float(particles.detach().var(0).mean().sqrt()) * share
    assert (mean - MEAN).norm() <= 0.02 * MEAN.norm()
    assert spread == pytest.approx(DEVIATION, rel=0.02)


def test_a_student_that_knows_the_noise_is_plain_score_distillation() -> None:
    prior = closed_form()
    guidance = Guidance(prior, PromptBook(prior, "cube", view_words=False), 3.0)
    image = torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(3))
    gradients = []
    for kind in ("plain", "student"):
        generator = torch.Generator().manual_seed(9)
        settings = DistillationSettings(weighting="sigma2")
        if kind == "plain":
            sds: ScoreDistillation = ScoreDistillation(guidance, settings, generator)
        else:
            x = image * 2 - 1

            class Knows(nn.Module):
                def forward(self, x_t: torch.Tensor, t: torch.Tensor, view: ViewCondition | None) -> Prediction:
                    return Prediction(prior.noise.eps_from_x0(x, x_t, t), x)  # noqa: B023

            sds = VariationalDistillation(guidance, Knows(), settings, generator)
        batch = image.clone().requires_grad_(True)
        sds(batch).loss.backward()
        gradients.append(batch.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-5)


def test_only_the_noise_form_can_be_variational() -> None:
    prior = closed_form()
    guidance = Guidance(prior, PromptBook(prior, "cube", view_words=False), 1.0)
    with pytest.raises(ValueError, match="variational"):
        VariationalDistillation(guidance, GaussianStudent(prior), DistillationSettings(form="clean"), torch.Generator())


@pytest.fixture(scope="module")
def low_rank(tmp_path_factory: pytest.TempPathFactory):
    """A tiny Stable Diffusion prior, which knows no camera, and a student of it."""
    from diffusers import UNet2DConditionModel

    from backend.priors.base import PriorTraits
    from backend.priors.codecs import PixelCodec
    from backend.priors.noise import NoiseSchedule
    from backend.priors.unet_prior import UNetPrior

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(8, 16),
        norm_num_groups=4, cross_attention_dim=6, attention_head_dim=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"))
    rows = torch.randn(8, 5, 6)

    def read(prompts):
        from backend.priors.base import TextEmbedding

        return TextEmbedding(torch.stack([rows[sum(prompt.encode()) % 8] for prompt in prompts]))

    noise = NoiseSchedule((1 - torch.linspace(1e-4, 0.02, 1000)).cumprod(0))
    prior = UNetPrior(PriorTraits("tiny", "1", 8, "rgb", (3, 8, 8)), noise, unet, PixelCodec(8, 3), read)
    text = prior.embed(["cube"])
    return prior, LowRankStudent(prior, text, rank=2), text


def test_a_fresh_student_says_what_the_prior_says_and_leaves_it_alone(low_rank) -> None:
    prior, student, text = low_rank
    x_t, t = torch.randn(2, 3, 8, 8), torch.tensor([200, 700])
    view = ViewCondition.turntable(2)
    before = prior.predict(x_t, t, text, view)
    with torch.no_grad():
        torch.testing.assert_close(student(x_t, t, view).eps, before.eps)
        for parameter in student.parameters():
            parameter.add_(0.1)
        assert (student(x_t, t, view).eps - before.eps).abs().max() > 1e-3
        turned = student(x_t, t, view[[1, 0]]).eps
        assert (turned - student(x_t, t, view).eps).abs().max() > 1e-5, "the camera makes no difference"
        torch.testing.assert_close(prior.predict(x_t, t, text, view).eps, before.eps)
        for parameter in student.parameters():
            parameter.sub_(0.1)
    assert not any(parameter.requires_grad for parameter in prior.unet.parameters())
    assert sum(p.numel() for p in student.parameters()) < sum(p.numel() for p in prior.unet.parameters()) / 4


def test_the_student_learns_from_renders_without_touching_them(low_rank) -> None:
    prior, student, _ = low_rank
    guidance = Guidance(prior, PromptBook(prior, "cube", view_words=False), 2.0)
    vsd = VariationalDistillation(guidance, student, DistillationSettings(), torch.Generator().manual_seed(0))
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(5)).requires_grad_(True)
    view = ViewCondition.turntable(4)
    learner = torch.optim.AdamW(student.parameters(), lr=3e-3)

    def loss() -> float:
        vsd.generator.manual_seed(7)
        with torch.no_grad():
            return float(vsd.learn(images, view))

    first = loss()
    for _ in range(40):
        learner.zero_grad()
        vsd.learn(images, view).backward()
        learner.step()
    assert loss() < 0.95 * first
    assert images.grad is None
    result = vsd(images, view)
    result.loss.backward()
    assert images.grad is not None and bool(images.grad.isfinite().all())


def test_a_prior_that_knows_the_camera_needs_no_second_telling() -> None:
    """The embedded prior takes the camera by itself; its student has attention changes only."""
    folder = Path(embedded.__file__).parents[1] / "embedded" / "weights" / "pixel"
    prior = embedded.load(folder)
    student = LowRankStudent(prior, prior.embed(["a red mug"]))
    assert student.camera is None
    x_t, t, view = torch.randn(1, 4, 32, 32), torch.tensor([500]), ViewCondition.turntable(1)
    loss = (student(x_t, t, view).eps).square().mean()
    loss.backward()
    assert all(change.up.grad is not None for change in student.changes)
