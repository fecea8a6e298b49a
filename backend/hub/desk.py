# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where jobs change: decides by `states.step`, writes it down, then tells whoever must act.

Front (clients) and back (workers) both come here, and neither knows the other. What is written is written before
anybody hears of it; when the disk is full nothing has happened, and the caller's request is simply sent again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from backend.hub import states
from backend.hub.states import JobEvent, Leased, RetryDue, SendCancel, SendLease, WaitThenRetry, step
from backend.hub.store import JobRow, Store
from protocol.arrays import Descriptor
from protocol.errors import MaquetteError, OutOfSpace, QuotaExceeded
from protocol.messages import Submit
from protocol.specs import spec_from_map
from protocol.worker_messages import WorkerEphemeral

MAX_OPEN_JOBS = 10_000  # of one user


class Desk:
    """Jobs and what becomes of them. clock: monotonic seconds."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self.store = store
        self._clock = clock
        self._fence = store.highest_fence()
        self._retries: list[tuple[float, str]] = []
        # Set by the front and the back once they exist.
        self.on_news: Callable[[str], None] = lambda job: None
        self.on_ephemeral: Callable[[WorkerEphemeral], None] = lambda message: None
        self.send_lease: Callable[[JobRow], None] = lambda job: None
        self.send_cancel: Callable[[JobRow], None] = lambda job: None
        # Set by whoever keeps the users' quotas: raises QuotaExceeded when a user may not store so many bytes more.
        self.check_inputs: Callable[[str, int], None] = lambda user, size: None

    def recover(self) -> list[JobRow]:
        """After a start: waiting retries become due; gives the jobs that a worker may still hold."""
        for job in self.store.jobs_in([states.RETRY_WAIT]):
            self.apply(job, RetryDue())
        return self.store.jobs_in(states.WITH_WORKER)

    def submit(
        self, user: str, message: Submit, here: Callable[[bytes], bool] = lambda digest: False
    ) -> JobRow:
        """Store a job. Raises BadRequest for a spec that is not right, KeyConflict, QuotaExceeded, OutOfSpace.

        here: whether the hub holds bytes of this hash; those that this user sent or got before are not sent again.
        """
        spec = spec_from_map(message.kind, message.spec)
        spec.check_inputs(message.arrays)
        self.check_inputs(user, sum(one.size for one in message.arrays))
        waiting = self.store.count_open(user)
        if waiting >= MAX_OPEN_JOBS:
            raise QuotaExceeded(
                f"{waiting} of your jobs have not ended, at most {MAX_OPEN_JOBS} are allowed.",
                hint="Wait for some to end, or cancel some.", detail={"limit": MAX_OPEN_JOBS, "got": waiting},
            )
        job = message.submit_key.hex()
        self.store.submit(
            job, user, spec.kind, spec.to_map(), spec.title[:120], inputs=message.arrays,
            here=lambda digest: self.store.blob_is_of(digest, user) and here(digest),
        )
        return self.store.job(job)

    def next_queued(self) -> JobRow | None:
        """The job whose turn it is."""
        waiting = self.store.jobs_in([states.QUEUED], limit=1)
        return waiting[0] if waiting else None

    def lease(self, job: JobRow, worker: str) -> JobRow:
        """Give a queued job to a worker under a new fence."""
        self._fence += 1
        return self.apply(job, Leased(worker, self._fence))

    def apply(self, job: JobRow, event: JobEvent, arrays: Sequence[Descriptor] = ()) -> JobRow:
        """Let an event happen to a job; gives the job as it is afterwards. Raises OutOfSpace, LeaseLost."""
        life, actions = step(job.life, event)
        for action in actions:
            if isinstance(action, states.Record):
                kept = arrays if life.state == states.SUCCEEDED else ()
                job = self.store.change(job, life, action.text, action.error, kept, bad=action.bad)
        for action in actions:
            if isinstance(action, WaitThenRetry):
                heapq.heappush(self._retries, (self._clock() + action.seconds, job.id))
            elif isinstance(action, SendLease):
                self.send_lease(job)
            elif isinstance(action, SendCancel):
                self.send_cancel(job)
        if actions:
            self.on_news(job.id)
        return job

    def warn(self, job: str, fence: int, number: int, text: str) -> None:
        """A worker's warning, kept once."""
        if self.store.warn(job, fence, number, text):
            self.on_news(job)

    def tick(self) -> None:
        """Let waits end."""
        while self._retries and self._retries[0][0] <= self._clock():
            due, job = heapq.heappop(self._retries)
            try:
                self.apply(self.store.job(job), RetryDue())
            except OutOfSpace:
                heapq.heappush(self._retries, (due + 5.0, job))
                return

    def seconds_to_next(self) -> float:
        """How long `tick` has nothing to do."""
        return max(0.0, self._retries[0][0] - self._clock()) if self._retries else 60.0


def plain_error(problem: Exception, ref: str) -> MaquetteError:
    """The error to show to a peer: ours as it is, any other as `internal` with the mark of its traceback."""
    if isinstance(problem, MaquetteError):
        return problem
    return MaquetteError(f"The hub has a defect (mark {ref}).", hint="See the hub's log.", detail={"ref": ref})

