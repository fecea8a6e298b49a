# SPDX-License-Identifier: GPL-3.0-or-later
"""The coarse stage against a prior that knows the truth: the object must come out, from any interruption."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.embedded.objects import Recipe, build, interior
from backend.jobs.carry_over import carry_over
from backend.jobs.coarse import CoarseStage
from backend.jobs.presets import DRAFT, with_effort
from backend.jobs.stage import SNAPSHOT_EVERY
from backend.priors.prompts import PromptBook
from backend.render.raster import WarpRasteriser
from protocol.errors import TrainingDiverged

from .oracle import OraclePrior

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def make_stage(effort: float, seed: int = 0, kind: str = "chair", **changes: Any) -> tuple[CoarseStage, Any]:
    truth = build(Recipe(kind, "red"), np.random.default_rng(0))
    prior = OraclePrior(truth)
    settings = replace(with_effort(DRAFT, effort).coarse, **changes)
    return CoarseStage(settings, prior, PromptBook(prior, "a red chair"), CPU, seed), truth


def test_the_object_comes_out() -> None:
    stage, truth = make_stage(0.3)
    while not stage.finished:
        opinion = stage.advance()
    assert stage.guide.picture(opinion).shape == (32, 32, 3) and stage.recoveries == 0
    carried = carry_over(stage, 40, WarpRasteriser())
    assert carried.agreement > 0.85
    points = np.random.default_rng(1).uniform(-1, 1, (40_000, 3)).astype(np.float32)
    with torch.no_grad():
        solid = stage.field.density(torch.from_numpy(points)).numpy() > carried.level
    inside = interior(truth, points)
    assert (solid & inside).sum() / (solid | inside).sum() > 0.6
    # Its colour, where it is solid: the seat and back are red.
    with torch.no_grad():
        colour = stage.field.density_and_colour(torch.tensor([[0.0, -0.05, 0.0]])).colour[0]
    assert colour[0] > 0.5 and colour[0] > 2 * colour[1]


def parameters(stage: CoarseStage) -> Tensor:
    return torch.cat([one.detach().reshape(-1) for one in stage.field.parameters()])


def test_same_seed_same_bits_and_a_resumed_run_is_the_same_run() -> None:
    whole, _ = make_stage(0.1)
    while not whole.finished:
        whole.advance()
    first, _ = make_stage(0.1)
    for _ in range(whole.settings.steps // 2):
        first.advance()
    state = first.state()
    second, _ = make_stage(0.1, seed=99)
    second.load(state)
    while not second.finished:
        second.advance()
    assert torch.equal(parameters(whole), parameters(second))
    other, _ = make_stage(0.1, seed=1)
    other.advance()
    assert not torch.equal(parameters(whole), parameters(other))


def test_values_that_are_not_finite_cost_a_few_steps_only() -> None:
    stage, _ = make_stage(0.2)
    for _ in range(SNAPSHOT_EVERY + 5):
        stage.advance()
    with torch.no_grad():
        stage.field.head[0, 0] = float("nan")
    while stage.recoveries == 0:
        stage.advance()
    assert stage.step == SNAPSHOT_EVERY and bool(parameters(stage).isfinite().all())
    stage.advance()
    assert stage.optimiser.param_groups[0]["lr"] == pytest.approx(0.5 * stage.settings.learning_rate)
    while not stage.finished:
        stage.advance()
    assert stage.recoveries == 1


def test_a_run_that_keeps_diverging_fails_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, _ = make_stage(0.2)
    monkeypatch.setattr(OraclePrior, "encode", lambda self, images, cheap=False: images * float("nan"))
    with pytest.raises(TrainingDiverged) as caught:
        while not stage.finished:
            stage.advance()
            with torch.no_grad():
                stage.field.head[0, 0] = float("nan")
    assert caught.value.stage == "coarse" and "seed" in caught.value.hint
