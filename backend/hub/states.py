# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a job as a pure function: a state and an event go in, the next state and what to do come out.

No clock, no socket, no store: the desk persists what this decides, so a whole history can be tested in a
microsecond. (Protocol reference, section 9.)

    NEED_BLOBS -> QUEUED                      all inputs have arrived
    QUEUED -> LEASED -> RUNNING -> SUCCEEDED
    LEASED, RUNNING -> FAILED                 the recipe failed, or the worker was lost too often
    QUEUED -> FAILED                          no worker can be started at all
    LEASED, RUNNING -> RETRY_WAIT -> QUEUED   the worker was lost
    LEASED, RUNNING -> QUEUED                 the worker gave the job back
    LEASED, RUNNING -> CANCEL_REQ -> CANCELLED;  NEED_BLOBS, QUEUED, RETRY_WAIT -> CANCELLED at once
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from protocol.errors import Cancelled, MaquetteError, Poisoned

NEED_BLOBS, QUEUED, LEASED, RUNNING, RETRY_WAIT = "NEED_BLOBS", "QUEUED", "LEASED", "RUNNING", "RETRY_WAIT"
CANCEL_REQ, CANCELLED, SUCCEEDED, FAILED = "CANCEL_REQ", "CANCELLED", "SUCCEEDED", "FAILED"
STATES = (NEED_BLOBS, QUEUED, LEASED, RUNNING, RETRY_WAIT, CANCEL_REQ, CANCELLED, SUCCEEDED, FAILED)
FINAL = (CANCELLED, SUCCEEDED, FAILED)
WITH_WORKER = (LEASED, RUNNING, CANCEL_REQ)

MAX_ATTEMPTS = 3
RETRY_SECONDS = (1.0, 5.0)  # waits before the second and the third attempt


@dataclass(frozen=True)
class JobState:
    """attempt: how often the job was leased. fence: number of its newest lease. worker: who holds that lease."""

    state: str = QUEUED
    attempt: int = 0
    fence: int = 0
    worker: str = ""


# Events

@dataclass(frozen=True)
class BlobsArrived:
    """The last input of the job is on disk."""


@dataclass(frozen=True)
class Leased:
    """A free worker takes the job; `fence` is higher than any before."""

    worker: str
    fence: int


@dataclass(frozen=True)
class Started:
    """The worker has begun."""


@dataclass(frozen=True)
class Done:
    """The worker delivered the result."""


@dataclass(frozen=True)
class Failure:
    """The recipe ended with an error."""

    error: MaquetteError


@dataclass(frozen=True)
class WorkerLost:
    """The worker crashed, was killed, or fell silent."""

    error: MaquetteError


@dataclass(frozen=True)
class GivenBack:
    """The worker stops for a reason of its own and returns the job unharmed."""


@dataclass(frozen=True)
class CancelAsked:
    """Somebody wants the job to end."""


@dataclass(frozen=True)
class NoWorker:
    """No worker process stays alive long enough to take the job."""

    error: MaquetteError


@dataclass(frozen=True)
class RetryDue:
    """The wait after a lost worker is over."""


JobEvent = BlobsArrived | Leased | Started | Done | Failure | WorkerLost | GivenBack | CancelAsked | NoWorker | RetryDue
EVENTS: tuple[type, ...] = (
    BlobsArrived, Leased, Started, Done, Failure, WorkerLost, GivenBack, CancelAsked, NoWorker, RetryDue,
)


# Actions

@dataclass(frozen=True)
class Record:
    """Write the new state into the job's log. text: why. error: for FAILED and CANCELLED."""

    text: str = ""
    error: MaquetteError | None = None


@dataclass(frozen=True)
class SendLease:
    """Give the job to its worker."""


@dataclass(frozen=True)
class SendCancel:
    """Tell the worker to stop this job."""


@dataclass(frozen=True)
class WaitThenRetry:
    """Raise RetryDue after so many seconds."""

    seconds: float


Action = Record | SendLease | SendCancel | WaitThenRetry


def step(job: JobState, event: JobEvent) -> tuple[JobState, tuple[Action, ...]]:
    """What `event` makes of `job`. An event that means nothing in this state changes nothing and asks for nothing."""
    state = job.state
    if isinstance(event, BlobsArrived):
        if state == NEED_BLOBS:
            return replace(job, state=QUEUED), (Record(),)
    elif isinstance(event, Leased):
        if state == QUEUED:
            leased = JobState(LEASED, job.attempt + 1, event.fence, event.worker)
            return leased, (Record(), SendLease())
    elif isinstance(event, Started):
        if state == LEASED:
            return replace(job, state=RUNNING), (Record(),)
    elif isinstance(event, Done):
        if state in (LEASED, RUNNING):
            return replace(job, state=SUCCEEDED, worker=""), (Record(),)
        if state == CANCEL_REQ:
            return _cancelled(job)
    elif isinstance(event, Failure):
        if state in (LEASED, RUNNING):
            return replace(job, state=FAILED, worker=""), (Record(error=event.error),)
        if state == CANCEL_REQ:
            return _cancelled(job)
    elif isinstance(event, WorkerLost):
        if state in (LEASED, RUNNING):
            return _lost(job, event.error)
        if state == CANCEL_REQ:
            return _cancelled(job)
    elif isinstance(event, GivenBack):
        if state in (LEASED, RUNNING):  # not the job's fault, so the attempt does not count
            back = replace(job, state=QUEUED, attempt=max(0, job.attempt - 1), worker="")
            return back, (Record("The worker stopped; the job waits for another."),)
        if state == CANCEL_REQ:
            return _cancelled(job)
    elif isinstance(event, CancelAsked):
        if state in (NEED_BLOBS, QUEUED, RETRY_WAIT):
            return _cancelled(job)
        if state in (LEASED, RUNNING):
            return replace(job, state=CANCEL_REQ), (Record(), SendCancel())
    elif isinstance(event, NoWorker):
        if state == QUEUED:
            return replace(job, state=FAILED), (Record(error=event.error),)
    elif state == RETRY_WAIT:
        return replace(job, state=QUEUED), (Record(),)
    return job, ()


def _cancelled(job: JobState) -> tuple[JobState, tuple[Action, ...]]:
    return replace(job, state=CANCELLED, worker=""), (Record(error=Cancelled(attempt=job.attempt)),)


def _lost(job: JobState, error: MaquetteError) -> tuple[JobState, tuple[Action, ...]]:
    if job.attempt >= MAX_ATTEMPTS:
        poison = Poisoned(
            f"The job lost its worker {job.attempt} times and is not tried again. The last time: {error.message}",
            hint="See the log of the worker; a smaller preset needs less memory.", attempt=job.attempt,
            detail={"last": error.code, **error.detail},
        )
        return replace(job, state=FAILED, worker=""), (Record(error=poison),)
    waiting = replace(job, state=RETRY_WAIT, worker="")
    text = f"Attempt {job.attempt} of {MAX_ATTEMPTS} ended: {error.message} It is tried again."
    return waiting, (Record(text=text), WaitThenRetry(RETRY_SECONDS[job.attempt - 1]))
