# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client asks of the hub about jobs: to make one, to tell of one, to end, hold or move one.

Each is sent again until it is answered, and may be received twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import checks
from ..arrays import Descriptor
from ..fields import MAX_JOBS, Message, any_job, in_blobs, job_id, positions, u63, wire

PRIORITIES = ("interactive", "normal", "batch")  # classes, the first before the others


@dataclass(frozen=True)
class Submit(Message):
    """Asks for a job. submit_key: 16 random bytes made by the client; the hub uses them as the id of the job.

    arrays: the inputs, as descriptors in blobs; the hub says which of the bytes it lacks once it is asked (BLOB_CHECK).
    priority: class of PRIORITIES. ttl: seconds that the job may wait before it expires, 0 for ever.
    """

    TYPE = "SUBMIT"
    submit_key: bytes = wire(checks.octets(16, exact=16))
    kind: str = wire(checks.text(64, minimum=1))
    spec: dict[str, Any] = wire(checks.mapping)
    arrays: tuple[Descriptor, ...] = wire(in_blobs, ())
    priority: str = wire(checks.one_of(*PRIORITIES), "normal")
    ttl: float = wire(checks.number(0, 1e9), 0.0)


@dataclass(frozen=True)
class Watch(Message):
    """Send the events of this job after `after_seq`, and keep sending. Answered by JOBS."""

    TYPE = "WATCH"
    job: str = wire(job_id)
    after_seq: int = wire(u63, 0)


@dataclass(frozen=True)
class Resume(Message):
    """WATCH for many jobs at once, after a new session. Answered by JOBS with those that the hub knows."""

    TYPE = "RESUME"
    jobs: dict[str, int] = wire(positions)


@dataclass(frozen=True)
class Cancel(Message):
    """End this job. Answered by JOBS with the state that it has now."""

    TYPE = "CANCEL"
    job: str = wire(job_id)


@dataclass(frozen=True)
class Pause(Message):
    """Stop this job for now; it keeps its last checkpoint. Answered by JOBS with the state that it has now."""

    TYPE = "PAUSE"
    job: str = wire(job_id)


@dataclass(frozen=True)
class Continue(Message):
    """Let a paused job go on. Answered by JOBS with the state that it has now."""

    TYPE = "CONTINUE"
    job: str = wire(job_id)


@dataclass(frozen=True)
class Reprioritise(Message):
    """Move a waiting job: to another class, and to a place among the user's own jobs of it. Answered by JOBS.

    priority: empty to stay in the class. place: `first` or `last` of the own waiting jobs, empty to stay.
    """

    TYPE = "REPRIORITISE"
    job: str = wire(job_id)
    priority: str = wire(checks.one_of("", *PRIORITIES), "")
    place: str = wire(checks.one_of("", "first", "last"), "")


@dataclass(frozen=True)
class Get(Message):
    """State of one job. Answered by JOBS."""

    TYPE = "GET"
    job: str = wire(job_id)


@dataclass(frozen=True)
class List(Message):
    """State of the newest jobs, or only of those not yet ended. Answered by JOBS.

    before: only those older than this job, to go through a long history piece by piece.
    """

    TYPE = "LIST"
    limit: int = wire(checks.integer(1, MAX_JOBS), 50)
    open_only: bool = wire(checks.boolean, False)
    before: str = wire(any_job, "")
