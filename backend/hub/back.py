# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub's ear towards workers: what they report of the jobs that they hold, and the bytes that come and go with it.

Every report carries the lease's fence; one of an older fence is answered with `lease_lost`, and the worker drops what
it was doing. Who is there at all, and who is given up, is the business of `attendance`; what the workers are told, of
`leases`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from backend import __version__
from backend.hub import states
from backend.hub.accounts import OWNER, Account
from backend.hub.attendance import Attendance, Worker
from backend.hub.blobs import BlobStore
from backend.hub.desk import Desk, model_of
from backend.hub.executors import Executor
from backend.hub.gate import Gate, revoked
from backend.hub.leases import Leases
from backend.hub.pool import Pool, memory_of
from backend.hub.shelf import Shelf
from backend.hub.states import Done, Failure, GivenBack, Paused, Started
from backend.hub.store import JobRow
from backend.hub.streams import Source
from backend.hub.wire import Gone, Line, Port, Received
from protocol.errors import (
    LeaseLost,
    MaquetteError,
    NotAllowed,
    OutOfMemory,
    QuotaExceeded,
    UnknownBlob,
    UnknownSession,
    UnknownType,
    WorkerCrashed,
)
from protocol.fields import Message, read
from protocol.messages import Ack, BlobCheck, BlobGet, BlobNeed, BlobOk, BlobPut, Credit, Error, Rejected, Welcome
from protocol.worker_messages import (
    WORKER_TO_HUB,
    Beat,
    Checkpoint,
    Failed,
    Goodbye,
    Ready,
    Result,
    Stop,
    WorkerCancel,
    WorkerEphemeral,
    WorkerEvent,
    WorkerPaused,
)

log = logging.getLogger("maquette.hub")

SOFTWARE = f"maquette {__version__}"
RESEND_SECONDS = 2.0  # before a lease or a cancel that shows no effect is sent again


class Back:
    """All workers. clock: monotonic seconds. token: what a worker must show, empty where its key says enough."""

    def __init__(
        self, port: Port, desk: Desk, blobs: BlobStore, executor: Executor, gate: Gate, clock: Callable[[], float],
        token: bytes, epoch: int,
    ) -> None:
        self.port = port
        self.gate = gate
        self.desk = desk
        self.blobs = blobs
        self.executor = executor
        self.token = token
        self.epoch = epoch
        self._clock = clock
        self.pool = Pool(executor, clock)
        self.progress: dict[str, tuple[str, float]] = {}  # stage and fraction of what runs
        self.attendance = Attendance(port, desk, executor, self.pool, self.progress, clock)
        self.shelf = Shelf(desk.store)
        self.leases = Leases(port, desk, blobs, executor, self.pool, self.attendance, self.shelf, clock)
        self._handlers: dict[type[Message], Callable[[Worker, Any, bytes], None]] = {
            Beat: self._beat, WorkerEvent: self._event, WorkerEphemeral: self._ephemeral, Result: self._result,
            Failed: self._failed, Goodbye: self._goodbye, BlobCheck: self._blob_check, BlobPut: self._blob_put,
            BlobGet: self._blob_get, Credit: self._credit, Checkpoint: self._checkpoint, WorkerPaused: self._paused,
        }
        gate.accounts.on_revoked.append(self._lose_keys)

    @property
    def workers(self) -> list[Worker]:
        """Those that are connected."""
        return list(self.attendance.by_name.values())

    # Messages that come in

    def handle(self, received: Received) -> None:
        """Answer one message of a worker; errors go back to it, nothing else leaves this function."""
        peer, envelope = received.peer, received.envelope
        try:
            account = self.gate.worker(self.port, received)
            if account is None:
                return
            message = read(envelope, WORKER_TO_HUB)
            if isinstance(message, Ready):
                self._ready(received, message, account)
                return
            worker = self.attendance.by_peer.get(peer)
            if worker is None or worker.key != received.key:
                raise UnknownSession("The hub does not know this worker.", hint="Report ready again.")
            worker.heard = self._clock()
            handler = self._handlers.get(type(message))
            if handler is None:
                raise UnknownType(f"This hub does not take {envelope.type} from workers.")
            handler(worker, message, envelope.id)
        except MaquetteError as problem:
            kind = Rejected if envelope.type == "READY" else Error
            self.port.try_send(peer, kind(problem), envelope.id)

    def _ready(self, received: Received, message: Ready, account: Account) -> None:
        peer, id = received.peer, received.envelope.id
        offered, versions = (message.min_major, message.max_major), self.port.versions
        major = versions.choose(*offered)
        if major is None:
            raise versions.refusal(*offered, SOFTWARE, message.software, "worker")
        if self.token and message.token != self.token:
            raise NotAllowed("The worker did not show this hub's secret.")
        if account is not OWNER and not message.worker.startswith(f"{account.name}-"):
            raise NotAllowed(  # otherwise one machine could take another's leases
                f"A worker of {account.name} cannot be called {message.worker}.",
                hint=f"Its name must begin with {account.name}-",
            )
        worker = Worker(
            message.worker, peer, message.pid, dict(message.caps), self._clock(), key=received.key,
            line=Line.of(received.descriptor),
        )
        self.attendance.add(worker)
        self.port.speak(peer, major)
        self.port.try_send(peer, Welcome(major, SOFTWARE, worker.name.encode(), self.epoch), id)
        log.info("worker %s is ready (process %d)", worker.name, worker.pid)
        if message.software != SOFTWARE and self.executor.alive(worker.name):  # left over from before an update
            log.info("worker %s is %s; a new one takes its place", worker.name, message.software)
            self.port.try_send(peer, Stop(True))
            return
        for job in self.desk.store.jobs_in(states.WITH_WORKER):
            if job.life.worker != worker.name:
                continue
            self.attendance.came_back(job.id)
            self.leases.taken_up(worker, job)
        if message.job and (message.job, message.fence) != (worker.job, worker.fence):
            self.port.try_send(peer, WorkerCancel(message.job, message.fence))
        self.leases.dispatch()

    def _beat(self, worker: Worker, message: Beat, id: bytes) -> None:
        worker.caps.update(
            state=message.state, memory=message.memory, device_free=message.device_free, warm=list(message.warm)
        )
        if message.progress != worker.progress or not message.job:
            worker.progress, worker.moved = message.progress, self._clock()
        holds = (message.job, message.fence)
        if message.job and holds != (worker.job, worker.fence):
            self.port.try_send(worker.peer, WorkerCancel(*holds))  # an old lease: drop it
        elif worker.job and self._clock() - worker.told > RESEND_SECONDS:
            job = self.desk.store.job(worker.job)
            if not message.job and job.life.state == states.LEASED:
                self.leases.send(job)
            else:
                self.leases.remind(job)

    def _leased(self, worker: Worker, name: str, fence: int) -> JobRow:
        job = self.desk.store.job(name)
        if job.life.fence != fence or job.life.worker != worker.name or job.life.state not in states.WITH_WORKER:
            raise LeaseLost(f"Job {name} is no longer leased to this worker under fence {fence}.")
        return job

    def _event(self, worker: Worker, message: WorkerEvent, id: bytes) -> None:
        job = self._leased(worker, message.job, message.fence)
        if message.kind == "started":
            self.pool.began(worker.name, self.leases.slot(worker.name), model_of(job))
            self.desk.apply(job, Started())
        else:
            self.desk.warn(job.id, message.fence, message.number, message.text)
        self.port.try_send(worker.peer, Ack(message.job, message.number), id)

    def _ephemeral(self, worker: Worker, message: WorkerEphemeral, id: bytes) -> None:
        if (message.job, message.fence) == (worker.job, worker.fence):
            if message.kind == "progress":
                self.progress[message.job] = message.stage, message.fraction
            self.desk.on_ephemeral(message)

    def _ended(self, name: str, fence: int) -> bool:
        """A repeat of a last report that is already written down, or was settled otherwise (a cancel)."""
        job = self.desk.store.job(name)
        return job.life.fence == fence and not job.life.worker

    def _result(self, worker: Worker, message: Result, id: bytes) -> None:
        if not self._ended(message.job, message.fence):
            job = self._leased(worker, message.job, message.fence)
            for one in message.arrays:
                if not self.blobs.has(one.hash):
                    raise UnknownBlob(f"Array {one.name} was not uploaded.", detail={"hash": one.hash})
            try:
                self.gate.accounts.check_job_bytes(job.user, sum(one.size for one in message.arrays), "result")
            except QuotaExceeded as problem:
                self.desk.apply(job, Failure(problem))
            else:
                self.desk.apply(job, Done(), message.arrays)
        self._free(worker, message.job, message.fence, id)

    def _failed(self, worker: Worker, message: Failed, id: bytes) -> None:
        if not self._ended(message.job, message.fence):
            job = self._leased(worker, message.job, message.fence)
            message.error.attempt = job.life.attempt
            if message.error.code == OutOfMemory.code:
                self.desk.outgrew(job.id, memory_of(job, self.leases.places()))
            self.desk.apply(job, Failure(message.error))
        self._free(worker, message.job, message.fence, id)

    def _paused(self, worker: Worker, message: WorkerPaused, id: bytes) -> None:
        if not self._ended(message.job, message.fence):
            self.desk.apply(self._leased(worker, message.job, message.fence), Paused())
        self._free(worker, message.job, message.fence, id)

    def _checkpoint(self, worker: Worker, message: Checkpoint, id: bytes) -> None:
        job = self._leased(worker, message.job, message.fence)
        if not self.blobs.has(message.hash):
            raise UnknownBlob("The checkpoint was not uploaded.", detail={"hash": message.hash})
        self.shelf.keep_checkpoint(job.id, message.fence, message.number, message.hash, message.size)
        self.port.try_send(worker.peer, Ack(message.job, message.number), id)

    def _free(self, worker: Worker, job: str, fence: int, id: bytes) -> None:
        self.port.try_send(worker.peer, Ack(job), id)
        self.progress.pop(job, None)
        self.leases.over(worker, job, fence)

    def _goodbye(self, worker: Worker, message: Goodbye, id: bytes) -> None:
        self.port.try_send(worker.peer, Ack(), id)
        self.attendance.forget(worker)
        if worker.job:
            self.executor.end(worker.job, worker.fence)
            self.desk.apply(self.desk.store.job(worker.job), GivenBack())
        log.info("worker %s leaves: %s", worker.name, message.reason)

    def _blob_check(self, worker: Worker, message: BlobCheck, id: bytes) -> None:
        for digest, size in message.blobs:
            have = self.blobs.begin(digest, size)
            if have == size and self.blobs.has(digest):
                self.port.try_send(worker.peer, BlobOk(digest, size, True), id)
            else:
                self.port.try_send(worker.peer, BlobNeed(digest, have), id)

    def _blob_put(self, worker: Worker, message: BlobPut, id: bytes) -> None:
        have = self.blobs.put(message.hash, message.offset, message.size, message.payload[0])
        complete = self.blobs.has(message.hash)
        self.port.try_send(worker.peer, BlobOk(message.hash, have, complete), id)

    def _blob_get(self, worker: Worker, message: BlobGet, id: bytes) -> None:
        worker.streams.begin(message, lambda digest: self._source(worker, digest))

    def _source(self, worker: Worker, digest: bytes) -> Source:
        """Bytes that the worker's own job needs. Raises UnknownBlob."""
        if worker.job and (
            self.shelf.checkpoint(worker.job)[0] == digest
            or any(one.hash == digest for one in self.desk.store.inputs(worker.job))
        ):
            return Source.of_file(self.blobs.open(digest), self.blobs.sums(digest))
        raise UnknownBlob("These bytes are no input of the worker's job.", detail={"hash": digest})

    def _credit(self, worker: Worker, message: Credit, id: bytes) -> None:
        worker.streams.credit(message)

    @property
    def busy(self) -> bool:
        """Whether there is something that can be sent at once, without waiting for a message."""
        return any(one.streams.ready for one in self.attendance.by_name.values())

    def pump(self) -> bool:
        """Send inputs as far as the workers' credit goes."""
        moved = False
        for worker in self.workers:
            try:
                moved |= worker.streams.pump(partial(self.port.send, worker.peer))
            except Gone:
                worker.streams.end_all()
        return moved

    # Time passes

    def tick(self) -> None:
        """Let go of workers that are gone, then see who could work."""
        self.port.tick()
        self.attendance.tick()
        self.leases.dispatch()

    def _lose_keys(self, keys: frozenset[str]) -> None:
        """Keys were revoked: their workers' jobs go to others, and what the workers still send is refused."""
        for worker in self.workers:
            if worker.key in keys:
                self.port.part(worker.peer, worker.line, Error(revoked()))
                self.attendance.lost(worker.name, WorkerCrashed("The worker's key was revoked.", code=LeaseLost.code))
