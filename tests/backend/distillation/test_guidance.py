# SPDX-License-Identifier: GPL-3.0-or-later
"""The one meaning of guidance, in every place that guides."""

from __future__ import annotations

import pytest
import torch

from backend.distillation.guidance import Guidance, PerpNeg
from backend.priors.closed_form import ClosedFormPrior, Gaussians
from backend.priors.noise import PREDICTION_TYPES
from backend.priors.prompts import PromptBook, with_view
from backend.priors.sampling import guided_prediction
from backend.priors.views import VIEW_WORDS, ViewCondition

SHAPE = (3, 4, 4)


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
