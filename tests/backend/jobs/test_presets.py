# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: what they promise holds, and a wrong name is answered with the right ones."""

from __future__ import annotations

import json

import pytest

from backend.jobs import presets
from backend.jobs.coarse import hash_grid_config
from protocol.errors import BadRequest


@pytest.mark.parametrize("name", ["draft", "standard", "paper"])
def test_presets_are_complete_and_plain(name: str) -> None:
    preset = presets.find(name)
    assert preset.name == name
    json.dumps(presets.as_map(preset))
    grid = hash_grid_config(preset.coarse.grid)
    assert grid.resolutions[0] == preset.coarse.grid.base
    assert grid.resolutions[-1] == pytest.approx(preset.coarse.grid.finest, abs=1)
    assert preset.coarse.guidance.t_max.at(0) >= preset.coarse.guidance.t_max.at(1) > preset.coarse.guidance.t_min


def test_paper_has_the_published_schedule() -> None:
    paper = presets.find("paper")
    assert (paper.coarse.steps, paper.coarse.views, paper.coarse.pixels) == (5000, 32, 64)
    assert (paper.fine.steps, paper.fine.views, paper.fine.pixels) == (3000, 32, 512)


def test_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(BadRequest, match="nonesuch") as caught:
        presets.find("nonesuch")
    assert "draft" in caught.value.hint and caught.value.detail["path"] == "preset"


def test_effort_multiplies_steps_and_nothing_else() -> None:
    half = presets.with_effort(presets.DRAFT, 0.5)
    assert half.coarse.steps == presets.DRAFT.coarse.steps // 2
    assert half.fine.steps == presets.DRAFT.fine.steps // 2
    assert half.finish == presets.DRAFT.finish and half.coarse.guidance == presets.DRAFT.coarse.guidance


def test_ramp_is_linear_between_its_shares() -> None:
    ramp = presets.Ramp(1.0, 0.0, 0.25, 0.75)
    assert [ramp.at(x) for x in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1.0, 1.0, 0.5, 0.0, 0.0]
    assert presets.Ramp(1.0, 2.0, 0.5, 0.5).at(0.4) == 1.0 and presets.Ramp(1.0, 2.0, 0.5, 0.5).at(0.5) == 2.0
