# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a batch add up to the batch; one rank alone changes nothing. (Two real ranks: tests/backend/jobs.)"""

from __future__ import annotations

import pytest
import torch

from backend.distillation.ranks import ALONE, Part, Ranks
from protocol.errors import BadRequest


def rank_of(rank: int, world: int) -> Ranks:
    """For questions that need no other process."""
    return Ranks(rank, world, object())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("views", "world", "together"), [(4, 2, 1), (3, 2, 1), (32, 16, 1), (8, 2, 4), (7, 2, 4), (5, 5, 1)]
)
def test_parts_cover_the_batch_once_and_their_means_add_up(views, world, together):
    values = torch.rand(views, generator=torch.Generator().manual_seed(0))
    parts = [rank_of(rank, world).part(views, together) for rank in range(world)]
    assert [number for part in parts for number in range(views)[part.slice]] == list(range(views))
    assert all(part.start % together == 0 for part in parts)
    total = sum(part.weigh(values[part.slice].mean()) for part in parts)
    torch.testing.assert_close(total, values.mean())


def test_more_ranks_than_groups_of_views():
    with pytest.raises(BadRequest) as caught:
        rank_of(0, 4).part(8, together=4)
    assert caught.value.path == "gpus" and "2" in caught.value.hint
    for wrong in ((1, 1), (-1, 2), (2, 2)):
        with pytest.raises(ValueError):
            Ranks(*wrong)


def test_one_alone_gives_back_what_it_was_given():
    value, count = torch.rand(()), torch.tensor(3)
    part = ALONE.part(4)
    assert part == Part.whole(4) and part.is_whole and ALONE.first
    assert part.weigh(value) is value and ALONE.share_of_sum(part, value, count) is value
    parameter = torch.nn.Parameter(torch.zeros(2))
    ALONE.sum_gradients([parameter])
    ALONE.follow_first([parameter])
    assert parameter.grad is None
    assert ALONE.number_of_first(7, value.device) == 7
    assert ALONE.all_agree(True, value.device) and not ALONE.all_agree(False, value.device)
    ALONE.leave()
