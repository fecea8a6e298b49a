# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers drawn from a seed and a place: uniform, independent, and a matter of seed and place alone."""

from __future__ import annotations

import pytest
import torch

from backend.kernels.chance import uniform


def test_they_are_uniform_and_their_columns_know_nothing_of_each_other(device) -> None:
    drawn = uniform(5, torch.arange(100_000, device=device), 3).double()
    assert float(drawn.min()) >= 0 and float(drawn.max()) < 1
    # Standard errors: mean 1 / sqrt(12 n) = 0.0009, histogram cell of 10 percent 0.00095, correlation 0.0032.
    assert (drawn.mean(0) - 0.5).abs().max() < 0.005
    for column in range(3):
        share = torch.histc(drawn[:, column].cpu(), 10, 0, 1) / len(drawn)
        assert (share - 0.1).abs().max() < 0.005
    assert (torch.corrcoef(drawn.T.cpu()) - torch.eye(3, dtype=torch.float64)).abs().max() < 0.015


def test_a_row_depends_on_its_number_and_the_seed_alone(device) -> None:
    numbers = torch.tensor([7, 2**31 - 1, 0, 7, 123_456], device=device)
    rows = uniform(9, numbers, 2)
    assert torch.equal(rows[0], rows[3]) and not torch.equal(rows[0], rows[2])
    assert torch.equal(rows[4:], uniform(9, numbers[4:], 2)) and torch.equal(rows[:, :1], uniform(9, numbers, 1))
    assert not torch.equal(rows, uniform(10, numbers, 2))
    assert torch.equal(rows.cpu(), uniform(9, numbers.cpu(), 2))


def test_what_cannot_be_a_seed_or_a_number_is_refused(device) -> None:
    for seed, numbers, columns in ((-1, torch.arange(3), 1), (0, torch.arange(3.0), 1), (0, torch.arange(3), 0)):
        with pytest.raises(ValueError, match="chance"):
            uniform(seed, numbers.to(device), columns)
