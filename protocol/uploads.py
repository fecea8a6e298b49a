# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending a job's inputs by hash and offset, as a state machine without I/O.

The hub is asked which bytes it lacks once it has accepted the job; what it lacks goes out in pieces of at most 1 MiB,
a few of them on their way at a time. Whatever breaks, the hub is asked again and says where to go on. Bytes that
several jobs need go once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .arrays import FRAME_BYTES, Descriptor
from .errors import MaquetteError, OutOfSpace, ProtocolError
from .fields import Message
from .messages import BlobCheck, BlobNeed, BlobOk, BlobPut

WINDOW = 4 * FRAME_BYTES  # on their way at once: four pieces saturate the loopback (reference, section 16.1)
QUIET_SECONDS = 10.0  # without an answer before the hub is asked where we stand
MAX_TRIES = 3  # whole transfers that arrived wrong, before giving up
CHECK_AT_ONCE = 64  # blobs in one question


@dataclass
class _Upload:
    hash: bytes
    data: memoryview
    jobs: set[str]
    asked: bool = False
    known: bool = False  # the hub has said where to go on
    sent: int = 0
    have: int = 0
    heard: float = 0.0
    bad: int = 0
    done: bool = False


@dataclass
class Uploads:
    """All uploads of one client. `send` queues a message on the bulk connection; failed: a job cannot get its inputs.

    moved: called with a job after more of its inputs arrived.
    """

    send: Callable[[Message], None]
    failed: Callable[[str, MaquetteError], None]
    moved: Callable[[str], None]
    ready: bool = False
    blobs: dict[bytes, _Upload] = field(default_factory=dict)
    jobs: dict[str, list[bytes]] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)

    def add(self, job: str, arrays: Sequence[tuple[Descriptor, memoryview]]) -> None:
        """Keep the inputs of a job that is being submitted. The bytes must not change while they are here."""
        self.drop(job)
        for one, data in arrays:
            self.blobs.setdefault(one.hash, _Upload(one.hash, data, set())).jobs.add(job)
        if arrays:
            self.jobs[job] = list(dict.fromkeys(one.hash for one, _ in arrays))

    def begin(self, job: str, now: float) -> None:
        """The hub has accepted the job: it will now take its inputs."""
        if job in self.jobs:
            self.accepted.add(job)
            self._ask(now)

    def drop(self, job: str) -> None:
        """The job no longer waits for inputs."""
        self.accepted.discard(job)
        for digest in self.jobs.pop(job, ()):
            self.blobs[digest].jobs.discard(job)
            if not self.blobs[digest].jobs:
                del self.blobs[digest]

    def progress(self, job: str) -> tuple[int, int]:
        """Bytes of the job's inputs that are at the hub, and bytes of all of them."""
        parts = [self.blobs[digest] for digest in self.jobs.get(job, ())]
        return sum(len(one.data) if one.done else one.have for one in parts), sum(len(one.data) for one in parts)

    def connected(self, now: float) -> None:
        """The bulk connection is (again) open."""
        self.ready = True
        self._start_over()
        self._ask(now)

    def disconnected(self) -> None:
        """The bulk connection is gone."""
        self.ready = False

    def tick(self, now: float) -> None:
        """Ask again where the hub went quiet."""
        if not self.ready:
            return
        for one in self.blobs.values():
            waiting = one.asked and not one.done and (not one.known or one.sent > one.have)
            if waiting and now - one.heard > QUIET_SECONDS:
                one.asked = one.known = False
        self._ask(now)

    def need(self, message: BlobNeed, now: float) -> None:
        """The hub lacks these bytes from an offset on."""
        one = self.blobs.get(message.hash)
        if one is None or one.done or one.known or message.offset > len(one.data):
            return
        one.known, one.heard = True, now
        one.sent = one.have = message.offset
        self._pump(now)

    def ok(self, message: BlobOk, now: float) -> None:
        """So many bytes are there."""
        one = self.blobs.get(message.hash)
        if one is None:
            return
        one.heard = now
        one.done = one.done or message.complete
        one.have = max(one.have, min(message.have, len(one.data)))
        for job in list(one.jobs):
            self.moved(job)
        self._pump(now)

    def refused(self, digest: bytes, error: MaquetteError, now: float) -> bool:
        """The hub cannot take these bytes (now). Gives whether they are ours."""
        one = self.blobs.get(digest)
        if one is None:
            return False
        one.heard = now
        if isinstance(error, OutOfSpace) or error.retryable:
            one.known = False  # asked again when it has been quiet for a while
        elif type(error) is ProtocolError and one.bad + 1 < MAX_TRIES:
            one.bad += 1
            one.asked = one.known = False
            one.sent = one.have = 0
            self._ask(now)
        else:
            for job in list(one.jobs & self.accepted):
                self.drop(job)
                self.failed(job, error)
        return True

    def _start_over(self) -> None:
        for one in self.blobs.values():
            one.asked = one.known = False

    def _ask(self, now: float) -> None:
        if not self.ready:
            return
        wanted = [one for one in self.blobs.values() if not one.asked and not one.done and one.jobs & self.accepted]
        for begin in range(0, len(wanted), CHECK_AT_ONCE):
            part = wanted[begin : begin + CHECK_AT_ONCE]
            for one in part:
                one.asked, one.heard = True, now
            self.send(BlobCheck(tuple((one.hash, len(one.data)) for one in part)))

    def _pump(self, now: float) -> None:
        """Send pieces until the window is full, the oldest blob first."""
        open_ = [one for one in self.blobs.values() if one.known and not one.done]
        room = WINDOW - sum(max(0, one.sent - one.have) for one in open_)
        for one in open_:
            while room > 0 and one.sent < len(one.data):
                piece = one.data[one.sent : one.sent + FRAME_BYTES]
                self.send(BlobPut(one.hash, one.sent, len(one.data), (piece,)))
                one.sent += len(piece)
                room -= len(piece)
                one.heard = now
