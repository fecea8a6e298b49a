# SPDX-License-Identifier: GPL-3.0-or-later
"""Time steps are drawn where they should be, and weighted by their papers."""

from __future__ import annotations

import pytest
import torch

from backend.distillation.schedules import draw_times
from backend.distillation.weighting import MIN_SNR_GAMMA, weight


def test_wrong_shares() -> None:
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
