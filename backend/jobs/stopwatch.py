# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the stages of a job and guesses the time left.

The guess for a stage that runs comes from its own pace; the guess for a stage to come is a plan (seconds on the
reference machine) scaled by how the stages so far compared with theirs. So it is honest on slow machines too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import torch

from backend.jobs.context import JobContext


@dataclass(frozen=True)
class StageRecord:
    """What a finished stage cost: wall seconds and the highest memory of the process so far (and of the GPU)."""

    name: str
    seconds: float
    peak_memory_bytes: int
    peak_device_bytes: int

    def to_map(self) -> dict[str, object]:
        return {
            "name": self.name,
            "seconds": round(self.seconds, 3),
            "peak_memory_bytes": self.peak_memory_bytes,
            "peak_device_bytes": self.peak_device_bytes,
        }


def peak_memory() -> int:
    """Highest resident memory of this process so far, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # which Windows does not have

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Stopwatch:
    """Walks through planned stages: `plan` maps the name of each stage to its expected seconds."""

    def __init__(self, context: JobContext, plan: dict[str, float]):
        self.context = context
        self.plan = dict(plan)
        self.records: list[StageRecord] = []
        self._stage = ""
        self._began = context.clock()
        self._spent_before = 0.0

    @contextmanager
    def stage(self, name: str, message: str = "") -> Iterator[Callable[[float, str], None]]:
        """Opens a stage; the value is `tell(share, message)`, which reports progress and asks for cancellation."""
        if name not in self.plan:
            raise KeyError(f"stage {name!r} is not in the plan")
        self._stage, self._began = name, self.context.clock()
        if self.context.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.context.device)
        self.tell(0.0, message)
        yield self.tell
        seconds = self.context.clock() - self._began
        on_device = torch.cuda.max_memory_allocated(self.context.device) if self.context.device.type == "cuda" else 0
        self.records.append(StageRecord(name, seconds, peak_memory(), on_device))

    def tell(self, share: float, message: str = "") -> None:
        """Reports that `share` (0..1) of the current stage is done."""
        self.context.check()
        left = self.seconds_left(share)
        done = self._planned_before() + share * self.plan[self._stage]
        self.context.progress(self._stage, min(done / max(sum(self.plan.values()), 1e-9), 1.0), message, left)

    def seconds_left(self, share: float) -> float:
        """Seconds until the job is done, as far as can be told now."""
        elapsed = self.context.clock() - self._began
        planned_now = self.plan[self._stage]
        pace = self._pace(elapsed, share, planned_now)
        here = elapsed * (1.0 - share) / share if share > 0.05 else planned_now * pace * (1.0 - share)
        return here + pace * self._planned_after()

    def _pace(self, elapsed: float, share: float, planned_now: float) -> float:
        """How much slower (above 1) or faster this machine is than the plan, weighted by time spent."""
        spent = sum(record.seconds for record in self.records) + elapsed
        planned = sum(self.plan[record.name] for record in self.records) + share * planned_now
        trust = 2.0  # seconds of the plan that count as if they had been met
        return (spent + trust) / (planned + trust)

    def _planned_before(self) -> float:
        return sum(seconds for name, seconds in self.plan.items() if self._index(name) < self._index(self._stage))

    def _planned_after(self) -> float:
        return sum(seconds for name, seconds in self.plan.items() if self._index(name) > self._index(self._stage))

    def _index(self, name: str) -> int:
        return list(self.plan).index(name)
