# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages between a client and the hub, one frozen dataclass each (protocol reference, section 4).

Those between the hub and its workers are in `worker_messages`; how a message is checked and moved to and from
bytes is in `fields` and `framing`. Job specs, which SUBMIT carries, live in `specs` and can be imported from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgpack

from . import checks
from .arrays import FRAME_BYTES, Buffer, Descriptor
from .compress import CODECS
from .errors import BadRequest, MaquetteError
from .fields import (
    MAX_JOBS,
    Message,
    any_job,
    byte_count,
    descriptors,
    direction,
    error_map,
    feature_names,
    frames,
    in_blobs,
    job_id,
    line,
    one_frame,
    positions,
    read,
    sha256,
    u32,
    u63,
    wire,
    word,
)
from .framing import MAX_HEADER
from .specs import JobSpec, TextTo3DSpec, spec_from_map

__all__ = ["JobSpec", "TextTo3DSpec", "read", "spec_from_map"]

MAX_INLINE_PREVIEW = 256 * 1024  # bytes; a larger preview is fetched as a blob (reference, section 23.2)
JOB_STATES = (
    "NEED_BLOBS", "QUEUED", "LEASED", "RUNNING", "PAUSE_REQ", "PAUSED", "RETRY_WAIT", "CANCEL_REQ", "CANCELLED",
    "SUCCEEDED", "FAILED", "EXPIRED",
)
FINAL_STATES = ("CANCELLED", "SUCCEEDED", "FAILED", "EXPIRED")
PRIORITIES = ("interactive", "normal", "batch")  # classes, the first before the others


# Greeting and keeping in touch

@dataclass(frozen=True)
class Hello(Message):
    """Opens a session on `ctl`, or joins one (`sid`) on `blk`. token: the secret of a local hub's connection file."""

    TYPE = "HELLO"
    min_major: int = wire(checks.integer(0, 255))
    max_major: int = wire(checks.integer(0, 255))
    software: str = wire(word)
    channel: str = wire(checks.one_of("ctl", "blk"))
    features: tuple[str, ...] = wire(feature_names, ())
    token: bytes = wire(checks.octets(64), b"")
    sid: bytes = wire(checks.octets(64), b"")


@dataclass(frozen=True)
class Welcome(Message):
    """The session stands: chosen major version, common features, the hub's limits in bytes, its epoch."""

    TYPE = "WELCOME"
    major: int = wire(checks.integer(0, 255))
    software: str = wire(word)
    sid: bytes = wire(checks.octets(64))
    epoch: int = wire(u32)
    features: tuple[str, ...] = wire(feature_names, ())
    user: str = wire(word, "")
    max_chunk: int = wire(byte_count, FRAME_BYTES)
    window: int = wire(byte_count, 4 * FRAME_BYTES)
    max_job_bytes: int = wire(byte_count, 4 << 30)


@dataclass(frozen=True)
class Ping(Message):
    """Are you there?"""

    TYPE = "PING"


@dataclass(frozen=True)
class Pong(Message):
    """Yes."""

    TYPE = "PONG"


@dataclass(frozen=True)
class Bye(Message):
    """The client leaves; its jobs go on."""

    TYPE = "BYE"


@dataclass(frozen=True)
class Draining(Message):
    """The hub is about to stop; jobs are kept, reconnect later."""

    TYPE = "DRAINING"
    reason: str = wire(line, "")


@dataclass(frozen=True)
class Error(Message):
    """A request failed, or bytes could not be read."""

    TYPE = "ERROR"
    error: MaquetteError = wire(error_map)
    job: str = wire(any_job, "")


@dataclass(frozen=True)
class Rejected(Message):
    """A HELLO or a SUBMIT is refused for good; resending it unchanged will not help."""

    TYPE = "REJECTED"
    error: MaquetteError = wire(error_map)


# Jobs

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
class Accepted(Message):
    """The job is on disk."""

    TYPE = "ACCEPTED"
    job: str = wire(job_id)


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


# Bytes by hash and offset

@dataclass(frozen=True)
class BlobGet(Message):
    """Stream the bytes of `hash` from `offset` as CHUNKs, first `credit` bytes.

    codec: how they may be compressed. piece: bytes of one chunk at most, so that a slow link is not filled by one.
    """

    TYPE = "BLOB_GET"
    hash: bytes = wire(sha256)
    offset: int = wire(byte_count)
    stream: int = wire(u32)
    credit: int = wire(byte_count)
    codec: str = wire(checks.one_of(*CODECS), "raw")
    piece: int = wire(checks.integer(1, FRAME_BYTES), FRAME_BYTES)


@dataclass(frozen=True)
class Credit(Message):
    """Allows so many more bytes on a stream; 0 ends the stream. piece: as in BLOB_GET, 0 to leave it."""

    TYPE = "CREDIT"
    stream: int = wire(u32)
    bytes: int = wire(byte_count)
    piece: int = wire(checks.integer(0, FRAME_BYTES), 0)


@dataclass(frozen=True)
class Chunk(Message):
    """One piece of a stream. size: bytes of the whole blob.

    crc: CRC-32 of the piece, made when the hub stored the blob and checked its hash. raw: bytes of the piece where it
    is compressed with `codec`; credit and offsets count these.
    """

    TYPE = "CHUNK"
    stream: int = wire(u32)
    hash: bytes = wire(sha256)
    offset: int = wire(byte_count)
    size: int = wire(byte_count)
    payload: tuple[Buffer, ...] = wire(one_frame, ())
    crc: int | None = wire(checks.optional(u32), None)
    codec: str = wire(checks.one_of(*CODECS), "raw")
    raw: int = wire(checks.integer(0, FRAME_BYTES), 0)


def wanted(value: Any, path: str) -> tuple[tuple[bytes, int], ...]:
    pairs = checks.listing(checks.listing(lambda one, _: one, 2), 256)(value, path)
    if any(len(pair) != 2 for pair in pairs):
        raise BadRequest(f"{path} must hold pairs of hash and size.", path=path)
    return tuple((sha256(pair[0], path), byte_count(pair[1], path)) for pair in pairs)


@dataclass(frozen=True)
class BlobCheck(Message):
    """Which of these (hash, size) are still needed? Answered by one BLOB_NEED or BLOB_OK each.

    The hub takes from a client only bytes that one of the client's jobs waits for (ERROR `not_wanted` otherwise).
    """

    TYPE = "BLOB_CHECK"
    blobs: tuple[tuple[bytes, int], ...] = wire(wanted)

    def to_map(self) -> dict[str, Any]:
        return {"blobs": [list(pair) for pair in self.blobs]}


@dataclass(frozen=True)
class BlobNeed(Message):
    """Send the bytes of `hash` from `offset`."""

    TYPE = "BLOB_NEED"
    hash: bytes = wire(sha256)
    offset: int = wire(byte_count)


@dataclass(frozen=True)
class BlobPut(Message):
    """One piece of an upload."""

    TYPE = "BLOB_PUT"
    hash: bytes = wire(sha256)
    offset: int = wire(byte_count)
    size: int = wire(byte_count)
    payload: tuple[Buffer, ...] = wire(one_frame, ())


@dataclass(frozen=True)
class BlobOk(Message):
    """The first `have` bytes of `hash` are here; `complete` once they are verified and on disk."""

    TYPE = "BLOB_OK"
    hash: bytes = wire(sha256)
    have: int = wire(byte_count)
    complete: bool = wire(checks.boolean, False)


CLIENT_TO_HUB = direction(
    Hello, Resume, Submit, Cancel, Pause, Continue, Reprioritise, List, Get, Watch, Ack, Credit, BlobGet,
    BlobCheck, BlobPut, Ping, Bye,
)
HUB_TO_CLIENT = direction(
    Welcome, Accepted, Rejected, Jobs, Event, Ephemeral, Chunk, BlobNeed, BlobOk, Error, Pong, Draining
)
