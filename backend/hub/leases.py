# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hub says to its workers: leases to those that are idle, and cancels, pauses and stops to those at work.

Whose turn it is says the desk, which places there are the pool; what the workers answer is taken by `back`. What may
have got lost on the way is said again, for a worker knows a repeat by its fence.
"""

from __future__ import annotations

from collections.abc import Callable

from backend.hub import states
from backend.hub.attendance import SILENT_SECONDS, Attendance, Worker
from backend.hub.blobs import BlobStore
from backend.hub.desk import Desk, devices_of
from backend.hub.executors import Executor
from backend.hub.pool import Pool
from backend.hub.scheduler import Place
from backend.hub.shelf import Shelf
from backend.hub.store import JobRow
from backend.hub.wire import Port
from protocol.worker_messages import Lease, Stop, WorkerCancel, WorkerPause


class Leases:
    """All leases of one hub. clock: monotonic seconds."""

    def __init__(
        self, port: Port, desk: Desk, blobs: BlobStore, executor: Executor, pool: Pool, attendance: Attendance,
        shelf: Shelf, clock: Callable[[], float],
    ) -> None:
        self._port, self._desk, self._blobs, self._executor = port, desk, blobs, executor
        self._pool, self._attendance, self._shelf, self._clock = pool, attendance, shelf, clock
        self.draining = False
        desk.send_lease = self.send
        desk.send_pause = self._send_pause
        desk.send_cancel = self._send_cancel

    @property
    def working(self) -> int:
        """How many workers hold a job."""
        return sum(bool(one.job) for one in self._workers())

    def places(self) -> list[Place]:
        """All connected workers as the scheduler sees them."""
        return self._pool.places({one.name: (not one.job, one.caps) for one in self._workers()})

    def slot(self, worker: str) -> str:
        """Where a worker runs; its own name where nobody knows."""
        return next((one.slot for one in self.places() if one.worker == worker), worker)

    def dispatch(self) -> None:
        """Give waiting jobs to idle workers; none while the hub stops, or while there is no room for results."""
        while len(self._desk.scheduler) and not self.draining and self._blobs.has_room():
            found = self._desk.next(self.places(), self._executor.room)
            if found is None:
                return
            job, place = found
            self._desk.lease(job, place.worker, place.slot)

    def taken_up(self, worker: Worker, job: JobRow) -> None:
        """A worker has come back with the lease that it held before the hub was started anew."""
        worker.job, worker.fence, worker.told = job.id, job.life.fence, 0.0
        worker.moved = self._clock()
        self._executor.start(job.id, job.life.fence, worker.name, devices_of(job))
        self.remind(job)

    def send(self, job: JobRow) -> None:
        """Tell the worker of a leased job what to do, with all that it needs."""
        worker = self._worker_of(job)
        if worker is None:
            return
        worker.job, worker.fence, worker.told = job.id, job.life.fence, self._clock()
        worker.moved = self._clock()
        handle = self._executor.start(job.id, job.life.fence, worker.name, devices_of(job))
        devices = handle.devices if handle is not None else ("",)
        self._port.try_send(
            worker.peer,
            Lease(job.id, job.life.attempt, job.life.fence, SILENT_SECONDS, job.kind, job.spec,
                  self._desk.store.inputs(job.id), devices, *self._shelf.checkpoint(job.id), 0.5**job.life.lowered),
        )

    def remind(self, job: JobRow) -> None:
        """Say again what the worker of this job was told, in case it got lost."""
        if job.life.state == states.CANCEL_REQ:
            self._send_cancel(job)
        elif job.life.state == states.PAUSE_REQ:
            self._send_pause(job)

    def over(self, worker: Worker, job: str, fence: int) -> None:
        """A lease has ended: its worker and its devices are free for the next."""
        self._executor.end(job, fence)
        if (worker.job, worker.fence) == (job, fence):
            worker.job, worker.fence, worker.cancel_at = "", 0, None
            self._pool.ended(worker.name)
        self.dispatch()

    def _send_pause(self, job: JobRow) -> None:
        worker = self._worker_of(job)
        if worker is not None:
            worker.told = self._clock()
            self._port.try_send(worker.peer, WorkerPause(job.id, job.life.fence))

    def _send_cancel(self, job: JobRow) -> None:
        worker = self._worker_of(job)
        if worker is None:
            return
        worker.told = self._clock()
        if worker.cancel_at is None:
            worker.cancel_at = self._clock()
        self._port.try_send(worker.peer, WorkerCancel(job.id, job.life.fence))

    def drain(self) -> None:
        """Lease nothing more; workers end after the job at hand, and no new ones come."""
        self.draining = True
        self._executor.drain()
        for worker in self._workers():
            self._port.try_send(worker.peer, Stop(False))

    def save_all(self) -> None:
        """Ask for a checkpoint of everything that runs; the jobs go back into the queue."""
        for worker in self._workers():
            if worker.job:
                self._port.try_send(worker.peer, WorkerPause(worker.job, worker.fence))

    def stop_workers(self) -> None:
        """Ask every worker to give its job back and end."""
        for worker in self._workers():
            self._port.try_send(worker.peer, Stop(True))

    def _worker_of(self, job: JobRow) -> Worker | None:
        return self._attendance.by_name.get(job.life.worker)

    def _workers(self) -> list[Worker]:
        return list(self._attendance.by_name.values())
