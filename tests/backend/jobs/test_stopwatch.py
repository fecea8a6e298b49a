# SPDX-License-Identifier: GPL-3.0-or-later
"""The stopwatch: stages are recorded, progress never runs backwards, and the time left is learned from the pace."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.jobs.context import TerminalContext
from backend.jobs.stopwatch import Stopwatch
from protocol.errors import Cancelled


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_stages_progress_and_time_left(tmp_path: Path) -> None:
    clock = Clock()
    context = TerminalContext(tmp_path, clock=clock)
    watch = Stopwatch(context, {"one": 10.0, "two": 30.0})
    with watch.stage("one") as tell:
        clock.now = 20.0
        tell(1.0, "")
    # Half the planned pace: the 30 planned seconds of the second stage are guessed to take almost 60.
    with watch.stage("two") as tell:
        assert 50 < watch.seconds_left(0.0) < 60
        clock.now = 50.0
        tell(0.5, "")
        assert watch.seconds_left(0.5) == pytest.approx(30.0)
        clock.now = 80.0
    assert [(record.name, record.seconds) for record in watch.records] == [("one", 20.0), ("two", 60.0)]
    fractions = [fraction for _, fraction in context.stages]
    assert fractions == sorted(fractions) and fractions[0] == 0.0 and fractions[-1] == pytest.approx(0.625)
    assert all(record.peak_memory_bytes > 1 << 20 for record in watch.records)


def test_telling_asks_for_cancellation(tmp_path: Path) -> None:
    context = TerminalContext(tmp_path, cancel_when=lambda context: len(context.stages) >= 2)
    watch = Stopwatch(context, {"one": 1.0})
    with pytest.raises(Cancelled), watch.stage("one") as tell:
        for share in (0.1, 0.2, 0.3):
            tell(share, "")
    assert len(context.stages) == 2


def test_unplanned_stage_is_a_mistake_of_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Stopwatch(TerminalContext(tmp_path), {"one": 1.0}).stage("two"):
        pass
