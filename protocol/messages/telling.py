# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hub tells of jobs: how they stand, what happened to them, and what one is doing just now.

What happened is numbered and kept for good (EVENT); what is going on is not, and only the newest of it counts
(EPHEMERAL).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgpack

from .. import checks
from ..arrays import Buffer, Descriptor
from ..errors import BadRequest, MaquetteError
from ..fields import MAX_JOBS, Message, any_job, descriptors, error_map, frames, job_id, line, u32, u63, wire, word
from ..framing import MAX_HEADER
from .asking import PRIORITIES

MAX_INLINE_PREVIEW = 256 * 1024  # bytes; a larger preview is fetched as a blob (reference, section 23.2)
JOB_STATES = (
    "NEED_BLOBS", "QUEUED", "LEASED", "RUNNING", "PAUSE_REQ", "PAUSED", "RETRY_WAIT", "CANCEL_REQ", "CANCELLED",
    "SUCCEEDED", "FAILED", "EXPIRED",
)
FINAL_STATES = ("CANCELLED", "SUCCEEDED", "FAILED", "EXPIRED")


@dataclass(frozen=True)
class Accepted(Message):
    """The job is on disk."""

    TYPE = "ACCEPTED"
    job: str = wire(job_id)


@dataclass(frozen=True)
class JobSummary:
    """One line of a JOBS message. created: seconds since 1970. seq: number of its last durable event.

    priority: class of PRIORITIES. ahead: how many jobs are to be started before it, as things stand, -1 where that
    means nothing.
    """

    job: str
    kind: str
    title: str
    state: str
    seq: int
    attempt: int
    created: float
    priority: str = "normal"
    ahead: int = -1

    @classmethod
    def from_map(cls, values: Any, path: str) -> JobSummary:
        """Check and build."""
        checks.mapping(values, path)
        return cls(
            job_id(values.get("job"), f"{path}.job"), word(values.get("kind"), f"{path}.kind"),
            line(values.get("title"), f"{path}.title"),
            checks.one_of(*JOB_STATES)(values.get("state"), f"{path}.state"),
            u63(values.get("seq"), f"{path}.seq"), u32(values.get("attempt"), f"{path}.attempt"),
            checks.number(0, 1e12)(values.get("created"), f"{path}.created"),
            checks.one_of(*PRIORITIES)(values.get("priority", "normal"), f"{path}.priority"),
            checks.integer(-1, 2**31)(values.get("ahead", -1), f"{path}.ahead"),
        )

    def to_map(self) -> dict[str, Any]:
        """The line as plain values."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def summaries(value: Any, path: str) -> tuple[JobSummary, ...]:
    if type(value) not in (list, tuple) or len(value) > MAX_JOBS:
        raise BadRequest(f"{path} must be a list of at most {MAX_JOBS} jobs.", path=path)
    return tuple(one if type(one) is JobSummary else JobSummary.from_map(one, path) for one in value)


@dataclass(frozen=True)
class Jobs(Message):
    """How these jobs stand now."""

    TYPE = "JOBS"
    jobs: tuple[JobSummary, ...] = wire(summaries)

    def to_map(self) -> dict[str, Any]:
        return {"jobs": [one.to_map() for one in self.jobs]}

    @classmethod
    def fitting(cls, jobs: Sequence[JobSummary]) -> Jobs:
        """As many of these, from the first on, as one header holds: long titles make the list shorter, not fail."""
        room, count = MAX_HEADER - 1024, 0
        for one in jobs[:MAX_JOBS]:
            room -= len(msgpack.packb(one.to_map()))
            if room < 0:
                break
            count += 1
        return cls(tuple(jobs[:count]))


@dataclass(frozen=True)
class Event(Message):
    """Something durable happened to a job; numbered 1, 2, ... without gaps.

    kind `state`: the job is now in `state`, for `reason`, with an `error` where it failed; SUCCEEDED carries the
    result's arrays as descriptors in blobs, `report` among them. kind `warning`: `text`.
    """

    TYPE = "EVENT"
    job: str = wire(job_id)
    seq: int = wire(checks.integer(1, 2**63 - 1))
    kind: str = wire(checks.one_of("state", "warning"))
    state: str = wire(checks.one_of("", *JOB_STATES), "")
    attempt: int = wire(u32, 0)
    text: str = wire(line, "")
    error: MaquetteError | None = wire(checks.optional(error_map), None)
    arrays: tuple[Descriptor, ...] = wire(descriptors, ())


@dataclass(frozen=True)
class Ephemeral(Message):
    """The newest progress or preview of a job; an older one may vanish. seq: last durable event before it."""

    TYPE = "EPHEMERAL"
    job: str = wire(job_id)
    seq: int = wire(u63, 0)
    counter: int = wire(u63, 0)
    kind: str = wire(checks.one_of("progress", "preview_mesh", "preview_image", "preview_motion"), "progress")
    stage: str = wire(word, "")
    fraction: float = wire(checks.number(0.0, 1.0), 0.0)
    text: str = wire(line, "")
    seconds_left: float | None = wire(checks.optional(checks.number(0.0, 1e9)), None)
    arrays: tuple[Descriptor, ...] = wire(descriptors, ())
    payload: tuple[Buffer, ...] = wire(frames, ())


@dataclass(frozen=True)
class Ack(Message):
    """Received: a client's position in a job's log, or the answer to a worker's durable message."""

    TYPE = "ACK"
    job: str = wire(any_job, "")
    seq: int = wire(u63, 0)
