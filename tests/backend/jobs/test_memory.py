# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory plans: what fits is planned, what gives way first, what is refused; with the sizes of public checkpoints."""

from __future__ import annotations

import pytest

from backend.jobs.memory import BRANCHES, coarse_bytes, fine_bytes, plan
from backend.jobs.presets import BEST, PAPER, STANDARD
from backend.priors.footprint import Footprint
from protocol.errors import OutOfMemory

# In bfloat16, as `footprint` finds them from the public configurations.
SD15 = Footprint("sd-1.5", 1_890_000_000, 250_000_000, 68_200_000, 336_000_000, 1_570_000_000, 405_000_000,
                 3_000_000_000)
SDXL = Footprint("sdxl", 5_300_000_000, 1_640_000_000, 230_000_000, 1_340_000_000, 6_200_000_000, 1_600_000_000)
IF = Footprint("if-i-xl", 8_600_000_000, 9_500_000_000, 60_000_000)
GB = 10**9


@pytest.mark.parametrize("preset", [STANDARD, PAPER])
@pytest.mark.parametrize("priors", [(SD15, SD15), (IF, SD15), (SDXL, SDXL)])
def test_more_memory_never_makes_it_slower_and_a_plan_always_fits(preset, priors) -> None:
    before = None
    for budget in (6, 8, 12, 16, 24, 40, 80, 140):
        try:
            found = plan(preset, *priors, budget * GB)
        except OutOfMemory as problem:
            assert before is None, "what fitted into less fits into more"
            assert problem.detail["needed"] > budget * GB and "prior" in problem.hint
            continue
        assert found.needed <= budget * GB
        pace = (found.coarse_turns, found.fine_turns, found.texts_apart, not found.keep_text)
        assert before is None or pace <= before
        before = pace
    assert before is not None and before[:2] == (1, 1)


def test_the_least_that_is_named_is_enough() -> None:
    with pytest.raises(OutOfMemory) as problem:
        plan(STANDARD, IF, SD15, 4 * GB)
    found = plan(STANDARD, IF, SD15, problem.value.detail["needed"] + 10**6)
    assert found.coarse_turns == STANDARD.coarse.views and not found.keep_text


def test_standard_with_stable_diffusion_fits_into_eight_gigabytes_and_says_how() -> None:
    found = plan(STANDARD, SD15, SD15, 8 * GB)
    assert found.coarse_turns <= 2 and not found.keep_text and found.text_on_device
    assert "8.0 GB" in found.sentence() and "turns" in found.sentence()
    assert plan(STANDARD, SD15, SD15, 80 * GB).sentence() == ""


def test_a_text_encoder_that_is_too_large_reads_on_the_cpu() -> None:
    found = plan(STANDARD, IF, SD15, 17 * GB)
    assert not found.text_on_device and not found.keep_text and "read on the CPU" in found.sentence()


def test_turns_keep_views_together_that_a_prior_must_see_at_once() -> None:
    for budget in (8, 12, 24):
        found = plan(STANDARD, SD15, SD15, budget * GB, together=4)
        assert STANDARD.coarse.views / 4 >= found.coarse_turns and STANDARD.fine.views / 4 >= found.fine_turns


def test_a_stage_takes_less_in_more_turns_and_the_network_its_share() -> None:
    for parts, settings in ((coarse_bytes, STANDARD.coarse), (fine_bytes, STANDARD.fine)):
        sizes = [parts(settings, SD15, turns) for turns in range(1, settings.views + 1)]  # type: ignore[operator]
        assert sizes == sorted(sizes, reverse=True)
    nothing = Footprint("nothing", 0)
    both = coarse_bytes(STANDARD.coarse, SD15, 1) - coarse_bytes(STANDARD.coarse, nothing, 1)
    assert both == max(SD15.network * BRANCHES, SD15.encode) * STANDARD.coarse.views


def test_a_student_needs_room_for_its_way_back() -> None:
    found = plan(BEST, SD15, SD15, 16 * GB)
    assert found.fine_turns <= 2 and fine_bytes(BEST.fine, SD15, 1) > 2 * SD15.learning
    with pytest.raises(OutOfMemory):
        plan(BEST, SD15, SD15, 5 * GB)
