# SPDX-License-Identifier: GPL-3.0-or-later
"""Which time steps of a prior a distillation looks at; how the range changes over a stage is a preset's `Ramp`."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_times(low: float, high: float, count: int, num_timesteps: int, generator: torch.Generator) -> Tensor:
    """(count,) int64 time steps, uniform between two shares (0..1, both included) of a prior's time steps."""
    if not 0 <= low <= high <= 1:
        raise ValueError(f"time shares must satisfy 0 <= low <= high <= 1, got {low} and {high}")
    first, last = round(low * (num_timesteps - 1)), round(high * (num_timesteps - 1))
    return torch.randint(first, last + 1, (count,), generator=generator, device=generator.device)
