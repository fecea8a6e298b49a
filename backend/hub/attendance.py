# SPDX-License-Identifier: GPL-3.0-or-later
"""Which workers are there, and when one of them is given up.

A worker is known by a name that is new for each process. Its lease is alive as long as it beats, or, for a process of
this machine, as long as the process lives and is not stuck. What a lost worker did goes back to the desk, which decides
whether it is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from backend.hub import states
from backend.hub.desk import Desk
from backend.hub.executors import Executor
from backend.hub.executors.environment import FRESH_PROCESS
from backend.hub.pool import Pool
from backend.hub.states import NoWorker, WorkerLost
from backend.hub.store import JobRow
from backend.hub.streams import Streams
from backend.hub.wire import Line, Port
from protocol.errors import LeaseLost, MaquetteError, TimedOut, WorkerCrashed
from protocol.worker_messages import WorkerCancel

log = logging.getLogger("maquette.hub")

SILENT_SECONDS = 10.0  # without a beat, for a worker whose process cannot be seen from here
STUCK_SECONDS = 120.0  # without a beat, for a process that is alive: one long call may hold Python's lock
RETURN_SECONDS = 30.0  # after a restart of the hub, for a worker to come back with its lease
STEP_SECONDS = 900.0  # without a step of its job, for a worker that beats; loading a large prior takes minutes
TERMINATE_SECONDS = 10.0  # after a cancel, before the process is asked to end (section 9)
MAX_STILLBORN = 3  # workers in a row that ended before they reported ready, then waiting jobs are told
KILL_SECONDS = 5.0  # after it was asked to end, before the process is killed


@dataclass
class Worker:
    """A connected worker. told: when its lease or cancel was last sent. progress: its job's count of steps, and
    moved: when that last rose. key: that all its messages must come from."""

    name: str
    peer: bytes
    pid: int
    caps: dict[str, Any]
    heard: float
    job: str = ""
    fence: int = 0
    told: float = 0.0
    cancel_at: float | None = None
    progress: int = -1
    moved: float = 0.0
    key: str = ""
    line: Line | None = None
    streams: Streams = field(default_factory=Streams)


class Attendance:
    """All connected workers. clock: monotonic seconds. progress: stage and fraction of what runs, by job."""

    def __init__(
        self, port: Port, desk: Desk, executor: Executor, pool: Pool, progress: dict[str, tuple[str, float]],
        clock: Callable[[], float],
    ) -> None:
        self.by_name: dict[str, Worker] = {}
        self.by_peer: dict[bytes, Worker] = {}
        self._port, self._desk, self._executor, self._pool = port, desk, executor, pool
        self._progress, self._clock = progress, clock
        self._stillborn = 0
        self._ticked = clock()
        self._orphans: dict[str, float] = {}  # job whose worker has not come back yet -> when it is given up

    def expect_back(self, jobs: list[JobRow]) -> None:
        """After a restart of the hub: these jobs' workers may come back with their leases."""
        for job in jobs:
            self._orphans[job.id] = self._clock() + RETURN_SECONDS

    def add(self, worker: Worker) -> None:
        """A worker reports ready; one of the same name was the same process before its connection broke."""
        old = self.by_name.get(worker.name)
        if old is not None:
            self.by_peer.pop(old.peer, None)
            old.streams.end_all()
        self.by_name[worker.name], self.by_peer[worker.peer] = worker, worker
        self._stillborn = 0

    def came_back(self, job: str) -> None:
        """The worker of this job is there again."""
        self._orphans.pop(job, None)

    def forget(self, worker: Worker) -> None:
        """It has left."""
        worker.streams.end_all()
        self._pool.gone(worker.name)
        self.by_name.pop(worker.name, None)
        self.by_peer.pop(worker.peer, None)

    def lost(self, name: str, error: MaquetteError) -> None:
        """It is given up, and what it did goes back to the desk."""
        worker = self.by_name.get(name)
        for job in self._desk.store.jobs_in(states.WITH_WORKER):
            if job.life.worker == name:
                log.warning("job %s lost worker %s: %s", job.id, name, error.message)
                self._desk.apply(job, WorkerLost(error))
                self._orphans.pop(job.id, None)
                self._progress.pop(job.id, None)
        if worker is not None:
            self.forget(worker)

    def tick(self) -> None:
        """Notice workers that ended or fell silent, cancels without effect, and leases nobody came back for."""
        now = self._clock()
        if now - self._ticked > SILENT_SECONDS:  # this process itself stood still (a laptop asleep): hear them first
            for worker in self.by_name.values():
                worker.heard = now
        self._ticked = now
        for name, code in self._executor.ended():
            self._process_ended(name, code)
        for worker in list(self.by_name.values()):
            self._look_at(worker, now)
        for name, given_up in list(self._orphans.items()):
            job = self._desk.store.job(name)
            if job.life.state not in states.WITH_WORKER:
                del self._orphans[name]
            elif now > given_up or self._executor.knows_dead(job.life.worker):
                self._desk.apply(job, WorkerLost(WorkerCrashed(
                    "The hub was restarted and the job's worker was gone.", code=LeaseLost.code
                )))
                del self._orphans[name]

    def _process_ended(self, name: str, code: int) -> None:
        if name in self.by_name:
            self._stillborn = 0
        elif code not in (0, FRESH_PROCESS):  # those ended as they should
            self._stillborn += 1
        self.lost(name, _crash(code))
        if self._stillborn >= MAX_STILLBORN and not self.by_name:
            self._tell_waiting(_crash(code))

    def _look_at(self, worker: Worker, now: float) -> None:
        alive = self._executor.alive(worker.name)
        if now - worker.heard > (STUCK_SECONDS if alive else SILENT_SECONDS):
            self._executor.cancel(worker.name, 0.0)
            self.lost(worker.name, WorkerCrashed(
                f"The worker was silent for {now - worker.heard:.0f} seconds.", code=LeaseLost.code
            ))
        elif worker.job and now - worker.moved > STEP_SECONDS:  # alive, but it gets nowhere
            self._executor.cancel(worker.name, KILL_SECONDS)
            self._port.try_send(worker.peer, WorkerCancel(worker.job, worker.fence))
            self.lost(worker.name, WorkerCrashed(
                f"The job made no step for {STEP_SECONDS / 60:.0f} minutes; its worker was ended.",
                code=TimedOut.code,
            ))
        elif worker.cancel_at is not None and now - worker.cancel_at > TERMINATE_SECONDS:
            self._executor.cancel(worker.name, KILL_SECONDS)

    def _tell_waiting(self, last: MaquetteError) -> None:
        """No worker comes up: better an error now than a job that waits for ever."""
        error = WorkerCrashed(
            f"No worker could be started, {self._stillborn} tries in a row. {last.message}",
            hint="Run `maquette doctor`; logs/worker-*.log in the hub's data folder have the details.",
            detail=last.detail,
        )
        for job in self._desk.store.jobs_in([states.QUEUED]):
            self._desk.apply(job, NoWorker(error))


def _crash(code: int) -> MaquetteError:
    if code < 0:
        return WorkerCrashed(f"The worker was ended by signal {-code}.", detail={"signal": -code})
    return WorkerCrashed(f"The worker ended with exit code {code}.", detail={"exit_code": code})
