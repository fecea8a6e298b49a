# SPDX-License-Identifier: GPL-3.0-or-later
"""Valid messages of every type, made from the message classes themselves.

For each field those values are kept that its own check lets through, out of a pool of plausible ones; so a message
or a field that is new to the protocol is fuzzed from the day it is there, without a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import cache
from typing import Any

import numpy as np

from protocol.arrays import describe
from protocol.errors import MaquetteError, OutOfMemory, UnknownBlob, UnknownJob, UnknownSession
from protocol.fields import Direction, Message
from protocol.messages import CLIENT_TO_HUB, HUB_TO_CLIENT, JOB_STATES, JobSummary
from protocol.specs import TextTo3DSpec
from protocol.worker_messages import HUB_TO_WORKER, WORKER_TO_HUB

DIRECTIONS: dict[str, Direction] = {
    "client to hub": CLIENT_TO_HUB, "hub to client": HUB_TO_CLIENT,
    "worker to hub": WORKER_TO_HUB, "hub to worker": HUB_TO_WORKER,
}

JOBS = ("ab" * 16, "cd" * 16, "0" * 32)
_arrays = {
    "vertices": np.arange(9, dtype=np.float32).reshape(3, 3), "faces": np.array([[0, 1, 2]], np.int32),
    "colours": np.full((3, 4), 255, np.uint8), "report": np.frombuffer(b'{"seed": 1}', np.uint8),
}
DESCRIBED = tuple(describe(name, array, where=place) for place, (name, array) in enumerate(_arrays.items()))
DESCRIPTORS = tuple(one for one, _ in DESCRIBED)
IN_BLOBS = tuple(describe(name, array)[0] for name, array in _arrays.items())
PAYLOAD = tuple(bytes(data) for _, data in DESCRIBED)
HASHES = tuple(one.hash for one in DESCRIPTORS)

POOL: tuple[Any, ...] = (
    *JOBS, "", "text_to_3d", "a word", "ctl", "blk", "worker-1", *JOB_STATES, "state", "warning", "started",
    "progress", "preview_mesh", "preview_image", "preview_motion", "idle", "busy", "warming",
    "interactive", "normal", "batch",
    0, 1, 2, 5, 100, 1 << 20, 4 << 20, 0.0, 0.5, 30.0, None, True, False,
    b"", bytes(16), bytes(range(16)), bytes(range(32)), *HASHES, b"12345",
    {}, TextTo3DSpec("a chair").to_map(), {JOBS[0]: 0, JOBS[1]: 3},
    (), (PAYLOAD[0],), PAYLOAD, DESCRIPTORS, IN_BLOBS, ((HASHES[0], 36), (HASHES[1], 12)),
    (JobSummary(JOBS[0], "text_to_3d", "a chair", "RUNNING", 3, 1, 1e9),),
    MaquetteError("It broke."), UnknownSession("Who?"), UnknownJob("Which?"), OutOfMemory("Too much."),
    UnknownBlob("Which?", detail={"hash": HASHES[0]}),
)


def allowed(check: Callable[[Any, str], Any]) -> tuple[Any, ...]:
    """Those values of the pool that a field's check takes."""
    found = []
    for value in POOL:
        try:
            check(value, "field")
        except (MaquetteError, TypeError):  # our own side's values, such as frames, are not checked inside
            continue
        found.append(value)
    return tuple(found)


@cache
def choices(kind: type[Message]) -> dict[str, tuple[Any, ...]]:
    """For each field of a message the values that it may have here, its default among them. None may be empty."""
    result = {}
    for one in fields(kind):
        values = allowed(one.metadata["check"])
        if one.name == "payload":  # any tuple passes there
            values = tuple(value for value in values if all(type(frame) is bytes for frame in value))
        if one.default is not MISSING and not values:
            values = (one.default,)
        if not values:
            raise LookupError(f"no value of the pool fits {kind.TYPE}.{one.name}: add one to tests/fuzz/specimens.py")
        result[one.name] = values
    return result


def specimen(kind: type[Message], below: Callable[[int], int] = lambda limit: 0) -> Message:
    """A valid message. below(n) chooses 0 to n - 1 for each field; by default the first value that fits."""
    return kind(**{name: values[below(len(values))] for name, values in choices(kind).items()})
