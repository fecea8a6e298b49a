# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages between a client and the hub, one frozen dataclass each (protocol reference, section 4).

`greeting` has the session itself, `asking` what a client wants of jobs, `telling` what the hub says of them, `blobs`
the bytes; this page has who may say what. Those between the hub and its workers are in `worker_messages`; how a
message is checked and moved to and from bytes is in `fields` and `framing`. Job specs, which SUBMIT carries, live in
`specs` and can be imported from here.
"""

from __future__ import annotations

from ..fields import direction, read
from ..specs import JobSpec, TextTo3DSpec, spec_from_map
from .asking import PRIORITIES, Cancel, Continue, Get, List, Pause, Reprioritise, Resume, Submit, Watch
from .blobs import BlobCheck, BlobGet, BlobNeed, BlobOk, BlobPut, Chunk, Credit
from .greeting import Bye, Draining, Error, Hello, Ping, Pong, Rejected, Welcome
from .telling import FINAL_STATES, JOB_STATES, MAX_INLINE_PREVIEW, Accepted, Ack, Ephemeral, Event, Jobs, JobSummary

__all__ = [
    "CLIENT_TO_HUB", "FINAL_STATES", "HUB_TO_CLIENT", "JOB_STATES", "MAX_INLINE_PREVIEW", "PRIORITIES", "Accepted",
    "Ack", "BlobCheck", "BlobGet", "BlobNeed", "BlobOk", "BlobPut", "Bye", "Cancel", "Chunk", "Continue", "Credit",
    "Draining", "Ephemeral", "Error", "Event", "Get", "Hello", "JobSpec", "JobSummary", "Jobs", "List", "Pause",
    "Ping", "Pong", "Rejected", "Reprioritise", "Resume", "Submit", "TextTo3DSpec", "Watch", "Welcome", "read",
    "spec_from_map",
]

CLIENT_TO_HUB = direction(
    Hello, Resume, Submit, Cancel, Pause, Continue, Reprioritise, List, Get, Watch, Ack, Credit, BlobGet,
    BlobCheck, BlobPut, Ping, Bye,
)
HUB_TO_CLIENT = direction(
    Welcome, Accepted, Rejected, Jobs, Event, Ephemeral, Chunk, BlobNeed, BlobOk, Error, Pong, Draining
)
