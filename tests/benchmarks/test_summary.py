# SPDX-License-Identifier: GPL-3.0-or-later
"""What the quality benchmark makes of its rows: means, verdicts, and prompts that could not be made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from backend.embedded.scorer import Reading
from tests.benchmarks import sheets, summary
from tests.benchmarks.judging import Judged


def row(number: int, **others: Any) -> dict[str, Any]:
    health = {"closed": True, "manifold": True, "faces": 100}
    plain = {
        "number": number, "prompt": f"a thing {number}", "seed": number, "kind": "mug", "colour": "red",
        "pattern": "plain", "rank": 1, "taken_for": f"a thing {number}", "f_score": 0.8, "iou": 0.7, "delta_e": 5.0,
        "views_right": 1.0, "janus": False, "views_telling": 0.9, "seconds": 60.0, "health": health,
    }  # fmt: skip
    return {**plain, **others}


def failed(number: int) -> dict[str, Any]:
    bare = {key: value for key, value in row(number).items() if key in ("number", "prompt", "seed", "kind", "colour")}
    return {**bare, "rank": 3, "taken_for": "", "error": {"code": "empty_surface", "message": "Nothing came out."}}


def test_all_bars_are_met_by_good_rows():
    verdicts = summary.verdicts(summary.totals([row(0), row(1)]))
    assert all(verdict["met"] for verdict in verdicts) and len(verdicts) == len(summary.BARS)


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({"rank": 2}, "r_precision"),
        ({"f_score": 0.1}, "f_score"),
        ({"health": {"closed": False, "manifold": True, "faces": 9}}, "closed"),
        ({"health": {"closed": True, "manifold": False, "faces": 9}}, "manifold"),
    ],
)
def test_one_bad_row_in_two_misses_its_bar_only(change, missed):
    verdicts = summary.verdicts(summary.totals([row(0), row(1, **change)]))
    assert [verdict["figure"] for verdict in verdicts if not verdict["met"]] == [missed]


def test_a_prompt_that_was_not_made_counts_as_nothing_where_there_is_a_bar():
    totals = summary.totals([row(0), failed(1)])
    assert (totals["made"], totals["prompts"]) == (1, 2)
    assert (totals["r_precision"], totals["f_score"], totals["closed"]) == (0.5, 0.4, 0.5)
    assert totals["delta_e"] == 5.0
    text = summary.markdown("test", [row(0), failed(1)], totals, summary.verdicts(totals))
    assert "not made: empty_surface" in text and "**missed**" in text
    assert "Nothing came out." in summary.line(failed(1), 2)


def test_a_figure_that_was_never_measured_misses_its_bar():
    assert not any(verdict["met"] for verdict in summary.verdicts({}))


def test_solids_of_revolution_have_no_say_about_sides():
    totals = summary.totals([row(0, janus=True), row(1, janus=False, views_telling=0.1)])
    assert totals["janus"] == 1.0


class Oracle:
    """A scorer that reads the brightness of a picture as the place of its prompt."""

    def similarity(self, images: torch.Tensor, prompts: Sequence[str]) -> torch.Tensor:
        level = images.mean(dim=(1, 2, 3))[:, None] * len(prompts)
        return -(level - torch.arange(len(prompts))).abs() / len(prompts)

    def read_kind_colour(self, images: torch.Tensor, together: bool = False) -> list[Reading]:
        return [Reading((("mug", 0.9),), (("blue", 0.8),), (("plain", 1.0),))]


def judged(level: float) -> Judged:
    return Judged({}, np.full((2, 4, 4, 3), level, np.float32), np.zeros((4, 8, 8, 4), np.float32))


def test_retrieval_ranks_an_object_among_all_prompts():
    prompts = [f"a thing {number}" for number in range(4)]
    rows = [row(0), row(1), row(2), row(3)]
    things = [judged(0 / 4), judged(2 / 4), judged(2 / 4), None]  # the second looks like the third
    for one, thing in zip(rows, things, strict=True):
        summary.add_retrieval(one, thing, prompts, Oracle())
    assert [one["rank"] for one in rows] == [1, 3, 1, 4]
    assert rows[1]["taken_for"] == "a thing 2"
    assert (rows[0]["kind_right"], rows[0]["colour_right"], rows[0]["pattern_right"]) == (True, False, True)


def test_a_material_has_no_colour_to_be_named():
    wooden = row(0, colour="", pattern="wooden")
    summary.add_retrieval(wooden, judged(0.0), ["a thing 0"], Oracle())
    assert wooden["colour_right"] is None and "colour_right" not in summary.totals([wooden])


def test_sheets_hold_twenty_and_blind_ones_have_a_key(tmp_path):
    strips = [sheets.strip(np.full((4, 16, 16, 4), n / 30, np.float32)) for n in range(23)]
    captions = [f"a thing {n}" for n in range(23)]
    written = sheets.write_sheets(tmp_path, strips, captions, seed=1)
    assert [path.name for path in written] == ["sheet-1.png", "blind-1.png", "sheet-2.png", "blind-2.png"]
    key = dict(line.split("\t") for line in (tmp_path / "key-1.txt").read_text().splitlines())
    assert sorted(key.values()) == sorted(captions[:20]) and list(key.values()) != captions[:20]
    first = Image.open(tmp_path / "blind-1.png").convert("RGB").getpixel((sheets.GAP + 3, sheets.GAP + 3))
    expected = Image.fromarray(sheets.over(np.full((1, 1, 1, 4), captions.index(key["1"]) / 30, np.float32))[0])
    assert first == expected.getpixel((0, 0))
