# SPDX-License-Identifier: GPL-3.0-or-later
"""Races between ways of doing the same work: interleaved repeats, medians, ratios.

Machines speed up and slow down while a benchmark runs. Interleaving lets every contestant meet the same weather, so the
ratio of two medians means something even where the seconds do not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Race:
    """One piece of work done in several ways.

    Attributes:
        name: what is done.
        ours: the name of our way among the contestants.
        seconds: median seconds of each contestant.
        spread: half the distance between the quartiles, as a share of the median, of the least steady contestant.
        repeats: how often each ran.
        bar: our seconds must be at most 1 / `bar` of the other's (`against`); None where nothing is demanded.
        against: the contestant that the bar is about.
        limit: our seconds must not be more than this; None where nothing is demanded.
        note: what the other contestants are.
    """

    name: str
    ours: str
    seconds: Mapping[str, float]
    spread: float
    repeats: int
    bar: float | None = None
    against: str = ""
    limit: float | None = None
    note: str = ""

    def ratio(self, other: str) -> float:
        """How many times longer the other takes than we do."""
        return self.seconds[other] / max(self.seconds[self.ours], 1e-12)

    @property
    def met(self) -> bool:
        """Whether the bar and the limit are met, or there are none."""
        fast = self.bar is None or self.ratio(self.against) >= self.bar
        return fast and (self.limit is None or self.seconds[self.ours] <= self.limit)

    def to_map(self) -> dict[str, object]:
        others = {name: round(self.ratio(name), 3) for name in self.seconds if name != self.ours}
        return {
            "name": self.name,
            "ours": self.ours,
            "seconds": dict(self.seconds),
            "ratios": others,
            "spread": round(self.spread, 3),
            "repeats": self.repeats,
            "bar": self.bar,
            "against": self.against,
            "limit_seconds": self.limit,
            "met": self.met,
            "note": self.note,
        }


def race(
    name: str,
    contestants: Mapping[str, Callable[[], object]],
    repeats: int = 5,
    warm: int = 1,
    *,
    clock: Callable[[], float] = time.perf_counter,
    settle: Callable[[], None] = lambda: None,
    bar: float | None = None,
    against: str = "",
    limit: float | None = None,
    note: str = "",
) -> Race:
    """Runs the contestants in turn, `repeats` times each after `warm` rounds that do not count. The first is ours.

    `settle` is called before the clock is read (`torch.cuda.synchronize` on a GPU).
    """
    if not contestants or repeats < 1:
        raise ValueError("a race needs a contestant and a repeat")
    if bar is not None and against not in contestants:
        raise ValueError(f"the bar is about {against!r}, which does not run")
    taken: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    for turn in range(warm + repeats):
        for contestant, work in contestants.items():
            settle()
            began = clock()
            work()
            settle()
            if turn >= warm:
                taken[contestant].append(clock() - began)
    medians = {contestant: statistics.median(values) for contestant, values in taken.items()}
    spread = max(_spread(values) for values in taken.values())
    return Race(name, next(iter(contestants)), medians, spread, repeats, bar, against, limit, note)


def _spread(values: Sequence[float]) -> float:
    if len(values) < 3:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4)
    return (high - low) / (2.0 * max(middle, 1e-12))


def seconds_text(seconds: float) -> str:
    """A duration with three figures: 12.3 s, 456 ms, 7.89 ms, 12.3 us."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size or unit == "us":
            value = seconds / size
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    raise AssertionError("unreachable")


def table(races: Sequence[Race]) -> str:
    """The races as a markdown table: ours, each other, the ratio, and whether the bar is met."""
    lines = ["| work | ours | another way | theirs | ratio | bar |", "|---|---|---|---|---|---|"]
    for entry in races:
        ours = seconds_text(entry.seconds[entry.ours])
        others = [name for name in entry.seconds if name != entry.ours]
        verdict = "met" if entry.met else "**missed**"
        limit = "" if entry.limit is None else f"<= {entry.limit:g} s: {verdict}"
        if not others:
            lines.append(f"| {entry.name} | {ours} | | | | {limit} |")
        for other in others:
            bar = f">= {entry.bar:g}x: {verdict}" if entry.bar is not None and other == entry.against else limit
            theirs = seconds_text(entry.seconds[other])
            lines.append(f"| {entry.name} | {ours} | {other} | {theirs} | {entry.ratio(other):.2f}x | {bar} |")
    return "\n".join(lines) + "\n"
