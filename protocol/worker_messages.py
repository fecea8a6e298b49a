# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages between the hub and its workers, one frozen dataclass each (protocol reference, section 4).

Every message about a job carries the `fence` of its lease: a number that rises with each lease, so that what a
lost worker still sends about an old attempt is seen and refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import checks
from .arrays import Descriptor
from .errors import MaquetteError
from .fields import (
    Message,
    any_job,
    byte_count,
    descriptors,
    direction,
    error_map,
    in_blobs,
    job_id,
    line,
    sha256,
    short_texts,
    u63,
    wire,
    word,
)
from .messages import (
    Ack,
    BlobCheck,
    BlobGet,
    BlobNeed,
    BlobOk,
    BlobPut,
    Chunk,
    Credit,
    Ephemeral,
    Error,
    Rejected,
    Welcome,
)


@dataclass(frozen=True)
class Ready(Message):
    """A worker is there (again). job and fence: the lease that it still holds, if any. caps: device, versions."""

    TYPE = "READY"
    worker: str = wire(checks.text(64, minimum=1, pattern="[A-Za-z0-9_.:-]+"))
    pid: int = wire(u63)
    software: str = wire(word)
    min_major: int = wire(checks.integer(0, 255))
    max_major: int = wire(checks.integer(0, 255))
    caps: dict[str, Any] = wire(checks.mapping)
    token: bytes = wire(checks.octets(64), b"")
    job: str = wire(any_job, "")
    fence: int = wire(u63, 0)


@dataclass(frozen=True)
class Beat(Message):
    """A worker's sign of life. progress: a count that rises with every step of the job. memory: bytes of the process.

    device_free: bytes free on its device, 0 when unknown. warm: the models that it keeps loaded.
    """

    TYPE = "BEAT"
    state: str = wire(checks.one_of("warming", "idle", "busy"))
    job: str = wire(any_job, "")
    fence: int = wire(u63, 0)
    progress: int = wire(u63, 0)
    memory: int = wire(u63, 0)
    device_free: int = wire(u63, 0)
    warm: tuple[str, ...] = wire(short_texts, ())


@dataclass(frozen=True)
class Lease(Message):
    """Run this job. until: seconds from now after which silence loses the lease. arrays: inputs, to be fetched.

    devices: what the job may compute on, the worker's own first; "cpu" for no GPU, empty for whatever there is.
    checkpoint: hash of the blob from which the last attempt can be gone on with, or empty; its size in bytes.
    memory_share: of the device's memory; below 1 after an attempt for which it was not enough.
    """

    TYPE = "LEASE"
    job: str = wire(job_id)
    attempt: int = wire(checks.integer(1, 2**31))
    fence: int = wire(u63)
    until: float = wire(checks.number(0, 1e9))
    kind: str = wire(checks.text(64, minimum=1))
    spec: dict[str, Any] = wire(checks.mapping)
    arrays: tuple[Descriptor, ...] = wire(in_blobs, ())
    devices: tuple[str, ...] = wire(short_texts, ("",))
    checkpoint: bytes = wire(checks.octets(32), b"")
    checkpoint_size: int = wire(u63, 0)
    memory_share: float = wire(checks.number(0.0, 1.0), 1.0)


@dataclass(frozen=True)
class WorkerEvent(Message):
    """A durable note from a job. number: 1, 2, ... within the attempt, so that a repeat is seen."""

    TYPE = "EVENT"
    job: str = wire(job_id)
    fence: int = wire(u63)
    number: int = wire(checks.integer(1, 2**31))
    kind: str = wire(checks.one_of("started", "warning"))
    text: str = wire(line, "")


@dataclass(frozen=True)
class WorkerEphemeral(Ephemeral):
    """Progress or preview from a worker. A large preview's arrays fill frames here and become blobs at the hub."""

    fence: int = wire(u63, 0)


@dataclass(frozen=True)
class Checkpoint(Message):
    """A state from which any worker can go on is at the hub. number: 1, 2, ... within the attempt. Answered by ACK."""

    TYPE = "CHECKPOINT"
    job: str = wire(job_id)
    fence: int = wire(u63)
    number: int = wire(checks.integer(1, 2**31))
    hash: bytes = wire(sha256)
    size: int = wire(byte_count)


@dataclass(frozen=True)
class WorkerPaused(Message):
    """The job was let go because the hub sent PAUSE; its last CHECKPOINT is at the hub. Answered by ACK."""

    TYPE = "PAUSED"
    job: str = wire(job_id)
    fence: int = wire(u63)


@dataclass(frozen=True)
class Result(Message):
    """The job is done; every array of the manifest has been uploaded."""

    TYPE = "RESULT"
    job: str = wire(job_id)
    fence: int = wire(u63)
    arrays: tuple[Descriptor, ...] = wire(descriptors)


@dataclass(frozen=True)
class Failed(Message):
    """The job ended without a result, `cancelled` included."""

    TYPE = "FAILED"
    job: str = wire(job_id)
    fence: int = wire(u63)
    error: MaquetteError = wire(error_map)


@dataclass(frozen=True)
class WorkerCancel(Message):
    """Stop working on this lease."""

    TYPE = "CANCEL"
    job: str = wire(job_id)
    fence: int = wire(u63)


@dataclass(frozen=True)
class WorkerPause(Message):
    """Store a checkpoint, then let this lease go with PAUSED; RESULT or FAILED where the job ends before that."""

    TYPE = "PAUSE"
    job: str = wire(job_id)
    fence: int = wire(u63)


@dataclass(frozen=True)
class Stop(Message):
    """End the worker process after the job at hand (`now`: give the job back first)."""

    TYPE = "STOP"
    now: bool = wire(checks.boolean, False)


@dataclass(frozen=True)
class Goodbye(Message):
    """The worker leaves."""

    TYPE = "GOODBYE"
    reason: str = wire(line, "")


WORKER_TO_HUB = direction(
    Ready, Beat, WorkerEvent, WorkerEphemeral, Checkpoint, WorkerPaused, Result, Failed, Goodbye, BlobCheck, BlobPut,
    BlobGet, Credit,
)
HUB_TO_WORKER = direction(
    Welcome, Rejected, Lease, WorkerPause, WorkerCancel, Stop, Ack, BlobNeed, BlobOk, Chunk, Error
)
