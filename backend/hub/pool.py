# SPDX-License-Identifier: GPL-3.0-or-later
"""The workers as the scheduler sees them: what each slot has worked, what each process has loaded, who is idle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from backend.hub.executors import Executor
from backend.hub.scheduler import Place
from backend.hub.store import JobRow

MOST_WARM = 8  # models remembered of one process; its cache is bounded too


class Pool:
    """What the hub has learned of its workers. clock: monotonic seconds. executor: who knows the slots."""

    def __init__(self, executor: Executor, clock: Callable[[], float]) -> None:
        self._executor = executor
        self._clock = clock
        self._warm: dict[str, dict[str, None]] = {}  # worker -> models, the newest last
        self._worked: dict[str, float] = defaultdict(float)  # slot -> seconds
        self._busy: dict[str, tuple[str, float]] = {}  # worker -> its slot, and since when

    def places(self, workers: Mapping[str, tuple[bool, Mapping[str, Any]]]) -> list[Place]:
        """All connected workers. workers: name -> whether it holds no job, and what it says of its machine."""
        slots = {one.worker: one for one in self._executor.slots() if one.worker}
        found = []
        for name, (idle, caps) in workers.items():
            slot = slots.get(name)
            where = slot.name if slot is not None else _text(caps, "slot") or name
            machine = slot.machine if slot is not None else _text(caps, "machine")
            free = caps.get("device_free", caps.get("device_memory", slot.memory if slot is not None else 0))
            found.append(Place(
                name, where, machine, idle and self._executor.room(name), frozenset(self._warm.get(name, ())),
                free if type(free) is int and free > 0 else 0, self._worked[where],
            ))
        return found

    def began(self, worker: str, slot: str, model: str) -> None:
        """The worker has begun a job that loads this model."""
        warm = self._warm.setdefault(worker, {})
        warm.pop(model, None)
        warm[model] = None
        if len(warm) > MOST_WARM:
            del warm[next(iter(warm))]
        self._busy[worker] = (slot, self._clock())

    def ended(self, worker: str) -> None:
        """The worker has no job any more."""
        slot, since = self._busy.pop(worker, ("", 0.0))
        if slot:
            self._worked[slot] += self._clock() - since

    def gone(self, worker: str) -> None:
        """The process has ended; what it had loaded went with it."""
        self.ended(worker)
        self._warm.pop(worker, None)

    def worked(self, slot: str) -> float:
        """Seconds that a slot has worked since the hub started."""
        return self._worked.get(slot, 0.0)


def memory_of(job: JobRow, places: list[Place]) -> int:
    """Bytes of the device that this job runs on, 0 for unknown."""
    return next((one.free for one in places if one.worker == job.life.worker), 0)


def _text(caps: Mapping[str, Any], key: str) -> str:
    value = caps.get(key, "")
    return value[:64] if type(value) is str else ""
