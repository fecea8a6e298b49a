# SPDX-License-Identifier: GPL-3.0-or-later
"""How stages listen: every form of guidance can be chosen by a preset, and a variational stage goes on where it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from backend.distillation.residuals import RESIDUALS
from backend.embedded.objects import Recipe, build
from backend.jobs.coarse import CoarseStage
from backend.jobs.presets import BEST, DRAFT
from backend.priors import catalog
from backend.priors.base import Prior
from backend.priors.prompts import PromptBook
from protocol.errors import BadRequest

from .oracle import OraclePrior

CPU = torch.device("cpu")
SMALL = replace(DRAFT.coarse, steps=8, views=2, pixels=16, samples=24)


@pytest.fixture(scope="module")
def prior() -> Prior:
    torch.set_num_threads(1)
    return catalog.load("", "coarse", CPU)


def stage(prior: Prior, form: str, seed: int = 0) -> CoarseStage:
    guidance = replace(SMALL.guidance, form=form, scale=2.0, rescale=0.0)
    return CoarseStage(replace(SMALL, guidance=guidance), prior, PromptBook(prior, "a red mug"), CPU, seed)


@pytest.mark.parametrize("form", ["noise", "clean", "target", "variational", *RESIDUALS])
def test_every_form_moves_the_field_and_stays_finite(prior: Prior, form: str) -> None:
    one = stage(prior, form)
    before = one.field.table.detach().clone()
    for _ in range(3):
        one.advance()
    assert one.recoveries == 0 and bool(one.field.table.isfinite().all())
    assert not torch.equal(before, one.field.table)


def test_a_variational_stage_that_is_resumed_is_the_same_run(prior: Prior) -> None:
    whole = stage(prior, "variational")
    while not whole.finished:
        whole.advance()
    first = stage(prior, "variational")
    for _ in range(4):
        first.advance()
    state = first.state()
    second = stage(prior, "variational", seed=5)
    second.load(state)
    while not second.finished:
        second.advance()
    assert torch.equal(whole.field.table, second.field.table)
    assert whole.guide.learner is not None and second.guide.learner is not None
    students = [list(one.guide.learner.student.parameters()) for one in (whole, second)]  # type: ignore[union-attr]
    assert all(torch.equal(a, b) for a, b in zip(*students, strict=True))
    assert any(float(one.detach().abs().sum()) > 0 for name, one in whole.guide.learner.student.named_parameters()
               if name.endswith("up")), "the student learned nothing"


def test_the_prior_itself_learns_nothing(prior: Prior) -> None:
    before = [one.clone() for one in prior.unet.parameters()]  # type: ignore[attr-defined]
    one = stage(prior, "variational")
    one.advance()
    assert all(torch.equal(a, b) for a, b in zip(before, prior.unet.parameters(), strict=True))  # type: ignore[attr-defined]


def test_a_prior_without_a_network_cannot_have_a_student() -> None:
    import numpy as np

    oracle = OraclePrior(build(Recipe("chest", "green"), np.random.default_rng(0)))
    with pytest.raises(BadRequest) as problem:
        stage(oracle, "variational")
    assert problem.value.path == "prior"


def test_perp_neg_is_for_priors_that_are_told_the_view_in_words(prior: Prior) -> None:
    settings = replace(SMALL, guidance=replace(BEST.coarse.guidance, form="clean", scale=2.0, rescale=0.0))
    assert settings.guidance.perp_neg
    knows = CoarseStage(settings, prior, PromptBook(prior, "a red mug"), CPU, 0)
    assert knows.guide.distillation.guidance.perp_neg is None
    told = CoarseStage(settings, prior, PromptBook(prior, "a red mug", view_words=True), CPU, 0)
    assert told.guide.distillation.guidance.perp_neg is not None
    told.advance()
    assert bool(told.field.table.isfinite().all())
