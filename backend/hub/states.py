# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a job as a pure function: a state and an event go in, the next state and what to do come out.

No clock, no socket, no store: the desk persists what this decides, so a whole history can be tested in a
microsecond. (Protocol reference, section 9; what it leaves open is decided here.)

    NEED_BLOBS -> QUEUED                      all inputs have arrived
    QUEUED -> LEASED -> RUNNING -> SUCCEEDED
    LEASED, RUNNING -> FAILED                 the recipe failed, or the job lost its worker too often
    QUEUED -> FAILED                          no worker can be started at all
    LEASED, RUNNING -> RETRY_WAIT -> QUEUED   worker lost, memory ran out for the first time, a passing fault
    LEASED, RUNNING -> QUEUED                 the worker gave the job back
    LEASED, RUNNING -> PAUSE_REQ -> PAUSED -> QUEUED;  QUEUED, RETRY_WAIT -> PAUSED at once
    PAUSE_REQ -> RUNNING                      continued before the worker had paused
    LEASED, RUNNING, PAUSE_REQ -> CANCEL_REQ -> CANCELLED;  all other waiting states -> CANCELLED at once
    NEED_BLOBS, QUEUED, RETRY_WAIT -> EXPIRED its time to live is over; a paused job keeps
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from protocol.errors import Cancelled, MaquetteError, OutOfMemory, OutOfSpace, Poisoned

NEED_BLOBS, QUEUED, LEASED, RUNNING, RETRY_WAIT = "NEED_BLOBS", "QUEUED", "LEASED", "RUNNING", "RETRY_WAIT"
PAUSE_REQ, PAUSED, CANCEL_REQ = "PAUSE_REQ", "PAUSED", "CANCEL_REQ"
CANCELLED, SUCCEEDED, FAILED, EXPIRED = "CANCELLED", "SUCCEEDED", "FAILED", "EXPIRED"
FINAL = (CANCELLED, SUCCEEDED, FAILED, EXPIRED)
WITH_WORKER = (LEASED, RUNNING, PAUSE_REQ, CANCEL_REQ)
STATES = (NEED_BLOBS, QUEUED, RETRY_WAIT, PAUSED, *WITH_WORKER, *FINAL)

MAX_ATTEMPTS = 3
RETRY_SECONDS = (1.0, 5.0)  # waits before the second and the third attempt
SPACE_SECONDS = (30.0, 120.0)  # the same for a full disk, which takes somebody time to clear
# Faults of the surroundings: the same job can work elsewhere or later. A recipe's own errors are final.
PASSING = ("worker_crash", "lease_lost", "not_connected", "timeout", OutOfSpace.code)


@dataclass(frozen=True)
class JobState:
    """attempt: how often the job was leased in earnest. fence: number of its newest lease. worker: who holds it.

    lowered: how often its memory budget was halved.
    """

    state: str = QUEUED
    attempt: int = 0
    fence: int = 0
    worker: str = ""
    lowered: int = 0


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
class PauseAsked:
    """The owner wants the device for something else; the job shall keep what it has."""


@dataclass(frozen=True)
class Paused:
    """The worker has stored a checkpoint and let the job go."""


@dataclass(frozen=True)
class ContinueAsked:
    """The owner wants a paused job to go on."""


@dataclass(frozen=True)
class CancelAsked:
    """Somebody wants the job to end."""


@dataclass(frozen=True)
class NoWorker:
    """No worker process stays alive long enough to take the job."""

    error: MaquetteError


@dataclass(frozen=True)
class RetryDue:
    """The wait before another attempt is over."""


@dataclass(frozen=True)
class TimeUp:
    """The job has waited as long as its owner allowed. state: only where the job still waits in this one."""

    state: str = ""


JobEvent = (
    BlobsArrived | Leased | Started | Done | Failure | WorkerLost | GivenBack | PauseAsked | Paused | ContinueAsked
    | CancelAsked | NoWorker | RetryDue | TimeUp
)
EVENTS: tuple[type, ...] = (
    BlobsArrived, Leased, Started, Done, Failure, WorkerLost, GivenBack, PauseAsked, Paused, ContinueAsked,
    CancelAsked, NoWorker, RetryDue, TimeUp,
)


# Actions

@dataclass(frozen=True)
class Record:
    """Write the new state into the job's log. text: why. error: what ended the job, or the attempt.

    bad: the attempt ended by a fault, so this worker and this job are not brought together again.
    """

    text: str = ""
    error: MaquetteError | None = None
    bad: bool = False


@dataclass(frozen=True)
class SendLease:
    """Give the job to its worker."""


@dataclass(frozen=True)
class SendPause:
    """Tell the worker to store a checkpoint and let the job go."""


@dataclass(frozen=True)
class SendCancel:
    """Tell the worker to stop this job."""


@dataclass(frozen=True)
class WaitThenRetry:
    """Raise RetryDue after so many seconds."""

    seconds: float


Action = Record | SendLease | SendPause | SendCancel | WaitThenRetry
Step = tuple[JobState, tuple[Action, ...]]


def step(job: JobState, event: JobEvent) -> Step:
    """What `event` makes of `job`. An event that means nothing in this state changes nothing and asks for nothing."""
    state = job.state
    if isinstance(event, Leased):
        if state == QUEUED:
            leased = replace(job, state=LEASED, attempt=job.attempt + 1, fence=event.fence, worker=event.worker)
            return leased, (Record(), SendLease())
    elif isinstance(event, (PauseAsked, ContinueAsked, CancelAsked)):
        return _wish(job, event)
    elif state in WITH_WORKER:
        return _with_worker(job, event)
    elif isinstance(event, BlobsArrived) and state == NEED_BLOBS or isinstance(event, RetryDue) and state == RETRY_WAIT:
        return _to(job, QUEUED)
    elif isinstance(event, NoWorker) and state == QUEUED:
        return _to(job, FAILED, error=event.error)
    elif isinstance(event, TimeUp) and state in (NEED_BLOBS, QUEUED, RETRY_WAIT) and event.state in ("", state):
        expired = MaquetteError(
            "The job waited longer than its time to live and was not started.", code="expired", kind="resource",
            hint="Submit it again, with a longer time to live or a higher priority.", attempt=job.attempt,
        )
        return _to(job, EXPIRED, error=expired)
    return job, ()


def _wish(job: JobState, event: PauseAsked | ContinueAsked | CancelAsked) -> Step:
    """What the owner asks for."""
    state = job.state
    if isinstance(event, CancelAsked):
        if state in (NEED_BLOBS, QUEUED, RETRY_WAIT, PAUSED):
            return _cancelled(job)
        if state in (LEASED, RUNNING, PAUSE_REQ):
            return replace(job, state=CANCEL_REQ), (Record(), SendCancel())
    elif isinstance(event, PauseAsked):
        if state in (QUEUED, RETRY_WAIT):
            return _to(job, PAUSED)
        if state in (LEASED, RUNNING):
            return replace(job, state=PAUSE_REQ), (Record(), SendPause())
    elif state == PAUSED:
        return _to(job, QUEUED)
    elif state == PAUSE_REQ:  # where the worker pauses all the same, the job goes back into the queue
        return replace(job, state=RUNNING), (Record(),)
    return job, ()


def _with_worker(job: JobState, event: JobEvent) -> Step:
    """What the worker reports, or what is reported of it."""
    state = job.state
    over = isinstance(event, (Done, Failure, WorkerLost, GivenBack, Paused))
    if state == CANCEL_REQ and over:
        return _cancelled(job)
    if isinstance(event, Started) and state == LEASED:
        return replace(job, state=RUNNING), (Record(),)
    if isinstance(event, Done):
        return _to(job, SUCCEEDED)
    if isinstance(event, (Failure, WorkerLost)):
        return _broken(job, event.error, lost=isinstance(event, WorkerLost))
    if isinstance(event, (GivenBack, Paused)):  # not the job's fault, so the attempt does not count
        back = replace(job, attempt=max(0, job.attempt - 1))
        if state == PAUSE_REQ:
            return _to(back, PAUSED)
        text = "The worker stopped; the job waits for another." if isinstance(event, GivenBack) else ""
        return _to(back, QUEUED, text)
    return job, ()


def _to(job: JobState, state: str, text: str = "", error: MaquetteError | None = None, bad: bool = False) -> Step:
    """The job without a worker in another state."""
    return replace(job, state=state, worker=""), (Record(text, error, bad),)


def _cancelled(job: JobState) -> Step:
    return _to(job, CANCELLED, error=Cancelled(attempt=job.attempt))


def _broken(job: JobState, error: MaquetteError, lost: bool) -> Step:
    """An attempt ended badly: another one, or the end."""
    memory = error.code == OutOfMemory.code and not lost
    again = job.lowered == 0 if memory else lost or error.code in PASSING
    if not again or not lost and job.attempt >= MAX_ATTEMPTS:
        return _to(job, FAILED, error=error, bad=True)
    if job.attempt >= MAX_ATTEMPTS:
        poison = Poisoned(
            f"The job lost its worker {job.attempt} times and is not tried again. The last time: {error.message}",
            hint="See the log of the worker; a smaller preset needs less memory.", attempt=job.attempt,
            detail={"last": error.code, **error.detail},
        )
        return _to(job, FAILED, error=poison, bad=True)
    text = f"Attempt {job.attempt} of {MAX_ATTEMPTS} ended: {error.message} It is tried again"
    text += " with half the memory." if memory else "."
    job = replace(job, lowered=job.lowered + memory)
    if job.state == PAUSE_REQ:
        return _to(job, PAUSED, text, error, bad=True)
    waits = SPACE_SECONDS if error.code == OutOfSpace.code else RETRY_SECONDS
    waiting, records = _to(job, RETRY_WAIT, text, error, bad=True)
    return waiting, (*records, WaitThenRetry(waits[min(job.attempt, len(waits)) - 1]))
