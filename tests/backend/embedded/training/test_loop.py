# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop: exact resuming, the learning-rate plan, the average, and steps that are not finite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from backend.embedded.training.dataset import ShardFolder
from backend.embedded.training.loop import LoopSettings, Trainer, learning_rate
from backend.embedded.training.pixel_prior import PixelPrior, PixelSettings
from protocol.errors import TrainingDiverged

CPU = torch.device("cpu")
SETTINGS = LoopSettings(batch=3, warmup=2, log_every=2, rescan_every=2)


def trainer(data: Path, run: Path, empty, settings: LoopSettings = SETTINGS) -> Trainer:
    torch.manual_seed(5)
    recipe = PixelPrior(PixelSettings(size="tiny"), empty, CPU, pixels=16)
    return Trainer(recipe, ShardFolder(data), run, settings, CPU)


def test_a_resumed_run_continues_bit_for_bit(data: Path, tmp_path: Path, empty) -> None:
    whole = trainer(data, tmp_path / "whole", empty)
    whole.run(steps=6)
    trainer(data, tmp_path / "parts", empty).run(steps=3)
    torch.manual_seed(99)
    resumed = trainer(data, tmp_path / "parts", empty)
    assert resumed.step == 3 and resumed.samples == 9
    resumed.run(steps=3)
    for mine, theirs in zip(whole.parameters, resumed.parameters, strict=True):
        assert torch.equal(mine, theirs)
    for mine, theirs in zip(whole.average, resumed.average, strict=True):
        assert torch.equal(mine, theirs)
    lines = [[json.loads(line)["loss_by_quarter"] for line in (tmp_path / run / "log.jsonl").open()]
             for run in ("whole", "parts")]  # fmt: skip
    assert lines[0] == lines[1] and len(lines[0]) == 3


def test_training_lowers_the_loss(data: Path, tmp_path: Path, empty) -> None:
    run = trainer(data, tmp_path, empty, LoopSettings(batch=8, warmup=3, log_every=8, learning_rate=5e-3))
    run.run(steps=16)
    first, last = (json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").open())
    assert last < 0.85 * first


def test_learning_rate_warms_up_stays_and_decays_when_asked() -> None:
    settings = LoopSettings(learning_rate=1.0, warmup=4)
    assert [learning_rate(s, settings, None, 1) for s in (0, 1, 3, 4, 5000)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    assert [learning_rate(s, settings, 10, 4) for s in (9, 10, 12, 14, 20)] == [1.0, 1.0, 0.5, 0.0, 0.0]


def test_finish_stops_after_the_decay_and_survives_a_stop_between(data: Path, tmp_path: Path, empty) -> None:
    first = trainer(data, tmp_path, empty)
    first.run(steps=2)
    first.finish(4, seconds=0.0)
    assert first.step == 2 and first.decay_from == 2
    again = trainer(data, tmp_path, empty)
    again.finish(99)
    assert again.step == 6
    assert again.optimiser.param_groups[0]["lr"] < SETTINGS.learning_rate


def test_the_average_follows_the_power_law(data: Path, tmp_path: Path, empty) -> None:
    run = trainer(data, tmp_path, empty)
    expected = None
    for step in range(4):
        run.one_step()
        weight = run.parameters[0].detach().double()
        keep = (1 - 1 / (step + 1)) ** 17
        expected = weight if expected is None else keep * expected + (1 - keep) * weight
    assert torch.allclose(run.average[0].double(), expected, atol=1e-6)
    assert torch.equal(next(run.averaged().parameters()), run.average[0])


def test_steps_that_are_not_finite_change_nothing_and_end_with_advice(data: Path, tmp_path: Path, empty) -> None:
    run = trainer(data, tmp_path, empty, LoopSettings(batch=3, patience=3))
    run.one_step()
    before = [p.detach().clone() for p in run.parameters]
    real = run.recipe.loss

    def broken(batch, generator):
        loss, each, place = real(batch, generator)
        return loss * float("nan"), each, place

    run.recipe.loss = broken
    run.one_step()
    assert all(torch.equal(p, b) for p, b in zip(run.parameters, before, strict=True))
    with pytest.raises(TrainingDiverged, match="finite"):
        for _ in range(2):
            run.one_step()
