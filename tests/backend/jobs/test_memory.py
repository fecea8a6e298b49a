# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory plans: what fits is planned, what gives way first, what is refused; with the sizes of public checkpoints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.jobs import TerminalContext, memory
from backend.jobs.context import JobContext
from backend.jobs.memory import BRANCHES, PICTURES_AT_ONCE, coarse_bytes, fine_bytes, paint_plan, plan
from backend.jobs.presets import BEST, PAPER, STANDARD
from backend.priors.footprint import Footprint
from protocol.errors import OutOfMemory
from tests.benchmarks.random_prior import write

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
    found = plan(STANDARD, IF, SD15, 17 * GB, parks=False)
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
    views = STANDARD.coarse.views
    assert both == max(SD15.network * BRANCHES * views, SD15.encode * PICTURES_AT_ONCE)


def test_a_student_needs_room_for_its_way_back() -> None:
    found = plan(BEST, SD15, SD15, 16 * GB)
    assert found.fine_turns <= 2 and fine_bytes(BEST.fine, SD15, 1) > 2 * SD15.learning
    with pytest.raises(OutOfMemory):
        plan(BEST, SD15, SD15, 5 * GB)


def test_priors_of_different_stages_take_turns_before_any_step_gets_longer() -> None:
    found = plan(STANDARD, IF, SD15, 12 * GB)
    assert found.parked and "only the one that is asked" in found.sentence() and found.fine_turns == 1
    assert not plan(STANDARD, IF, SD15, 80 * GB).parked
    assert not plan(STANDARD, SD15, SD15, 6 * GB).parked, "one prior alone has nobody to take turns with"
    with pytest.raises(OutOfMemory):
        plan(STANDARD, IF, SD15, 8 * GB, parks=False)


def test_priors_of_one_step_take_turns_only_where_nothing_else_helps() -> None:
    two = (SD15, SDXL)
    with pytest.raises(OutOfMemory, match="sd-1.5 and sdxl"):
        plan(STANDARD, two, two, 8 * GB)
    plans = [plan(STANDARD, two, two, budget * GB) for budget in (10, 12, 24, 80)]
    assert [one.parked for one in plans] == [True, False, False, False]
    assert all(one.needed <= budget * GB for one, budget in zip(plans, (10, 12, 24, 80), strict=True))
    assert plan(STANDARD, (SD15,), (SD15,), 24 * GB) == plan(STANDARD, SD15, SD15, 24 * GB)
    # The same one in both stages lies on the device once.
    assert plan(STANDARD, two, SD15, 80 * GB).needed <= plans[-1].needed


def test_a_stage_that_also_asks_the_other_prior_has_two_in_a_step() -> None:
    shared = replace(STANDARD, fine=replace(STANDARD.fine, coarse_share=0.4))
    assert plan(STANDARD, SDXL, SD15, 12 * GB).parked and not plan(shared, SDXL, SD15, 12 * GB).parked
    assert plan(shared, SDXL, SD15, 10 * GB).parked


@pytest.mark.parametrize("priors", [(SD15,), (SDXL,), (IF, SD15), (SD15, SD15)])
def test_painting_is_planned_for_every_size_of_device(priors) -> None:
    before = None
    for budget in (8, 12, 24, 80):
        try:
            found = paint_plan(priors, 9, budget * GB)
        except OutOfMemory as problem:
            assert before is None and problem.detail["needed"] > budget * GB
            continue
        assert found.needed <= budget * GB
        pace = (found.texts_apart, found.parked, not found.keep_text)
        assert before is None or pace <= before
        before = pace
    assert before == (False, False, False) and found.pictures_at_once == PICTURES_AT_ONCE


def test_a_picture_of_an_xl_model_is_painted_in_nine_gigabytes_and_nine_views_one_branch_after_the_other() -> None:
    assert not paint_plan((SDXL,), 1, 9 * GB).texts_apart
    assert paint_plan((SDXL,), 9, 9 * GB).texts_apart and not paint_plan((SDXL,), 9, 12 * GB).texts_apart
    with pytest.raises(OutOfMemory, match="9 views with sdxl"):
        paint_plan((SDXL,), 9, 8 * GB)
    assert paint_plan((SDXL,), 9, 24 * GB, room=4 * GB).needed - paint_plan((SDXL,), 9, 24 * GB).needed == 4 * GB


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Stable Diffusion 1.5 by its sizes."""
    return write("sd15", tmp_path_factory.mktemp("memory") / "sd15")


def planned_on(monkeypatch, tmp_path, gigabytes: float, inputs=None) -> JobContext:
    monkeypatch.setattr(memory, "budget_of", lambda *_: int(gigabytes * GB))
    monkeypatch.setattr(memory, "best_dtype", lambda _: torch.bfloat16)
    return TerminalContext(tmp_path, torch.device("cuda", 0), KNOWN, inputs=inputs or {})


KNOWN: dict[str, object] = {}  # as a worker remembers from job to job


def test_every_kind_is_planned_with_the_true_sizes_of_stable_diffusion(folder, monkeypatch, tmp_path) -> None:
    prior = str(folder)
    for gigabytes in (8, 12, 24, 80):
        context = planned_on(monkeypatch, tmp_path, gigabytes)
        shape = memory.plan_for(STANDARD, prior, context)
        room = memory.surface_room(2048, STANDARD.fine.pixels, STANDARD.paint.views + 1)
        paint = memory.plan_painting(prior, context, STANDARD.paint.views + 1, room=room)
        figure, views = memory.plan_figure(prior, context, STANDARD.avatar.views, STANDARD.avatar.tetrahedra)
        picture = memory.plan_painting(prior, context, 1)
        for plan_ in (shape, paint, figure, picture):
            assert 0 < plan_.needed <= gigabytes * GB and not plan_.parked
        assert views == STANDARD.avatar.views and not paint.texts_apart
    context = planned_on(monkeypatch, tmp_path, 4.6)
    assert memory.plan_figure(prior, context, 64, 128)[1] < 64
    with pytest.raises(OutOfMemory):
        memory.plan_figure(prior, planned_on(monkeypatch, tmp_path, 2), 4, 192)


def test_two_priors_of_one_setting_are_counted_and_words_that_were_learned_keep_them_where_they_are(
    folder, monkeypatch, tmp_path
) -> None:
    other = write("sd21", tmp_path / "sd21")
    context = planned_on(monkeypatch, tmp_path, 80)
    alone = memory.plan_for(STANDARD, str(folder), context)
    both = memory.plan_for(STANDARD, f"{folder} @ 0.7 & {other} @ 0.3", context)
    assert both.needed - alone.needed > 1.8e9
    small = planned_on(monkeypatch, tmp_path, 5.5)
    assert memory.plan_for(STANDARD, f"{folder}, {other}", small).parked
    with pytest.raises(OutOfMemory):
        memory.plan_for(STANDARD, f"{folder}, {other}",
                        planned_on(monkeypatch, tmp_path, 5.5, {"identity_0": np.zeros(1, np.uint8)}))
