# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where jobs change: decides by `states.step`, writes it down, then tells whoever must act.

Front (clients) and back (workers) both come here, and neither knows the other. What is written is written before
anybody hears of it; when the disk is full nothing has happened, and the caller's request is simply sent again.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from backend.hub import states
from backend.hub.scheduler import Place, Scheduler, Waiting
from backend.hub.states import (
    JobEvent,
    Leased,
    RetryDue,
    SendCancel,
    SendLease,
    SendPause,
    TimeUp,
    WaitThenRetry,
    step,
)
from backend.hub.store import JobRow, Store
from protocol.arrays import Descriptor
from protocol.errors import OutOfSpace
from protocol.messages import JobSummary, Reprioritise, Submit
from protocol.specs import spec_from_map
from protocol.worker_messages import WorkerEphemeral

INPUT_SECONDS = 86400.0  # that a job waits for inputs which do not come
TOLD = (states.LEASED, states.PAUSED, states.RETRY_WAIT, *states.FINAL)
"""What the log tells of a job: who reads it wants to see what ran where and how it ended, not every step."""

log = logging.getLogger("maquette.hub")


class Desk:
    """Jobs and what becomes of them. clock: monotonic seconds, so that a jump of the wall clock ends nothing."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self.store = store
        self.scheduler = Scheduler()
        self._clock = clock
        self._fence = store.highest_fence()
        self._timers: list[_Timer] = []  # a heap
        self._outgrown: dict[str, int] = {}  # job -> bytes of the largest device that was too small for it
        # Set by the front and the back once they exist.
        self.on_news: Callable[[str], None] = lambda job: None
        self.on_ephemeral: Callable[[WorkerEphemeral], None] = lambda message: None
        self.on_end: Callable[[JobRow], None] = lambda job: None
        self.send_lease: Callable[[JobRow], None] = lambda job: None
        self.send_pause: Callable[[JobRow], None] = lambda job: None
        self.send_cancel: Callable[[JobRow], None] = lambda job: None
        # Set by whoever keeps the users' quotas: raises QuotaExceeded when a user may not submit one more job, with so
        # many bytes of inputs.
        self.check_room: Callable[[str, int], None] = lambda user, size: None
        # The same for a class of priority: raises NotAllowed.
        self.check_priority: Callable[[str, str], None] = lambda user, priority: None

    def recover(self) -> list[JobRow]:
        """After a start: the queue and the accounts as they were; gives the jobs that a worker may still hold."""
        now, wall = self._clock(), self.store.now()
        for user, recent, at, _ in self.store.usage():
            self.scheduler.load(user, recent, now - max(0.0, wall - at))
        for job in self.store.jobs_in([states.NEED_BLOBS, states.QUEUED, states.RETRY_WAIT]):
            self._enter(job)
            if job.life.state == states.RETRY_WAIT:
                self.apply(job, RetryDue())
        held = self.store.jobs_in(states.WITH_WORKER)
        for job in held:
            began = now - max(0.0, wall - self.store.attempt_began(job.id, job.life.fence))
            self.scheduler.began(job.id, job.user, began, devices_of(job), model_of(job))
        return held

    def submit(
        self, user: str, message: Submit, here: Callable[[bytes], bool] = lambda digest: False
    ) -> JobRow:
        """Store a job. Raises BadRequest for a spec that is not right, KeyConflict, QuotaExceeded, OutOfSpace.

        here: whether the hub holds bytes of this hash; those that this user sent or got before are not sent again.
        """
        spec = spec_from_map(message.kind, message.spec)
        spec.check_inputs(message.arrays)
        job = message.submit_key.hex()
        if not self.store.has(job):  # one that is sent again has its place already
            self.check_room(user, sum(one.size for one in message.arrays))
            self.check_priority(user, message.priority)
        new = self.store.submit(
            job, user, spec.kind, spec.to_map(), spec.title[:120], priority=message.priority, ttl=message.ttl,
            inputs=message.arrays, here=lambda digest: self.store.blob_is_of(digest, user) and here(digest),
        )
        row = self.store.job(job)
        if new:
            log.info("job %s of %s: submitted, %s", row.id, row.user, row.kind)
            self._enter(row)
        return row

    def _enter(self, job: JobRow) -> None:
        """A waiting job is new to this run of the hub."""
        waited = max(0.0, self.store.now() - job.created)
        if job.life.state == states.NEED_BLOBS:
            self._later(INPUT_SECONDS - waited, job.id, TimeUp(states.NEED_BLOBS))
        if job.ttl:
            self._later(job.ttl - waited, job.id, TimeUp())
        if job.life.state == states.QUEUED:
            self.scheduler.add(self._waiting(job))

    def _waiting(self, job: JobRow) -> Waiting:
        failed = self.store.failed_on(job.id) if job.life.fence else ()
        avoid = frozenset(name for pair in failed for name in pair if name)
        return Waiting(
            job.id, job.user, job.number, job.priority, job.rank, devices_of(job), model_of(job), avoid,
            self._outgrown.get(job.id, -1) + 1,
        )

    def next(self, places: Sequence[Place], room: Callable[[str, int], bool]) -> tuple[JobRow, Place] | None:
        """The job whose turn it is, and the worker that shall take it; None when nothing can start now."""
        found = self.scheduler.next(places, room, self._clock())
        return None if found is None else (self.store.job(found[0].job), found[1])

    def lease(self, job: JobRow, worker: str, slot: str = "") -> JobRow:
        """Give a queued job to a worker under a new fence."""
        self._fence += 1
        return self.apply(job, Leased(worker, self._fence), slot=slot)

    def apply(self, job: JobRow, event: JobEvent, arrays: Sequence[Descriptor] = (), slot: str = "") -> JobRow:
        """Let an event happen to a job; gives the job as it is afterwards. Raises OutOfSpace, LeaseLost."""
        before = job.life
        life, actions = step(before, event)
        for action in actions:
            if isinstance(action, states.Record):
                kept = arrays if life.state == states.SUCCEEDED else ()
                used = self.scheduler.cost(job.id, self._clock()) if before.worker and not life.worker else None
                job = self.store.change(
                    job, life, action.text, action.error, kept, bad=action.bad, slot=slot, used=used,
                    devices=devices_of(job),
                )
                self._file(job)
                if life.state in TOLD and life.state != before.state:
                    _tell(job, action)
        for action in actions:
            if isinstance(action, WaitThenRetry):
                self._later(action.seconds, job.id, RetryDue())
            elif isinstance(action, SendLease):
                self.send_lease(job)
            elif isinstance(action, SendPause):
                self.send_pause(job)
            elif isinstance(action, SendCancel):
                self.send_cancel(job)
        if actions:
            self.on_news(job.id)
        return job

    def _file(self, job: JobRow) -> None:
        """Keep queue and accounts in step with what was written down."""
        state, now = job.life.state, self._clock()
        if state == states.LEASED:
            self.scheduler.began(job.id, job.user, now, devices_of(job), model_of(job))
        elif state not in states.WITH_WORKER:
            self.scheduler.ended(job.id, now)
            self.scheduler.remove(job.id)
            if state == states.QUEUED:
                self.scheduler.add(self._waiting(job))
            elif state in states.FINAL:
                self._outgrown.pop(job.id, None)
                self.on_end(job)

    def outgrew(self, job: str, memory: int) -> None:
        """A device with so many bytes was too small for this job."""
        self._outgrown[job] = max(memory, self._outgrown.get(job, 0))

    def move(self, user: str, job: JobRow, message: Reprioritise) -> JobRow:
        """Another class or place for a job that has not ended; takes effect the next time it waits. user: who asks.

        Raises NotAllowed for a class that the user may not use.
        """
        if job.life.state in states.FINAL:
            return job
        priority, rank = message.priority or job.priority, job.rank
        if priority != job.priority:
            self.check_priority(user, priority)
        others = [one for one, name in self.scheduler.ranks(job.user, priority) if name != job.id]
        if message.place == "first":
            rank = min([rank, *(one - 1.0 for one in others[:1])])
        elif message.place == "last":
            rank = max([rank, *(one + 1.0 for one in others[-1:])])
        job = self.store.place(job.id, priority, rank, user)
        self.scheduler.move(job.id, priority, rank)
        return job

    def summaries(self, jobs: Sequence[JobRow]) -> tuple[JobSummary, ...]:
        """The jobs as lines of a JOBS message, with how many are to start before each."""
        ahead = self.scheduler.ahead([one.id for one in jobs], self._clock())
        return tuple(one.summary(ahead.get(one.id, -1)) for one in jobs)

    def warn(self, job: str, fence: int, number: int, text: str) -> None:
        """A worker's warning, kept once."""
        if self.store.warn(job, fence, number, text):
            self.on_news(job)

    def _later(self, seconds: float, job: str, event: JobEvent) -> None:
        heapq.heappush(self._timers, _Timer(self._clock() + seconds, job, event))

    def tick(self) -> None:
        """Let waits end."""
        while self._timers and self._timers[0].due <= self._clock():
            timer = heapq.heappop(self._timers)
            job = self.store.job(timer.job)
            try:
                self.apply(job, timer.event)
            except OutOfSpace:
                heapq.heappush(self._timers, _Timer(timer.due + 5.0, timer.job, timer.event))
                return

    def seconds_to_next(self) -> float:
        """How long `tick` has nothing to do."""
        return max(0.0, self._timers[0].due - self._clock()) if self._timers else 60.0


@dataclass(frozen=True, order=True)
class _Timer:
    due: float
    job: str = field(compare=False)
    event: JobEvent = field(compare=False)


def _tell(job: JobRow, what: states.Record) -> None:
    """A line of the hub's log. Titles stay out of it: they are the users' words."""
    state = job.life.state
    where = f" to {job.life.worker}" if state == states.LEASED else ""
    why = " ".join((what.error.message if what.error is not None else what.text).split())  # one job, one line
    log.info("job %s of %s: %s%s%s", job.id, job.user, state.lower().replace("_", " "), where, why and f": {why}")


def devices_of(job: JobRow) -> int:
    """How many devices a job asks for at once."""
    asked = job.spec.get("gpus", 1)
    return asked if type(asked) is int and asked > 0 else 1


def model_of(job: JobRow) -> str:
    """What should be loaded already on the worker that takes it."""
    return f"{job.kind} {job.spec.get('prior', '')}"
