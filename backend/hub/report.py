# SPDX-License-Identifier: GPL-3.0-or-later
"""How the hub is doing, as plain values: queue, workers, devices, users, disk. `status` shows it, `metrics` counts it.

Reading is cheap: what would cost a walk through a table is remembered for a moment.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from backend import __version__
from backend.hub.back import Back
from backend.hub.blobs import BlobStore
from backend.hub.collect import Collector
from backend.hub.desk import Desk
from backend.hub.shelf import Shelf
from backend.hub.states import FINAL
from backend.hub.store import JobRow
from protocol.messages import PRIORITIES

FRESH_SECONDS = 2.0  # that counted rows are remembered
HOUR = 3600.0
MOST_JOBS, MOST_USERS, MOST_WORKERS = 100, 100, 100  # rows in one report, which must fit a message's header


class Report:
    """The facts of one hub. clock: monotonic seconds."""

    def __init__(
        self, desk: Desk, back: Back, blobs: BlobStore, collector: Collector, sessions: Callable[[], int],
        clock: Callable[[], float], epoch: int,
    ) -> None:
        self._desk, self._back, self._blobs, self._collector = desk, back, blobs, collector
        self._shelf = Shelf(desk.store)
        self._sessions = sessions
        self._clock = clock
        self._epoch = epoch
        self._began = clock()
        self._counted: tuple[float, dict[str, int], int] = (clock() - FRESH_SECONDS, {}, 0)
        self._ended: deque[tuple[float, str]] = deque()  # when a job of which user ended, in the last hour
        self.ended: Counter[str] = Counter()  # final state -> jobs since the start
        desk.on_end = self._note_end

    def _note_end(self, job: JobRow) -> None:
        self.ended[job.life.state] += 1
        self._ended.append((self._clock(), job.user))
        self._forget_old()

    def _forget_old(self) -> None:
        while self._ended and self._ended[0][0] < self._clock() - HOUR:
            self._ended.popleft()

    def _counts(self) -> tuple[dict[str, int], int]:
        """Jobs by state and bytes of all blobs, as of a moment ago."""
        when, states, size = self._counted
        if self._clock() - when >= FRESH_SECONDS:
            states = dict(self._desk.store.db.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())
            size = self._shelf.size()
            self._counted = self._clock(), states, size
        return states, size

    def hub(self) -> dict[str, Any]:
        """The hub itself. rates are jobs that ended in the last hour, bytes are of the disk."""
        states, stored = self._counts()
        self._forget_old()
        return {
            "version": __version__, "epoch": self._epoch, "seconds": round(self._clock() - self._began, 1),
            "draining": self._back.leases.draining, "clients": self._sessions(), "jobs": states,
            "waiting": {
                priority: self._desk.scheduler.waiting_in(priority) for priority in PRIORITIES
            },
            "ended_last_hour": len(self._ended), "stored_bytes": stored, "free_bytes": self._blobs.free(),
            "room": self._blobs.has_room(), "collected_bytes": self._collector.removed_bytes,
        }

    def users(self) -> list[dict[str, Any]]:
        """Everybody with jobs or a recent past; share: of what all had lately, 0..1. The busiest first."""
        now, scheduler = self._clock(), self._desk.scheduler
        self._forget_old()
        waiting, running = scheduler.waiting_by_user(), scheduler.running_by_user()
        totals = {user: total for user, _, _, total in self._desk.store.usage()}
        ended = Counter(user for _, user in self._ended)
        used = {user: scheduler.used(user, now) for user in {*waiting, *running, *totals}}
        everything = sum(used.values())
        return [{
            "user": user, "waiting": waiting.get(user, 0), "running": running.get(user, 0),
            "ended_last_hour": ended[user], "recent_seconds": round(recent, 1),
            "share": round(recent / everything, 4) if everything else 0.0,
            "total_seconds": round(totals.get(user, 0.0), 1),
        } for user, recent in sorted(used.items(), key=lambda one: (-one[1], one[0]))]

    def workers(self) -> list[dict[str, Any]]:
        """Every place for a worker, and every worker that came from elsewhere."""
        now = self._clock()
        connected = {one.name: one for one in self._back.workers}
        rows, slots = [], {one.worker: one.slot for one in self._back.leases.places()}
        for slot in self._back.executor.slots():
            worker = connected.pop(slot.worker, None)
            rows.append({
                "slot": slot.name, "machine": slot.machine, "device": slot.device, "state": slot.state,
                "worker": slot.worker, "job": worker.job if worker is not None else slot.job, "reason": slot.reason,
                "device_bytes": slot.memory, **self._said(worker, slots, now),
            })
        for worker in connected.values():
            rows.append({
                "slot": str(worker.caps.get("slot", ""))[:64], "machine": str(worker.caps.get("machine", ""))[:64],
                "device": str(worker.caps.get("device", ""))[:64], "state": "running", "worker": worker.name,
                "job": worker.job, "reason": "", "device_bytes": 0, **self._said(worker, slots, now),
            })
        return rows

    def _said(self, worker: Any, slots: dict[str, str], now: float) -> dict[str, Any]:
        if worker is None:
            return {"says": "", "process_bytes": 0, "device_free_bytes": 0, "silent_seconds": 0.0,
                    "worked_seconds": 0.0}
        place = slots.get(worker.name, "")
        return {
            "says": worker.caps.get("state", "warming"), "process_bytes": worker.caps.get("memory", 0),
            "device_free_bytes": worker.caps.get("device_free", 0),
            "silent_seconds": round(now - worker.heard, 1), "worked_seconds": round(self._back.pool.worked(place), 1),
        }

    def jobs(self, user: str, everybody: bool) -> list[dict[str, Any]]:
        """Open jobs, those that run first; other users' titles only for whoever may see them."""
        store, scheduler = self._desk.store, self._desk.scheduler
        states = tuple(one for one in self._counts()[0] if one not in FINAL)
        running = [one for one in states if one not in ("QUEUED", "PAUSED", "NEED_BLOBS")]
        rows = store.jobs_in(running, MOST_JOBS) if running else []
        rows += [store.job(one) for one in scheduler.first(MOST_JOBS - len(rows), self._clock())]
        rows += store.jobs_in(("PAUSED", "NEED_BLOBS"), MOST_JOBS - len(rows)) if len(rows) < MOST_JOBS else []
        progress = self._back.progress
        return [{
            "job": one.id if everybody or one.user == user else "", "user": one.user, "state": one.life.state,
            "title": one.title[:60] if everybody or one.user == user else "", "priority": one.priority,
            "attempt": one.life.attempt, "worker": one.life.worker, "stage": progress.get(one.id, ("", 0.0))[0],
            "fraction": round(progress.get(one.id, ("", 0.0))[1], 3),
            "seconds": round(max(0.0, store.now() - one.created), 1),
        } for one in rows[:MOST_JOBS]]

    def snapshot(self, user: str, everybody: bool) -> dict[str, Any]:
        """All of it. user: who asks; everybody: whether that user may see other users' jobs."""
        return {
            "hub": self.hub(), "workers": self.workers()[:MOST_WORKERS], "users": self.users()[:MOST_USERS],
            "jobs": self.jobs(user, everybody),
        }
