# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that change over an optimisation, and which time steps a distillation looks at.

Schedules count optimiser steps, never images or micro-batches, so that gradient accumulation changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """A piecewise linear function of the optimiser step, constant before its first and after its last point.

    Attributes:
        points: (step, value) with steps strictly rising.
    """

    points: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        steps = [step for step, _ in self.points]
        if not steps or any(b <= a for a, b in zip(steps, steps[1:], strict=False)):
            raise ValueError(f"a schedule needs points at strictly rising steps, got {self.points}")
        if not all(math.isfinite(value) for _, value in self.points):
            raise ValueError(f"a schedule needs finite values, got {self.points}")

    @classmethod
    def constant(cls, value: float) -> Schedule:
        return cls(((0, value),))

    @classmethod
    def linear(cls, start: float, end: float, steps: int, begin: int = 0) -> Schedule:
        """From `start` to `end` over `steps` steps, beginning at step `begin`."""
        return cls(((begin, start), (begin + steps, end)))

    def __call__(self, step: int) -> float:
        first_step, first_value = self.points[0]
        if step <= first_step:
            return first_value
        for (a, low), (b, high) in zip(self.points, self.points[1:], strict=False):
            if step <= b:
                return low + (high - low) * (step - a) / (b - a)
        return self.points[-1][1]


@dataclass(frozen=True)
class TimeSchedule:
    """Which noise levels are drawn at which optimiser step, as shares of the prior's time steps.

    Attributes:
        low, high: the range, each a schedule; annealing lets `high` fall ("maximum t", ProlificDreamer, DreamGaussian).
        mode: 'uniform' draws inside the range; 'sqrt' walks down it without chance, t = high - (high - low) *
            sqrt(step / steps) (HiFA, Zhu et al. 2023, eq. 10).
        steps: length of the optimisation, needed by 'sqrt'.
        one_for_batch: all images of a step share one t, as in threestudio's plain SDS.
    """

    low: Schedule = Schedule.constant(0.02)
    high: Schedule = Schedule.constant(0.98)
    mode: Literal["uniform", "sqrt"] = "uniform"
    steps: int = 0
    one_for_batch: bool = False

    def __post_init__(self) -> None:
        if self.mode not in ("uniform", "sqrt"):
            raise ValueError(f"mode {self.mode!r} is neither 'uniform' nor 'sqrt'")
        if self.mode == "sqrt" and self.steps < 1:
            raise ValueError("the 'sqrt' schedule needs the number of steps")

    def bounds(self, step: int) -> tuple[float, float]:
        """(low, high) shares at an optimiser step, low <= high."""
        low, high = self.low(step), self.high(step)
        return min(low, high), high

    def draw(self, step: int, count: int, num_timesteps: int, generator: torch.Generator) -> Tensor:
        """(count,) int64 time steps on the generator's device."""
        low, high = self.bounds(step)
        if self.mode == "sqrt":
            share = high - (high - low) * math.sqrt(min(max(step / self.steps, 0.0), 1.0))
            t = min(max(round(share * (num_timesteps - 1)), 0), num_timesteps - 1)
            return torch.full((count,), t, dtype=torch.long, device=generator.device)
        drawn = draw_times(low, high, 1 if self.one_for_batch else count, num_timesteps, generator)
        return drawn.expand(count)


def draw_times(low: float, high: float, count: int, num_timesteps: int, generator: torch.Generator) -> Tensor:
    """(count,) int64 time steps, uniform between two shares (0..1, both included) of a prior's time steps."""
    if not 0 <= low <= high <= 1:
        raise ValueError(f"time shares must satisfy 0 <= low <= high <= 1, got {low} and {high}")
    first, last = round(low * (num_timesteps - 1)), round(high * (num_timesteps - 1))
    return torch.randint(first, last + 1, (count,), generator=generator, device=generator.device)
