# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules count steps, and draw the noise levels they say."""

from __future__ import annotations

import math

import pytest
import torch

from backend.distillation.schedules import Schedule, TimeSchedule, draw_times
from backend.distillation.weighting import MIN_SNR_GAMMA, weight


def test_piecewise_linear() -> None:
    schedule = Schedule(((10, 1.0), (20, 3.0), (40, 2.0)))
    assert [schedule(step) for step in (0, 10, 15, 20, 30, 40, 99)] == [1.0, 1.0, 2.0, 3.0, 2.5, 2.0, 2.0]
    assert Schedule.constant(4.0)(123) == 4.0
    assert Schedule.linear(1.0, 0.0, 100)(25) == 0.75
    assert Schedule.linear(1.0, 0.0, 100, begin=50)(100) == 0.5


@pytest.mark.parametrize("points", [(), ((5, 1.0), (5, 2.0)), ((5, 1.0), (4, 2.0)), ((0, math.nan),)])
def test_bad_points(points: tuple) -> None:
    with pytest.raises(ValueError):
        Schedule(points)


def test_annealing_lowers_the_maximum() -> None:
    times = TimeSchedule(high=Schedule.linear(0.98, 0.5, 1000))
    generator = torch.Generator().manual_seed(0)
    early, late = times.draw(0, 2000, 1000, generator), times.draw(1000, 2000, 1000, generator)
    assert early.max() > 960 and early.max() <= 979 and early.min() < 40 and early.min() >= 20
    assert late.max() <= 500 and late.max() > 480


def test_square_root_walks_down_without_chance() -> None:
    times = TimeSchedule(Schedule.constant(0.02), Schedule.constant(0.98), mode="sqrt", steps=100)
    generator = torch.Generator().manual_seed(0)
    drawn = [times.draw(step, 3, 1000, generator) for step in range(101)]
    assert all((t == t[0]).all() for t in drawn)
    values = [int(t[0]) for t in drawn]
    assert values == sorted(values, reverse=True)
    assert values[0] == round(0.98 * 999) and values[100] == round(0.02 * 999)
    assert values[25] == round((0.98 - 0.96 * 0.5) * 999)


def test_one_time_for_the_batch() -> None:
    times = TimeSchedule(one_for_batch=True)
    drawn = times.draw(0, 8, 1000, torch.Generator().manual_seed(0))
    assert len(drawn) == 8 and (drawn == drawn[0]).all()


def test_bounds_that_cross_meet() -> None:
    times = TimeSchedule(Schedule.constant(0.6), Schedule.linear(0.9, 0.5, 10))
    assert times.bounds(10) == (0.5, 0.5)
    assert times.draw(10, 4, 1000, torch.Generator()).tolist() == [round(0.5 * 999)] * 4


def test_wrong_settings() -> None:
    with pytest.raises(ValueError, match="steps"):
        TimeSchedule(mode="sqrt")
    with pytest.raises(ValueError, match="mode"):
        TimeSchedule(mode="other")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shares"):
        draw_times(0.5, 1.5, 1, 1000, torch.Generator())


def test_draws_are_uniform_and_include_both_ends() -> None:
    drawn = draw_times(0.0, 1.0, 20_000, 10, torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn, minlength=10)
    assert len(counts) == 10 and (counts > 1700).all() and (counts < 2300).all()


def test_weights() -> None:
    a = torch.tensor([0.99, 0.5, 0.01])
    assert weight("uniform", a).tolist() == [1, 1, 1]
    torch.testing.assert_close(weight("sigma2", a), 1 - a)
    torch.testing.assert_close(weight("fantasia3d", a), a.sqrt() * (1 - a))
    snr = a / (1 - a)
    torch.testing.assert_close(weight("min_snr", a, "clean"), snr.clamp_max(MIN_SNR_GAMMA))
    torch.testing.assert_close(weight("min_snr", a), snr.clamp_max(MIN_SNR_GAMMA) / snr)
    with pytest.raises(ValueError, match="other"):
        weight("other", a)  # type: ignore[arg-type]
