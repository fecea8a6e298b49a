# SPDX-License-Identifier: GPL-3.0-or-later
"""Races are measured with a clock of our own, so their figures are exact."""

from __future__ import annotations

import pytest

from tests.benchmarks.timing import race, seconds_text, table


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, *seconds: float):
        taken = iter(seconds)

        def run() -> None:
            self.order.append(name)
            self.now += next(taken)

        return run


def test_medians_leave_out_warm_rounds_and_interleave():
    clock = Clock()
    entry = race(
        "sum",
        {"ours": clock.work("ours", 9.0, 1.0, 2.0, 50.0), "theirs": clock.work("theirs", 9.0, 8.0, 4.0, 6.0)},
        repeats=3,
        clock=clock,
    )
    assert entry.seconds == {"ours": 2.0, "theirs": 6.0} and entry.ratio("theirs") == 3.0
    assert clock.order == ["ours", "theirs"] * 4


@pytest.mark.parametrize(("bar", "met"), [(2.9, True), (3.1, False)])
def test_a_bar_is_about_the_ratio(bar, met):
    clock = Clock()
    ways = {"ours": clock.work("ours", 1.0), "theirs": clock.work("theirs", 3.0)}
    entry = race("sum", ways, repeats=1, warm=0, clock=clock, bar=bar, against="theirs")
    assert entry.met is met
    assert ("missed" in table([entry])) is not met and "3.00x" in table([entry])
    assert entry.to_map()["ratios"] == {"theirs": 3.0}


@pytest.mark.parametrize(("limit", "met"), [(1.0, True), (0.9, False)])
def test_a_limit_is_about_seconds(limit, met):
    clock = Clock()
    entry = race("sum", {"ours": clock.work("ours", 1.0)}, repeats=1, warm=0, clock=clock, limit=limit)
    assert entry.met is met and f"<= {limit:g} s" in table([entry])


def test_a_bar_about_nobody_is_refused():
    with pytest.raises(ValueError, match="does not run"):
        race("sum", {"ours": lambda: None}, bar=2.0, against="theirs")


def test_durations_are_short_to_read():
    assert [seconds_text(s) for s in (123.4, 1.5, 0.0456, 0.000123, 2e-7)] == [
        "123 s",
        "1.5 s",
        "45.6 ms",
        "123 us",
        "0.2 us",
    ]
